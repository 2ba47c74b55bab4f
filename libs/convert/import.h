#pragma once

// What all imports answer: common.v1.ImportResult from the rows read and the errors found.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "broadbill/common/v1/import_result.pb.h"
#include "libs/csv/reader.h"

namespace broadbill::convert {

// Errors listed in an answer; `errors_total` counts all.
inline constexpr size_t kErrorsListed = 1000;

// The errors and the number of rows that have any.
inline void SetErrors(const std::vector<csv::RowError>& errors,
                      broadbill::common::v1::ImportResult& out) {
  out.set_errors_total(static_cast<int64_t>(errors.size()));
  std::set<int64_t> lines;
  for (const csv::RowError& error : errors) lines.insert(error.line);
  out.set_rows_refused(static_cast<int64_t>(lines.size()));
  for (size_t i = 0; i < std::min(errors.size(), kErrorsListed); ++i) {
    auto* error = out.add_errors();
    error->set_line(errors[i].line);
    error->set_column(csv::Printable(errors[i].column));
    error->set_value(csv::Printable(errors[i].value));
    error->set_reason(errors[i].reason);
    error->set_message(errors[i].message);
  }
}

inline void AddCount(const std::string& name, int64_t count,
                     broadbill::common::v1::ImportResult& out) {
  auto* entry = out.add_counts();
  entry->set_name(name);
  entry->set_count(count);
}

}  // namespace broadbill::convert
