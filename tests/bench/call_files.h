#pragma once

// Files of call records through the real import into rated rows, against COPY of the same rows.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/bench/measure.h"

namespace broadbill::bench {

struct CallFiles {
  std::string deck;                  // CSV of a deck `retail`
  std::string windows;               // of it
  std::vector<std::string> numbers;  // of the lines: E.164 digits
  std::vector<std::string> zones;    // of each line
  std::vector<std::string> files;    // Asterisk's Master.csv, UTC
  std::string first;                 // a file before them, of kFirst calls that are rated
  static constexpr size_t kFirst = 10;
  int64_t records = 0;  // in all files
  int64_t rated = 0;    // of them become rated rows
};

// `data_dir` is made and not removed.
absl::Status MeasureCallFiles(const CallFiles& input, const std::string& data_dir,
                              JsonObject& json);

}  // namespace broadbill::bench
