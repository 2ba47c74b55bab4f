#include "services/rating/domain/live.h"

#include <algorithm>

#include "libs/money/decimal.h"

namespace broadbill::rating {

int64_t PercentUsed(int64_t counted, int64_t included) {
  if (included <= 0) return 0;
  return static_cast<int64_t>(
      std::min<Int128>(Int128{counted} * 100 / included, std::numeric_limits<int32_t>::max()));
}

bool IsUsedUp(int64_t counted, int64_t included) {
  return counted >= included && (included > 0 || counted > 0);
}

std::vector<int32_t> ThresholdsReached(const std::vector<int32_t>& thresholds, int64_t counted,
                                       int64_t included) {
  std::vector<int32_t> out;
  if (included <= 0) return out;
  for (const int32_t percent : thresholds.empty() ? std::vector<int32_t>{80, 100} : thresholds) {
    if (Int128{counted} * 100 >= Int128{included} * percent) out.push_back(percent);
  }
  std::sort(out.begin(), out.end());
  return out;
}

int64_t Forecast(int64_t used, int64_t recent, absl::Duration span, absl::Duration left) {
  const int64_t over = absl::ToInt64Seconds(span);
  if (over <= 0 || left <= absl::ZeroDuration()) return used;
  const Int128 more = Int128{recent} * absl::ToInt64Seconds(left) / over;
  return static_cast<int64_t>(
      std::min<Int128>(Int128{used} + more, std::numeric_limits<int64_t>::max()));
}

}  // namespace broadbill::rating
