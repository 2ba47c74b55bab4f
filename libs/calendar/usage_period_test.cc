#include "libs/calendar/usage_period.h"

#include <catch2/catch.hpp>

namespace broadbill {
namespace {

CivilDay D(const char* text) { return *ParseDate(text); }

std::string On(const UsageCycle& cycle, const char* day) {
  const auto found = UsagePeriodOn(cycle, D(day));
  if (!found.has_value()) return "none";
  return found->days.ToString() +
         (found->full == found->days ? "" : " of " + found->full.ToString());
}

}  // namespace

TEST_CASE("the month of usage that holds a day") {
  UsageCycle cycle;
  cycle.start = D("2026-03-10");
  cycle.cycle_days = {{CivilDay(1970, 1, 1), 1}};
  CHECK(On(cycle, "2026-03-09") == "none");
  CHECK(On(cycle, "2026-03-10") == "2026-03-10..2026-04-01 of 2026-03-01..2026-04-01");
  CHECK(On(cycle, "2026-04-01") == "2026-04-01..2026-05-01");
  cycle.end = D("2026-04-20");
  CHECK(On(cycle, "2026-04-19") == "2026-04-01..2026-04-20 of 2026-04-01..2026-05-01");
  CHECK(On(cycle, "2026-04-20") == "none");
  cycle.end = CivilDay::max();
  // Another cycle day: each side is part of its own schedule's month.
  cycle.cycle_days.push_back({D("2026-06-15"), 15});
  CHECK(On(cycle, "2026-06-14") == "2026-06-01..2026-06-15 of 2026-06-01..2026-07-01");
  CHECK(On(cycle, "2026-06-15") == "2026-06-15..2026-07-15");
  // A whole month from the start, then a stub.
  cycle.full_first = true;
  CHECK(On(cycle, "2026-03-10") == "2026-03-10..2026-04-10");
  CHECK(On(cycle, "2026-04-10") == "2026-04-10..2026-05-01 of 2026-04-01..2026-05-01");
  cycle.rule = AnchorRule::kAnniversary;
  CHECK(On(cycle, "2026-04-10") == "2026-04-10..2026-05-10");
}

TEST_CASE("day 31 survives February in months of usage") {
  UsageCycle cycle;
  cycle.start = D("2026-01-31");
  cycle.cycle_days = {{CivilDay(1970, 1, 1), 31}};
  CHECK(On(cycle, "2026-02-27") == "2026-01-31..2026-02-28");
  CHECK(On(cycle, "2026-03-30") == "2026-02-28..2026-03-31");
}

}  // namespace broadbill
