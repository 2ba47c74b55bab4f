// Asterisk's Master.csv.

#include "services/rating/domain/records.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {
namespace {

constexpr std::string_view kNext =
    "\n\"\",\"12125550100\",\"next\",\"office\",\"\",\"SIP/a-1\",\"SIP/b-1\",\"Dial\",\"SIP/b\","
    "\"2026-03-01 11:59:50\",\"2026-03-01 12:00:00\",\"2026-03-01 12:01:01\",71,61,\"ANSWERED\","
    "\"DOCUMENTATION\"\n";

}  // namespace

FUZZ_TARGET(asterisk) {
  using fuzz::Require;
  static const absl::TimeZone zone = fuzz::Zone("America/New_York");
  const auto parsed = ParseAsterisk(input, zone);
  if (!parsed.ok()) return;
  fuzz::RequireCounts(*parsed);
  for (const CallRecord& record : parsed->records) {
    Require(!record.key.empty(), "a call has an identity");
    Require(record.seconds > 0 && record.seconds <= UINT32_MAX, "a call has 32 bits of seconds");
    fuzz::RequireTime(record.answered);
    for (const std::string* text : {&record.account_code, &record.calling, &record.called}) {
      Require(csv::IsText(*text), "what the switch wrote is text");
      Require(text->size() <= 200, "what the switch wrote is not too long");
    }
  }
  if (input.size() < 4) return;
  const auto more = ParseAsterisk(std::string(input) + std::string(kNext), zone);
  Require(more.ok() && more->read == parsed->read + 1, "a line behind the others is read");
  Require(!more->records.empty() && more->records.back().called == "next",
          "a malformed line does not stop the next");
}

}  // namespace broadbill::rating
