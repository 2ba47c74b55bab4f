#pragma once

// Reductions that come with a plan, as dates.

#include <vector>

#include "libs/money/decimal.h"
#include "services/accounts/domain/history.h"
#include "services/accounts/domain/periods.h"

namespace broadbill::accounts {

struct LoyaltyFrom {
  int after_months = 1;  // since the start of the subscription
  Decimal percent;
};

struct Benefit {
  DateInterval days;
  Decimal percent;
};

// The free periods of the plan at the start: whole periods and the days before the first; a change
// to another plan ends them. Empty when there are none.
DateInterval FreeDays(const std::vector<Segment>& segments, const Periods& periods,
                      const Cycles& cycles, int free_periods);

// Steps (ascending) as days within [start of a plan, its end): each until the next one.
std::vector<Benefit> LoyaltyDays(CivilDay start, const DateInterval& plan_days,
                                 const std::vector<LoyaltyFrom>& steps);

}  // namespace broadbill::accounts
