#pragma once

// What all imports answer: common.v1.ImportResult from the rows read and the errors found.

#include <algorithm>
#include <string>
#include <vector>

#include "broadbill/common/v1/import_result.pb.h"
#include "libs/csv/reader.h"

namespace broadbill::convert {

// Errors listed in an answer; `errors_total` counts all.
inline constexpr size_t kErrorsListed = 1000;

inline void SetErrors(const std::vector<csv::RowError>& errors,
                      broadbill::common::v1::ImportResult& out) {
  out.set_errors_total(static_cast<int64_t>(errors.size()));
  for (size_t i = 0; i < std::min(errors.size(), kErrorsListed); ++i) {
    auto* error = out.add_errors();
    error->set_line(errors[i].line);
    error->set_column(errors[i].column);
    error->set_value(errors[i].value.substr(0, 60));
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
