#include "libs/money/day_value.h"

#include "libs/status/macros.h"

namespace broadbill {

absl::StatusOr<int64_t> DayValue(const Fraction& amount, int64_t n, int64_t i, Rounding mode) {
  return (amount * Fraction::Ratio(i, n)).Round(mode);
}

absl::StatusOr<int64_t> DayValues(const Fraction& amount, int64_t n, int64_t from, int64_t to,
                                  Rounding mode) {
  ASSIGN_OR_RETURN(const int64_t end, DayValue(amount, n, to, mode));
  ASSIGN_OR_RETURN(const int64_t begin, DayValue(amount, n, from, mode));
  return end - begin;
}

}  // namespace broadbill
