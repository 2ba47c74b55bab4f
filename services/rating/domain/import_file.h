#pragma once

// Files of usage and calls by their layout, and what is kept of rows that cannot be read.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/rating/domain/recipe.h"
#include "services/rating/domain/records.h"

namespace broadbill::rating {

// The numbers are stored.
enum class Layout : int16_t {
  kDetail = 1,
  kRadacct = 2,
  kEventsCsv = 3,
  kAsterisk = 4,
  kFreeswitchCsv = 5,
  kFreeswitchJson = 6,
  kMappedUsage = 7,
  kMappedCalls = 8,
};

struct FileRecords {
  std::vector<RadiusRecord> samples;
  std::vector<UsageEventRecord> events;
  std::vector<CallRecord> calls;
  std::vector<NasRestart> restarts;
  std::vector<csv::RowError> errors;
  int64_t read = 0, skipped = 0;  // as in Parsed
};

// `recipe` is that of the mapped layouts, nullptr for the others.
absl::StatusOr<FileRecords> ReadFile(Layout layout, std::string_view content, absl::TimeZone zone,
                                     const Recipe* recipe = nullptr);

// A row that cannot be read, as it stands in the file.
struct UnreadableRow {
  int64_t line = 0;
  std::string reason, message;
  std::string text;  // at most kRowBytesMost
  int ordinal = 0;   // among equal ones of the file, from 1
};
inline constexpr size_t kRowBytesMost = 64 << 10;

// The rows of `errors`, each once with its first error. A last record that is still being written
// is none: it comes again when it is whole.
std::vector<UnreadableRow> UnreadableRows(Layout layout, std::string_view content,
                                          const std::vector<csv::RowError>& errors,
                                          const Recipe* recipe = nullptr);

// The first line where it names columns; "" for other layouts.
std::string HeaderOf(Layout layout, std::string_view content, const Recipe* recipe = nullptr);

}  // namespace broadbill::rating
