#pragma once

// Day values (BILLING: numbers): in a period of n days at amount p, day i is worth v(i) − v(i−1)
// with v(i) = round(p × i ÷ n). Whatever is billed, credited or earned over any set of days is the
// sum of its day values, so parts always sum to the whole and no order of events can move a cent.

#include <cstdint>

#include "absl/status/statusor.h"
#include "libs/money/fraction.h"

namespace broadbill {

// v(i) in minor units: `amount` of the whole period in minor units (unrounded), 0 ≤ i ≤ n, n > 0.
absl::StatusOr<int64_t> DayValue(const Fraction& amount, int64_t n, int64_t i,
                                 Rounding mode = Rounding::kHalfAwayFromZero);

// The worth of days [from, to) counted from the period's start: v(to) − v(from).
absl::StatusOr<int64_t> DayValues(const Fraction& amount, int64_t n, int64_t from, int64_t to,
                                  Rounding mode = Rounding::kHalfAwayFromZero);

}  // namespace broadbill
