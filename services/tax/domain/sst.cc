#include "services/tax/domain/sst.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::tax {
namespace {

bool IsDigits(std::string_view text, size_t least, size_t most) {
  return text.size() >= least && text.size() <= most &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

// YYYYMMDD; years from 2999 on mean open.
bool ParseSstDate(const std::string& text, bool is_end, CivilDay& out) {
  if (!IsDigits(text, 8, 8)) return false;
  if (text >= "29990101") {
    out = CivilDay::max();
    return is_end;
  }
  const auto day = ParseDate(text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 2));
  if (!day.ok()) return false;
  out = is_end ? *day + 1 : *day;
  return true;
}

// Leading zeros that a spreadsheet took away.
std::string Pad(std::string text, size_t size) {
  if (text.size() < size) text.insert(0, size - text.size(), '0');
  return text;
}

int LevelOf(const std::string& type) {
  if (type == "45") return 2;
  if (type == "00") return 3;
  if (type == "01") return 4;
  return 5;
}

std::string StateCode(const std::string& state) { return "US-" + Pad(state, 2); }

std::string CodeOf(const std::string& state, const std::string& type, const std::string& fips) {
  switch (LevelOf(type)) {
    case 2:
      return StateCode(state);
    case 3:
      return StateCode(state) + "-00-" + Pad(fips, 3);
    case 4:
      return StateCode(state) + "-01-" + Pad(fips, 5);
    default:
      return StateCode(state) + "-" + type + "-" + fips;
  }
}

// A file without header being read row by row: its errors and the fields without surrounding
// blanks.
class Layout {
 public:
  Layout(std::string_view text, std::vector<std::string> columns, size_t needed,
         std::vector<csv::RowError>& errors)
      : reader_(text), columns_(std::move(columns)), needed_(needed), errors_(errors) {}

  absl::Status CheckReadable() const { return reader_.CheckReadable(); }

  // The next row with all needed columns; others are refused here.
  bool Next(int64_t& read) {
    while (reader_.Next(row_)) {
      ++read;
      widest_ = std::max(widest_, row_.fields.size());
      if (row_.problem != csv::Problem::kNone) {
        Refuse("", row_.fields.front(), csv::Describe(row_.problem));
      } else if (row_.fields.size() < needed_) {
        errors_.push_back(
            {row_.line, columns_[row_.fields.size()], absl::StrCat(row_.fields.size()),
             "WRONG_COLUMN_COUNT",
             absl::StrCat("the row has ", row_.fields.size(), " of ", needed_, " columns; ",
                          columns_[row_.fields.size()], " and what follows is missing")});
      } else {
        return true;
      }
    }
    return false;
  }

  // After the last row. EMPTY_FILE when there was none; MISSING_COLUMN, naming them, when no row
  // had all the columns.
  absl::Status CheckColumns() const {
    if (widest_ == 0) return InvalidArgumentError("EMPTY_FILE", "the file has no rows");
    std::string missing;
    for (size_t i = widest_; i < needed_; ++i) {
      absl::StrAppend(&missing, missing.empty() ? "" : ", ", columns_[i]);
    }
    if (missing.empty()) return absl::OkStatus();
    return InvalidArgumentError("MISSING_COLUMN", "the file lacks the column(s): " + missing);
  }

  int64_t line() const { return row_.line; }
  size_t size() const { return row_.fields.size(); }
  // Column i from 0.
  std::string Get(size_t i) const {
    std::string_view text = i < row_.fields.size() ? row_.fields[i] : std::string_view();
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return std::string(text);
  }
  void Refuse(const std::string& column, const std::string& value, const std::string& message,
              const std::string& reason = "INVALID_VALUE") {
    errors_.push_back({row_.line, column, value, reason, message});
  }
  void RefuseAt(size_t i, const std::string& message) { Refuse(columns_[i], Get(i), message); }

 private:
  csv::Reader reader_;
  const std::vector<std::string> columns_;
  const size_t needed_;
  std::vector<csv::RowError>& errors_;
  csv::Row row_;
  size_t widest_ = 0;
};

bool ReadRate(Layout& row, SstRate& out) {
  const std::string state = row.Get(0);
  const std::string type = Pad(row.Get(1), 2);
  const std::string fips = row.Get(2);
  const auto value = Decimal::Parse(row.Get(3));
  if (!IsDigits(state, 1, 2)) {
    row.RefuseAt(0, "must be a state's FIPS code of two digits");
  } else if (!IsDigits(type, 2, 2)) {
    row.RefuseAt(1, "must be a type of two digits: 45 state, 00 county, 01 place, 63 district");
  } else if (fips.empty() || fips.size() > 20) {
    row.RefuseAt(2, "must be the jurisdiction's code");
  } else if (!value.ok() || value->IsNegative() || *value > Decimal::FromInt(1)) {
    row.RefuseAt(3, "must be a rate from 0 to 1, like 0.06875");
  } else if (!ParseSstDate(row.Get(7), false, out.valid.start)) {
    row.RefuseAt(7, "must be a date like 20260401");
  } else if (!ParseSstDate(row.Get(8), true, out.valid.end)) {
    row.RefuseAt(8, "must be a date like 20260401");
  } else if (out.valid.empty()) {
    row.RefuseAt(8, "must not be before effective_begin_date");
  } else {
    out.line = row.line();
    out.level = LevelOf(type);
    out.code = CodeOf(state, type, fips);
    out.rate = Decimal::FromScaled(value->scaled() * 100);
    return true;
  }
  return false;
}

// Makes the rows of one jurisdiction follow each other.
void Straighten(SstRates& file) {
  std::sort(file.rates.begin(), file.rates.end(), [](const SstRate& a, const SstRate& b) {
    return std::tie(a.code, a.valid.start, a.line) < std::tie(b.code, b.valid.start, b.line);
  });
  std::vector<SstRate> out;
  for (SstRate& rate : file.rates) {
    SstRate* before = !out.empty() && out.back().code == rate.code ? &out.back() : nullptr;
    if (before != nullptr && before->valid.start == rate.valid.start) {
      const bool same = before->rate == rate.rate && before->valid.end == rate.valid.end;
      if (!same) {
        file.errors.push_back({rate.line, "effective_begin_date", FormatDate(rate.valid.start),
                               "DUPLICATE_ROW",
                               absl::StrCat("line ", before->line, " says otherwise of ", rate.code,
                                            " from the same day")});
      }
      continue;
    }
    if (before != nullptr && before->valid.end > rate.valid.start) {
      file.remarks.push_back(absl::StrCat(rate.code, ": line ", before->line, " ends at ",
                                          FormatDate(rate.valid.start), ", where line ", rate.line,
                                          " begins"));
      before->valid.end = rate.valid.start;
    }
    out.push_back(std::move(rate));
  }
  file.rates = std::move(out);
}

bool ReadRange(Layout& row, bool plus4, Boundary& out) {
  out.zip_low = row.Get(17);
  out.zip_high = row.Get(19).empty() ? out.zip_low : row.Get(19);
  if (!IsDigits(out.zip_low, 1, 5)) {
    row.RefuseAt(17, "must be a ZIP code of five digits");
    return false;
  }
  if (!IsDigits(out.zip_high, 1, 5)) {
    row.RefuseAt(19, "must be a ZIP code of five digits");
    return false;
  }
  out.zip_low = Pad(out.zip_low, 5);
  out.zip_high = Pad(out.zip_high, 5);
  if (plus4) {
    out.plus4_low = row.Get(18);
    out.plus4_high = row.Get(20).empty() ? out.plus4_low : row.Get(20);
    if (!IsDigits(out.plus4_low, 1, 4)) {
      row.RefuseAt(18, "must be the four digits after the ZIP code");
      return false;
    }
    if (!IsDigits(out.plus4_high, 1, 4)) {
      row.RefuseAt(20, "must be the four digits after the ZIP code");
      return false;
    }
    out.plus4_low = Pad(out.plus4_low, 4);
    out.plus4_high = Pad(out.plus4_high, 4);
  }
  if (out.zip_low + out.plus4_low > out.zip_high + out.plus4_high) {
    row.RefuseAt(19, "the range must not end before it begins");
    return false;
  }
  return true;
}

bool ReadBoundary(Layout& row, bool plus4, Boundary& out) {
  const std::string state = row.Get(22);
  if (!ParseSstDate(row.Get(1), false, out.valid.start)) {
    row.RefuseAt(1, "must be a date like 20260401");
  } else if (!ParseSstDate(row.Get(2), true, out.valid.end)) {
    row.RefuseAt(2, "must be a date like 20260401");
  } else if (out.valid.empty()) {
    row.RefuseAt(2, "must not be before begin_date");
  } else if (!IsDigits(state, 1, 2)) {
    row.RefuseAt(22, "must be a state's FIPS code of two digits");
  } else if (ReadRange(row, plus4, out)) {
    out.line = row.line();
    out.codes.push_back(StateCode(state));
    if (!row.Get(24).empty()) out.codes.push_back(CodeOf(state, "00", row.Get(24)));
    if (!row.Get(25).empty()) out.codes.push_back(CodeOf(state, "01", row.Get(25)));
    for (size_t i = 29; i + 2 < row.size(); i += 3) {
      const std::string code = row.Get(i + 1);
      const std::string authority = row.Get(i + 2);
      // Triplets of type 45 are location codes of the state, no jurisdictions.
      if (code.empty() || authority == "45") continue;
      out.codes.push_back(CodeOf(state, authority.empty() ? "63" : Pad(authority, 2), code));
    }
    return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<SstRates> ParseSstRates(std::string_view text) {
  SstRates out;
  Layout row(text,
             {"state", "jurisdiction_type", "jurisdiction_fips_code", "general_rate_intrastate",
              "general_rate_interstate", "food_drug_rate_intrastate", "food_drug_rate_interstate",
              "effective_begin_date", "effective_end_date"},
             9, out.errors);
  RETURN_IF_ERROR(row.CheckReadable());
  while (row.Next(out.read)) {
    SstRate rate;
    if (!ReadRate(row, rate)) continue;
    out.states.insert(StateCode(row.Get(0)));
    out.rates.push_back(std::move(rate));
  }
  RETURN_IF_ERROR(row.CheckColumns());
  Straighten(out);
  return out;
}

absl::StatusOr<SstBoundaries> ParseSstBoundaries(std::string_view text) {
  SstBoundaries out;
  Layout row(text,
             {"record_type",
              "begin_date",
              "end_date",
              "low_address",
              "high_address",
              "odd_even",
              "street_pre_directional",
              "street_name",
              "street_suffix",
              "street_post_directional",
              "secondary_abbreviation",
              "secondary_low",
              "secondary_high",
              "secondary_odd_even",
              "city",
              "zip_code",
              "plus4",
              "zip_code_low",
              "plus4_low",
              "zip_code_high",
              "plus4_high",
              "composite_ser_code",
              "fips_state",
              "fips_state_indicator",
              "fips_county",
              "fips_place"},
             26, out.errors);
  RETURN_IF_ERROR(row.CheckReadable());
  while (row.Next(out.read)) {
    const std::string type = row.Get(0);
    if (type == "A" || type == "a") {
      ++out.skipped;
      continue;
    }
    const bool plus4 = type == "4";
    if (!plus4 && type != "Z" && type != "z") {
      row.RefuseAt(0, "must be A, 4 or Z");
      continue;
    }
    Boundary boundary;
    if (!ReadBoundary(row, plus4, boundary)) continue;
    out.states.insert(boundary.codes.front());
    out.boundaries.push_back(std::move(boundary));
  }
  RETURN_IF_ERROR(row.CheckColumns());
  return out;
}

}  // namespace broadbill::tax
