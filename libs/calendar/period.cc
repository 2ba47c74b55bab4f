#include "libs/calendar/period.h"

#include <algorithm>

namespace broadbill {
namespace {

int64_t FloorDiv(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

// The day-of-month a 30/360 count gives a date: the 31st counts as the 30th, and so does the last
// day of February when a period is anchored there.
int64_t Day30(CivilDay day) { return std::min(day.day(), 30); }

}  // namespace

CivilDay DayOfMonth(int64_t year, int month, int day) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  const int last = month == 2 && leap ? 29 : kDays[month - 1];
  return CivilDay(year, month, std::min(day, last));
}

CivilDay CycleDayOnOrAfter(CivilDay from, int cycle_day) {
  const CivilDay same_month = DayOfMonth(from.year(), from.month(), cycle_day);
  if (same_month >= from) return same_month;
  const absl::CivilMonth next = absl::CivilMonth(from) + 1;
  return DayOfMonth(next.year(), next.month(), cycle_day);
}

Schedule Schedule::For(CivilDay start, int cycle_day, Recurrence recurrence, AnchorRule rule) {
  if (recurrence.days > 0) return Schedule(start, cycle_day, recurrence);
  switch (rule) {
    case AnchorRule::kCycleDayOnOrAfterStart:
      return Schedule(CycleDayOnOrAfter(start, cycle_day), cycle_day, recurrence);
    case AnchorRule::kCycleDayInStartMonth:
      return Schedule(DayOfMonth(start.year(), start.month(), cycle_day), cycle_day, recurrence);
    case AnchorRule::kAnniversary:
      return Schedule(start, start.day(), recurrence);
  }
  return Schedule(start, cycle_day, recurrence);
}

CivilDay Schedule::Boundary(int64_t n) const {
  if (recurrence_.days > 0) return anchor_ + n * recurrence_.days;
  const absl::CivilMonth month = absl::CivilMonth(anchor_) + n * recurrence_.months;
  return DayOfMonth(month.year(), month.month(), cycle_day_);
}

int64_t Schedule::IndexOf(CivilDay day) const {
  if (recurrence_.days > 0) return FloorDiv(day - anchor_, recurrence_.days);
  const int64_t months = absl::CivilMonth(day) - absl::CivilMonth(anchor_);
  int64_t n = FloorDiv(months, recurrence_.months);
  while (Boundary(n) > day) --n;
  while (Boundary(n + 1) <= day) ++n;
  return n;
}

std::vector<DateInterval> Schedule::Overlapping(const DateInterval& interval) const {
  std::vector<DateInterval> out;
  if (interval.empty()) return out;
  int64_t n = IndexOf(interval.start);
  for (CivilDay start = Boundary(n); start < interval.end;) {
    const CivilDay end = Boundary(++n);
    out.push_back({start, end});
    start = end;
  }
  return out;
}

int64_t Days360(CivilDay from, CivilDay to) {
  const int64_t months = absl::CivilMonth(to) - absl::CivilMonth(from);
  return 30 * months + Day30(to) - Day30(from);
}

Position PositionIn(const DateInterval& period, CivilDay day, Proration method) {
  if (method != Proration::kThirtyDay) {
    return {std::clamp<int64_t>(day - period.start, 0, period.days()), period.days()};
  }
  // A period of whole months has 30 × months days even where month ends differ (Feb 28 → Mar 31).
  int64_t length = Days360(period.start, period.end);
  length = std::max<int64_t>(30, (length + 15) / 30 * 30);
  if (period.days() < 28) length = std::max<int64_t>(1, Days360(period.start, period.end));
  if (day >= period.end) return {length, length};
  return {std::clamp<int64_t>(Days360(period.start, day), 0, length), length};
}

}  // namespace broadbill
