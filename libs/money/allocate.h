#pragma once

#include <cstdint>
#include <vector>

namespace broadbill {

// Splits `amount` in proportion to `weights` (≥ 0) by largest remainder, ties to the earlier part;
// the parts sum to the amount. 10.00 in three = 3.34 + 3.33 + 3.33; 5 by 3:7 = 2 + 3; −5 = −2 − 3.
// All weights zero: everything goes to the first part. No weights: nothing.
std::vector<int64_t> Allocate(int64_t amount, const std::vector<int64_t>& weights);

}  // namespace broadbill
