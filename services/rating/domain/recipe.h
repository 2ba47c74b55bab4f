#pragma once

// Files of columns that a recipe maps: which column holds what, in which unit and form.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/rating/domain/records.h"

namespace broadbill::rating {

struct Ratio {
  int64_t numerator = 1, denominator = 1;
};

// Columns are names of the header, or places: "#3" is the third. "" is a column that is not there.
struct Recipe {
  char delimiter = ',';
  bool header = true;
  bool decimal_comma = false;
  std::string id;           // "": the row's content and its ordinal among equal rows
  std::string time_format;  // "": 2026-03-01 12:00:00 or RFC 3339; "unix", "unix_ms", "unix_us"; or
                            // strptime's: "%d.%m.%Y %H:%M"
  std::string source;       // of identities: two recipes never mix
  // A short name for a row's content, where it has no id.
  std::string (*digest)(const std::string& content) = nullptr;

  // Usage: `total`, or `in` and `out`.
  std::string subject, time, in, out, total;
  Ratio octets_per_unit;

  // Calls.
  std::string calling, called, answered, seconds, disposition, account_code, direction;
  std::vector<std::string> answered_values;  // none: every row with an answer and seconds
  // Of directions in which the file's calling number is the called one, and that are no calls.
  std::vector<std::string> swapped_directions, skipped_directions;
  Ratio seconds_per_unit;
  bool clock = false;  // durations are h:mm:ss or mm:ss instead
};

// Whether a column is a place: "#3".
bool IsPlace(const std::string& column);

// MISSING_COLUMN names columns of the recipe that the file lacks, DUPLICATE_COLUMN one that it has
// twice. A row is refused that has not as many fields as the header, or not all places. Parts of an
// octet are rounded to the nearest; a second that has begun counts whole.
absl::StatusOr<Parsed<UsageEventRecord>> ParseMappedUsage(std::string_view text,
                                                          const Recipe& recipe,
                                                          absl::TimeZone zone);
absl::StatusOr<Parsed<CallRecord>> ParseMappedCalls(std::string_view text, const Recipe& recipe,
                                                    absl::TimeZone zone);

}  // namespace broadbill::rating
