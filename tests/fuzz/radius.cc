// RADIUS accounting packets as they come over UDP.

#include "services/rating/domain/radius.h"

#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {

FUZZ_TARGET(radius) {
  using fuzz::Require;
  const auto packet = AccountingRequest(input);
  if (!packet.ok()) return;
  Require(packet->size() >= kRadiusHeaderBytes && packet->size() <= kRadiusPacketBytesMax,
          "a packet has a size that a packet may have");
  Require(packet->data() == input.data() && packet->size() <= input.size(),
          "a packet is the front of its datagram");
  const auto alone = AccountingRequest(*packet);
  Require(alone.ok() && *alone == *packet, "what follows a packet is no part of it");
  const absl::Time received = absl::FromUnixSeconds(1772323200);
  const auto parsed = ParseAccounting(*packet, received, "192.0.2.1");
  if (!parsed.ok() || parsed->kind != AccountingKind::kReading) return;
  const RadiusRecord& record = parsed->record;
  fuzz::RequireName(record.session_id, 600);
  Require(record.user_name.size() <= 253 && csv::IsText(record.user_name), "a user name is text");
  Require(record.session_id.find('/') != std::string::npos, "a session is of an access server");
  const UsageSample& sample = record.sample;
  Require(sample.session_seconds >= 0 && sample.session_seconds <= UINT32_MAX,
          "session time has 32 bits");
  Require(sample.in_octets <= INT64_MAX && sample.out_octets <= INT64_MAX,
          "octets are not negative where they are kept");
  Require(sample.wide || (sample.in_octets <= UINT32_MAX && sample.out_octets <= UINT32_MAX),
          "counters without gigawords have 32 bits");
  // Event-Timestamp has 32 bits; without it the packet was delayed by as many seconds at most.
  Require(sample.at >= received - absl::Seconds(UINT32_MAX) &&
              sample.at <= absl::FromUnixSeconds(UINT32_MAX),
          "a reading was taken in an age with RADIUS");
}

}  // namespace broadbill::rating
