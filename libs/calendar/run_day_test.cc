#include "libs/calendar/run_day.h"

#include <catch2/catch.hpp>

#include "libs/calendar/time_zone.h"

namespace broadbill {

TEST_CASE("a day's run may start from its local hour on") {
  struct Row {
    const char* zone;
    const char* now;  // UTC
    int hour;
    CivilDay day;
  };
  const Row rows[] = {
      {"America/Chicago", "2026-03-01T08:59:59Z", 3, CivilDay(2026, 2, 28)},  // 02:59:59
      {"America/Chicago", "2026-03-01T09:00:00Z", 3, CivilDay(2026, 3, 1)},   // 03:00:00
      {"America/Chicago", "2026-03-01T06:00:00Z", 0, CivilDay(2026, 3, 1)},   // midnight
      {"America/Chicago", "2026-03-02T05:59:59Z", 23, CivilDay(2026, 3, 1)},
      {"Pacific/Auckland", "2026-03-01T12:00:00Z", 1, CivilDay(2026, 3, 2)},  // 01:00 of the 2nd
      // Clocks go from 02:00 to 03:00 on March 8: hour 2 does not exist and is reached at 03:00.
      {"America/Chicago", "2026-03-08T07:59:59Z", 2, CivilDay(2026, 3, 7)},
      {"America/Chicago", "2026-03-08T08:00:00Z", 2, CivilDay(2026, 3, 8)},
      // Clocks go back from 02:00 to 01:00 on November 1: hour 1 comes twice, the day does not.
      {"America/Chicago", "2026-11-01T06:00:00Z", 1, CivilDay(2026, 11, 1)},
      {"America/Chicago", "2026-11-01T07:00:00Z", 1, CivilDay(2026, 11, 1)},
  };
  for (const Row& row : rows) {
    absl::Time now;
    std::string error;
    REQUIRE(absl::ParseTime(absl::RFC3339_full, row.now, &now, &error));
    INFO(row.zone << " " << row.now);
    CHECK(LatestRunDay(now, *LoadZone(row.zone), row.hour) == row.day);
  }
}

}  // namespace broadbill
