#include "services/tax/domain/sst.h"

#include <algorithm>

namespace broadbill::tax {
namespace {

// YYYYMMDD; years from 2999 on mean open.
bool ParseSstDate(const std::string& text, bool is_end, CivilDay& out) {
  if (text.size() != 8 || text.find_first_not_of("0123456789") != std::string::npos) return false;
  if (text >= "29990101") {
    out = CivilDay::max();
    return is_end;
  }
  const auto day = ParseDate(text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 2));
  if (!day.ok()) return false;
  out = is_end ? *day + 1 : *day;
  return true;
}

int LevelOf(const std::string& type) {
  if (type == "45") return 2;
  if (type == "00") return 3;
  if (type == "01") return 4;
  return 5;
}

std::string CodeOf(const std::string& state, const std::string& type, const std::string& fips) {
  if (type == "45") return "US-" + state;
  return "US-" + state + "-" + type + "-" + fips;
}

bool IsDigits(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

std::string Pad(std::string text, size_t size) {
  if (text.size() < size) text.insert(0, size - text.size(), '0');
  return text;
}

}  // namespace

// 1 state FIPS · 2 jurisdiction type · 3 FIPS code · 4 general intrastate rate · 5 interstate ·
// 6, 7 food and drug · 8 begin · 9 end.
SstRates ParseSstRates(std::string_view text) {
  SstRates out;
  csv::Reader reader(text);
  for (csv::Row row; reader.Next(row);) {
    ++out.read;
    const auto refuse = [&](const char* column, size_t index, const char* message) {
      out.errors.push_back({row.line, column, index < row.fields.size() ? row.fields[index] : "",
                            "MALFORMED_ROW", message});
    };
    if (row.fields.size() < 9) {
      refuse("", 0, "the row must have 9 columns");
      continue;
    }
    SstRate rate;
    rate.line = row.line;
    const auto value = Decimal::Parse(row.fields[3]);
    if (!IsDigits(row.fields[0]) || row.fields[0].size() > 2) {
      refuse("state", 0, "must be a state's FIPS code");
    } else if (row.fields[1].size() != 2) {
      refuse("jurisdiction_type", 1, "must have two characters");
    } else if (!value.ok() || value->IsNegative() || *value > Decimal::FromInt(1)) {
      refuse("general_rate_intrastate", 3, "must be a rate from 0 to 1");
    } else if (!ParseSstDate(row.fields[7], false, rate.valid.start)) {
      refuse("effective_begin_date", 7, "must be YYYYMMDD");
    } else if (!ParseSstDate(row.fields[8], true, rate.valid.end)) {
      refuse("effective_end_date", 8, "must be YYYYMMDD");
    } else {
      rate.level = LevelOf(row.fields[1]);
      rate.code = CodeOf(Pad(row.fields[0], 2), row.fields[1], row.fields[2]);
      rate.rate = Decimal::FromScaled(value->scaled() * 100);
      out.rates.push_back(std::move(rate));
    }
  }
  return out;
}

// 1 record type (A, 4, Z) · 2 begin · 3 end · 18 ZIP low · 19 +4 low · 20 ZIP high · 21 +4 high ·
// 23 FIPS state · 25 FIPS county · 26 FIPS place · from 30 on triplets: source, district code,
// authority type.
SstBoundaries ParseSstBoundaries(std::string_view text) {
  SstBoundaries out;
  csv::Reader reader(text);
  for (csv::Row row; reader.Next(row);) {
    ++out.read;
    const auto refuse = [&](const char* column, size_t index, const char* message) {
      out.errors.push_back({row.line, column, index < row.fields.size() ? row.fields[index] : "",
                            "MALFORMED_ROW", message});
    };
    if (row.fields.size() < 26) {
      refuse("", 0, "the row must have 89 columns");
      continue;
    }
    std::string type = row.fields[0];
    std::transform(type.begin(), type.end(), type.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (type == "A") {
      ++out.skipped;
      continue;
    }
    Boundary boundary;
    boundary.line = row.line;
    boundary.zip_low = row.fields[17];
    boundary.zip_high = row.fields[19].empty() ? row.fields[17] : row.fields[19];
    if (type != "4" && type != "Z") {
      refuse("record_type", 0, "must be A, 4 or Z");
      continue;
    }
    if (type == "4") {
      boundary.plus4_low = Pad(row.fields[18], 4);
      boundary.plus4_high = row.fields[20].empty() ? boundary.plus4_low : Pad(row.fields[20], 4);
    }
    const std::string& state = row.fields[22];
    if (!ParseSstDate(row.fields[1], false, boundary.valid.start)) {
      refuse("begin_date", 1, "must be YYYYMMDD");
    } else if (!ParseSstDate(row.fields[2], true, boundary.valid.end)) {
      refuse("end_date", 2, "must be YYYYMMDD");
    } else if (!IsDigits(boundary.zip_low) || !IsDigits(boundary.zip_high)) {
      refuse("zip_code_low", 17, "must be a ZIP code");
    } else if (!IsDigits(state)) {
      refuse("fips_state", 22, "must be a state's FIPS code");
    } else {
      boundary.zip_low = Pad(boundary.zip_low, 5);
      boundary.zip_high = Pad(boundary.zip_high, 5);
      boundary.codes.push_back(CodeOf(state, "45", ""));
      if (!row.fields[24].empty()) boundary.codes.push_back(CodeOf(state, "00", row.fields[24]));
      if (!row.fields[25].empty()) boundary.codes.push_back(CodeOf(state, "01", row.fields[25]));
      for (size_t i = 29; i + 2 < row.fields.size(); i += 3) {
        const std::string& code = row.fields[i + 1];
        const std::string& authority = row.fields[i + 2];
        if (!code.empty() && authority != "45") {
          boundary.codes.push_back(CodeOf(state, authority.empty() ? "63" : authority, code));
        }
      }
      out.boundaries.push_back(std::move(boundary));
    }
  }
  return out;
}

}  // namespace broadbill::tax
