#include "services/rating/domain/call_guard.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "libs/calendar/time_zone.h"

namespace broadbill::rating {
namespace {

const absl::TimeZone kChicago = *LoadZone("America/Chicago");
const absl::Time kNoon = absl::FromCivil(absl::CivilHour(2026, 3, 10, 12), kChicago);

std::vector<GuardedCall> Calls(std::vector<std::pair<int, int64_t>> list) {
  std::vector<GuardedCall> out;
  for (const auto& [minutes, micros] : list) {
    out.push_back({kNoon + absl::Minutes(minutes), micros});
  }
  return out;
}

}  // namespace

TEST_CASE("the sixty minutes before a call are counted, and one alarm an hour is enough") {
  CallLimits limits;
  limits.hour_micros = 100;
  // 50 + 50 is the limit; the call 60 minutes later no longer sees the first.
  CHECK(CheckLimits(limits, Calls({{0, 50}, {10, 50}, {60, 50}}), kChicago).empty());
  const auto found =
      CheckLimits(limits, Calls({{40, 50}, {50, 50}, {70, 1}, {75, 500}, {130, 1}}), kChicago);
  REQUIRE(found.size() == 2);
  CHECK(found[0].kind == AlarmKind::kHourSpend);
  CHECK(found[0].window_start == kNoon + absl::Minutes(60));
  CHECK(found[0].exceeded_at == kNoon + absl::Minutes(70));
  CHECK(found[0].calls == 3);
  CHECK(found[0].micros == 101);
  CHECK(found[0].limit == 100);
  // The hour after: the 60 minutes of its first call still hold the 500.
  CHECK(found[1].window_start == kNoon + absl::Minutes(120));
  CHECK(found[1].micros == 502 - 1);
}

TEST_CASE("calls an hour, and a day that is the account's") {
  CallLimits limits;
  limits.hour_calls = 2;
  limits.day_micros = 100;
  const auto found = CheckLimits(
      limits, Calls({{0, 60}, {12 * 60, 60}, {12 * 60 + 1, 30}, {12 * 60 + 2, 30}}), kChicago);
  // Midnight in Chicago parts the first from the others: 60, then 60 + 30 + 30.
  REQUIRE(found.size() == 2);
  CHECK(found[0].kind == AlarmKind::kDaySpend);
  CHECK(found[0].window_start == absl::FromCivil(absl::CivilDay(2026, 3, 11), kChicago));
  CHECK(found[0].micros == 120);
  CHECK(found[0].calls == 3);
  CHECK(found[1].kind == AlarmKind::kHourCalls);
  CHECK(found[1].calls == 3);
}

TEST_CASE("the order in which calls arrived does not matter; no limit, no alarm") {
  CallLimits limits;
  limits.hour_micros = 10;
  std::vector<GuardedCall> calls = Calls({{5, 4}, {10, 4}, {20, 4}, {90, 11}});
  const auto expected = CheckLimits(limits, calls, kChicago);
  REQUIRE(expected.size() == 2);
  std::reverse(calls.begin(), calls.end());
  const auto found = CheckLimits(limits, calls, kChicago);
  REQUIRE(found.size() == 2);
  CHECK(found[0].exceeded_at == expected[0].exceeded_at);
  CHECK(found[1].exceeded_at == expected[1].exceeded_at);
  CHECK(CheckLimits({}, calls, kChicago).empty());
  limits.hour_micros = 0;
  CHECK(CheckLimits(limits, Calls({{0, 0}}), kChicago).empty());
  CHECK(CheckLimits(limits, Calls({{0, 1}}), kChicago).size() == 1);
}

TEST_CASE("abroad is another calling code, and in the NANP another country") {
  const DialPlan& us = *FindDialPlan("US");
  CHECK(IsAbroad("4930123456", us));
  CHECK(IsAbroad("18765550142", us));
  CHECK(IsAbroad("18095550142", us));
  CHECK_FALSE(IsAbroad("16125550142", us));
  CHECK_FALSE(IsAbroad("17875550142", us));
  CHECK_FALSE(IsAbroad("14165550142", us));
  CHECK(IsAbroad("16125550142", *FindDialPlan("DE")));
  CHECK_FALSE(IsAbroad("4930123456", *FindDialPlan("DE")));
}

}  // namespace broadbill::rating
