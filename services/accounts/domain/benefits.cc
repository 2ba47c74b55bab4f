#include "services/accounts/domain/benefits.h"

#include <algorithm>

namespace broadbill::accounts {

DateInterval FreeDays(const std::vector<Segment>& segments, const Periods& periods,
                      const Cycles& cycles, int free_periods) {
  if (segments.empty() || free_periods <= 0) return {};
  CivilDay end = EndOfPeriods(periods, cycles, periods.start, free_periods);
  for (const Segment& segment : segments) {
    if (segment.plan_id != segments.front().plan_id) {
      end = std::min(end, segment.days.start);
      break;
    }
  }
  return {periods.start, end};
}

std::vector<Benefit> LoyaltyDays(CivilDay start, const DateInterval& plan_days,
                                 const std::vector<LoyaltyFrom>& steps) {
  std::vector<Benefit> out;
  for (size_t i = 0; i < steps.size(); ++i) {
    const CivilDay from = AddMonths(start, steps[i].after_months);
    const CivilDay to =
        i + 1 < steps.size() ? AddMonths(start, steps[i + 1].after_months) : CivilDay::max();
    const DateInterval days = DateInterval{from, to}.Intersect(plan_days);
    if (!days.empty()) out.push_back({days, steps[i].percent});
  }
  return out;
}

}  // namespace broadbill::accounts
