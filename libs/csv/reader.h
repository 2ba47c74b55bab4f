#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace broadbill::csv {

// Why a row cannot be trusted although it was split.
enum class Problem {
  kNone,
  kNotText,    // bytes that are no UTF-8, or NUL: a file in another encoding
  kOpenQuote,  // a quote is not closed before the end: what follows it is swallowed
};
// In one sentence, for error lists; "" for kNone.
std::string Describe(Problem problem);

struct Row {
  int64_t line = 0;  // of its first character, from 1
  std::vector<std::string> fields;
  Problem problem = Problem::kNone;
};

// True when `text` is UTF-8 without NUL: what messages and the database can hold.
bool IsText(std::string_view text);

// The beginning of `text` as a string that can be shown: cut to `max_bytes` between characters,
// with
// '?' for bytes that are no UTF-8.
std::string Printable(std::string_view text, size_t max_bytes = 200);

// MALFORMED_FILE when the content is no text at all but what people send by mistake: UTF-16, a
// spreadsheet or another archive, a compressed file.
absl::Status CheckReadable(std::string_view content);

// Splits a text into rows; empty lines are skipped. The text must outlive the reader.
class Reader {
 public:
  explicit Reader(std::string_view text, char separator = ',');

  // False at the end.
  bool Next(Row& row);
  // Of the whole content, before the first row is read.
  absl::Status CheckReadable() const { return csv::CheckReadable(rest_); }

 private:
  std::string_view rest_;
  const char separator_;
  int64_t line_ = 1;
};

// One refused row (or field of it).
struct RowError {
  int64_t line = 0;     // 0: the file as a whole
  std::string column;   // "" = the row as a whole
  std::string value;    // what stood there
  std::string reason;   // UPPER_SNAKE
  std::string message;  // what is wrong and what would be right
};

// The columns of a file with a header row.
class Header {
 public:
  // The first row of `reader`. MALFORMED_FILE when the content is no text (CheckReadable), else as
  // Make.
  static absl::StatusOr<Header> Read(Reader& reader, const std::vector<std::string>& required,
                                     const std::vector<std::string>& optional);
  // INVALID_ARGUMENT: MISSING_COLUMN naming every required column that is absent, UNKNOWN_COLUMN
  // naming one that is neither required nor optional (a typo would lose data silently),
  // DUPLICATE_COLUMN. Names are compared without case and surrounding blanks.
  static absl::StatusOr<Header> Make(const Row& row, const std::vector<std::string>& required,
                                     const std::vector<std::string>& optional);

  // The field without surrounding blanks; "" when the column or the field is absent.
  std::string Get(const Row& row, const std::string& column) const;
  bool Has(const std::string& column) const { return index_.count(column) > 0; }
  // Why a row cannot be read with these columns, whatever they hold: another encoding, an open
  // quote, fewer or more fields than the header has (a cut line, a comma outside quotes).
  std::optional<RowError> Check(const Row& row) const;

 private:
  std::map<std::string, size_t> index_;
  size_t columns_ = 0;  // of the header, nameless ones included
};

}  // namespace broadbill::csv
