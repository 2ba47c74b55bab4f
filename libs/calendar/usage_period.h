#pragma once

// The monthly periods in which an item's usage is counted, whatever its own billing period:
// invoicing bills by them, rating watches by them.

#include <optional>
#include <vector>

#include "libs/calendar/period.h"

namespace broadbill {

// What decides an item's periods.
struct UsageCycle {
  CivilDay start;
  CivilDay end = CivilDay::max();  // the first day without service
  struct CycleDay {
    CivilDay from;
    int day = 1;  // 1 to 31
  };
  std::vector<CycleDay> cycle_days;  // ascending, at least one; the first holds from the beginning
  AnchorRule rule = AnchorRule::kCycleDayOnOrAfterStart;
  std::optional<CivilDay> anchor;  // a boundary instead of the one by the rule
  bool full_first = false;         // a whole period from the start, then a stub
};

// The days that an item was in a period, and the whole period for allowances.
struct UsagePeriod {
  DateInterval days;
  DateInterval full;
  bool operator==(const UsagePeriod&) const = default;
};

// Those that share a day with `looked`, in order.
std::vector<UsagePeriod> UsagePeriods(const UsageCycle& cycle, const DateInterval& looked);
// The one that holds `day`; none outside the item's life.
std::optional<UsagePeriod> UsagePeriodOn(const UsageCycle& cycle, CivilDay day);

}  // namespace broadbill
