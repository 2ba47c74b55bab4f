// FreeSWITCH's mod_cdr_csv.

#include "services/rating/domain/freeswitch.h"
#include "tests/fuzz/calls.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {

FUZZ_TARGET(freeswitch_csv) {
  static constexpr std::string_view kNext =
      "\n\"Ann\",\"12125550100\",\"next\",\"default\",\"2026-03-01 11:59:50\","
      "\"2026-03-01 12:00:00\",\"2026-03-01 12:01:01\",\"71\",\"61\",\"NORMAL_CLEARING\","
      "\"5b1e9f0a\",\"\",\"acme\",\"PCMU\",\"PCMU\"\n";
  static const absl::TimeZone zone = fuzz::Zone("America/New_York");
  const auto parsed = ParseFreeswitchCsv(input, zone);
  if (!parsed.ok()) return;
  fuzz::CheckCalls(*parsed);
  if (input.size() < 4) return;
  fuzz::CheckNext(*parsed, ParseFreeswitchCsv(std::string(input) + std::string(kNext), zone));
}

}  // namespace broadbill::rating
