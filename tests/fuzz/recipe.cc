// Files that a recipe maps: the first byte chooses the recipe.

#include "services/rating/domain/recipe.h"

#include <limits>
#include <set>

#include "tests/fuzz/calls.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {
namespace {

using fuzz::Require;

std::string Digest(const std::string& content) {
  uint64_t hash = 14695981039346656037U;
  for (const char c : content) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return std::to_string(hash);
}

// Usage in megabytes, terabytes and bits; with ids and without; with names and places.
Recipe UsageRecipe(uint64_t choice) {
  Recipe out;
  out.source = "meter";
  out.digest = Digest;
  out.subject = "user";
  out.time = "time";
  if ((choice & 1) != 0) out.id = "id";
  if ((choice & 2) != 0) out.time_format = (choice & 4) != 0 ? "%d.%m.%Y %H:%M" : "unix_ms";
  if ((choice & 8) != 0) {
    out.in = "in";
    out.out = "out";
    out.octets_per_unit = {1'000'000, 1};
  } else {
    out.total = "total";
    out.octets_per_unit = (choice & 4) != 0 ? Ratio{1, 8} : Ratio{1'099'511'627'776, 1};
  }
  out.decimal_comma = (choice & 32) != 0;
  if ((choice & 16) != 0) {
    out.header = false;
    out.delimiter = ';';
    out.subject = "#1";
    out.time = "#2";
    if (!out.id.empty()) out.id = "#5";
    (out.total.empty() ? out.in : out.total) = "#3";
    if (!out.out.empty()) out.out = "#4";
  }
  return out;
}

Recipe CallRecipe(uint64_t choice) {
  Recipe out;
  out.source = "switch";
  out.digest = Digest;
  out.calling = "from";
  out.called = "to";
  out.answered = "answer";
  out.seconds = "length";
  if ((choice & 1) != 0) out.id = "id";
  if ((choice & 2) != 0) out.time_format = "unix";
  if ((choice & 4) != 0) {
    out.disposition = "state";
    out.answered_values = {"ANSWERED", "ok"};
  }
  if ((choice & 8) != 0) {
    out.direction = "direction";
    out.swapped_directions = {"in"};
    out.skipped_directions = {"internal"};
  }
  out.seconds_per_unit = (choice & 16) != 0 ? Ratio{1, 1000} : Ratio{60, 1};
  out.clock = (choice & 32) != 0;
  return out;
}

// A row of two counters is two events, so rows are counted by their lines.
template <class Record>
void CheckRows(const Parsed<Record>& parsed) {
  std::set<int64_t> lines;
  for (const Record& record : parsed.records) lines.insert(record.line);
  const size_t refused = parsed.errors.size();
  Require(static_cast<int64_t>(lines.size() + refused) + parsed.skipped == parsed.read,
          "read = records + refused + skipped");
}

}  // namespace

FUZZ_TARGET(recipe) {
  static const absl::TimeZone zone = fuzz::Zone("America/New_York");
  fuzz::Bytes bytes(input);
  const uint64_t choice = bytes.Take(1);
  if ((choice & 128) != 0) {
    const auto calls = ParseMappedCalls(bytes.rest(), CallRecipe(choice), zone);
    if (!calls.ok()) return;
    CheckRows(*calls);
    for (const CallRecord& record : calls->records) fuzz::CheckCall(record);
    return;
  }
  const auto usage = ParseMappedUsage(bytes.rest(), UsageRecipe(choice), zone);
  if (!usage.ok()) return;
  CheckRows(*usage);
  for (const UsageEventRecord& record : usage->records) {
    fuzz::RequireName(record.id, 210);
    fuzz::RequireName(record.source, 200);
    fuzz::RequireName(record.subject, 200);
    fuzz::RequireTime(record.at);
    Require(record.octets >= 0, "octets are not negative");
  }
}

}  // namespace broadbill::rating
