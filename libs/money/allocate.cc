#include "libs/money/allocate.h"

#include <algorithm>
#include <numeric>

#include "libs/money/decimal.h"

namespace broadbill {

std::vector<int64_t> Allocate(int64_t amount, const std::vector<int64_t>& weights) {
  std::vector<int64_t> out(weights.size(), 0);
  if (weights.empty()) return out;
  Int128 total = 0;
  for (const int64_t weight : weights) total += weight;
  if (total == 0) {
    out[0] = amount;
    return out;
  }
  const bool negative = amount < 0;
  const Int128 whole = negative ? -Int128{amount} : Int128{amount};
  std::vector<Int128> rests(weights.size());
  Int128 given = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const Int128 exact = whole * weights[i];
    out[i] = static_cast<int64_t>(exact / total);
    rests[i] = exact % total;
    given += out[i];
  }
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return rests[a] > rests[b]; });
  for (size_t i = 0; given < whole; ++i, ++given) ++out[order[i]];
  if (negative) {
    for (int64_t& part : out) part = -part;
  }
  return out;
}

}  // namespace broadbill
