// What is kept of rows that cannot be read: the first byte chooses the layout, then the file.

#include <algorithm>

#include "services/rating/domain/import_file.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {
namespace {

std::string Digest(const std::string& content) { return std::to_string(content.size()); }

// Usage by names and semicolons, calls by places and commas.
Recipe MappedBy(Layout layout) {
  Recipe out;
  out.source = "recipe";
  out.digest = Digest;
  if (layout == Layout::kMappedUsage) {
    out.delimiter = ';';
    out.subject = "user";
    out.time = "time";
    out.total = "total";
  } else {
    out.header = false;
    out.id = "#1";
    out.calling = "#2";
    out.called = "#3";
    out.answered = "#4";
    out.seconds = "#5";
  }
  return out;
}

}  // namespace

FUZZ_TARGET(unreadable) {
  using fuzz::Require;
  static const absl::TimeZone zone = fuzz::Zone("America/New_York");
  fuzz::Bytes bytes(input);
  const auto layout = static_cast<Layout>(1 + bytes.Take(1) % 8);
  const std::string_view file = bytes.rest();
  const Recipe mapped = MappedBy(layout);
  const bool is_mapped = layout == Layout::kMappedUsage || layout == Layout::kMappedCalls;
  const Recipe* recipe = is_mapped ? &mapped : nullptr;
  const auto read = ReadFile(layout, file, zone, recipe);
  if (!read.ok()) return;
  const auto rows = UnreadableRows(layout, file, read->errors, recipe);
  Require(rows.size() <= read->errors.size(), "a row that is kept was refused");
  const std::string header = HeaderOf(layout, file, recipe);
  Require(file.substr(0, header.size()) == header, "the header is the file's front");
  for (size_t i = 0; i < std::min<size_t>(rows.size(), 8); ++i) {
    const UnreadableRow& row = rows[i];
    Require(!row.reason.empty() && !row.message.empty(), "it is said why");
    Require(row.ordinal > 0, "equal rows are told apart");
    Require(row.text.size() <= kRowBytesMost, "a row is not too long");
    Require(file.find(row.text) != std::string_view::npos, "a row is kept as it stands");
    if (row.text.size() == kRowBytesMost) continue;
    // Alone it is refused as it was among the others.
    const auto alone = ReadFile(layout, header + row.text + "\n", zone, recipe);
    if (!alone.ok()) continue;
    Require(!alone->errors.empty(), "a row that was refused is refused again");
    Require(alone->samples.empty() && alone->events.empty() && alone->calls.empty(),
            "a row that is kept holds no row that was read");
  }
}

}  // namespace broadbill::rating
