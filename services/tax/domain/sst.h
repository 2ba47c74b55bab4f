#pragma once

// The Streamlined Sales Tax rate and boundary layouts (no header; the columns are listed in the
// .cc). Inclusive end dates of the files become exclusive here.

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/calendar/date.h"
#include "libs/csv/reader.h"
#include "libs/money/decimal.h"

namespace broadbill::tax {

struct SstRate {
  std::string code;  // "US-27" a state, "US-27-00-053", "US-27-01-43000", "US-27-63-…"
  int level = 0;     // 2 state, 3 county, 4 city, 5 district
  Decimal rate;      // percent
  DateInterval valid;
  int64_t line = 0;
};

struct SstRates {
  std::vector<SstRate> rates;    // by code and first day
  std::set<std::string> states;  // "US-27": whose rows the file holds
  std::vector<csv::RowError> errors;
  std::vector<std::string> remarks;  // what was put right, in one sentence each
  int64_t read = 0;
};

// A file without rows, without a needed column in any row, or that is no text is refused whole
// (EMPTY_FILE, MISSING_COLUMN naming the columns, MALFORMED_FILE); single rows are listed.
// Of two rows of one jurisdiction that overlap (Wisconsin's Menominee County ends on the day its
// next rate begins) the later begin wins from its first day on; two rows of one first day with
// different content are an error.
absl::StatusOr<SstRates> ParseSstRates(std::string_view text);

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
  std::set<std::string> states;
  std::vector<csv::RowError> errors;
  int64_t read = 0;
  int64_t skipped = 0;  // address rows (A)
};
absl::StatusOr<SstBoundaries> ParseSstBoundaries(std::string_view text);

}  // namespace broadbill::tax
