#include "libs/calendar/time_zone.h"

#include "libs/status/error.h"

namespace broadbill {

absl::StatusOr<absl::TimeZone> LoadZone(const std::string& name) {
  absl::TimeZone zone;
  if (name.empty() || !absl::LoadTimeZone(name, &zone)) {
    return InvalidArgumentError("UNKNOWN_TIME_ZONE", "'" + name + "' is not an IANA time zone");
  }
  return zone;
}

absl::Time StartOfDay(CivilDay day, absl::TimeZone zone) {
  const absl::TimeZone::TimeInfo info = zone.At(absl::CivilSecond(day));
  switch (info.kind) {
    case absl::TimeZone::TimeInfo::UNIQUE:
      return info.pre;
    case absl::TimeZone::TimeInfo::REPEATED:
      return info.pre;  // the earlier midnight
    case absl::TimeZone::TimeInfo::SKIPPED:
      return info.trans;
  }
  return info.pre;
}

CivilDay DateIn(absl::Time instant, absl::TimeZone zone) { return absl::ToCivilDay(instant, zone); }

}  // namespace broadbill
