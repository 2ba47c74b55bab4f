#pragma once

// A CSV file on its way into accounts: typed columns, errors by row and column.

#include <cctype>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/calendar/date.h"
#include "libs/convert/import.h"
#include "libs/csv/reader.h"
#include "libs/money/decimal.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/accounts/app/accounts_app.h"

namespace broadbill::accounts {

// One CSV file being read: rows, header, errors.
class ImportFile {
 public:
  explicit ImportFile(std::string_view content) : reader_(content) {}

  absl::Status Open(const std::vector<std::string>& required,
                    const std::vector<std::string>& optional) {
    ASSIGN_OR_RETURN(header_, csv::Header::Read(reader_, required, optional));
    return absl::OkStatus();
  }
  // The next row that has the header's form; others are refused here.
  bool Next() {
    row_ok_ = true;
    while (reader_.Next(row_)) {
      ++read;
      auto wrong = header_->Check(row_);
      if (!wrong.has_value()) return true;
      errors.push_back(*std::move(wrong));
    }
    return false;
  }
  std::string Get(const std::string& column) const { return header_->Get(row_, column); }
  bool row_ok() const { return row_ok_; }
  int64_t line() const { return row_.line; }

  void Refuse(const std::string& column, const std::string& message,
              const std::string& reason = "INVALID_VALUE") {
    row_ok_ = false;
    errors.push_back({row_.line, column, Get(column), reason, message});
  }
  // Errors of a validator that names proto fields: the last part is the column, unless `columns`
  // names another.
  void Refuse(const Violations& violations,
              const std::map<std::string, std::string>& columns = {}) {
    for (const FieldViolation& found : ViolationsOf(violations.ToStatus())) {
      const auto other = columns.find(found.field);
      Refuse(
          other == columns.end() ? found.field.substr(found.field.rfind('.') + 1) : other->second,
          found.description);
    }
  }
  int32_t Int(const std::string& column, int32_t otherwise) {
    const std::string text = Get(column);
    if (text.empty()) return otherwise;
    if (text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos) {
      Refuse(column, "must be a whole number");
      return otherwise;
    }
    return std::stoi(text);
  }
  std::optional<Decimal> Number(const std::string& column) {
    const std::string text = Get(column);
    if (text.empty()) return std::nullopt;
    const auto value = Decimal::Parse(text);
    if (value.ok() && !value->IsNegative()) return *value;
    Refuse(column, "must be a number of 0 or more, like 49.99");
    return std::nullopt;
  }
  std::optional<CivilDay> Day(const std::string& column) {
    const std::string text = Get(column);
    if (text.empty()) return std::nullopt;
    const auto day = ParseDate(text);
    if (day.ok()) return *day;
    Refuse(column, "must be a date like 2026-03-01");
    return std::nullopt;
  }
  bool Yes(const std::string& column) {
    const std::string text = Get(column);
    if (text == "yes" || text == "true" || text == "1") return true;
    if (!text.empty() && text != "no" && text != "false" && text != "0") {
      Refuse(column, "must be yes or no");
    }
    return false;
  }
  // The value of an enum by its name in lower case.
  template <class Enum, class Parse>
  Enum Name(const std::string& column, Enum otherwise, const Parse& parse,
            const std::string& choices) {
    std::string text = Get(column);
    if (text.empty()) return otherwise;
    for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    Enum value = otherwise;
    if (!parse(text, &value)) Refuse(column, "must be one of " + choices);
    return value;
  }

  int64_t read = 0;
  std::vector<csv::RowError> errors;

 private:
  csv::Reader reader_;
  csv::Row row_;
  std::optional<csv::Header> header_;
  bool row_ok_ = true;
};

inline void Start(const ImportFile& file, bool validate_only, absl::Time now,
                  ImportResult& result) {
  if (!validate_only) result.set_import_id(Uuid::Make(now).ToText("imp"));
  result.set_rows_read(file.read);
  convert::SetErrors(file.errors, result);
}

}  // namespace broadbill::accounts
