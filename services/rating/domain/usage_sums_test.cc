#include "services/rating/domain/usage_sums.h"

#include <catch2/catch.hpp>
#include <limits>

namespace broadbill::rating {

TEST_CASE("quarters of an hour and their days") {
  const absl::Time noon = absl::FromCivil(absl::CivilHour(2026, 3, 10, 12), absl::UTCTimeZone());
  const int32_t quarter = QuarterOf(noon);
  CHECK(QuarterStart(quarter) == noon);
  CHECK(QuarterOf(noon + kQuarter - absl::Nanoseconds(1)) == quarter);
  CHECK(QuarterOf(noon - absl::Nanoseconds(1)) == quarter - 1);
  CHECK(FirstQuarterOf(CivilDay(2026, 3, 10)) == quarter - 48);
  CHECK(DayOfQuarter(quarter - 48) == CivilDay(2026, 3, 10));
  CHECK(DayOfQuarter(quarter - 49) == CivilDay(2026, 3, 9));
  CHECK(QuarterOf(absl::UnixEpoch() - absl::Seconds(1)) == -1);
  CHECK(DayOfQuarter(-1) == CivilDay(1969, 12, 31));
  CHECK(DayOfQuarter(-96) == CivilDay(1969, 12, 31));
  // The last record that there may be.
  const absl::Time last = absl::FromCivil(absl::CivilDay(9999, 12, 31), absl::UTCTimeZone());
  CHECK(QuarterStart(QuarterOf(last)) == last);
}

TEST_CASE("a day's quarters are packed and read back") {
  const CivilDay day(2026, 3, 10);
  const int32_t first = FirstQuarterOf(day);
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  QuarterOctets quarters = {{first - 1, {7, 7}}, {first, {0, 1}},         {first + 1, {127, 128}},
                            {first + 2, {0, 0}}, {first + 95, {most, 0}}, {first + 96, {9, 9}}};
  const std::string packed = PackQuarters(day, quarters);
  quarters.erase(first - 1);
  quarters.erase(first + 2);
  quarters.erase(first + 96);
  CHECK(UnpackQuarters(day, packed) == quarters);
  CHECK(UnpackQuarters(day, "").empty());
  for (size_t cut = 0; cut < packed.size(); ++cut) {
    for (const auto& [quarter, octets] : UnpackQuarters(day, packed.substr(0, cut))) {
      CHECK(quarters.at(quarter) == octets);
    }
  }
}

TEST_CASE("which interval holds a span of time") {
  const auto at = [](int hours) { return absl::UnixEpoch() + absl::Hours(hours); };
  const std::vector<absl::Time> boundaries = {at(10), at(20), at(30)};
  CHECK(IntervalOf(boundaries, at(10), at(20)) == 0);
  CHECK(IntervalOf(boundaries, at(20), at(21)) == 1);
  CHECK(IntervalOf(boundaries, at(29), at(30)) == 1);
  CHECK(IntervalOf(boundaries, at(19), at(21)) == kCut);
  CHECK(IntervalOf(boundaries, at(9), at(11)) == kCut);
  CHECK(IntervalOf(boundaries, at(29), at(31)) == kCut);
  CHECK(IntervalOf(boundaries, at(0), at(40)) == kCut);
  CHECK(IntervalOf(boundaries, at(9), at(10)) == kOutside);
  CHECK(IntervalOf(boundaries, at(30), at(31)) == kOutside);
  CHECK(IntervalOf({at(10)}, at(10), at(11)) == kOutside);
}

}  // namespace broadbill::rating
