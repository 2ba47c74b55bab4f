#include "services/accounts/domain/history.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace broadbill::accounts {
namespace {

const PriceBook& BookOf(const std::vector<std::pair<Uuid, PriceBook>>& books, const Uuid& plan) {
  static const PriceBook kNone;
  for (const auto& [id, book] : books) {
    if (id == plan) return book;
  }
  return kNone;
}

// Everything that can change, on one day.
struct State {
  Uuid plan_id;
  Decimal quantity;
  std::optional<Decimal> override_price;
  bool suspended = false;
  Uuid location_id;
};

void Apply(const Change& change, State& state) {
  switch (change.kind) {
    case ChangeKind::kPlan:
      state.plan_id = change.plan_id;
      if (!change.keep_price) state.override_price.reset();
      break;
    case ChangeKind::kQuantity:
      state.quantity = change.value;
      break;
    case ChangeKind::kPrice:
      state.override_price = change.value;
      break;
    case ChangeKind::kClearPrice:
      state.override_price.reset();
      break;
    case ChangeKind::kSuspend:
      state.suspended = true;
      break;
    case ChangeKind::kResume:
      state.suspended = false;
      break;
    case ChangeKind::kMove:
      state.location_id = change.location_id;
      break;
    case ChangeKind::kCancel:
      break;
  }
}

Segment MakeSegment(const State& state, const std::vector<std::pair<Uuid, PriceBook>>& books,
                    const DateInterval& days) {
  Segment out;
  out.days = days;
  out.suspended = state.suspended;
  out.plan_id = state.plan_id;
  out.quantity = state.quantity;
  out.location_id = state.location_id;
  out.overridden = state.override_price.has_value();
  out.price =
      out.overridden ? *state.override_price : PriceOn(BookOf(books, state.plan_id), days.start);
  return out;
}

Cause CauseOf(const Segment& before, const Segment& now) {
  if (before.plan_id != now.plan_id) return Cause::kPlan;
  if (before.price != now.price) return Cause::kPrice;
  if (before.quantity != now.quantity) return Cause::kQuantity;
  if (before.suspended != now.suspended) return now.suspended ? Cause::kSuspend : Cause::kResume;
  if (before.location_id != now.location_id) return Cause::kMove;
  return Cause::kPrice;  // the same price, now the subscription's own or the plan's again
}

bool Same(const Segment& a, const Segment& b) {
  return a.plan_id == b.plan_id && a.price == b.price && a.quantity == b.quantity &&
         a.suspended == b.suspended && a.overridden == b.overridden &&
         a.location_id == b.location_id;
}

}  // namespace

Decimal PriceOn(const PriceBook& book, CivilDay day) {
  Decimal out = book.empty() ? Decimal() : book.front().amount;
  for (const PriceFrom& price : book) {
    if (price.valid_from <= day) out = price.amount;
  }
  return out;
}

std::vector<Change> InOrder(std::vector<Change> changes) {
  std::stable_sort(changes.begin(), changes.end(), [](const Change& a, const Change& b) {
    return std::tie(a.effective, a.entered) < std::tie(b.effective, b.entered);
  });
  return changes;
}

CivilDay EndOf(const History& history) {
  CivilDay end = history.end.value_or(CivilDay::max());
  for (const Change& change : history.changes) {
    if (change.kind == ChangeKind::kCancel) end = std::min(end, change.effective);
  }
  return end;
}

std::vector<Segment> MakeSegments(const History& history,
                                  const std::vector<std::pair<Uuid, PriceBook>>& books) {
  const std::vector<Change> changes = InOrder(history.changes);
  const CivilDay end = EndOf(history);
  std::vector<Segment> out;
  if (end <= history.start) return out;
  // Days on which something may begin: changes, and new prices of any plan it ever had.
  std::set<CivilDay> days = {history.start};
  for (const Change& change : changes) days.insert(std::max(change.effective, history.start));
  for (const auto& [plan, book] : books) {
    for (const PriceFrom& price : book) {
      if (price.valid_from > history.start) days.insert(price.valid_from);
    }
  }
  State state{history.plan_id, history.quantity, history.price_override, false,
              history.location_id};
  size_t next = 0;
  for (auto day = days.begin(); day != days.end() && *day < end; ++day) {
    while (next < changes.size() && changes[next].effective <= *day) Apply(changes[next++], state);
    const auto following = std::next(day);
    const CivilDay until = following == days.end() ? end : std::min(*following, end);
    Segment segment = MakeSegment(state, books, {*day, until});
    if (!out.empty() && Same(out.back(), segment)) {
      out.back().days.end = until;
      continue;
    }
    if (!out.empty()) segment.cause = CauseOf(out.back(), segment);
    out.push_back(segment);
  }
  return out;
}

}  // namespace broadbill::accounts
