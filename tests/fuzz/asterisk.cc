// Asterisk's Master.csv.

#include "services/rating/domain/records.h"
#include "tests/fuzz/calls.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {
namespace {

constexpr std::string_view kNext =
    "\n\"\",\"12125550100\",\"next\",\"office\",\"\",\"SIP/a-1\",\"SIP/b-1\",\"Dial\",\"SIP/b\","
    "\"2026-03-01 11:59:50\",\"2026-03-01 12:00:00\",\"2026-03-01 12:01:01\",71,61,\"ANSWERED\","
    "\"DOCUMENTATION\"\n";

}  // namespace

FUZZ_TARGET(asterisk) {
  static const absl::TimeZone zone = fuzz::Zone("America/New_York");
  const auto parsed = ParseAsterisk(input, zone);
  if (!parsed.ok()) return;
  fuzz::CheckCalls(*parsed);
  if (input.size() < 4) return;
  fuzz::CheckNext(*parsed, ParseAsterisk(std::string(input) + std::string(kNext), zone));
}

}  // namespace broadbill::rating
