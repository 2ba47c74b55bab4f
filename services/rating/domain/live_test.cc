#include "services/rating/domain/live.h"

#include <catch2/catch.hpp>
#include <limits>

namespace broadbill::rating {

TEST_CASE("percents of what is included") {
  CHECK(PercentUsed(0, 100) == 0);
  CHECK(PercentUsed(799, 1000) == 79);
  CHECK(PercentUsed(2500, 1000) == 250);
  CHECK(PercentUsed(5, 0) == 0);
  // Exact beyond 2^63 ÷ 100.
  const int64_t much = std::numeric_limits<int64_t>::max();
  CHECK(PercentUsed(much - 1, much) == 99);
}

TEST_CASE("thresholds are reached at their very byte") {
  struct Row {
    std::vector<int32_t> thresholds;
    int64_t counted, included;
    std::vector<int32_t> reached;
  };
  const std::vector<Row> rows = {
      {{}, 799, 1000, {}},
      {{}, 800, 1000, {80}},
      {{}, 999, 1000, {80}},
      {{}, 1000, 1000, {80, 100}},
      {{50, 90, 150}, 1499, 1000, {50, 90}},
      {{50, 90, 150}, 1500, 1000, {50, 90, 150}},
      {{1}, 0, 1000, {}},
      {{33}, 1, 3, {33}},
      {{34}, 1, 3, {}},
      {{100}, 7, 0, {}},  // nothing is included, so there is nothing to reach
  };
  for (const Row& row : rows) {
    CAPTURE(row.counted, row.included);
    CHECK(ThresholdsReached(row.thresholds, row.counted, row.included) == row.reached);
  }
}

TEST_CASE("used up: at the last byte; with nothing included at the first") {
  CHECK_FALSE(IsUsedUp(999, 1000));
  CHECK(IsUsedUp(1000, 1000));
  CHECK_FALSE(IsUsedUp(0, 0));
  CHECK(IsUsedUp(1, 0));
}

TEST_CASE("the forecast: used so far and the mean of the last days for those that are left") {
  const absl::Duration day = absl::Hours(24);
  CHECK(Forecast(30, 70, 7 * day, 20 * day) == 230);
  // A day of 23 hours has 23 of 24 parts.
  CHECK(Forecast(0, 7 * 24, 7 * day, absl::Hours(23)) == 23);
  CHECK(Forecast(0, 10, 3 * day, day) == 3);
  CHECK(Forecast(30, 70, absl::ZeroDuration(), day) == 30);
  CHECK(Forecast(30, 70, day, absl::ZeroDuration()) == 30);
  CHECK(Forecast(1, std::numeric_limits<int64_t>::max(), day, 7 * day) ==
        std::numeric_limits<int64_t>::max());
}

}  // namespace broadbill::rating
