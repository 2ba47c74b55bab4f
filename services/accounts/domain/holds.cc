#include "services/accounts/domain/holds.h"

#include <algorithm>
#include <map>

#include "libs/status/error.h"

namespace broadbill::accounts {
namespace {

constexpr char kField[] = "change.effective_date";

absl::Status Refuse(const char* reason, const std::string& message) {
  return WithViolations(FailedPreconditionError(reason, message), {{kField, message}});
}

struct Hold {
  CivilDay start;
  std::optional<CivilDay> resume;
  Uuid plan_id;  // that holds on its first day
};

// Holds in order; the days of a cancelled one end with the service.
std::vector<Hold> HoldsOf(const History& history) {
  std::vector<Hold> out;
  Uuid plan = history.plan_id;
  bool open = false;
  const CivilDay end = EndOf(history);
  for (const Change& change : InOrder(history.changes)) {
    if (change.effective >= end) break;
    if (change.kind == ChangeKind::kPlan) plan = change.plan_id;
    if (change.kind == ChangeKind::kSuspend) {
      open = change.seasonal;
      if (open) out.push_back({change.effective, std::nullopt, plan});
    } else if (change.kind == ChangeKind::kResume && open) {
      out.back().resume = change.effective;
      open = false;
    }
  }
  return out;
}

using DaysByYear = std::map<int64_t, int64_t>;

void Count(CivilDay from, CivilDay to, DaysByYear& days) {
  while (from < to) {
    const CivilDay next(from.year() + 1, 1, 1);
    days[from.year()] += std::min(next, to) - from;
    from = next;
  }
}

// The day on which a hold from `start` has used up what its years have left; max(): no limit.
CivilDay UsedUp(CivilDay start, const HoldLimits& limits, const DaysByYear& before) {
  if (limits.max_days_per_year == 0) return CivilDay::max();
  CivilDay day = start;
  while (true) {
    const auto used = before.find(day.year());
    const int64_t left = limits.max_days_per_year - (used == before.end() ? 0 : used->second);
    const CivilDay next(day.year() + 1, 1, 1);
    if (next - day > left) return day + std::max<int64_t>(0, left);
    day = next;
    // A limit of a whole year or more never ends a hold.
    if (limits.max_days_per_year >= 366) return CivilDay::max();
  }
}

absl::Status CheckHold(const Hold& hold, const std::optional<HoldLimits>& limits, int begun,
                       CivilDay end, const DaysByYear& used) {
  const std::string from = FormatDate(hold.start);
  if (!limits.has_value()) {
    return Refuse("SEASONAL_HOLD_LIMIT", "the plan of " + from + " allows no seasonal hold");
  }
  if (limits->max_per_year > 0 && begun > limits->max_per_year) {
    return Refuse("SEASONAL_HOLD_LIMIT", "at most " + std::to_string(limits->max_per_year) +
                                             " holds may begin in " +
                                             std::to_string(hold.start.year()));
  }
  const CivilDay last = UsedUp(hold.start, *limits, used);
  if (last <= hold.start) {
    return Refuse("SEASONAL_HOLD_LIMIT", "the " + std::to_string(limits->max_days_per_year) +
                                             " days on hold of " +
                                             std::to_string(hold.start.year()) + " are used up");
  }
  if (!hold.resume.has_value()) return absl::OkStatus();
  if (*hold.resume > last) {
    return Refuse("SEASONAL_HOLD_LIMIT", "the hold from " + from + " ends by itself on " +
                                             FormatDate(last) + ", when its " +
                                             std::to_string(limits->max_days_per_year) +
                                             " days a year are used up");
  }
  if (limits->min_days > 0 && *hold.resume < hold.start + limits->min_days && *hold.resume < end) {
    return Refuse("SEASONAL_HOLD_LIMIT",
                  "the hold from " + from + " lasts at least " + std::to_string(limits->min_days) +
                      " days: it can end from " + FormatDate(hold.start + limits->min_days));
  }
  return absl::OkStatus();
}

absl::Status CheckOrder(const History& history) {
  const CivilDay end = EndOf(history);
  bool suspended = false;
  for (const Change& change : InOrder(history.changes)) {
    const std::string day = FormatDate(change.effective);
    // The end as it was known when the change was entered; an end recorded later overtakes it.
    CivilDay known = history.end.value_or(CivilDay::max());
    bool cancelled = false;
    for (const Change& other : history.changes) {
      if (other.kind != ChangeKind::kCancel || other.entered >= change.entered) continue;
      known = std::min(known, other.effective);
      cancelled = true;
    }
    const bool repeats = change.kind == ChangeKind::kCancel && !cancelled;
    if (change.effective > known || (change.effective == known && !repeats)) {
      return Refuse("CHANGE_ORDER", "the subscription ends on " + FormatDate(known) +
                                        "; a change on " + day + " comes after it");
    }
    if (change.effective >= end) continue;
    if (change.kind == ChangeKind::kSuspend && suspended) {
      return Refuse("CHANGE_ORDER", "it is suspended on " + day + " already");
    }
    if (change.kind == ChangeKind::kResume && !suspended) {
      return Refuse("CHANGE_ORDER", "it is not suspended on " + day + ", so it cannot resume");
    }
    if (change.kind == ChangeKind::kSuspend) suspended = true;
    if (change.kind == ChangeKind::kResume) suspended = false;
  }
  return absl::OkStatus();
}

}  // namespace

void EndHolds(History& history, const LimitsOf& limits_of) {
  DaysByYear used;
  for (const Hold& hold : HoldsOf(history)) {
    CivilDay last = hold.resume.value_or(CivilDay::max());
    if (!hold.resume.has_value()) {
      const auto limits = limits_of(hold.plan_id);
      if (limits.has_value()) last = UsedUp(hold.start, *limits, used);
      if (last <= hold.start || last >= EndOf(history)) continue;
      Change resume;
      resume.effective = last;
      resume.entered = INT64_MIN;  // another suspension may begin on that day
      resume.kind = ChangeKind::kResume;
      history.changes.push_back(resume);
    }
    Count(hold.start, last, used);
  }
}

absl::Status CheckHistory(const History& history, const LimitsOf& limits_of) {
  History ended = history;
  EndHolds(ended, limits_of);
  if (absl::Status status = CheckOrder(ended); !status.ok()) return status;
  DaysByYear used;
  std::map<int64_t, int> begun;
  for (const Hold& hold : HoldsOf(ended)) {
    absl::Status status =
        CheckHold(hold, limits_of(hold.plan_id), ++begun[hold.start.year()], EndOf(history), used);
    if (!status.ok()) return status;
    if (hold.resume.has_value()) Count(hold.start, *hold.resume, used);
  }
  return absl::OkStatus();
}

}  // namespace broadbill::accounts
