// FreeRADIUS' detail files.

#include <map>

#include "services/rating/domain/records.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/sessions.h"

namespace broadbill::rating {
namespace {

constexpr std::string_view kNext =
    "\n\n"
    "Sun Mar  1 00:10:00 2026\n"
    "\tAcct-Status-Type = Stop\n"
    "\tUser-Name = \"next\"\n"
    "\tAcct-Session-Id = \"N1\"\n"
    "\tAcct-Output-Octets = 7\n"
    "\tTimestamp = 1772323800\n"
    "\n";

void CheckRecords(const Parsed<RadiusRecord>& parsed) {
  std::map<std::string, std::vector<UsageSample>> sessions;
  std::vector<absl::Time> boundaries;
  for (const RadiusRecord& record : parsed.records) {
    fuzz::RequireName(record.user_name, 253);
    fuzz::RequireName(record.session_id, 600);
    const UsageSample& sample = record.sample;
    fuzz::RequireTime(sample.at);
    fuzz::Require(sample.session_seconds >= 0 && sample.session_seconds <= UINT32_MAX,
                  "session time has 32 bits");
    fuzz::Require(sample.in_octets <= INT64_MAX && sample.out_octets <= INT64_MAX,
                  "octets are not negative where they are kept");
    fuzz::Require(
        sample.wide || (sample.in_octets <= UINT32_MAX && sample.out_octets <= UINT32_MAX),
        "counters without gigawords have 32 bits");
    sessions[record.session_id].push_back(sample);
    boundaries.push_back(sample.at - absl::Seconds(sample.session_seconds / 2));
  }
  if (parsed.records.size() > 100) return;
  for (const auto& [id, samples] : sessions) fuzz::CheckReadings(samples, boundaries);
}

}  // namespace

FUZZ_TARGET(detail) {
  static const absl::TimeZone zone = fuzz::Zone("America/New_York");
  const auto parsed = ParseDetail(input, zone);
  if (!parsed.ok()) return;
  fuzz::RequireCounts(*parsed, true);
  CheckRecords(*parsed);
  // Whatever stands before it, a good record is read.
  if (input.size() < 4) return;
  const auto more = ParseDetail(std::string(input) + std::string(kNext), zone);
  fuzz::Require(more.ok() && more->read == parsed->read + 1, "a record behind the others is read");
  fuzz::Require(!more->records.empty() && more->records.back().user_name == "next",
                "a malformed record does not stop the next");
}

}  // namespace broadbill::rating
