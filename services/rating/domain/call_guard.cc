#include "services/rating/domain/call_guard.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "libs/calendar/time_zone.h"

namespace broadbill::rating {
namespace {

constexpr absl::Duration kHour = absl::Hours(1);

absl::Time HourOf(absl::Time at) { return at - (at - absl::UnixEpoch()) % kHour; }

class Checker {
 public:
  void Check(AlarmKind kind, const std::optional<int64_t>& limit, int64_t value,
             LimitExceeded found) {
    if (!limit.has_value() || value <= *limit) return;
    if (!seen_.insert({kind, found.window_start}).second) return;
    found.kind = kind;
    found.limit = *limit;
    out.push_back(found);
  }

  std::vector<LimitExceeded> out;

 private:
  std::set<std::pair<AlarmKind, absl::Time>> seen_;
};

}  // namespace

std::vector<LimitExceeded> CheckLimits(const CallLimits& limits, std::vector<GuardedCall> calls,
                                       absl::TimeZone zone) {
  std::stable_sort(calls.begin(), calls.end(), [](const GuardedCall& a, const GuardedCall& b) {
    return a.answered < b.answered;
  });
  Checker checker;
  size_t first = 0;  // of the 60 minutes
  int64_t hour_micros = 0;
  LimitExceeded day;
  day.window_end = absl::InfinitePast();
  for (size_t i = 0; i < calls.size(); ++i) {
    const absl::Time at = calls[i].answered;
    hour_micros += calls[i].micros;
    while (calls[first].answered <= at - kHour) hour_micros -= calls[first++].micros;
    if (at >= day.window_end) {
      const CivilDay today = DateIn(at, zone);
      day = {};
      day.window_start = StartOfDay(today, zone);
      day.window_end = StartOfDay(today + 1, zone);
    }
    ++day.calls;
    day.micros += calls[i].micros;
    day.exceeded_at = at;
    LimitExceeded hour;
    hour.window_start = HourOf(at);
    hour.window_end = hour.window_start + kHour;
    hour.exceeded_at = at;
    hour.calls = static_cast<int64_t>(i - first + 1);
    hour.micros = hour_micros;
    checker.Check(AlarmKind::kHourSpend, limits.hour_micros, hour.micros, hour);
    checker.Check(AlarmKind::kDaySpend, limits.day_micros, day.micros, day);
    checker.Check(AlarmKind::kHourCalls, limits.hour_calls, hour.calls, hour);
  }
  return std::move(checker.out);
}

bool IsAbroad(std::string_view e164, const DialPlan& plan) {
  if (e164.substr(0, plan.calling_code.size()) != plan.calling_code) return true;
  if (plan.calling_code != "1") return false;
  // Area codes of other countries of the NANP; the territories of the United States are theirs.
  static constexpr std::array<std::string_view, 21> kOthers = {
      "242", "246", "264", "268", "284", "345", "441", "473", "649", "658", "664",
      "721", "758", "767", "784", "809", "829", "849", "868", "869", "876"};
  return std::find(kOthers.begin(), kOthers.end(), e164.substr(1, 3)) != kOthers.end();
}

}  // namespace broadbill::rating
