#include "services/accounts/domain/periods.h"

#include <algorithm>

namespace broadbill::accounts {
namespace {

// The end of the whole period from the start; nullopt: the first one is as any other.
std::optional<CivilDay> EndOfFirst(const Periods& periods, const Cycles& cycles) {
  if (!periods.full_first) return std::nullopt;
  std::optional<CivilDay> until;
  const Schedule schedule = ScheduleOn(periods, cycles, periods.start, &until);
  if (schedule.PeriodContaining(periods.start).start == periods.start) return std::nullopt;
  const Recurrence& first = periods.recurrences.front().second;
  const CivilDay end = Schedule(periods.start, periods.start.day(), first).Boundary(1);
  return std::min(end, until.value_or(end));
}

}  // namespace

CivilDay AddMonths(CivilDay from, int64_t months) {
  const absl::CivilMonth month = absl::CivilMonth(from) + months;
  return DayOfMonth(month.year(), month.month(), from.day());
}

Schedule ScheduleOn(const Periods& periods, const Cycles& cycles, CivilDay day,
                    std::optional<CivilDay>* until) {
  CivilDay from = periods.start;
  std::optional<CivilDay> next;
  const auto cut = [&](CivilDay at) {
    if (at <= periods.start) return;
    if (at <= day) {
      from = std::max(from, at);
    } else if (!next.has_value() || at < *next) {
      next = at;
    }
  };
  Recurrence recurrence = periods.recurrences.front().second;
  for (const auto& [at, value] : periods.recurrences) {
    if (at > periods.start && !(value == recurrence)) cut(at);
    if (at <= day) recurrence = value;
  }
  for (size_t i = 1; i < cycles.from.size(); ++i) cut(cycles.from[i]);
  int cycle_day = cycles.day.front();
  for (size_t i = 0; i < cycles.from.size(); ++i) {
    if (cycles.from[i] <= from) cycle_day = cycles.day[i];
  }
  if (until != nullptr) *until = next;
  if (from > periods.start) return Schedule::For(from, cycle_day, recurrence);
  if (periods.anchor.has_value()) {
    const int shown = cycles.rule == AnchorRule::kAnniversary ? periods.anchor->day() : cycle_day;
    return Schedule(*periods.anchor, shown, recurrence);
  }
  return Schedule::For(from, cycle_day, recurrence, cycles.rule);
}

CivilDay NextBoundary(const Periods& periods, const Cycles& cycles, CivilDay from) {
  CivilDay day = std::max(from, periods.start);
  if (const auto first = EndOfFirst(periods, cycles)) {
    if (day == periods.start) return day;
    if (day <= *first) return *first;
  }
  while (true) {
    std::optional<CivilDay> until;
    const Schedule schedule = ScheduleOn(periods, cycles, day, &until);
    const int64_t at = schedule.IndexOf(day);
    const CivilDay boundary = schedule.Boundary(at) == day ? day : schedule.Boundary(at + 1);
    if (!until.has_value() || boundary < *until) return boundary;
    day = *until;
  }
}

CivilDay EndOfPeriods(const Periods& periods, const Cycles& cycles, CivilDay from, int count) {
  Periods regular = periods;
  regular.full_first = false;
  const auto first = EndOfFirst(periods, cycles);
  if (first.has_value() && from == periods.start) {
    from = *first;
    if (--count == 0) return from;
  }
  CivilDay end = NextBoundary(regular, cycles, from);
  for (int i = 0; i < count; ++i) end = NextBoundary(regular, cycles, end + 1);
  return end;
}

CivilDay SharedAnchor(const Periods& periods, const Cycles& cycles, CivilDay from) {
  const Schedule schedule = ScheduleOn(periods, cycles, std::max(from, periods.start));
  // Of the next dozen the one with the latest day of the month: it shows the cycle day 29, 30 or 31
  // that shorter months hide.
  const int64_t first = schedule.IndexOf(from);
  CivilDay out = schedule.Boundary(first);
  for (int64_t i = 1; i <= 12; ++i) {
    const CivilDay boundary = schedule.Boundary(first + i);
    if (boundary.day() > out.day()) out = boundary;
  }
  return out;
}

bool EndsTogether(const Recurrence& part, const Recurrence& whole) {
  if (part.days > 0 || whole.days > 0) {
    return part.days > 0 && whole.days > 0 && whole.days % part.days == 0;
  }
  return whole.months % part.months == 0;
}

}  // namespace broadbill::accounts
