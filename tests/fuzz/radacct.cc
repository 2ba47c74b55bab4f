// CSV exports of FreeRADIUS' table radacct.

#include "services/rating/domain/records.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {

FUZZ_TARGET(radacct) {
  static const absl::TimeZone zone = fuzz::Zone("America/New_York");
  const auto parsed = ParseRadacct(input, zone);
  if (!parsed.ok()) return;
  fuzz::RequireCounts(*parsed);
  for (const RadiusRecord& record : parsed->records) {
    fuzz::RequireName(record.user_name, 253);
    fuzz::RequireName(record.session_id, 600);
    fuzz::RequireTime(record.sample.at);
    fuzz::Require(record.sample.session_seconds >= 0 && record.sample.session_seconds <= UINT32_MAX,
                  "session time has 32 bits");
    fuzz::RequireTime(record.sample.at - absl::Seconds(record.sample.session_seconds));
    fuzz::Require(record.sample.in_octets <= INT64_MAX && record.sample.out_octets <= INT64_MAX,
                  "octets are not negative where they are kept");
    fuzz::Require(record.sample.wide, "radacct holds whole numbers");
  }
}

}  // namespace broadbill::rating
