#include "services/accounts/domain/periods.h"

#include <catch2/catch.hpp>

#include "services/accounts/domain/benefits.h"

namespace broadbill::accounts {
namespace {

CivilDay Date(const char* text) { return *ParseDate(text); }

Cycles Day(int day, AnchorRule rule = AnchorRule::kCycleDayOnOrAfterStart) {
  return {{CivilDay(1970, 1, 1)}, {day}, rule};
}

Periods From(const char* start, Recurrence recurrence = {1, 0}) {
  Periods out;
  out.start = Date(start);
  out.recurrences = {{out.start, recurrence}};
  return out;
}

}  // namespace

TEST_CASE("the next boundary") {
  const Periods monthly = From("2026-03-10");
  CHECK(NextBoundary(monthly, Day(1), Date("2026-01-01")) == Date("2026-04-01"));
  CHECK(NextBoundary(monthly, Day(1), Date("2026-04-01")) == Date("2026-04-01"));
  CHECK(NextBoundary(monthly, Day(31), Date("2026-04-02")) == Date("2026-04-30"));
  CHECK(NextBoundary(monthly, Day(1, AnchorRule::kAnniversary), Date("2026-03-11")) ==
        Date("2026-04-10"));
  CHECK(NextBoundary(From("2026-03-10", {12, 0}), Day(1), Date("2026-04-02")) ==
        Date("2027-04-01"));
  CHECK(NextBoundary(From("2026-03-10", {0, 30}), Day(1), Date("2026-03-11")) ==
        Date("2026-04-09"));
  // Another cycle day from June 15 on: its boundaries.
  Cycles changed = Day(1);
  changed.from.push_back(Date("2026-06-15"));
  changed.day.push_back(15);
  CHECK(NextBoundary(monthly, changed, Date("2026-06-02")) == Date("2026-06-15"));
  CHECK(NextBoundary(monthly, changed, Date("2026-06-16")) == Date("2026-07-15"));
  // Another recurrence from June 10 on begins a schedule of its own.
  Periods yearly = monthly;
  yearly.recurrences.emplace_back(Date("2026-06-10"), Recurrence{12, 0});
  CHECK(NextBoundary(yearly, Day(1), Date("2026-06-10")) == Date("2026-07-01"));
  CHECK(NextBoundary(yearly, Day(1), Date("2026-07-02")) == Date("2027-07-01"));
  // A whole period first: it ends on April 10, then comes the cycle day.
  Periods full = monthly;
  full.full_first = true;
  CHECK(NextBoundary(full, Day(1), Date("2026-03-10")) == Date("2026-03-10"));
  CHECK(NextBoundary(full, Day(1), Date("2026-03-11")) == Date("2026-04-10"));
  CHECK(NextBoundary(full, Day(1), Date("2026-04-11")) == Date("2026-05-01"));
}

TEST_CASE("the end of whole periods") {
  CHECK(EndOfPeriods(From("2026-03-10"), Day(1), Date("2026-03-10"), 3) == Date("2026-07-01"));
  CHECK(EndOfPeriods(From("2026-03-01"), Day(1), Date("2026-03-01"), 3) == Date("2026-06-01"));
  CHECK(EndOfPeriods(From("2026-01-31"), Day(31), Date("2026-01-31"), 1) == Date("2026-02-28"));
  Periods full = From("2026-03-10");
  full.full_first = true;
  CHECK(EndOfPeriods(full, Day(1), Date("2026-03-10"), 1) == Date("2026-04-10"));
  CHECK(EndOfPeriods(full, Day(1), Date("2026-03-10"), 2) == Date("2026-06-01"));
}

TEST_CASE("ending together") {
  CHECK(EndsTogether({1, 0}, {12, 0}));
  CHECK_FALSE(EndsTogether({12, 0}, {1, 0}));
  CHECK_FALSE(EndsTogether({5, 0}, {12, 0}));
  CHECK(EndsTogether({0, 10}, {0, 30}));
  CHECK_FALSE(EndsTogether({1, 0}, {0, 30}));
  // Every boundary of a yearly subscription is one of the monthly that takes its anchor.
  for (const int day : {1, 15, 28, 31}) {
    const Periods yearly = From("2026-02-10", {12, 0});
    Periods monthly = From("2026-05-20");
    monthly.anchor = SharedAnchor(yearly, Day(day), monthly.start);
    CivilDay shared = monthly.start;
    for (int i = 0; i < 5; ++i) {
      shared = NextBoundary(yearly, Day(day), shared + 1);
      CHECK(NextBoundary(monthly, Day(day), shared) == shared);
    }
    // With anniversaries the month's end shows only in the longer months.
    const Periods other = From("2026-01-31");
    Periods mine = From("2026-02-10");
    const Cycles anniversary = Day(day, AnchorRule::kAnniversary);
    mine.anchor = SharedAnchor(other, anniversary, mine.start);
    CHECK(NextBoundary(mine, anniversary, mine.start) == Date("2026-02-28"));
    CHECK(NextBoundary(mine, anniversary, Date("2026-03-01")) == Date("2026-03-31"));
  }
}

TEST_CASE("free periods and loyalty as dates") {
  Segment first, second;
  first.days = {Date("2026-03-10"), Date("2026-05-20")};
  second.days = {Date("2026-05-20"), CivilDay::max()};
  second.plan_id.bytes[15] = 1;
  CHECK(FreeDays({first, second}, From("2026-03-10"), Day(1), 1).ToString() ==
        "2026-03-10..2026-05-01");
  // A change of plan ends them.
  CHECK(FreeDays({first, second}, From("2026-03-10"), Day(1), 3).ToString() ==
        "2026-03-10..2026-05-20");
  CHECK(FreeDays({first}, From("2026-03-10"), Day(1), 0).empty());
  const std::vector<LoyaltyFrom> steps = {{12, Decimal::FromInt(5)}, {24, Decimal::FromInt(10)}};
  const auto found =
      LoyaltyDays(Date("2024-02-29"), {Date("2025-06-01"), Date("2030-01-01")}, steps);
  REQUIRE(found.size() == 2);
  CHECK(found[0].days.ToString() == "2025-06-01..2026-02-28");
  CHECK(found[1].days.ToString() == "2026-02-28..2030-01-01");
  CHECK(LoyaltyDays(Date("2024-02-29"), {Date("2024-02-29"), Date("2025-02-28")}, steps).empty());
}

}  // namespace broadbill::accounts
