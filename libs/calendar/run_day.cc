#include "libs/calendar/run_day.h"

namespace broadbill {

CivilDay LatestRunDay(absl::Time now, absl::TimeZone zone, int local_hour) {
  const absl::CivilHour local = absl::ToCivilHour(now, zone);
  const CivilDay today(local);
  return local.hour() >= local_hour ? today : today - 1;
}

}  // namespace broadbill
