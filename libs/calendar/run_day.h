#pragma once

// When a day's work may start, purely.

#include "absl/time/time.h"
#include "libs/calendar/date.h"

namespace broadbill {

// The latest civil day whose `local_hour` has come at `now`: today, or yesterday while it has not.
// Right where the hour does not exist or comes twice on a day: it is reached with the first instant
// that is labelled with it or a later hour of that day.
CivilDay LatestRunDay(absl::Time now, absl::TimeZone zone, int local_hour);

}  // namespace broadbill
