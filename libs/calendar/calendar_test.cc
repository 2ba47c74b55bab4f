#include <catch2/catch.hpp>
#include <random>

#include "libs/calendar/clock.h"
#include "libs/calendar/date.h"
#include "libs/calendar/period.h"
#include "libs/calendar/time_zone.h"
#include "libs/money/day_value.h"

namespace broadbill {
namespace {

CivilDay D(const char* text) {
  const auto day = ParseDate(text);
  REQUIRE(day.ok());
  return *day;
}

int64_t Worth(int64_t minor, const DateInterval& period, const DateInterval& part,
              Proration method = Proration::kActual) {
  const Position from = PositionIn(period, part.start, method);
  const Position to = PositionIn(period, part.end, method);
  const auto value = DayValues(Fraction::Of(minor), from.length, from.at, to.at);
  REQUIRE(value.ok());
  return *value;
}

}  // namespace

TEST_CASE("dates parse strictly") {
  CHECK(FormatDate(D("2026-03-10")) == "2026-03-10");
  for (const char* bad : {"", "2026-3-10", "2026-02-30", "2026-13-01", "26-03-10", "2026/03/10",
                          "2026-03-10 ", "2026--3-10"}) {
    CHECK_FALSE(ParseDate(bad).ok());
  }
}

TEST_CASE("sets of days") {
  DateSet set;
  set.Add({D("2026-03-01"), D("2026-03-10")});
  set.Add({D("2026-03-20"), D("2026-04-01")});
  CHECK(set.days() == 21);
  set.Add({D("2026-03-10"), D("2026-03-20")});
  CHECK(set.intervals().size() == 1);
  set.Subtract({D("2026-03-05"), D("2026-03-06")});
  CHECK(set.ToMultirange() == "{[2026-03-01,2026-03-05),[2026-03-06,2026-04-01)}");
  CHECK_FALSE(set.Contains(D("2026-03-05")));
  CHECK(set.Intersect({D("2026-02-01"), D("2026-03-07")}).days() == 5);
}

TEST_CASE("cycle day 31 survives February") {
  const Schedule schedule = Schedule::For(D("2026-01-31"), 31, {1, 0});
  CHECK(schedule.Boundary(1) == D("2026-02-28"));
  CHECK(schedule.Boundary(2) == D("2026-03-31"));
  CHECK(schedule.Boundary(-2) == D("2025-11-30"));
  CHECK(schedule.IndexOf(D("2026-02-27")) == 0);
  CHECK(schedule.IndexOf(D("2026-02-28")) == 1);
}

TEST_CASE("anchors by rule, and the worked amounts of a year started on March 10") {
  // Default: 22/365 = 36.16 to April 1; by start month 585.09 for [Mar 10, Mar 1 next year).
  const Schedule after = Schedule::For(D("2026-03-10"), 1, {12, 0});
  CHECK(after.PeriodContaining(D("2026-03-10")) == DateInterval{D("2025-04-01"), D("2026-04-01")});
  CHECK(Worth(59988, after.PeriodContaining(D("2026-03-10")), {D("2026-03-10"), D("2026-04-01")}) ==
        3616);
  const Schedule in_month =
      Schedule::For(D("2026-03-10"), 1, {12, 0}, AnchorRule::kCycleDayInStartMonth);
  CHECK(Worth(59988, in_month.PeriodContaining(D("2026-03-10")),
              {D("2026-03-10"), D("2027-03-01")}) == 58509);
  const Schedule own = Schedule::For(D("2026-03-10"), 1, {1, 0}, AnchorRule::kAnniversary);
  CHECK(own.Boundary(1) == D("2026-04-10"));
  CHECK(Schedule::For(D("2026-03-10"), 1, {0, 30}).Boundary(2) == D("2026-05-09"));
}

TEST_CASE("worked amounts of proration") {
  const DateInterval march{D("2026-03-01"), D("2026-04-01")};
  CHECK(Worth(4999, march, {D("2026-03-10"), D("2026-04-01")}) == 3548);
  CHECK(Worth(4999, march, {D("2026-03-10"), D("2026-04-01")}, Proration::kThirtyDay) == 3499);
  const Schedule mid = Schedule::For(D("2011-01-01"), 15, {1, 0});
  CHECK(mid.PeriodContaining(D("2011-01-01")) == DateInterval{D("2010-12-15"), D("2011-01-15")});
  CHECK(Worth(10000, mid.PeriodContaining(D("2011-01-01")), {D("2011-01-01"), D("2011-01-15")}) ==
        4516);
  // Suspended Mar 10-20, cancelled from Mar 25: 14.51 + 8.06 stays, 16.13 + 11.29 is credited.
  CHECK(Worth(4999, march, {D("2026-03-01"), D("2026-03-10")}) == 1451);
  CHECK(Worth(4999, march, {D("2026-03-20"), D("2026-03-25")}) == 806);
  CHECK(Worth(4999, march, {D("2026-03-10"), D("2026-03-20")}) == 1613);
  CHECK(Worth(4999, march, {D("2026-03-25"), D("2026-04-01")}) == 1129);
  // Cancelled after 134 of 365 days: 198.21 of 539.89 stays.
  const DateInterval year{D("2026-01-01"), D("2027-01-01")};
  CHECK(Worth(59988, year, {D("2026-01-01"), D("2026-05-15")}) -
            Worth(5999, year, {D("2026-01-01"), D("2026-05-15")}) ==
        19821);
}

TEST_CASE("any partition of a period sums to the whole") {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    const Recurrence recurrence =
        round % 3 == 0 ? Recurrence{0, 1 + round % 90} : Recurrence{1 + round % 24, 0};
    const Schedule schedule = Schedule::For(D("2026-01-01") + random() % 700,
                                            1 + static_cast<int>(random() % 31), recurrence);
    const DateInterval period = schedule.Period(static_cast<int64_t>(random() % 9) - 4);
    const auto amount = static_cast<int64_t>(random() % 100000);
    const Proration method = round % 2 == 0 ? Proration::kActual : Proration::kThirtyDay;
    int64_t sum = 0;
    for (CivilDay at = period.start; at < period.end;) {
      const CivilDay to = std::min(period.end, at + 1 + random() % 20);
      sum += Worth(amount, period, {at, to}, method);
      at = to;
    }
    CHECK(sum == amount);
  }
}

TEST_CASE("a civil day starts at the first instant whose local date it is") {
  const auto havana = LoadZone("America/Havana");
  REQUIRE(havana.ok());
  CHECK(StartOfDay(D("2024-11-03"), *havana) == absl::FromUnixSeconds(1730606400));
  const auto sao_paulo = LoadZone("America/Sao_Paulo");
  CHECK(DateIn(StartOfDay(D("2018-11-04"), *sao_paulo), *sao_paulo) == D("2018-11-04"));
  CHECK(DateIn(StartOfDay(D("2018-11-04"), *sao_paulo) - absl::Seconds(1), *sao_paulo) ==
        D("2018-11-03"));
  CHECK_FALSE(LoadZone("Mars/Olympus").ok());
}

}  // namespace broadbill
