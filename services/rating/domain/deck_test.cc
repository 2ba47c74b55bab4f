#include "services/rating/domain/deck.h"

#include <catch2/catch.hpp>

#include "services/rating/domain/number.h"

namespace broadbill::rating {
namespace {

DeckRate Rate(std::string prefix, int64_t per_minute, int32_t first = 60, int32_t next = 60,
              int64_t connect = 0) {
  DeckRate rate;
  rate.prefix = std::move(prefix);
  rate.destination = "to " + rate.prefix;
  rate.per_minute_micros = per_minute;
  rate.first_increment = first;
  rate.next_increment = next;
  rate.connect_micros = connect;
  return rate;
}

}  // namespace

TEST_CASE("increments and cost per call") {
  CHECK(BilledSeconds(0, 60, 60) == 0);
  CHECK(BilledSeconds(31, 30, 6) == 36);
  CHECK(BilledSeconds(61, 60, 60) == 120);
  CHECK(BilledSeconds(60, 60, 60) == 60);
  // 7 s at 0.0127 a minute = 0.001482.
  CHECK(CallCostMicros(Rate("1", 12700, 1, 1), 7) == 1482);
  // Nothing for no seconds, connect fee included.
  CHECK(CallCostMicros(Rate("1", 12700, 1, 1, 50000), 0) == 0);
  CHECK(CallCostMicros(Rate("1", 100000, 60, 60, 50000), 61) == 250000);
  DeckRate minimum = Rate("1", 100000);
  minimum.minimum_micros = 500000;
  CHECK(CallCostMicros(minimum, 10) == 500000);
}

TEST_CASE("the longest prefix wins, then the earlier deck, and only while valid") {
  DeckRate old = Rate("4930", 20000);
  old.valid_to = CivilDay(2026, 3, 1);
  DeckRate now = Rate("4930", 10000);
  now.valid_from = CivilDay(2026, 3, 1);
  const DeckIndex index({{Rate("49", 50000), old, now}, {Rate("493", 30000), Rate("49", 1)}});
  CHECK(index.Find("493012345", CivilDay(2026, 2, 28))->per_minute_micros == 20000);
  CHECK(index.Find("493012345", CivilDay(2026, 3, 1))->per_minute_micros == 10000);
  CHECK(index.Find("493912345", CivilDay(2026, 3, 1))->per_minute_micros == 30000);
  CHECK(index.Find("498912345", CivilDay(2026, 3, 1))->per_minute_micros == 50000);
  CHECK(index.Find("1612", CivilDay(2026, 3, 1)) == nullptr);
}

TEST_CASE("dialled strings become E.164 by the line's country") {
  const DialPlan& us = *FindDialPlan("US");
  const DialPlan& gb = *FindDialPlan("GB");
  CHECK(ToE164("(612) 555-0142", us) == "16125550142");
  CHECK(ToE164("1-612-555-0142", us) == "16125550142");
  CHECK(ToE164("011 49 30 1234567", us) == "49301234567");
  CHECK(ToE164("+44 20 7946 0958", us) == "442079460958");
  CHECK(ToE164("020 7946 0958", gb) == "442079460958");
  CHECK(ToE164("0049301234567", gb) == "49301234567");
  CHECK(ToE164("442079460958", gb) == "442079460958");  // without the plus sign
  CHECK(ToE164("2079460958", gb) == "442079460958");    // without the trunk prefix
  CHECK(ToE164("4930123456", *FindDialPlan("DE")) == "4930123456");
  CHECK(ToE164("3912345678", *FindDialPlan("IT")) == "393912345678");  // a mobile, no trunk prefix
  CHECK(ToE164("8 924 555-59-37", *FindDialPlan("RU")) == "79245555937");
  CHECK(ToE164("810 44 20 7946 0958", *FindDialPlan("RU")) == "442079460958");
  CHECK(ToE164("06 1 234 5678", *FindDialPlan("HU")) == "3612345678");
  CHECK_FALSE(ToE164("+120255501234", us).has_value());  // a digit too many
  CHECK_FALSE(ToE164("+10255501234", us).has_value());   // no area code begins with 0
  CHECK_FALSE(ToE164("+999123456789", us).has_value());  // no such country
  CHECK_FALSE(ToE164("s", us).has_value());
  CHECK_FALSE(ToE164("555-0142", us).has_value());
  CHECK_FALSE(ToE164("", us).has_value());
  CHECK(IsEmergency("911", us));
  CHECK_FALSE(IsEmergency("9110", us));
}

}  // namespace broadbill::rating
