#include "libs/status/macros.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/stored_record.h"
#include "services/rating/domain/radius.h"

namespace broadbill::rating {

absl::Status Ingest::AddRestarts(const std::vector<NasRestart>& restarts) {
  std::vector<RestartRow> rows;
  for (const NasRestart& one : restarts) rows.push_back({one.nas, one.at, one.off});
  return db::CopyNew(tx_, rows).status();
}

absl::Status Ingest::AddPackets(const std::vector<RawPacket>& packets) {
  for (const RawPacket& one : packets) {
    Wait(kWaitingPacket, PacketKey(one), "MALFORMED_PACKET", one.message, one.peer, one.received, 0,
         std::nullopt, Pack(one));
  }
  return Flush();
}

absl::Status Ingest::RetryPackets(std::vector<RawPacket> packets,
                                  std::vector<RadiusRecord>& samples) {
  std::vector<RawPacket> refused;
  std::vector<NasRestart> restarts;
  for (RawPacket& one : packets) {
    auto parsed = ParseAccounting(one.packet, one.received, one.peer);
    if (!parsed.ok()) {
      one.message = std::string(parsed.status().message());
      refused.push_back(std::move(one));
    } else if (parsed->kind == AccountingKind::kReading) {
      samples.push_back(std::move(parsed->record));
    } else if (parsed->kind == AccountingKind::kRestart) {
      restarts.push_back(std::move(parsed->restart));
    }
  }
  RETURN_IF_ERROR(AddRestarts(restarts));
  return AddPackets(refused);
}

}  // namespace broadbill::rating
