#include "services/invoicing/domain/bill.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"

namespace broadbill::invoicing {
namespace {

// A stretch of an item's life under one schedule: one recurrence, one cycle day.
struct Era {
  DateInterval days;
  Schedule schedule;
};

std::vector<Era> Eras(const Item& item, const Schedules& schedules) {
  std::vector<Era> out;
  if (item.segments.empty()) return out;
  const CivilDay end = item.segments.back().days.end;
  // Days on which a new schedule begins: another recurrence, another cycle day.
  std::set<CivilDay> cuts;
  const CivilDay start = item.segments.front().days.start;
  for (size_t i = 1; i < item.segments.size(); ++i) {
    if (!(item.segments[i].terms.recurrence == item.segments[i - 1].terms.recurrence)) {
      cuts.insert(item.segments[i].days.start);
    }
  }
  for (size_t i = 1; i < schedules.cycle_days.size(); ++i) {
    if (schedules.cycle_days[i].from > start && schedules.cycle_days[i].from < end) {
      cuts.insert(schedules.cycle_days[i].from);
    }
  }
  CivilDay from = start;
  while (true) {
    const auto next = cuts.upper_bound(from);
    const CivilDay to = next == cuts.end() ? end : *next;
    int cycle_day = schedules.cycle_days.front().day;
    for (const CycleDay& cycle : schedules.cycle_days) {
      if (cycle.from <= from) cycle_day = cycle.day;
    }
    Recurrence recurrence = item.segments.front().terms.recurrence;
    for (const Segment& segment : item.segments) {
      if (segment.days.start <= from) recurrence = segment.terms.recurrence;
    }
    const AnchorRule rule = from == start ? schedules.rule : AnchorRule::kCycleDayOnOrAfterStart;
    out.push_back({{from, to}, Schedule::For(from, cycle_day, recurrence, rule)});
    if (next == cuts.end()) return out;
    from = to;
  }
}

uint64_t KeyOf(const Terms& terms, bool held) {
  const std::string text = absl::StrCat(
      terms.plan_code, "|", held ? terms.hold_price.ToString() : terms.price.ToString(), "|",
      terms.quantity.ToString(), "|", terms.arrears ? 1 : 0, "|", terms.tax_class, "|",
      terms.account_code, "|", terms.term_discount_percent.ToString(), "|", held ? "hold" : "");
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

// A place inside a base period as a fraction of it.
Fraction At(const DateInterval& base, CivilDay day, bool thirty_day) {
  const Position p = PositionIn(base, day, thirty_day ? Proration::kThirtyDay : Proration::kActual);
  return Fraction::Ratio(p.at, p.length);
}

absl::StatusOr<int64_t> Between(const Fraction& full, const Fraction& from, const Fraction& to) {
  ASSIGN_OR_RETURN(const int64_t end, (full * to).Round());
  ASSIGN_OR_RETURN(const int64_t begin, (full * from).Round());
  return end - begin;
}

// How a piece begins and ends inside its base.
struct Ends {
  Fraction from, to;
  bool nothing = false;  // not charged until the boundary
  bool thirty_day = false;
};

Proration StartMethod(const Terms& terms, Cause cause) {
  switch (cause) {
    case Cause::kStart:
      return terms.start;
    case Cause::kPlan:
    case Cause::kPrice:
      return terms.change;
    case Cause::kQuantity:
      return terms.quantity_change;
    case Cause::kSuspend:
    case Cause::kResume:
      return terms.suspend;
  }
  return terms.start;
}

class Biller {
 public:
  Biller(const Item& item, CivilDay as_of, int ahead, int exponent)
      : item_(item), as_of_(as_of), ahead_(ahead), exponent_(exponent) {}

  // All pieces that should be covered by the as-of date. `due_bases` are the periods looked at.
  absl::StatusOr<std::vector<Piece>> Desired(const std::vector<Era>& eras) {
    std::vector<Piece> out;
    for (const Era& era : eras) {
      const CivilDay horizon = as_of_ + ahead_ + 1;
      const DateInterval looked{era.days.start, std::min(era.days.end, horizon)};
      for (const DateInterval& base : era.schedule.Overlapping(looked)) {
        RETURN_IF_ERROR(DesiredIn(base, base.Intersect(era.days), out));
      }
    }
    return out;
  }

 private:
  bool IsDue(const DateInterval& window, bool arrears) const {
    return arrears ? window.end <= as_of_ : window.start <= as_of_ + ahead_;
  }

  absl::Status DesiredIn(const DateInterval& base, const DateInterval& window,
                         std::vector<Piece>& out) {
    for (size_t i = 0; i < item_.segments.size(); ++i) {
      const Segment& segment = item_.segments[i];
      DateInterval days = window.Intersect(segment.days);
      if (item_.paid_through.has_value()) {
        days = days.Intersect({*item_.paid_through, CivilDay::max()});
      }
      if (days.empty() || !IsDue(window, segment.terms.arrears)) continue;
      const bool stopped = segment.suspended && segment.terms.suspension == SuspensionMode::kStop;
      if (stopped) continue;
      ASSIGN_OR_RETURN(Piece piece, MakePiece(base, days, i));
      out.push_back(std::move(piece));
    }
    return absl::OkStatus();
  }

  Ends EndsOf(const DateInterval& base, const DateInterval& days, size_t index) const {
    const Segment& segment = item_.segments[index];
    const Terms& terms = segment.terms;
    Ends out{Fraction::Ratio(0, 1), Fraction::Ratio(1, 1), false, false};
    // The method that rules a beginning or an end which is not the period's own.
    if (days.start > base.start) {
      Proration method = Proration::kActual;
      if (days.start == segment.days.start) method = StartMethod(terms, segment.cause);
      out.thirty_day = method == Proration::kThirtyDay;
      if (method == Proration::kNone) out.nothing = true;
      if (method != Proration::kFull) {
        out.from = At(base, days.start, method == Proration::kThirtyDay);
      }
    }
    if (days.end < base.end) {
      Proration method = Proration::kActual;
      if (days.end == segment.days.end) {
        const bool last = index + 1 == item_.segments.size();
        method = last ? (item_.no_refund ? Proration::kFull : terms.cancel)
                      : StartMethod(terms, item_.segments[index + 1].cause);
      }
      const bool no_credit = method == Proration::kFull || method == Proration::kNone;
      if (method == Proration::kThirtyDay) out.thirty_day = true;
      if (!no_credit) out.to = At(base, days.end, method == Proration::kThirtyDay);
    }
    return out;
  }

  absl::StatusOr<Piece> MakePiece(const DateInterval& base, const DateInterval& days,
                                  size_t index) {
    const Segment& segment = item_.segments[index];
    const bool held = segment.suspended && segment.terms.suspension == SuspensionMode::kHold;
    Piece out;
    out.days = days;
    out.base = base;
    out.terms_key = KeyOf(segment.terms, held);
    out.description = segment.terms.description;
    out.tax_class = segment.terms.tax_class;
    out.account_code = segment.terms.account_code;
    out.price = held ? segment.terms.hold_price : segment.terms.price;
    out.quantity = segment.terms.quantity;
    out.location_id = item_.location_id;
    out.full = Fraction::MinorUnits(out.price, exponent_) * Fraction::Of(out.quantity);
    const Ends ends = EndsOf(base, days, index);
    out.thirty_day = ends.thirty_day;
    if (!ends.nothing) {
      ASSIGN_OR_RETURN(out.value, Between(out.full, ends.from, ends.to));
    }
    RETURN_IF_ERROR(AddDiscounts(segment.terms, ends, out));
    return out;
  }

  // Discounts of a piece: cut where the set of discounts changes, each on what earlier ones left.
  absl::Status AddDiscounts(const Terms& terms, const Ends& ends, Piece& piece) {
    std::vector<Discount> all;
    if (!terms.term_discount_percent.IsZero()) {
      all.push_back({Uuid(),
                     absl::StrCat("Term discount ", terms.term_discount_percent.ToString(), " %"),
                     terms.term_discount_percent, std::nullopt, piece.base, ""});
    }
    all.insert(all.end(), item_.discounts.begin(), item_.discounts.end());
    if (all.empty() || ends.nothing) return absl::OkStatus();
    std::set<CivilDay> cuts = {piece.days.start, piece.days.end};
    for (const Discount& discount : all) {
      const DateInterval common = discount.days.Intersect(piece.days);
      if (common.empty()) continue;
      cuts.insert(common.start);
      cuts.insert(common.end);
    }
    std::map<size_t, int64_t> values;
    for (auto cut = cuts.begin(); std::next(cut) != cuts.end(); ++cut) {
      const DateInterval part{*cut, *std::next(cut)};
      const Fraction from =
          part.start == piece.days.start ? ends.from : At(piece.base, part.start, piece.thirty_day);
      const Fraction to =
          part.end == piece.days.end ? ends.to : At(piece.base, part.end, piece.thirty_day);
      Fraction left = piece.full;
      for (size_t i = 0; i < all.size(); ++i) {
        if (!all[i].days.Contains(part.start)) continue;
        Fraction off = all[i].percent.has_value()
                           ? left * Fraction::Of(*all[i].percent) * Fraction::Ratio(1, 100)
                           : Fraction::MinorUnits(*all[i].amount, exponent_);
        if ((left - off).IsNegative()) off = left;  // never below zero
        left = left - off;
        ASSIGN_OR_RETURN(const int64_t value, Between(off, from, to));
        values[i] += value;
      }
    }
    for (const auto& [i, value] : values) {
      piece.discounts.push_back({all[i].id, all[i].label, all[i].account_code, value});
    }
    return absl::OkStatus();
  }

  const Item& item_;
  const CivilDay as_of_;
  const int ahead_;
  const int exponent_;
};

int64_t DiscountOf(const Piece& piece, const Uuid& id) {
  for (const DiscountValue& discount : piece.discounts) {
    if (discount.id == id) return discount.value;
  }
  return 0;
}

std::string Derivation(const Piece& piece, const DateInterval& days, int64_t amount, int exponent) {
  const std::string price =
      piece.quantity == Decimal::FromInt(1)
          ? piece.price.ToString()
          : absl::StrCat(piece.price.ToString(), " × ", piece.quantity.ToString());
  const std::string result = FormatMinor(amount, exponent);
  if (days == piece.base) return absl::StrCat(price, " → ", result);
  const Position from = PositionIn(piece.base, days.start,
                                   piece.thirty_day ? Proration::kThirtyDay : Proration::kActual);
  const Position to = PositionIn(piece.base, days.end,
                                 piece.thirty_day ? Proration::kThirtyDay : Proration::kActual);
  return absl::StrCat(price, " × ", to.at - from.at, " ÷ ", to.length,
                      piece.thirty_day ? " days (30/360) → " : " days → ", result);
}

// Makes lines out of the difference between covered and desired pieces of one base and one key.
class Differ {
 public:
  Differ(const Item& item, int exponent, ItemBill& out)
      : item_(item), exponent_(exponent), out_(out) {}

  absl::Status Compare(const std::vector<Piece>& before, const std::vector<Piece>& now) {
    const DateSet had = CoveredDays(before);
    const DateSet want = CoveredDays(now);
    DateSet removed = had;
    for (const DateInterval& days : want.intervals()) removed.Subtract(days);
    DateSet added = want;
    for (const DateInterval& days : had.intervals()) added.Subtract(days);
    int64_t value = 0;
    std::map<Uuid, int64_t> discounts;
    std::map<Uuid, DiscountValue> names;
    for (const Piece& piece : now) Sum(piece, 1, value, discounts, names);
    for (const Piece& piece : before) Sum(piece, -1, value, discounts, names);
    std::vector<size_t> made;
    for (const DateInterval& days : removed.intervals()) {
      RETURN_IF_ERROR(AddLine(Holding(before, days.start), days, true, value, discounts, made));
    }
    for (const DateInterval& days : added.intervals()) {
      RETURN_IF_ERROR(AddLine(Holding(now, days.start), days, false, value, discounts, made));
    }
    return Residual(before, now, value, discounts, names, made);
  }

 private:
  static void Sum(const Piece& piece, int64_t sign, int64_t& value,
                  std::map<Uuid, int64_t>& discounts, std::map<Uuid, DiscountValue>& names) {
    value += sign * piece.value;
    for (const DiscountValue& discount : piece.discounts) {
      discounts[discount.id] += sign * discount.value;
      names[discount.id] = discount;
    }
  }

  static const Piece& Holding(const std::vector<Piece>& pieces, CivilDay day) {
    for (const Piece& piece : pieces) {
      if (piece.days.Contains(day)) return piece;
    }
    return pieces.front();
  }

  // A line for whole pieces takes the piece's own value; for parts the day values.
  absl::Status AddLine(const Piece& piece, const DateInterval& days, bool credit, int64_t& value,
                       std::map<Uuid, int64_t>& discounts, std::vector<size_t>& made) {
    const bool whole = piece.days == days;
    int64_t amount = piece.value;
    if (!whole) {
      ASSIGN_OR_RETURN(amount, Between(piece.full, At(piece.base, days.start, piece.thirty_day),
                                       At(piece.base, days.end, piece.thirty_day)));
    }
    if (credit) amount = -amount;
    value -= amount;
    Line line = Make(piece, days, amount, credit);
    const auto parent = static_cast<int>(out_.lines.size());
    made.push_back(out_.lines.size());
    out_.lines.push_back(std::move(line));
    for (const DiscountValue& discount : piece.discounts) {
      // Parts of a discount are shared out by days; what rounding leaves is settled by Residual.
      int64_t off = discount.value;
      if (!whole && piece.days.days() > 0) {
        ASSIGN_OR_RETURN(
            off, (Fraction::Of(discount.value) * Fraction::Ratio(days.days(), piece.days.days()))
                     .Round());
      }
      if (off == 0) continue;  // it did not hold on these days
      if (credit) off = -off;
      discounts[discount.id] -= off;
      out_.lines.push_back(MakeDiscount(piece, discount, days, -off, credit, parent));
    }
    return absl::OkStatus();
  }

  // Whatever the lines do not add up to (methods "full" and "none", late discounts, changed
  // settings) goes on the first line made, or on a line of its own.
  absl::Status Residual(const std::vector<Piece>& before, const std::vector<Piece>& now,
                        int64_t value, const std::map<Uuid, int64_t>& discounts,
                        const std::map<Uuid, DiscountValue>& names, std::vector<size_t>& made) {
    const Piece& piece = now.empty() ? before.front() : now.front();
    if (value != 0) {
      if (made.empty()) {
        made.push_back(out_.lines.size());
        out_.lines.push_back(Make(piece, piece.days, 0, value < 0));
      }
      Line& line = out_.lines[made.front()];
      line.amount += value;
      line.derivation =
          absl::StrCat(line.derivation, " (by setting ", FormatMinor(line.amount, exponent_), ")");
    }
    for (const auto& [id, rest] : discounts) {
      if (rest == 0) continue;
      const auto same = std::find_if(out_.lines.begin(), out_.lines.end(), [&](const Line& line) {
        return line.kind == LineKind::kDiscount && line.source_id == id.ToHex() && !made.empty() &&
               line.parent >= static_cast<int>(made.front());
      });
      if (same != out_.lines.end()) {
        same->amount -= rest;
        continue;
      }
      const int parent = made.empty() ? -1 : static_cast<int>(made.front());
      out_.lines.push_back(MakeDiscount(piece, names.at(id), piece.days, -rest, rest < 0, parent));
    }
    return absl::OkStatus();
  }

  Line Make(const Piece& piece, const DateInterval& days, int64_t amount, bool credit) const {
    Line line;
    line.kind = credit ? LineKind::kCredit : LineKind::kRecurring;
    line.item_id = item_.item_id;
    line.location_id = piece.location_id;
    line.description = piece.description;
    line.days = days;
    line.quantity = piece.quantity;
    line.unit_price = piece.price;
    line.amount = amount;
    line.tax_class = piece.tax_class;
    line.account_code = piece.account_code;
    line.derivation = Derivation(piece, days, amount, exponent_);
    if (credit) {
      line.corrects_line = piece.line_id;
      line.corrects_document = piece.document_id;
    }
    return line;
  }

  Line MakeDiscount(const Piece& piece, const DiscountValue& discount, const DateInterval& days,
                    int64_t amount, bool credit, int parent) const {
    Line line = Make(piece, days, amount, credit);
    line.kind = LineKind::kDiscount;
    line.description = discount.label;
    if (!discount.account_code.empty()) line.account_code = discount.account_code;
    line.quantity = Decimal();
    line.unit_price = Decimal();
    line.parent = parent;
    line.source_id = discount.id.ToHex();
    line.derivation = discount.label;
    return line;
  }

  const Item& item_;
  const int exponent_;
  ItemBill& out_;
};

using Group = std::pair<DateInterval, uint64_t>;

struct GroupLess {
  bool operator()(const Group& a, const Group& b) const {
    if (a.first.start != b.first.start) return a.first.start < b.first.start;
    if (a.first.end != b.first.end) return a.first.end < b.first.end;
    return a.second < b.second;
  }
};

bool SameValue(const std::vector<Piece>& a, const std::vector<Piece>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i].days == b[i].days && a[i].value == b[i].value &&
                      a[i].discounts.size() == b[i].discounts.size();
    if (!same) return false;
    for (const DiscountValue& discount : a[i].discounts) {
      if (DiscountOf(b[i], discount.id) != discount.value) return false;
    }
  }
  return true;
}

}  // namespace

DateSet CoveredDays(const std::vector<Piece>& pieces) {
  DateSet out;
  for (const Piece& piece : pieces) out.Add(piece.days);
  return out;
}

absl::StatusOr<ItemBill> BillItem(const Item& item, const Schedules& schedules,
                                  const std::vector<Piece>& covered, CivilDay as_of, int ahead,
                                  int currency_exponent) {
  ItemBill out;
  Biller biller(item, as_of, ahead, currency_exponent);
  ASSIGN_OR_RETURN(std::vector<Piece> desired, biller.Desired(Eras(item, schedules)));
  // What is covered beyond the horizon (a run of an earlier date) stays as it is unless the item
  // ended there.
  std::map<Group, std::pair<std::vector<Piece>, std::vector<Piece>>, GroupLess> groups;
  std::set<CivilDay> looked;
  for (const Piece& piece : desired) {
    groups[{piece.base, piece.terms_key}].second.push_back(piece);
    looked.insert(piece.base.start);
  }
  const CivilDay end = item.segments.empty() ? CivilDay::min() : item.segments.back().days.end;
  for (const Piece& piece : covered) {
    const bool beyond = piece.base.start > as_of + ahead && looked.count(piece.base.start) == 0 &&
                        piece.days.end <= end;
    if (beyond) {
      out.pieces.push_back(piece);
      continue;
    }
    groups[{piece.base, piece.terms_key}].first.push_back(piece);
  }
  const DateSet had = CoveredDays(covered);
  for (auto& [group, pieces] : groups) {
    auto& [before, now] = pieces;
    if (SameValue(before, now)) {
      out.pieces.insert(out.pieces.end(), before.begin(), before.end());
      continue;
    }
    out.changed = true;
    out.replaced.insert(out.replaced.end(), before.begin(), before.end());
    if (had.Intersect(group.first).empty()) out.fresh = true;
    const size_t first_line = out.lines.size();
    RETURN_IF_ERROR(Differ(item, currency_exponent, out).Compare(before, now));
    // New pieces belong to the line that charges them; what is left of old ones stays with theirs.
    for (Piece& piece : now) {
      for (const Piece& old : before) {
        if (!old.days.Intersect(piece.days).empty()) {
          piece.line_id = old.line_id;
          piece.document_id = old.document_id;
        }
      }
      const auto index = static_cast<int>(out.pieces.size());
      for (size_t i = first_line; i < out.lines.size() && piece.line_id.IsNil(); ++i) {
        const bool pays = out.lines[i].kind == LineKind::kRecurring &&
                          out.lines[i].days.Contains(piece.days.start);
        if (pays) out.lines[i].piece = index;
      }
      out.pieces.push_back(std::move(piece));
    }
  }
  for (const Segment& segment : item.segments) out.now = out.now || segment.terms.bill_changes_now;
  std::stable_sort(out.pieces.begin(), out.pieces.end(),
                   [](const Piece& a, const Piece& b) { return a.days.start < b.days.start; });
  return out;
}

bool DueWithin(const Item& item, const Schedules& schedules, CivilDay as_of, int ahead, int days) {
  const CivilDay covered_from = item.paid_through.value_or(CivilDay::min());
  for (const Era& era : Eras(item, schedules)) {
    const CivilDay horizon = as_of + ahead + days + 1;
    const DateInterval looked{std::max(era.days.start, as_of), std::min(era.days.end, horizon)};
    for (const DateInterval& base : era.schedule.Overlapping(looked)) {
      const DateInterval window = base.Intersect(era.days);
      for (const Segment& segment : item.segments) {
        const DateInterval part = window.Intersect(segment.days);
        const bool stopped = segment.suspended && segment.terms.suspension == SuspensionMode::kStop;
        if (part.empty() || stopped || part.end <= covered_from) continue;
        const CivilDay due = segment.terms.arrears ? window.end : window.start - ahead;
        if (due > as_of && due <= as_of + days) return true;
      }
    }
  }
  return false;
}

std::vector<DateInterval> ClosedUsagePeriods(const Item& item, const Schedules& schedules,
                                             CivilDay as_of, int count) {
  std::vector<DateInterval> out;
  if (item.segments.empty()) return out;
  Item monthly = item;
  for (Segment& segment : monthly.segments) segment.terms.recurrence = {1, 0};
  for (const Era& era : Eras(monthly, schedules)) {
    const DateInterval past{era.days.start, std::min(era.days.end, as_of)};
    for (const DateInterval& base : era.schedule.Overlapping(past)) {
      const DateInterval window = base.Intersect(era.days);
      if (window.end <= as_of) out.push_back(base);
    }
  }
  if (out.size() > static_cast<size_t>(count)) {
    out.erase(out.begin(), out.end() - count);
  }
  return out;
}

}  // namespace broadbill::invoicing
