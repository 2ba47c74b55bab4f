#include "services/invoicing/domain/schedule.h"

#include <algorithm>
#include <set>

namespace broadbill::invoicing {
namespace {

// Days on which a new schedule begins: another recurrence, another cycle day.
std::set<CivilDay> Cuts(const Item& item, const Schedules& schedules) {
  std::set<CivilDay> cuts;
  const CivilDay start = item.segments.front().days.start;
  const CivilDay end = item.segments.back().days.end;
  for (size_t i = 1; i < item.segments.size(); ++i) {
    if (!(item.segments[i].terms.recurrence == item.segments[i - 1].terms.recurrence)) {
      cuts.insert(item.segments[i].days.start);
    }
  }
  for (size_t i = 1; i < schedules.cycle_days.size(); ++i) {
    const CivilDay from = schedules.cycle_days[i].from;
    // Periods of days are anchored at their start, whatever the cycle day.
    const bool of_months =
        std::any_of(item.segments.begin(), item.segments.end(), [&](const Segment& segment) {
          return segment.days.Contains(from) && segment.terms.recurrence.days == 0;
        });
    if (from > start && from < end && of_months) cuts.insert(from);
  }
  return cuts;
}

Schedule ScheduleFrom(const Item& item, const Schedules& schedules, CivilDay from, bool first) {
  int cycle_day = schedules.cycle_days.front().day;
  for (const CycleDay& cycle : schedules.cycle_days) {
    if (cycle.from <= from) cycle_day = cycle.day;
  }
  Recurrence recurrence = item.segments.front().terms.recurrence;
  for (const Segment& segment : item.segments) {
    if (segment.days.start <= from) recurrence = segment.terms.recurrence;
  }
  if (!first) return Schedule::For(from, cycle_day, recurrence);
  if (item.anchor_date.has_value()) {
    const bool own_day = schedules.rule == AnchorRule::kAnniversary;
    return Schedule(*item.anchor_date, own_day ? item.anchor_date->day() : cycle_day, recurrence);
  }
  return Schedule::For(from, cycle_day, recurrence, schedules.rule);
}

bool IsStopped(const Segment& segment) {
  return segment.suspended && segment.terms.suspension == SuspensionMode::kStop;
}

}  // namespace

std::vector<Era> Eras(const Item& item, const Schedules& schedules) {
  std::vector<Era> out;
  if (item.segments.empty()) return out;
  const CivilDay end = item.segments.back().days.end;
  const std::set<CivilDay> cuts = Cuts(item, schedules);
  const auto next_of = [&](CivilDay from) {
    const auto next = cuts.upper_bound(from);
    return next == cuts.end() ? end : *next;
  };
  CivilDay from = item.segments.front().days.start;
  Schedule schedule = ScheduleFrom(item, schedules, from, true);
  const Terms& first = item.segments.front().terms;
  if (first.first_invoice == FirstInvoice::kFullThenStub &&
      schedule.PeriodContaining(from).start != from) {
    const Schedule own(from, from.day(), first.recurrence);
    const CivilDay full = std::min(own.Boundary(1), next_of(from));
    out.push_back({{from, full}, own});
    if (full == end) return out;
    from = full;
    // The stub belongs to the schedule by the rule, unless a new one begins on the same day.
    if (cuts.count(from) > 0) schedule = ScheduleFrom(item, schedules, from, false);
  }
  while (true) {
    const CivilDay to = next_of(from);
    out.push_back({{from, to}, schedule});
    if (to == end) return out;
    from = to;
    schedule = ScheduleFrom(item, schedules, from, false);
  }
}

std::optional<CivilDay> DueWithStub(const Item& item, const std::vector<Era>& eras) {
  if (eras.empty()) return std::nullopt;
  const Terms& first = item.segments.front().terms;
  if (first.first_invoice != FirstInvoice::kProrateAndNext || first.arrears) return std::nullopt;
  const CivilDay start = eras.front().days.start;
  // An imported item had its first invoice elsewhere.
  if (item.paid_through.has_value() && *item.paid_through > start) return std::nullopt;
  const DateInterval stub = eras.front().schedule.PeriodContaining(start);
  if (stub.start == start) return std::nullopt;
  return stub.end;
}

std::optional<CivilDay> NextDue(const Item& item, const Schedules& schedules,
                                const DateSet& covered, CivilDay as_of, int ahead, int days) {
  const CivilDay covered_from = item.paid_through.value_or(CivilDay::min());
  std::optional<CivilDay> next;
  for (const Era& era : Eras(item, schedules)) {
    const CivilDay horizon = as_of + ahead + days + 1;
    const DateInterval looked{std::max(era.days.start, as_of), std::min(era.days.end, horizon)};
    for (const DateInterval& base : era.schedule.Overlapping(looked)) {
      const DateInterval window = base.Intersect(era.days);
      for (const Segment& segment : item.segments) {
        const DateInterval part = window.Intersect(segment.days);
        if (part.empty() || IsStopped(segment) || part.end <= covered_from) continue;
        const CivilDay due = segment.terms.arrears ? window.end : window.start - ahead;
        if (due <= as_of || due > as_of + days || (next.has_value() && *next <= due)) continue;
        if (covered.Intersect(part).days() < part.days()) next = due;
      }
    }
  }
  return next;
}

std::vector<UsagePeriod> ClosedUsagePeriods(const Item& item, const Schedules& schedules,
                                            CivilDay as_of, int count) {
  std::vector<UsagePeriod> out;
  if (item.segments.empty()) return out;
  UsageCycle cycle;
  cycle.start = item.segments.front().days.start;
  cycle.end = item.segments.back().days.end;
  for (const CycleDay& change : schedules.cycle_days) {
    cycle.cycle_days.push_back({change.from, change.day});
  }
  cycle.rule = schedules.rule;
  cycle.anchor = item.anchor_date;
  cycle.full_first = item.segments.front().terms.first_invoice == FirstInvoice::kFullThenStub;
  out = UsagePeriods(cycle, {cycle.start, as_of});
  std::erase_if(out, [&](const UsagePeriod& period) { return period.days.end > as_of; });
  if (out.size() > static_cast<size_t>(count)) {
    out.erase(out.begin(), out.end() - count);
  }
  return out;
}

}  // namespace broadbill::invoicing
