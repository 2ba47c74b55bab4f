#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/calendar/date.h"

namespace broadbill {

// An IANA zone ("America/Chicago"). INVALID_ARGUMENT (UNKNOWN_TIME_ZONE) when there is none.
absl::StatusOr<absl::TimeZone> LoadZone(const std::string& name);

// The first instant whose local date is `day`: right where midnight happens twice (Havana), or
// never (São Paulo, Cairo). A day that the zone skipped (Apia 2011-12-30) starts when the next one
// does.
absl::Time StartOfDay(CivilDay day, absl::TimeZone zone);

// The local date of an instant.
CivilDay DateIn(absl::Time instant, absl::TimeZone zone);

}  // namespace broadbill
