#pragma once

// When an item's periods begin and end, and when they fall due. BILLING.md §2, "When due".

#include <optional>
#include <vector>

#include "libs/calendar/usage_period.h"
#include "services/invoicing/domain/bill.h"

namespace broadbill::invoicing {

// A stretch of an item's life under one schedule: one recurrence, one cycle day.
struct Era {
  DateInterval days;
  Schedule schedule;
};

// The item's life in eras, in order. A whole first period (kFullThenStub) is an era of its own.
std::vector<Era> Eras(const Item& item, const Schedules& schedules);

// The first day of the whole period that is due together with the stub before it; none when the
// item begins on a boundary or its first invoice is another.
std::optional<CivilDay> DueWithStub(const Item& item, const std::vector<Era>& eras);

// The first day after `as_of`, at most `days` later, on which a period that `covered` does not hold
// falls due. `ahead` days before its start an advance period is due.
std::optional<CivilDay> NextDue(const Item& item, const Schedules& schedules,
                                const DateSet& covered, CivilDay as_of, int ahead, int days);

// The monthly usage periods of an item that ended by `as_of`, the last `count` of them, oldest
// first.
std::vector<UsagePeriod> ClosedUsagePeriods(const Item& item, const Schedules& schedules,
                                            CivilDay as_of, int count);

}  // namespace broadbill::invoicing
