#include "services/reporting/domain/aging.h"

#include <catch2/catch.hpp>

namespace broadbill::reporting {

TEST_CASE("buckets by days past due") {
  const CivilDay as_of(2026, 3, 31);
  struct Row {
    int64_t days;
    size_t bucket;
  };
  const Row rows[] = {{-400, 0}, {-1, 0}, {0, 0},  {1, 1},  {30, 1},  {31, 2},
                      {60, 2},   {61, 3}, {90, 3}, {91, 4}, {4000, 4}};
  for (const Row& row : rows) {
    INFO(row.days);
    CHECK(AgingBucket(as_of - row.days, as_of) == row.bucket);
  }
  // The months of a leap year: due Jan 30, 30 days later is Feb 29.
  CHECK(AgingBucket(CivilDay(2028, 1, 30), CivilDay(2028, 2, 29)) == 1);
  CHECK(AgingBucket(CivilDay(2028, 1, 30), CivilDay(2028, 3, 1)) == 2);
}

TEST_CASE("an aging adds up") {
  Aging aging;
  const CivilDay as_of(2026, 3, 31);
  aging.Add(as_of + 14, as_of, 4999);
  aging.Add(as_of - 10, as_of, 100);
  aging.Add(as_of - 30, as_of, 23);
  aging.Add(as_of - 45, as_of, 7);
  aging.Add(as_of - 75, as_of, 8);
  aging.Add(as_of - 365, as_of, 9);
  CHECK(aging.buckets == std::array<int64_t, 5>{4999, 123, 7, 8, 9});
  CHECK(aging.total() == 5146);
}

}  // namespace broadbill::reporting
