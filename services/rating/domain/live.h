#pragma once

// What usage of a running period means: how much of what it includes is used, which thresholds that
// reaches, and where it leads.

#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace broadbill::rating {

// Whole percents of `included` that `counted` is, rounded down; 0 where nothing is included.
int64_t PercentUsed(int64_t counted, int64_t included);
// Nothing is left. Where nothing is included, the first byte uses it up.
bool IsUsedUp(int64_t counted, int64_t included);

// Those of `thresholds` (none: 80 and 100) that are reached, ascending.
std::vector<int32_t> ThresholdsReached(const std::vector<int32_t>& thresholds, int64_t counted,
                                       int64_t included);

// Usage at the period's end: what is used plus what `recent` octets in `span` come to in `left`,
// rounded down. A span of no time forecasts what is used.
int64_t Forecast(int64_t used, int64_t recent, absl::Duration span, absl::Duration left);

}  // namespace broadbill::rating
