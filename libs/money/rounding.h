#pragma once

// Rounding of exact quotients. Negative numbers mirror positive ones (BILLING: numbers).

#include <cstdint>

#include "libs/money/decimal.h"

namespace broadbill {

enum class Rounding {
  kHalfAwayFromZero,  // the default: 0.5 → 1, −0.5 → −1
  kHalfEven,          // 0.5 → 0, 1.5 → 2
  kDown,              // toward zero
  kUp,                // away from zero
};

// numerator ÷ denominator, rounded to an integer; denominator must not be 0.
Int128 RoundDiv(Int128 numerator, Int128 denominator, Rounding mode = Rounding::kHalfAwayFromZero);

// `value` to the nearest multiple of `step` (> 0): 1.02 to steps of 0.05 → 1.00.
Int128 RoundToStep(Int128 value, Int128 step, Rounding mode = Rounding::kHalfAwayFromZero);

}  // namespace broadbill
