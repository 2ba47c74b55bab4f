#include "tests/properties/history.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace broadbill::properties {
namespace {

using invoicing::Cause;
using invoicing::SuspensionMode;

int Pick(std::mt19937_64& random, int low, int high) {
  return low + static_cast<int>(random() % static_cast<uint64_t>(high - low + 1));
}

template <class T>
T OneOf(std::mt19937_64& random, std::initializer_list<T> values) {
  return *(values.begin() + Pick(random, 0, static_cast<int>(values.size()) - 1));
}

Decimal RandomPrice(std::mt19937_64& random) {
  static constexpr const char* kPrices[] = {"49.99", "79.99", "10",   "0.07",    "599.88",
                                            "29.95", "0",     "1000", "12.3456", "0.005"};
  return *Decimal::Parse(kPrices[Pick(random, 0, 9)]);
}

Decimal RandomQuantity(std::mt19937_64& random) {
  static constexpr const char* kQuantities[] = {"1", "1", "1", "2", "3", "0.5"};
  return *Decimal::Parse(kQuantities[Pick(random, 0, 5)]);
}

Recurrence RandomRecurrence(std::mt19937_64& random) {
  switch (Pick(random, 0, 7)) {
    case 0:
      return {Pick(random, 1, 60), 0};
    case 1:
      return {0, Pick(random, 1, 90)};
    case 2:
      return {12, 0};
    case 3:
      return {3, 0};
    default:
      return {1, 0};
  }
}

Proration RandomProration(std::mt19937_64& random) {
  return OneOf(random,
               {Proration::kActual, Proration::kThirtyDay, Proration::kFull, Proration::kNone});
}

Step RandomStep(std::mt19937_64& random, const History& history, int index) {
  Step step;
  // Up to half a year before today's runs or after: back-dated and scheduled.
  step.day = history.start + Pick(random, -5, 300);
  const int dice = Pick(random, 0, 99);
  if (dice < 40) {
    step.kind = StepKind::kRun;
  } else if (dice < 60) {
    step.kind = StepKind::kChange;
    step.cause = OneOf(random, {Cause::kPlan, Cause::kPrice, Cause::kQuantity});
    step.price = RandomPrice(random);
    step.quantity = RandomQuantity(random);
    if (step.cause == Cause::kPlan && Pick(random, 0, 3) == 0) {
      step.recurrence = RandomRecurrence(random);
      if (Pick(random, 0, 1) == 0) step.arrears = Pick(random, 0, 1) == 0;
    }
  } else if (dice < 68) {
    step.kind = StepKind::kSuspend;
  } else if (dice < 76) {
    step.kind = StepKind::kResume;
  } else if (dice < 81) {
    step.kind = StepKind::kCancel;
  } else if (dice < 83) {
    step.kind = StepKind::kReopen;
  } else if (dice < 90) {
    step.kind = StepKind::kDiscount;
    step.until = Pick(random, 0, 2) == 0 ? CivilDay::max() : step.day + Pick(random, 1, 120);
    step.discount.id.bytes[15] = static_cast<uint8_t>(index + 1);
    step.discount.label = absl::StrCat("discount ", index + 1);
    step.discount.days = {step.day, step.until};
    static constexpr const char* kValues[] = {"10", "5", "20", "33.333", "50", "100", "0.01"};
    const Decimal value = *Decimal::Parse(kValues[Pick(random, 0, 6)]);
    (Pick(random, 0, 1) == 0 ? step.discount.percent : step.discount.amount) = value;
  } else if (dice < 94) {
    step.kind = StepKind::kCycleDay;
    step.cycle_day = Pick(random, 1, 31);
  } else {
    step.kind = StepKind::kVoid;
  }
  return step;
}

const char* NameOf(Proration method) {
  static constexpr const char* kNames[] = {"actual", "thirty_day", "full", "none"};
  return kNames[static_cast<int>(method)];
}

std::string Text(const Recurrence& recurrence) {
  return recurrence.days > 0 ? absl::StrCat(recurrence.days, " days")
                             : absl::StrCat(recurrence.months, " months");
}

}  // namespace

bool History::Actual() const {
  const auto is = [](Proration method) { return method == Proration::kActual; };
  return is(terms.start) && is(terms.change) && is(terms.quantity_change) && is(terms.suspend) &&
         is(terms.cancel);
}

std::string Step::ToString() const {
  const std::string on = FormatDate(day);
  switch (kind) {
    case StepKind::kChange: {
      const std::string name = cause == Cause::kPlan       ? "plan"
                               : cause == Cause::kQuantity ? "quantity"
                                                           : "price";
      return absl::StrCat("change of ", name, " on ", on, " to ", price.ToString(), " × ",
                          quantity.ToString(),
                          recurrence.has_value() ? " every " + Text(*recurrence) : "",
                          arrears.has_value() ? (*arrears ? " in arrears" : " in advance") : "");
    }
    case StepKind::kSuspend:
      return "suspend on " + on;
    case StepKind::kResume:
      return "resume on " + on;
    case StepKind::kCancel:
      return "cancel on " + on;
    case StepKind::kReopen:
      return "cancellation taken back";
    case StepKind::kDiscount:
      return absl::StrCat("discount ",
                          (discount.percent ? *discount.percent : *discount.amount).ToString(),
                          discount.percent ? " % from " : " from ", on, " to ",
                          until == CivilDay::max() ? "open" : FormatDate(until));
    case StepKind::kCycleDay:
      return absl::StrCat("cycle day ", cycle_day, " from ", on);
    case StepKind::kRun:
      return "run as of " + on;
    case StepKind::kVoid:
      return "void the latest run";
  }
  return "";
}

std::string History::ToString() const {
  static constexpr const char* kRules[] = {"on or after start", "start month", "anniversary"};
  static constexpr const char* kModes[] = {"keep", "stop", "hold"};
  std::string out = absl::StrCat(
      "start ", FormatDate(start), ", ", terms.price.ToString(), " × ", terms.quantity.ToString(),
      " every ", Text(terms.recurrence), terms.arrears ? " in arrears" : " in advance",
      ", cycle day ", cycle_day, " (", kRules[static_cast<int>(rule)], "), ", ahead,
      " days ahead, exponent ", exponent, "\n  start ", NameOf(terms.start), ", change ",
      NameOf(terms.change), ", quantity ", NameOf(terms.quantity_change), ", suspend ",
      NameOf(terms.suspend), ", cancel ", NameOf(terms.cancel), ", suspension ",
      kModes[static_cast<int>(terms.suspension)], " ", terms.hold_price.ToString(),
      ", term discount ", terms.term_discount_percent.ToString(), " %\n");
  for (const Step& step : steps) absl::StrAppend(&out, "  ", step.ToString(), "\n");
  return absl::StrCat(out, "  last run as of ", FormatDate(last), "\n");
}

invoicing::Item ItemAfter(const History& history, size_t count) {
  invoicing::Item item;
  item.item_id.bytes[0] = 1;
  CivilDay end = CivilDay::max();
  std::vector<const Step*> dated;
  for (size_t i = 0; i < count; ++i) {
    const Step& step = history.steps[i];
    if (step.kind == StepKind::kCancel) end = std::max(step.day, history.start);
    if (step.kind == StepKind::kReopen) end = CivilDay::max();
    if (step.kind == StepKind::kDiscount) item.discounts.push_back(step.discount);
    const bool changes = step.kind == StepKind::kChange || step.kind == StepKind::kSuspend ||
                         step.kind == StepKind::kResume;
    if (changes && step.day > history.start) dated.push_back(&step);
  }
  std::stable_sort(dated.begin(), dated.end(),
                   [](const Step* a, const Step* b) { return a->day < b->day; });
  invoicing::Segment now{{history.start, end}, Cause::kStart, false, history.terms};
  const auto close = [&](CivilDay to) {
    if (to <= now.days.start) return;
    now.days.end = to;
    item.segments.push_back(now);
    now.days.start = to;
  };
  for (const Step* step : dated) {
    const bool suspend = step->kind == StepKind::kSuspend;
    if (step->kind != StepKind::kChange && suspend == now.suspended) continue;
    close(std::min(step->day, end));
    if (step->kind == StepKind::kChange) {
      if (step->cause == Cause::kQuantity) {
        now.terms.quantity = step->quantity;
      } else {
        now.terms.price = step->price;
      }
      if (step->recurrence.has_value()) now.terms.recurrence = *step->recurrence;
      if (step->arrears.has_value()) now.terms.arrears = *step->arrears;
      now.cause = step->cause;
    } else {
      now.suspended = suspend;
      now.cause = suspend ? Cause::kSuspend : Cause::kResume;
    }
  }
  close(end);
  return item;
}

invoicing::Schedules SchedulesAfter(const History& history, size_t count) {
  invoicing::Schedules out;
  out.rule = history.rule;
  out.cycle_days.push_back({CivilDay(1970, 1, 1), history.cycle_day});
  for (size_t i = 0; i < count; ++i) {
    const Step& step = history.steps[i];
    if (step.kind == StepKind::kCycleDay) out.cycle_days.push_back({step.day, step.cycle_day});
  }
  std::stable_sort(out.cycle_days.begin(), out.cycle_days.end(),
                   [](const auto& a, const auto& b) { return a.from < b.from; });
  // Of two on one day the later entry holds.
  for (size_t i = 1; i < out.cycle_days.size();) {
    if (out.cycle_days[i].from == out.cycle_days[i - 1].from) {
      out.cycle_days.erase(out.cycle_days.begin() + static_cast<std::ptrdiff_t>(i) - 1);
    } else {
      ++i;
    }
  }
  return out;
}

History RandomHistory(std::mt19937_64& random, bool actual) {
  History out;
  out.start = CivilDay(2026, 1, 1) + Pick(random, 0, 90);
  out.cycle_day = Pick(random, 1, 31);
  out.rule = OneOf(random, {AnchorRule::kCycleDayOnOrAfterStart, AnchorRule::kCycleDayInStartMonth,
                            AnchorRule::kAnniversary});
  out.ahead = OneOf(random, {0, 0, 0, 5, 20});
  out.exponent = OneOf(random, {2, 2, 2, 0, 3});
  out.terms.price = RandomPrice(random);
  out.terms.quantity = RandomQuantity(random);
  out.terms.recurrence = RandomRecurrence(random);
  out.terms.arrears = Pick(random, 0, 3) == 0;
  out.terms.suspension =
      OneOf(random, {SuspensionMode::kKeep, SuspensionMode::kStop, SuspensionMode::kHold});
  out.terms.hold_price = RandomPrice(random);
  if (Pick(random, 0, 4) == 0) out.terms.term_discount_percent = Decimal::FromInt(10);
  if (!actual) {
    out.terms.start = RandomProration(random);
    out.terms.change = RandomProration(random);
    out.terms.quantity_change = RandomProration(random);
    out.terms.suspend = RandomProration(random);
    out.terms.cancel = RandomProration(random);
  }
  const int count = Pick(random, 2, 18);
  for (int i = 0; i < count; ++i) out.steps.push_back(RandomStep(random, out, i));
  out.last = out.start + 310 + Pick(random, 0, 40);
  return out;
}

}  // namespace broadbill::properties
