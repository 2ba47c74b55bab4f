#pragma once

// Anchored periods (BILLING: dates). The nth boundary is anchor + n periods computed from the
// anchor, never chained; the cycle day is kept apart, so day 31 gives Jan 31, Feb 28, Mar 31.

#include <cstdint>
#include <vector>

#include "libs/calendar/date.h"

namespace broadbill {

// Every `months` months (1 to 60) or every `days` days (≥ 1); exactly one of them is set.
struct Recurrence {
  int months = 1;
  int days = 0;
  bool operator==(const Recurrence&) const = default;
};

enum class AnchorRule {
  kCycleDayOnOrAfterStart,  // the first cycle day on or after the start (default)
  kCycleDayInStartMonth,    // the cycle day in the start's month
  kAnniversary,             // the start itself
};

class Schedule {
 public:
  // `cycle_day` 1 to 31 places month boundaries; for day periods it is not used.
  Schedule(CivilDay anchor, int cycle_day, Recurrence recurrence)
      : anchor_(anchor), cycle_day_(cycle_day), recurrence_(recurrence) {}

  // The schedule of an item that starts on `start` in an account with `cycle_day`. N-day periods
  // anchor at the start whatever the rule.
  static Schedule For(CivilDay start, int cycle_day, Recurrence recurrence,
                      AnchorRule rule = AnchorRule::kCycleDayOnOrAfterStart);

  CivilDay anchor() const { return anchor_; }
  const Recurrence& recurrence() const { return recurrence_; }

  // n may be negative.
  CivilDay Boundary(int64_t n) const;
  // The n with Boundary(n) ≤ day < Boundary(n + 1).
  int64_t IndexOf(CivilDay day) const;
  DateInterval Period(int64_t n) const { return {Boundary(n), Boundary(n + 1)}; }
  DateInterval PeriodContaining(CivilDay day) const { return Period(IndexOf(day)); }
  // All periods that share a day with `interval`, in order.
  std::vector<DateInterval> Overlapping(const DateInterval& interval) const;

 private:
  CivilDay anchor_;
  int cycle_day_;
  Recurrence recurrence_;
};

// `day` of the month, or its last day when the month is shorter.
CivilDay DayOfMonth(int64_t year, int month, int day);
// The first day on or after `from` that is the month's `cycle_day`.
CivilDay CycleDayOnOrAfter(CivilDay from, int cycle_day);

// 30/360: 30 × months + min(d2, 30) − min(d1, 30); every month has 30 days.
int64_t Days360(CivilDay from, CivilDay to);

enum class Proration {
  kActual,     // by calendar days of the enclosing period
  kThirtyDay,  // by 30/360 days
  kFull,       // the whole period's amount, however few days
  kNone,       // nothing until the next boundary
};

// Where `day` stands in `period` for day values, 0 ≤ position ≤ length: under kThirtyDay by
// 30/360, else by calendar days. The end of the period is always its length, so parts telescope.
struct Position {
  int64_t at = 0;
  int64_t length = 1;
};
Position PositionIn(const DateInterval& period, CivilDay day, Proration method);

}  // namespace broadbill
