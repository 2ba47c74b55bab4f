// Generic usage events as CSV.

#include "libs/csv/writer.h"
#include "services/rating/domain/records.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {
namespace {

std::string Write(const std::vector<UsageEventRecord>& records) {
  std::string out;
  csv::AppendRow({"id", "source", "subject", "time", "type", "quantity"}, out);
  for (const UsageEventRecord& record : records) {
    csv::AppendRow({record.id, record.source, record.subject,
                    absl::FormatTime(absl::RFC3339_full, record.at, absl::UTCTimeZone()),
                    record.type, std::to_string(record.octets)},
                   out);
  }
  return out;
}

}  // namespace

FUZZ_TARGET(events_csv) {
  using fuzz::Require;
  const auto parsed = ParseEvents(input);
  if (!parsed.ok()) return;
  fuzz::RequireCounts(*parsed);
  for (const UsageEventRecord& record : parsed->records) {
    fuzz::RequireName(record.id, 200);
    fuzz::RequireName(record.source, 200);
    fuzz::RequireName(record.subject, 200);
    fuzz::RequireTime(record.at);
    Require(record.octets >= 0, "octets are not negative");
    Require(record.type == "data" || record.type == "data.in" || record.type == "data.out",
            "the type is known");
  }
  const auto again = ParseEvents(Write(parsed->records));
  Require(again.ok() && again->errors.empty(), "events as written out are events");
  Require(again->records.size() == parsed->records.size(), "as many events as were written");
  for (size_t i = 0; i < again->records.size(); ++i) {
    const UsageEventRecord& was = parsed->records[i];
    const UsageEventRecord& is = again->records[i];
    Require(was.id == is.id && was.source == is.source && was.subject == is.subject &&
                was.at == is.at && was.type == is.type && was.octets == is.octets,
            "an event as written out is the same");
  }
}

}  // namespace broadbill::rating
