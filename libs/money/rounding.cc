#include "libs/money/rounding.h"

namespace broadbill {

Int128 RoundDiv(Int128 numerator, Int128 denominator, Rounding mode) {
  const bool negative = (numerator < 0) != (denominator < 0);
  if (numerator < 0) numerator = -numerator;
  if (denominator < 0) denominator = -denominator;
  Int128 quotient = numerator / denominator;
  const Int128 rest = numerator % denominator;
  bool up = false;
  switch (mode) {
    case Rounding::kHalfAwayFromZero:
      up = rest >= denominator - rest;
      break;
    case Rounding::kHalfEven:
      up = rest > denominator - rest || (rest == denominator - rest && quotient % 2 == 1);
      break;
    case Rounding::kDown:
      break;
    case Rounding::kUp:
      up = rest > 0;
      break;
  }
  if (up) ++quotient;
  return negative ? -quotient : quotient;
}

Int128 RoundToStep(Int128 value, Int128 step, Rounding mode) {
  return RoundDiv(value, step, mode) * step;
}

}  // namespace broadbill
