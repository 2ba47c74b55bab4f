#pragma once

// The Streamlined Sales Tax rate and boundary layouts (no header; column numbers in the comments of
// the .cc). Inclusive end dates of the files become exclusive here.

#include <string>
#include <string_view>
#include <vector>

#include "libs/calendar/date.h"
#include "libs/csv/reader.h"
#include "libs/money/decimal.h"

namespace broadbill::tax {

struct SstRate {
  std::string code;  // "US-27-45", "US-27-00-053", "US-27-01-43000", "US-27-63-…"
  int level = 0;     // 2 state, 3 county, 4 city, 5 district
  Decimal rate;      // percent
  DateInterval valid;
  int64_t line = 0;
};

struct SstRates {
  std::vector<SstRate> rates;
  std::vector<csv::RowError> errors;
  int64_t read = 0;
};
SstRates ParseSstRates(std::string_view text);

struct Boundary {
  std::string country = "US";
  std::string region;                 // "" = not compared
  std::string zip_low, zip_high;      // ZIP5
  std::string plus4_low, plus4_high;  // "" = whole ZIP
  std::string city;                   // lower case; "" = by ZIP
  std::vector<std::string> codes;     // jurisdictions, from the state down
  DateInterval valid;
  int64_t line = 0;
};

struct SstBoundaries {
  std::vector<Boundary> boundaries;
  std::vector<csv::RowError> errors;
  int64_t read = 0;
  int64_t skipped = 0;  // address rows (A)
};
SstBoundaries ParseSstBoundaries(std::string_view text);

}  // namespace broadbill::tax
