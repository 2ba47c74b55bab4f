#include "libs/calendar/window.h"

#include <catch2/catch.hpp>

#include "libs/calendar/time_zone.h"

namespace broadbill {

TEST_CASE("windows are written as they are read") {
  const auto same = [](const char* text, const char* out) {
    const auto windows = ParseWindows(text);
    REQUIRE(windows.ok());
    CHECK(FormatWindows(*windows) == out);
  };
  same("peak Mon-Fri 08:00-18:00", "peak Mon,Tue,Wed,Thu,Fri 08:00-18:00");
  same("night 22-6", "night 22:00-06:00");
  same("free Sat,Sun; off 2026-12-25,01-01",
       "free Sat,Sun 00:00-24:00; off 2026-12-25,01-01 00:00-24:00");
  same("x Fri-Mon 00:00-24:00", "x Mon,Fri,Sat,Sun 00:00-24:00");
  for (const char* bad :
       {"peak", "peak Mon-Fri 08:00", "peak 25:00-26:00", "peak Foo 08:00-09:00",
        "peak 08:00-08:00", "peak Mon 1-2 3-4", "peak 13-45", "p Mon,2026-02-30"}) {
    INFO(bad);
    CHECK_FALSE(ParseWindows(bad).ok());
  }
}

TEST_CASE("a window's changes are instants, also where the clock is set") {
  const absl::TimeZone zone = *LoadZone("America/Chicago");
  const WindowSet windows(*ParseWindows("free Mon-Sun 00:00-06:00"));
  // Hours of the window on a day: 5 in spring, 7 in autumn, 6 on others.
  const auto hours = [&](CivilDay day) {
    const absl::Time end = StartOfDay(day + 1, zone);
    absl::Duration held;
    for (absl::Time at = StartOfDay(day, zone); at < end;) {
      const LocalTime local = LocalAt(at, zone);
      const absl::Time next = windows.NextChange(at, local, zone, end);
      REQUIRE(next > at);
      if (windows.Holds(0, local)) held += next - at;
      at = next;
    }
    return absl::ToInt64Hours(held);
  };
  CHECK(hours(CivilDay(2026, 3, 8)) == 5);
  CHECK(hours(CivilDay(2026, 11, 1)) == 7);
  CHECK(hours(CivilDay(2026, 6, 1)) == 6);
}

}  // namespace broadbill
