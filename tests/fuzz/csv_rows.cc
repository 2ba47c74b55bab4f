// Rows of CSV, and that what the writer writes is what the reader reads.

#include "libs/csv/reader.h"
#include "libs/csv/writer.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill {

FUZZ_TARGET(csv_rows) {
  using fuzz::Require;
  const char separators[] = {',', ';', '\t'};
  csv::Reader reader(input, input.empty() ? ',' : separators[input.size() % 3]);
  std::vector<std::vector<std::string>> rows;
  std::string written;
  int64_t line = 0;
  bool marked = false;  // a field that begins a file as a byte order mark does
  for (csv::Row row; reader.Next(row);) {
    Require(row.line > line, "rows are in order of their lines");
    line = row.line;
    Require(!row.fields.empty(), "a row has a field");
    Require((row.problem == csv::Problem::kNone) == csv::Describe(row.problem).empty(),
            "a problem is described");
    for (const std::string& field : row.fields) {
      if (row.problem == csv::Problem::kNone) Require(csv::IsText(field), "a field is text");
      const std::string shown = csv::Printable(field, 20);
      Require(shown.size() <= 20 && csv::IsText(shown), "what is shown is text and short");
      Require(field.size() > 20 || !csv::IsText(field) || shown == field, "short text is shown");
    }
    if (rows.empty()) marked = row.fields.front().substr(0, 3) == "\xef\xbb\xbf";
    rows.push_back(row.fields);
    csv::AppendRow(row.fields, written);
  }
  if (marked) return;
  csv::Reader again(written);
  size_t at = 0;
  for (csv::Row row; again.Next(row); ++at) {
    Require(at < rows.size() && row.fields == rows[at], "a row is read as it was written");
  }
  Require(at == rows.size(), "as many rows are read as were written");
}

}  // namespace broadbill
