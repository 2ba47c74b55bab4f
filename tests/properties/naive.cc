#include "tests/properties/naive.h"

#include <algorithm>
#include <set>

namespace broadbill::properties {
namespace {

// Exact fractions of minor units in 128 bits; the values here are small enough.
struct Exact {
  Int128 over = 0, under = 1;
};

Exact Less(const Exact& a, const Exact& b) {
  return {a.over * b.under - b.over * a.under, a.under * b.under};
}

Int128 Gcd(Int128 a, Int128 b) {
  while (b != 0) {
    const Int128 rest = a % b;
    a = b;
    b = rest;
  }
  return a < 0 ? -a : a;
}

Exact Short(const Exact& value) {
  const Int128 by = Gcd(value.over, value.under);
  return by == 0 ? value : Exact{value.over / by, value.under / by};
}

// Half away from zero; nothing here is below zero.
int64_t RoundShare(const Exact& amount, int64_t at, int64_t of) {
  const Int128 over = amount.over * at;
  const Int128 under = amount.under * of;
  return static_cast<int64_t>((2 * over + under) / (2 * under));
}

int64_t DayValue(const Exact& amount, int64_t index, int64_t of) {
  return RoundShare(amount, index + 1, of) - RoundShare(amount, index, of);
}

Exact InMinorUnits(const Decimal& major, int exponent) {
  Exact out{major.scaled(), Decimal::kScale};
  for (int i = 0; i < exponent; ++i) out.over *= 10;
  return Short(out);
}

Exact Times(const Exact& a, const Decimal& b) {
  const Exact right = Short({b.scaled(), Decimal::kScale});
  return Short({a.over * right.over, a.under * right.under});
}

CivilDay InMonth(int64_t months_since_2000, int day) {
  const int64_t year = 2000 + months_since_2000 / 12;
  const int month = static_cast<int>(months_since_2000 % 12) + 1;
  for (int d = day; d >= 28; --d) {
    const CivilDay out(year, month, d);
    if (out.month() == month && out.day() == d) return out;
  }
  return CivilDay(year, month, day);
}

// The regular boundaries around an era: ascending, from before its start to after the last day.
std::vector<CivilDay> Boundaries(CivilDay from, CivilDay to, const Recurrence& recurrence,
                                 int cycle_day, AnchorRule rule) {
  std::vector<CivilDay> out;
  if (recurrence.days > 0) {
    CivilDay at = from;
    for (; at <= to; at += recurrence.days) out.push_back(at);
    out.push_back(at);
    return out;
  }
  int64_t month = (from.year() - 2000) * 12 + from.month() - 1;
  int day = cycle_day;
  if (rule == AnchorRule::kAnniversary) {
    day = from.day();
  } else if (rule == AnchorRule::kCycleDayOnOrAfterStart) {
    while (InMonth(month, day) < from) ++month;
  }
  while (InMonth(month, day) > from) month -= recurrence.months;
  for (; InMonth(month, day) <= to; month += recurrence.months) out.push_back(InMonth(month, day));
  out.push_back(InMonth(month, day));
  return out;
}

const invoicing::Segment* SegmentOn(const invoicing::Item& item, CivilDay day) {
  for (const invoicing::Segment& segment : item.segments) {
    if (segment.days.start <= day && day < segment.days.end) return &segment;
  }
  return nullptr;
}

// Days side by side in one period at the same price and under the same discounts.
struct Run {
  const invoicing::Segment* segment = nullptr;
  CivilDay era, period;
  std::vector<int64_t> indexes;  // of the days in their period
  int64_t of = 1;
  std::vector<const invoicing::Discount*> discounts;
};

bool IsHeld(const invoicing::Segment& segment) {
  return segment.suspended && segment.terms.suspension == invoicing::SuspensionMode::kHold;
}

bool SamePrice(const invoicing::Segment& a, const invoicing::Segment& b) {
  const auto price = [](const invoicing::Segment& of) {
    return IsHeld(of) ? of.terms.hold_price : of.terms.price;
  };
  return price(a) == price(b) && IsHeld(a) == IsHeld(b) && a.terms.quantity == b.terms.quantity &&
         a.terms.arrears == b.terms.arrears;
}

int64_t SumOf(const Run& run, const Exact& amount) {
  int64_t out = 0;
  for (const int64_t index : run.indexes) out += DayValue(amount, index, run.of);
  return out;
}

// The day values of a run less what its discounts take, each on what earlier ones left.
int64_t NetOf(const Run& run, int exponent) {
  const invoicing::Terms& terms = run.segment->terms;
  Exact left = Times(InMinorUnits(IsHeld(*run.segment) ? terms.hold_price : terms.price, exponent),
                     terms.quantity);
  int64_t net = SumOf(run, left);
  const auto take = [&](const std::optional<Decimal>& percent, const Exact& amount) {
    Exact off = amount;
    if (percent.has_value()) {
      off = Times(left, *percent);
      off.under *= 100;
      off = Short(off);
    }
    const Exact rest = Less(left, off);
    const int64_t value = rest.over <= 0 ? net : std::min(net, SumOf(run, off));
    left = rest.over <= 0 ? Exact{} : Short(rest);
    net -= value;
  };
  if (!terms.term_discount_percent.IsZero()) take(terms.term_discount_percent, {});
  for (const invoicing::Discount* discount : run.discounts) {
    take(discount->percent,
         discount->amount.has_value() ? InMinorUnits(*discount->amount, exponent) : Exact{});
  }
  return net;
}

// The era that begins on a day goes on to the next cut, due or not.
CivilDay EraEnd(const invoicing::Item& item, const invoicing::Schedules& schedules,
                CivilDay begin) {
  CivilDay to = item.segments.back().days.end;
  for (const auto& cycle : schedules.cycle_days) {
    if (cycle.from > begin && cycle.from < to && SegmentOn(item, cycle.from) != nullptr &&
        SegmentOn(item, cycle.from)->terms.recurrence.days == 0) {
      to = cycle.from;
    }
  }
  for (size_t i = 1; i < item.segments.size(); ++i) {
    const CivilDay at = item.segments[i].days.start;
    const bool other =
        !(item.segments[i].terms.recurrence == item.segments[i - 1].terms.recurrence);
    if (other && at > begin) to = std::min(to, at);
  }
  return to;
}

}  // namespace

NaiveBill BillNaively(const History& history, const DateSet& covered) {
  NaiveBill out;
  const invoicing::Item item = ItemAfter(history, history.steps.size());
  const invoicing::Schedules schedules = SchedulesAfter(history, history.steps.size());
  if (item.segments.empty()) return out;
  const CivilDay end = std::min(item.segments.back().days.end, history.last + 60 * 31 * 2);
  const CivilDay horizon = history.last + history.ahead;
  std::vector<Run> runs;
  std::set<CivilDay> begins = {history.start};
  for (CivilDay day = history.start + 1; day < end && day <= horizon; ++day) {
    const auto* before = SegmentOn(item, day - 1);
    const auto* now = SegmentOn(item, day);
    if (!(before->terms.recurrence == now->terms.recurrence)) begins.insert(day);
    for (const auto& cycle : schedules.cycle_days) {
      if (cycle.from == day && now->terms.recurrence.days == 0) begins.insert(day);
    }
  }
  for (auto begin = begins.begin(); begin != begins.end(); ++begin) {
    const CivilDay to = EraEnd(item, schedules, *begin);
    const Recurrence& recurrence = SegmentOn(item, *begin)->terms.recurrence;
    int cycle_day = history.cycle_day;
    for (const auto& cycle : schedules.cycle_days) {
      if (cycle.from <= *begin) cycle_day = cycle.day;
    }
    const AnchorRule rule =
        *begin == history.start ? history.rule : AnchorRule::kCycleDayOnOrAfterStart;
    const auto boundaries =
        Boundaries(*begin, std::min(to, horizon + 1), recurrence, cycle_day, rule);
    for (size_t i = 0; i + 1 < boundaries.size(); ++i) {
      const CivilDay first = std::max(boundaries[i], *begin);
      const CivilDay stop = std::min(boundaries[i + 1], to);
      for (CivilDay day = first; day < stop; ++day) {
        const invoicing::Segment& segment = *SegmentOn(item, day);
        const bool due = segment.terms.arrears ? stop <= history.last : first <= horizon;
        if (segment.suspended && segment.terms.suspension == invoicing::SuspensionMode::kStop) {
          continue;
        }
        if (due) out.due.Add({day, day + 1});
        if (!covered.Contains(day)) continue;
        std::vector<const invoicing::Discount*> discounts;
        for (const invoicing::Discount& one : item.discounts) {
          if (day >= one.days.start && day < one.days.end) discounts.push_back(&one);
        }
        const bool goes_on =
            !runs.empty() && out.served.Contains(day - 1) && runs.back().period == boundaries[i] &&
            runs.back().era == *begin && runs.back().of == boundaries[i + 1] - boundaries[i] &&
            SamePrice(*runs.back().segment, segment) && runs.back().discounts == discounts;
        if (!goes_on) {
          runs.push_back(
              {&segment, *begin, boundaries[i], {}, boundaries[i + 1] - boundaries[i], discounts});
        }
        runs.back().indexes.push_back(day - boundaries[i]);
        out.served.Add({day, day + 1});
      }
    }
  }
  for (const Run& run : runs) out.total += NetOf(run, history.exponent);
  return out;
}

}  // namespace broadbill::properties
