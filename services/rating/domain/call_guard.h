#pragma once

// Limits on what the calls of an account come to: which were exceeded, and by which call. A
// function of the set of calls: the order in which they arrived does not matter.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/rating/domain/number.h"

namespace broadbill::rating {

struct CallLimits {
  std::optional<int64_t> hour_micros;  // of any 60 minutes
  std::optional<int64_t> day_micros;   // of a day in the account's zone
  std::optional<int64_t> hour_calls;   // of any 60 minutes
  bool international_only = false;
};

struct GuardedCall {
  absl::Time answered;
  int64_t micros = 0;
};

enum class AlarmKind : int16_t { kHourSpend = 1, kDaySpend = 2, kHourCalls = 3 };

struct LimitExceeded {
  AlarmKind kind = AlarmKind::kHourSpend;
  absl::Time window_start, window_end;  // the hour or day of the call that exceeded
  absl::Time exceeded_at;
  int64_t calls = 0, micros = 0;  // of the 60 minutes before it, or of the day so far
  int64_t limit = 0;
};

// The first call of each hour and day that is beyond a limit. `calls` in any order, all that count.
std::vector<LimitExceeded> CheckLimits(const CallLimits& limits, std::vector<GuardedCall> calls,
                                       absl::TimeZone zone);

// A number abroad, seen from the country of the plan: another calling code; in the NANP, whose
// calling code many countries share, also those other than the United States and Canada.
bool IsAbroad(std::string_view e164, const DialPlan& plan);

}  // namespace broadbill::rating
