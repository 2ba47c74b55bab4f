#pragma once

// Holds that the customer asks for (suspensions with the reason "seasonal") and the order in which
// dated changes may stand.

#include <functional>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "services/accounts/domain/history.h"

namespace broadbill::accounts {

struct HoldLimits {
  int min_days = 0;           // 0: no limit, each
  int max_days_per_year = 0;  // calendar year
  int max_per_year = 0;       // by the year in which a hold begins
};

// The limits of a plan; nullopt: it allows no hold.
using LimitsOf = std::function<std::optional<HoldLimits>(const Uuid& plan_id)>;

// A hold whose resume is not recorded ends by itself when the days of its years are used up: adds
// that resume.
void EndHolds(History& history, const LimitsOf& limits_of);

// The whole history makes sense in the order of its dates: CHANGE_ORDER or SEASONAL_HOLD_LIMIT,
// both FAILED_PRECONDITION with the field "change.effective_date".
absl::Status CheckHistory(const History& history, const LimitsOf& limits_of);

}  // namespace broadbill::accounts
