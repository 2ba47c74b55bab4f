#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace broadbill::csv {

struct Row {
  int64_t line = 0;  // of its first character, from 1
  std::vector<std::string> fields;
};

// Splits a text into rows; empty lines are skipped. The text must outlive the reader.
class Reader {
 public:
  explicit Reader(std::string_view text, char separator = ',');

  // False at the end.
  bool Next(Row& row);
  // True after a row whose quotes were not closed before the end of the text.
  bool unterminated() const { return unterminated_; }

 private:
  std::string_view rest_;
  const char separator_;
  int64_t line_ = 1;
  bool unterminated_ = false;
};

// One refused row (or field of it).
struct RowError {
  int64_t line = 0;     // 0: the file as a whole
  std::string column;   // "" = the row as a whole
  std::string value;    // what stood there, cut to 60 bytes
  std::string reason;   // UPPER_SNAKE
  std::string message;  // what is wrong and what would be right
};

// The columns of a file with a header row.
class Header {
 public:
  // INVALID_ARGUMENT: MISSING_COLUMN naming every required column that is absent, UNKNOWN_COLUMN
  // naming one that is neither required nor optional (a typo would lose data silently),
  // DUPLICATE_COLUMN. Names are compared without case and surrounding blanks.
  static absl::StatusOr<Header> Make(const Row& row, const std::vector<std::string>& required,
                                     const std::vector<std::string>& optional);

  // The field without surrounding blanks; "" when the column or the field is absent.
  std::string Get(const Row& row, const std::string& column) const;
  bool Has(const std::string& column) const { return index_.count(column) > 0; }
  size_t size() const { return index_.size(); }

 private:
  std::map<std::string, size_t> index_;
};

}  // namespace broadbill::csv
