#pragma once

// The billing periods of a subscription over its life, as invoicing has them: its recurrence may
// change with its plan, the account's cycle day may change, both begin a new schedule.

#include <optional>
#include <utility>
#include <vector>

#include "libs/calendar/period.h"

namespace broadbill::accounts {

// Cycle days by date, ascending; the first holds from the beginning.
struct Cycles {
  std::vector<CivilDay> from;
  std::vector<int> day;
  AnchorRule rule = AnchorRule::kCycleDayOnOrAfterStart;
};

struct Periods {
  CivilDay start;
  std::optional<CivilDay> anchor;  // a boundary instead of the one by the account's rule
  bool full_first = false;         // a whole period from the start, then a stub
  std::vector<std::pair<CivilDay, Recurrence>> recurrences;  // by date; the first from the start
};

// The same day of the month so many months later, or the month's last day.
CivilDay AddMonths(CivilDay from, int64_t months);
// The schedule that holds on `day`; `until` becomes the first day of the next one, if any.
Schedule ScheduleOn(const Periods& periods, const Cycles& cycles, CivilDay day,
                    std::optional<CivilDay>* until = nullptr);
// The first boundary on or after `from`, at the earliest the start.
CivilDay NextBoundary(const Periods& periods, const Cycles& cycles, CivilDay from);
// The end of `count` (≥ 1) whole periods from `from`; days before the first boundary come on top.
CivilDay EndOfPeriods(const Periods& periods, const Cycles& cycles, CivilDay from, int count);
// A boundary that another item takes as its anchor to end with this one's periods from `from` on.
CivilDay SharedAnchor(const Periods& periods, const Cycles& cycles, CivilDay from);
// Whether every period of `whole` ends where one of `part` ends, given one common boundary.
bool EndsTogether(const Recurrence& part, const Recurrence& whole);

}  // namespace broadbill::accounts
