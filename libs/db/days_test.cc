#include <catch2/catch.hpp>

#include "libs/db/codec.h"

namespace broadbill::db {
namespace {

TEST_CASE("days of PostgreSQL and civil days are each other's inverse, leap years and all") {
  for (int32_t days = -800000; days < 800000; days += 31) {
    const CivilDay day = CivilDay(2000, 1, 1) + days;
    REQUIRE(wire::DayFrom2000(days) == day);
    REQUIRE(wire::DaysSince2000(day) == days);
  }
  for (const CivilDay day : {CivilDay(2000, 2, 29), CivilDay(2000, 3, 1), CivilDay(1900, 2, 28),
                             CivilDay(2100, 3, 1), CivilDay(1999, 12, 31), CivilDay(2400, 2, 29)}) {
    REQUIRE(wire::DayFrom2000(wire::DaysSince2000(day)) == day);
  }
}

}  // namespace
}  // namespace broadbill::db
