#include "services/rating/domain/overage.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/money/fraction.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

// bytes ÷ unit to two digits, for people: "112.40".
std::string Units(int64_t bytes, int64_t unit_bytes) {
  const auto hundredths = static_cast<int64_t>(RoundDiv(Int128{bytes} * 100, unit_bytes));
  return FormatMinor(hundredths, 2);
}

// "10.00" where the price fits the currency, else all its digits.
std::string PriceText(const Decimal& price, int currency_exponent) {
  const std::string digits = price.ToString();
  const auto minor = ParseMinor(digits, currency_exponent);
  return minor.ok() ? FormatMinor(*minor, currency_exponent) : digits;
}

}  // namespace

absl::StatusOr<DataCharge> PriceData(const DataTerms& terms, int64_t bytes_in, int64_t bytes_out,
                                     int64_t days, int64_t full_days, int currency_exponent) {
  DataCharge out;
  out.counted_bytes = terms.direction == Direction::kIn    ? bytes_in
                      : terms.direction == Direction::kOut ? bytes_out
                                                           : bytes_in + bytes_out;
  const std::string used =
      absl::StrCat(Units(out.counted_bytes, terms.unit_bytes), " ", terms.unit_name);
  if (terms.unlimited) {
    out.derivation = used + ", unlimited";
    return out;
  }
  Fraction allowance = Fraction::Of(terms.allowance);
  if (terms.prorate_allowance && days < full_days) {
    ASSIGN_OR_RETURN(const int64_t units,
                     (allowance * Fraction::Ratio(days, full_days)).Round(Rounding::kUp));
    allowance = Fraction::Of(units);
  }
  ASSIGN_OR_RETURN(out.allowance_bytes,
                   (allowance * Fraction::Of(terms.unit_bytes)).Round(Rounding::kDown));
  out.overage_bytes = std::max<int64_t>(0, out.counted_bytes - out.allowance_bytes);
  ASSIGN_OR_RETURN(const int64_t block_bytes,
                   (Fraction::Of(terms.block_size) * Fraction::Of(terms.unit_bytes)).Round());
  out.blocks = (out.overage_bytes + block_bytes - 1) / std::max<int64_t>(1, block_bytes);
  const Fraction price = Fraction::MinorUnits(terms.block_price, currency_exponent);
  ASSIGN_OR_RETURN(out.amount_minor, (price * Fraction::Of(out.blocks)).Round());
  out.derivation = absl::StrCat(used, " of ", Units(out.allowance_bytes, terms.unit_bytes), " ",
                                terms.unit_name, " included");
  if (out.blocks > 0) {
    absl::StrAppend(&out.derivation, ", ", out.blocks, " × ", terms.block_size.ToString(), " ",
                    terms.unit_name, " at ", PriceText(terms.block_price, currency_exponent));
  }
  if (terms.maximum_charge.has_value()) {
    ASSIGN_OR_RETURN(const int64_t maximum,
                     Fraction::MinorUnits(*terms.maximum_charge, currency_exponent).Round());
    if (out.amount_minor > maximum) {
      out.amount_minor = maximum;
      absl::StrAppend(&out.derivation, ", at most ",
                      PriceText(*terms.maximum_charge, currency_exponent));
    }
  }
  return out;
}

}  // namespace broadbill::rating
