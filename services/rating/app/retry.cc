#include <optional>

#include "libs/status/macros.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/stored_record.h"

namespace broadbill::rating {
namespace {

// What is tried again of one file.
struct Batch {
  std::vector<RadiusRecord> samples;
  std::vector<RawPacket> packets;
  std::vector<UsageEventRecord> events;
  std::map<std::string, std::vector<CallRecord>> calls;  // by country
};

}  // namespace

absl::Status Ingest::Retry(const std::vector<std::string>& reasons,
                           const std::vector<std::string>& subjects) {
  return Again(reasons, subjects).status();
}

absl::StatusOr<int64_t> Ingest::Again(const std::vector<std::string>& reasons,
                                      const std::vector<std::string>& subjects) {
  ASSIGN_OR_RETURN(const db::Result result,
                   tx_.Exec("DELETE FROM waiting WHERE state = 1 AND kind <> 4 AND "
                            "(cardinality($1) = 0 OR reason = ANY($1)) "
                            "AND (cardinality($2) = 0 OR subject = ANY($2)) RETURNING " +
                                db::ColumnList<WaitingRow>(),
                            reasons, subjects));
  RETURN_IF_ERROR(RetryRows(db::ReadRows<WaitingRow>(result)));
  return result.size();
}

absl::Status Ingest::RetryRows(const std::vector<WaitingRow>& rows) {
  std::map<std::optional<Uuid>, Batch> batches;
  for (const WaitingRow& row : rows) {
    Batch& batch = batches[row.import_id];
    // A record that was corrected is not the one any more that its key tells of.
    db::Bytes key = row.record_key;
    if (row.kind == kWaitingSample) {
      batch.samples.push_back(UnpackSample(row.raw.data));
      key = WaitingKey(row.kind, SampleKey(row.raw.data));
    } else if (row.kind == kWaitingEvent) {
      batch.events.push_back(UnpackEvent(row.raw.data));
      key = WaitingKey(row.kind, EventKey(batch.events.back()));
    } else if (row.kind == kWaitingCall) {
      std::string country;
      CallRecord record = UnpackCall(row.raw.data, country);
      key = WaitingKey(row.kind, record.key);
      batch.calls[country].push_back(std::move(record));
    } else if (row.kind == kWaitingPacket) {
      batch.packets.push_back(UnpackPacket(row.raw.data));
      key = WaitingKey(row.kind, PacketKey(batch.packets.back()));
    }
    again_[key.data] = row;
  }
  for (auto& [import_id, batch] : batches) {
    import_id_ = import_id;
    if (!batch.packets.empty()) {
      RETURN_IF_ERROR(RetryPackets(std::move(batch.packets), batch.samples));
    }
    if (!batch.samples.empty()) RETURN_IF_ERROR(AddSamples(batch.samples));
    if (!batch.events.empty()) RETURN_IF_ERROR(AddEvents(batch.events));
    for (const auto& [country, records] : batch.calls) {
      RETURN_IF_ERROR(AddCalls(records, country));
    }
  }
  again_.clear();
  import_id_.reset();
  return absl::OkStatus();
}

absl::Status Ingest::KeepMalformed(std::vector<WaitingRow> rows) {
  for (WaitingRow& row : rows) {
    row.record_id = Uuid::Make(now_);
    row.kind = kWaitingMalformed;
    row.source_name = source_name_;
    row.import_id = import_id_;
    row.at = now_;
  }
  ASSIGN_OR_RETURN(const int64_t kept, db::CopyNew(tx_, rows));
  counts_.malformed += kept;
  return absl::OkStatus();
}

}  // namespace broadbill::rating
