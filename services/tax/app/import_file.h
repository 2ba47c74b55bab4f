#pragma once

// What imports of rates and of areas share.

#include <string>
#include <vector>

#include "libs/convert/convert.h"
#include "libs/convert/import.h"
#include "services/tax/app/tax_app.h"

namespace broadbill::tax {

inline constexpr int kDifferencesListed = 200;

// The version kept with every row: the one given, else the file's name without folder and ending.
inline std::string VersionOf(const std::string& given, const std::string& source) {
  if (!given.empty()) return given;
  const size_t slash = source.rfind('/');
  const std::string name = slash == std::string::npos ? source : source.substr(slash + 1);
  return name.substr(0, name.rfind('.'));
}

inline ImportResult StartResult(int64_t read, const std::vector<csv::RowError>& errors,
                                bool validate_only, absl::Time now) {
  ImportResult out;
  if (!validate_only) out.set_import_id(Uuid::Make(now).ToText("imp"));
  out.set_rows_read(read);
  convert::SetErrors(errors, out);
  return out;
}

// The first day that a date column names; empty: always.
inline absl::StatusOr<CivilDay> FirstDay(const std::string& text) {
  return text.empty() ? absl::StatusOr<CivilDay>(CivilDay(1970, 1, 1)) : ParseDate(text);
}
// The first day after; empty: open.
inline absl::StatusOr<CivilDay> EndDay(const std::string& text) {
  return text.empty() ? absl::StatusOr<CivilDay>(CivilDay::max()) : ParseDate(text);
}

}  // namespace broadbill::tax
