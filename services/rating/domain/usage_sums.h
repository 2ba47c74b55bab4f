#pragma once

// Sums of octets by quarters of an hour of UTC: days of all zones of today, and most windows, begin
// and end at one, so that usage can be cut anywhere between them without its rows.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/calendar/period.h"
#include "services/rating/domain/usage.h"

namespace broadbill::rating {

inline constexpr absl::Duration kQuarter = absl::Minutes(15);
inline constexpr int32_t kQuartersOfDay = 96;

// Quarters are counted from 1970.
int32_t QuarterOf(absl::Time at);
absl::Time QuarterStart(int32_t quarter);
int32_t FirstQuarterOf(CivilDay day);
CivilDay DayOfQuarter(int32_t quarter);

// Those with any octets.
using QuarterOctets = std::map<int32_t, Octets>;

// The octets of one day's quarters: a byte of which, and two numbers of 7 bits a byte, for each.
std::string PackQuarters(CivilDay day, const QuarterOctets& quarters);
// What is not of that form ends it.
QuarterOctets UnpackQuarters(CivilDay day, std::string_view packed);

// Which of the intervals [boundaries[i], boundaries[i+1]) holds [from, to) whole.
inline constexpr int kOutside = -1;  // of all of them
inline constexpr int kCut = -2;      // it lies in several, or partly outside
int IntervalOf(const std::vector<absl::Time>& boundaries, absl::Time from, absl::Time to);

}  // namespace broadbill::rating
