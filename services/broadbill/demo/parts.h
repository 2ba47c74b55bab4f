#pragma once

// Large CSV files piece by piece, so that no import is too large and memory stays bounded.

#include <cstdint>
#include <fstream>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "libs/calendar/date.h"

namespace broadbill::program {

// A CSV file (one row a line) in parts that each begin with its header.
class CsvParts {
 public:
  explicit CsvParts(const std::string& path) : file_(path, std::ios::binary) {
    std::getline(file_, header_);
  }
  // False when no row is left.
  bool Next(int64_t rows, std::string& part);
  bool ok() const { return !header_.empty(); }

 private:
  std::ifstream file_;
  std::string header_;
};

// The rows of a file whose first column is a date, by that date, as CSV without that column.
absl::StatusOr<std::map<CivilDay, std::string>> RowsByDay(const std::string& path);

absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace broadbill::program
