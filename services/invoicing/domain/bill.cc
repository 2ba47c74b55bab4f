#include "services/invoicing/domain/bill.h"

#include <algorithm>
#include <map>

#include "libs/status/macros.h"
#include "services/invoicing/domain/differ.h"
#include "services/invoicing/domain/discounts.h"
#include "services/invoicing/domain/pieces.h"
#include "services/invoicing/domain/schedule.h"
#include "services/invoicing/domain/settled.h"

namespace broadbill::invoicing {
namespace {

bool IsSame(const Piece& covered, const Wanted& wanted) {
  if (!(covered.days == wanted.days) || !(covered.base == wanted.base) ||
      covered.terms_key != wanted.stretch->key || covered.value != wanted.value ||
      covered.discounts.size() != wanted.discounts.size()) {
    return false;
  }
  for (size_t i = 0; i < covered.discounts.size(); ++i) {
    const DiscountValue& a = covered.discounts[i];
    const DiscountValue& b = wanted.discounts[i];
    if (!(a.id == b.id) || a.value != b.value || a.label != b.label) return false;
  }
  return true;
}

// What is covered and what is wanted of one period at equal terms.
struct Group {
  DateInterval base;
  uint64_t key = 0;
  DateInterval window;  // of what is wanted
  std::vector<Piece> before, now;

  CivilDay first() const { return (before.empty() ? now : before).front().days.start; }
};

Group& GroupOf(const DateInterval& base, uint64_t key, std::vector<Group>& groups) {
  for (Group& group : groups) {
    if (group.base == base && group.key == key) return group;
  }
  groups.push_back({base, key, {}, {}, {}});
  return groups.back();
}

// Credits first, then charges, period by period.
void Sort(std::vector<Group>& groups) {
  std::stable_sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    if (a.base.start != b.base.start) return a.base.start < b.base.start;
    if (a.base.end != b.base.end) return a.base.end < b.base.end;
    if (a.now.empty() != b.now.empty()) return a.now.empty();
    return a.first() < b.first();
  });
}

// Days that were billed before they are due again (a final bill in arrears whose cancellation was
// taken back, a run of a later date), by period and terms.
class Early {
 public:
  Early(const std::vector<Piece>& covered, const std::vector<Wanted>& wanted) {
    for (const Wanted& piece : wanted) {
      if (!piece.due) Find(piece.base, piece.stretch->key, true)->wanted.Add(piece.days);
    }
    for (const Piece& piece : covered) {
      if (Days* days = Find(piece.base, piece.terms_key, false)) days->covered.Add(piece.days);
    }
    for (Days& days : all_) {
      DateSet surplus = days.covered;
      for (const DateInterval& one : days.wanted.intervals()) surplus.Subtract(one);
      days.surplus = !surplus.empty();
    }
  }

  // The covered days of a period and terms of which some are no longer wanted; nullptr: none are
  // too many, so they stay as they are until they are due.
  const DateSet* Surplus(const DateInterval& base, uint64_t key) const {
    for (const Days& days : all_) {
      if (days.base == base && days.key == key) return days.surplus ? &days.covered : nullptr;
    }
    return nullptr;
  }

 private:
  struct Days {
    DateInterval base;
    uint64_t key = 0;
    DateSet covered, wanted;
    bool surplus = false;
  };

  Days* Find(const DateInterval& base, uint64_t key, bool make) {
    for (Days& days : all_) {
      if (days.base == base && days.key == key) return &days;
    }
    if (!make) return nullptr;
    all_.push_back({base, key, {}, {}, false});
    return &all_.back();
  }

  std::vector<Days> all_;
};

// Sorts out what stays as it is; the rest is compared in groups.
absl::StatusOr<std::vector<Group>> Changed(const Item& item, const std::vector<Piece>& covered,
                                           const std::vector<Wanted>& wanted, CivilDay last_start,
                                           ItemBill& out) {
  std::vector<Group> groups;
  const Early early(covered, wanted);
  const CivilDay end = item.segments.empty() ? CivilDay::min() : item.segments.back().days.end;
  const auto drop = [&](const Piece& piece) {
    // What is covered beyond the horizon (by a run of a later date) stays as it is unless the item
    // ended there.
    const auto same = std::find_if(wanted.begin(), wanted.end(), [&](const Wanted& one) {
      return one.base == piece.base && one.stretch->key == piece.terms_key;
    });
    const bool beyond = same == wanted.end()
                            ? piece.base.start > last_start
                            : !same->due && early.Surplus(piece.base, piece.terms_key) == nullptr;
    // A new schedule may have put another period over it.
    const bool taken = std::any_of(wanted.begin(), wanted.end(), [&](const Wanted& one) {
      return one.due && !one.days.Intersect(piece.days).empty();
    });
    if (beyond && !taken && piece.days.end <= end) {
      out.pieces.push_back(piece);
    } else {
      GroupOf(piece.base, piece.terms_key, groups).before.push_back(piece);
    }
  };
  const auto want = [&](const Wanted& piece) -> absl::Status {
    const DateSet* covered_early = early.Surplus(piece.base, piece.stretch->key);
    if (!piece.due && covered_early == nullptr) return absl::OkStatus();
    Group& group = GroupOf(piece.base, piece.stretch->key, groups);
    group.window = piece.window;
    if (piece.due) {
      group.now.push_back(ToPiece(piece));
      return absl::OkStatus();
    }
    // Not due: of the days that are billed already those stay that are still wanted.
    const DateSet kept = covered_early->Intersect(piece.days);
    for (const DateInterval& days : kept.intervals()) {
      ASSIGN_OR_RETURN(Piece part, PartOf(ToPiece(piece), days));
      group.now.push_back(std::move(part));
    }
    return absl::OkStatus();
  };
  size_t i = 0;
  size_t j = 0;
  while (i < covered.size() || j < wanted.size()) {
    if (j == wanted.size() ||
        (i < covered.size() && covered[i].days.start < wanted[j].days.start)) {
      drop(covered[i++]);
    } else if (i == covered.size() || wanted[j].days.start < covered[i].days.start) {
      RETURN_IF_ERROR(want(wanted[j++]));
    } else if (wanted[j].due && IsSame(covered[i], wanted[j])) {
      out.pieces.push_back(covered[i++]);
      ++j;
    } else {
      drop(covered[i++]);
      RETURN_IF_ERROR(want(wanted[j++]));
    }
  }
  Sort(groups);
  return groups;
}

// Days that should have been covered before later ones were.
void AddLate(const std::vector<Piece>& now, const DateSet& had, DateSet& late) {
  if (had.empty()) return;
  for (const Piece& piece : now) {
    late.Add(piece.days.Intersect({CivilDay::min(), had.intervals().back().end}));
  }
  for (const DateInterval& days : had.intervals()) late.Subtract(days);
}

absl::StatusOr<ItemBill> BillOne(const Item& item, const AccountTerms& terms,
                                 const std::vector<Piece>& covered,
                                 const std::vector<Wanted>& wanted, CivilDay as_of) {
  ItemBill out;
  const DateSet had = CoveredDays(covered);
  ASSIGN_OR_RETURN(std::vector<Group> groups,
                   Changed(item, covered, wanted, as_of + terms.ahead, out));
  for (Group& group : groups) {
    if (SameValue(group.before, group.now)) {
      out.pieces.insert(out.pieces.end(), group.before.begin(), group.before.end());
      continue;
    }
    out.changed = true;
    out.replaced.insert(out.replaced.end(), group.before.begin(), group.before.end());
    if (!group.now.empty() && had.Intersect(group.window).empty()) out.fresh = true;
    AddLate(group.now, had, out.late);
    RETURN_IF_ERROR(Differ(item, terms.exponent, group.before, group.now, out));
  }
  for (const Segment& segment : item.segments) out.now = out.now || segment.terms.bill_changes_now;
  if (!out.changed) {
    out.pieces = covered;
    return out;
  }
  // In order of days; lines keep pointing at their pieces.
  std::vector<size_t> order(out.pieces.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return out.pieces[a].days.start < out.pieces[b].days.start;
  });
  std::vector<Piece> sorted;
  std::vector<int> place(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    place[order[i]] = static_cast<int>(i);
    sorted.push_back(std::move(out.pieces[order[i]]));
  }
  out.pieces = std::move(sorted);
  for (Line& line : out.lines) {
    if (line.piece >= 0) line.piece = place[static_cast<size_t>(line.piece)];
  }
  return out;
}

}  // namespace

DateSet CoveredDays(const std::vector<Piece>& pieces) {
  DateSet out;
  for (const Piece& piece : pieces) out.Add(piece.days);
  return out;
}

absl::StatusOr<std::vector<ItemBill>> BillAccount(
    const std::vector<Item>& items, const AccountTerms& terms,
    const std::vector<const std::vector<Piece>*>& covered, CivilDay as_of,
    const std::vector<CivilDay>& from) {
  std::vector<std::vector<Stretch>> stretches;
  std::vector<std::vector<Wanted>> wanted;
  for (const Item& item : items) stretches.push_back(Stretches(item, terms.exponent));
  for (size_t i = 0; i < items.size(); ++i) {
    const Horizon horizon{from.empty() ? CivilDay::min() : from[i], as_of, terms.ahead};
    ASSIGN_OR_RETURN(auto pieces, WantedPieces(items[i], stretches[i],
                                               Eras(items[i], terms.schedules), horizon));
    wanted.push_back(std::move(pieces));
  }
  RETURN_IF_ERROR(ApplyDiscounts(terms.discounts, terms.exponent, stretches, wanted));
  std::vector<ItemBill> out;
  for (size_t i = 0; i < items.size(); ++i) {
    ASSIGN_OR_RETURN(ItemBill bill, BillOne(items[i], terms, *covered[i], wanted[i], as_of));
    bill.settled_through = SettledThrough(wanted[i], from.empty() ? CivilDay::min() : from[i]);
    out.push_back(std::move(bill));
  }
  return out;
}

absl::StatusOr<ItemBill> BillItem(const Item& item, const Schedules& schedules,
                                  const std::vector<Piece>& covered, CivilDay as_of, int ahead,
                                  int currency_exponent) {
  ASSIGN_OR_RETURN(auto bills, BillAccount({item}, {schedules, {}, ahead, currency_exponent},
                                           {&covered}, as_of));
  return std::move(bills.front());
}

}  // namespace broadbill::invoicing
