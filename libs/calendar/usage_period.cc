#include "libs/calendar/usage_period.h"

#include <algorithm>

namespace broadbill {
namespace {

// Days under one schedule.
struct Era {
  DateInterval days;
  Schedule schedule;
};

Schedule ScheduleFrom(const UsageCycle& cycle, CivilDay from) {
  int day = cycle.cycle_days.front().day;
  for (const UsageCycle::CycleDay& change : cycle.cycle_days) {
    if (change.from <= from) day = change.day;
  }
  if (from > cycle.start) return Schedule::For(from, day, Recurrence{1, 0});
  if (cycle.anchor.has_value()) {
    const bool own_day = cycle.rule == AnchorRule::kAnniversary;
    return Schedule(*cycle.anchor, own_day ? cycle.anchor->day() : day, Recurrence{1, 0});
  }
  return Schedule::For(from, day, Recurrence{1, 0}, cycle.rule);
}

std::vector<Era> Eras(const UsageCycle& cycle) {
  std::vector<CivilDay> cuts;  // first days of another cycle day
  for (size_t i = 1; i < cycle.cycle_days.size(); ++i) {
    const CivilDay from = cycle.cycle_days[i].from;
    if (from > cycle.start && from < cycle.end) cuts.push_back(from);
  }
  cuts.push_back(cycle.end);
  std::vector<Era> out;
  CivilDay from = cycle.start;
  Schedule schedule = ScheduleFrom(cycle, from);
  auto next = cuts.begin();
  if (cycle.full_first && schedule.PeriodContaining(from).start != from) {
    const Schedule own(from, from.day(), Recurrence{1, 0});
    const CivilDay full = std::min(own.Boundary(1), *next);
    out.push_back({{from, full}, own});
    from = full;
    // The stub belongs to the schedule by the rule, unless a new one begins on the same day.
    if (from == *next && from < cycle.end) {
      schedule = ScheduleFrom(cycle, from);
      ++next;
    }
  }
  for (; from < cycle.end; ++next) {
    out.push_back({{from, *next}, schedule});
    from = *next;
    if (from < cycle.end) schedule = ScheduleFrom(cycle, from);
  }
  return out;
}

}  // namespace

std::vector<UsagePeriod> UsagePeriods(const UsageCycle& cycle, const DateInterval& looked) {
  std::vector<UsagePeriod> out;
  if (cycle.end <= cycle.start || cycle.cycle_days.empty()) return out;
  for (const Era& era : Eras(cycle)) {
    for (const DateInterval& full : era.schedule.Overlapping(era.days.Intersect(looked))) {
      out.push_back({full.Intersect(era.days), full});
    }
  }
  return out;
}

std::optional<UsagePeriod> UsagePeriodOn(const UsageCycle& cycle, CivilDay day) {
  const std::vector<UsagePeriod> found = UsagePeriods(cycle, {day, day + 1});
  if (found.empty()) return std::nullopt;
  return found.front();
}

}  // namespace broadbill
