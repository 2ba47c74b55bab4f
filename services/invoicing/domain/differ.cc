#include "services/invoicing/domain/differ.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"

namespace broadbill::invoicing {
namespace {

std::string Derivation(const std::string& price, const Piece& piece, const DateInterval& days,
                       int64_t amount, int exponent) {
  const std::string result = FormatMinor(amount, exponent);
  if (days == piece.base) return absl::StrCat(price, " → ", result);
  const Proration method = piece.thirty_day ? Proration::kThirtyDay : Proration::kActual;
  const Position from = PositionIn(piece.base, days.start, method);
  const Position to = PositionIn(piece.base, days.end, method);
  return absl::StrCat(price, " × ", to.at - from.at, " ÷ ", to.length,
                      piece.thirty_day ? " days (30/360) → " : " days → ", result);
}

std::string PriceOf(const Piece& piece) {
  if (piece.quantity == Decimal::FromInt(1)) return piece.price.ToString();
  return absl::StrCat(piece.price.ToString(), " × ", piece.quantity.ToString());
}

// Day values of a part of a whole that is worth `value` on `days`, spread evenly over them.
absl::StatusOr<int64_t> Spread(int64_t value, const DateInterval& days, const DateInterval& part) {
  if (days.empty() || part.empty()) return 0;
  const Fraction whole = Fraction::Of(value);
  return Worth(whole, Fraction::Ratio(part.start - days.start, days.days()),
               Fraction::Ratio(part.end - days.start, days.days()));
}

DateInterval DaysOf(const DiscountValue& discount, const Piece& piece) {
  return discount.days.empty() ? piece.days : discount.days;
}

// What is still to be put on lines: the value, and every discount.
struct Rest {
  int64_t value = 0;
  std::map<std::pair<Uuid, std::string>, int64_t> discounts;

  void Add(const Piece& piece, int64_t sign) {
    value += sign * piece.value;
    for (const DiscountValue& discount : piece.discounts) {
      discounts[{discount.id, discount.label}] += sign * discount.value;
    }
  }
};

Rest Difference(const std::vector<Piece>& before, const std::vector<Piece>& now) {
  Rest rest;
  for (const Piece& piece : now) rest.Add(piece, 1);
  for (const Piece& piece : before) rest.Add(piece, -1);
  return rest;
}

class LineMaker {
 public:
  LineMaker(const Item& item, int exponent, ItemBill& out)
      : item_(item), exponent_(exponent), out_(out), first_(out.lines.size()) {}

  // Whether the days that stay keep their lines; else all of `before` is credited and all of `now`
  // charged anew.
  absl::StatusOr<bool> Make(const std::vector<Piece>& before, const std::vector<Piece>& now) {
    rest_ = Difference(before, now);
    const DateSet had = CoveredDays(before);
    const DateSet want = CoveredDays(now);
    for (const Piece& piece : before) RETURN_IF_ERROR(AddMissing(piece, want, true));
    for (const Piece& piece : now) RETURN_IF_ERROR(AddMissing(piece, had, false));
    const bool keeps = SettleValue(want);
    if (!keeps) {
      out_.lines.resize(first_);
      made_.clear();
      rest_ = Difference(before, now);
      for (const Piece& piece : before) RETURN_IF_ERROR(AddLine(piece, piece.days, true));
      for (const Piece& piece : now) RETURN_IF_ERROR(AddLine(piece, piece.days, false));
    }
    SettleDiscounts(before, now);
    return keeps;
  }

  // Nothing is given back: no line says so.
  void DropEmptyCredits() {
    for (size_t i = out_.lines.size(); i-- > first_;) {
      const Line& line = out_.lines[i];
      const auto at = static_cast<int>(i);
      const bool parent = std::any_of(out_.lines.begin(), out_.lines.end(),
                                      [&](const Line& other) { return other.parent == at; });
      if (line.amount != 0 || line.kind == LineKind::kRecurring || parent) continue;
      out_.lines.erase(out_.lines.begin() + at);
      for (Line& other : out_.lines) other.parent -= other.parent > at ? 1 : 0;
    }
  }

  // What is left of the line of a covered piece, after the credits made here.
  int64_t Standing(const Piece& old) const {
    int64_t out = old.value;
    for (const Made& one : made_) {
      if (one.piece == &old && one.credit) out += out_.lines[one.line].amount;
    }
    return out;
  }

  // The line that charges these days of a piece.
  size_t LineOf(const Piece& piece, const DateInterval& days) const {
    const auto found = std::find_if(made_.begin(), made_.end(), [&](const Made& one) {
      return !one.credit && one.piece == &piece && out_.lines[one.line].days == days;
    });
    return found->line;
  }

 private:
  struct Made {
    size_t line;
    const Piece* piece;
    bool credit;
  };

  // A line for every stretch of the piece's days that the other side does not have.
  absl::Status AddMissing(const Piece& piece, const DateSet& others, bool credit) {
    DateSet missing;
    missing.Add(piece.days);
    for (const DateInterval& days : others.intervals()) missing.Subtract(days);
    for (const DateInterval& days : missing.intervals()) {
      RETURN_IF_ERROR(AddLine(piece, days, credit));
    }
    return absl::OkStatus();
  }

  absl::Status AddLine(const Piece& piece, const DateInterval& days, bool credit) {
    ASSIGN_OR_RETURN(const Piece part, PartOf(piece, days));
    const int64_t sign = credit ? -1 : 1;
    const auto parent = static_cast<int>(out_.lines.size());
    made_.push_back({out_.lines.size(), &piece, credit});
    out_.lines.push_back(LineFor(piece, days, sign * part.value, credit));
    rest_.value -= sign * part.value;
    for (const DiscountValue& discount : part.discounts) {
      if (discount.value == 0) continue;
      rest_.discounts[{discount.id, discount.label}] -= sign * discount.value;
      out_.lines.push_back(DiscountLine(piece, discount, DaysOf(discount, part),
                                        -sign * discount.value, credit, parent));
    }
    return absl::OkStatus();
  }

  // Whatever the lines do not add up to (methods "full" and "none", changed settings) goes on a
  // line of the same direction that keeps within what it charges or corrects.
  bool SettleValue(const DateSet& want) {
    if (rest_.value == 0) return true;
    for (const Made& one : made_) {
      Line& line = out_.lines[one.line];
      const int64_t amount = line.amount + rest_.value;
      if (one.credit) {
        // Of a line that stays in part.
        const bool stays = !want.Intersect(one.piece->days).empty();
        if (!stays || amount > 0 || Standing(*one.piece) + rest_.value < 0) continue;
      } else if (amount < 0) {
        continue;
      }
      line.amount = amount;
      rest_.value = 0;
      absl::StrAppend(&line.derivation, " (by setting ", FormatMinor(amount, exponent_), ")");
      return true;
    }
    return false;
  }

  // Discounts that came or went on days already billed.
  void SettleDiscounts(const std::vector<Piece>& before, const std::vector<Piece>& now) {
    for (const auto& [key, rest] : rest_.discounts) {
      if (rest == 0) continue;
      Line* same = Adjustable(key, rest);
      if (same != nullptr) {
        same->amount -= rest;
        absl::StrAppend(&same->derivation, " (in all ", FormatMinor(same->amount, exponent_), ")");
        continue;
      }
      auto [piece, discount] = Find(key, rest > 0 ? now : before);
      if (piece == nullptr) std::tie(piece, discount) = Find(key, rest > 0 ? before : now);
      // It belongs to the line that charged the days, and takes that line's tax along.
      const DateInterval days = DaysOf(*discount, *piece);
      const auto charged = std::find_if(before.begin(), before.end(), [&](const Piece& old) {
        return !old.days.Intersect(days).empty();
      });
      const bool billed = charged != before.end();
      out_.lines.push_back(
          DiscountLine(billed ? *charged : *piece, *discount, days, -rest, billed, -1));
    }
  }

  Line* Adjustable(const std::pair<Uuid, std::string>& key, int64_t rest) {
    for (size_t i = first_; i < out_.lines.size(); ++i) {
      Line& line = out_.lines[i];
      const bool same = line.kind == LineKind::kDiscount && line.source_id == key.first.ToHex() &&
                        line.description == key.second;
      // A discount stays one, its return stays a return.
      if (same && (line.amount > 0) == (line.amount - rest > 0)) return &line;
    }
    return nullptr;
  }

  static std::pair<const Piece*, const DiscountValue*> Find(const std::pair<Uuid, std::string>& key,
                                                            const std::vector<Piece>& pieces) {
    for (const Piece& piece : pieces) {
      for (const DiscountValue& discount : piece.discounts) {
        if (discount.id == key.first && discount.label == key.second) return {&piece, &discount};
      }
    }
    return {nullptr, nullptr};
  }

  Line LineFor(const Piece& piece, const DateInterval& days, int64_t amount, bool credit) const {
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
    line.derivation = Derivation(PriceOf(piece), piece, days, amount, exponent_);
    if (credit) {
      line.corrects_line = piece.line_id;
      line.corrects_document = piece.document_id;
    }
    return line;
  }

  Line DiscountLine(const Piece& piece, const DiscountValue& discount, const DateInterval& days,
                    int64_t amount, bool credit, int parent) const {
    Line line = LineFor(piece, days, amount, credit);
    line.kind = LineKind::kDiscount;
    line.description = discount.label;
    if (!discount.account_code.empty()) line.account_code = discount.account_code;
    line.quantity = Decimal();
    line.unit_price = Decimal();
    line.parent = parent;
    line.source_id = discount.id.ToHex();
    line.derivation = Derivation(discount.basis, piece, days, amount, exponent_);
    return line;
  }

  const Item& item_;
  const int exponent_;
  ItemBill& out_;
  const size_t first_;
  Rest rest_;
  std::vector<Made> made_;
};

// The pieces afterwards: days that stay belong to the line that charged them, with what is left of
// it; new days to theirs.
class Keeper {
 public:
  Keeper(const std::vector<Piece>& before, const LineMaker& maker, ItemBill& out)
      : before_(before), maker_(maker), out_(out) {
    for (const Piece& piece : before) standing_[&piece] = {maker.Standing(piece), 0};
  }

  // All pieces that will be kept must be counted first.
  void Count(const Piece& now) {
    for (const Piece& old : before_) {
      if (!old.days.Intersect(now.days).empty()) ++standing_[&old].parts;
    }
  }

  absl::Status Keep(const Piece& now) {
    std::vector<std::pair<DateInterval, const Piece*>> parts;  // by who charged them
    DateSet fresh;
    fresh.Add(now.days);
    for (const Piece& old : before_) {
      const DateInterval common = old.days.Intersect(now.days);
      if (common.empty()) continue;
      parts.emplace_back(common, &old);
      fresh.Subtract(common);
    }
    for (const DateInterval& days : fresh.intervals()) parts.emplace_back(days, nullptr);
    std::sort(parts.begin(), parts.end(),
              [](const auto& a, const auto& b) { return a.first.start < b.first.start; });
    Piece left = now;  // the discounts that the parts so far have not taken
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto& [days, old] = parts[i];
      ASSIGN_OR_RETURN(Piece part, PartOf(now, days));
      for (size_t k = 0; k < part.discounts.size(); ++k) {
        if (i + 1 == parts.size()) part.discounts[k].value = left.discounts[k].value;
        left.discounts[k].value -= part.discounts[k].value;
      }
      RETURN_IF_ERROR(old != nullptr ? Stay(*old, days, part) : Charge(now, days, part));
      out_.pieces.push_back(std::move(part));
    }
    return absl::OkStatus();
  }

 private:
  struct Left {
    int64_t value = 0;
    int parts = 0;
  };

  absl::Status Stay(const Piece& old, const DateInterval& days, Piece& part) {
    Left& left = standing_[&old];
    part.line_id = old.line_id;
    part.document_id = old.document_id;
    part.value = left.value;
    if (--left.parts > 0) {
      ASSIGN_OR_RETURN(const Piece share, PartOf(old, days));
      part.value = std::min(left.value, share.value);
    }
    left.value -= part.value;
    return absl::OkStatus();
  }

  absl::Status Charge(const Piece& now, const DateInterval& days, Piece& part) {
    Line& line = out_.lines[maker_.LineOf(now, days)];
    line.piece = static_cast<int>(out_.pieces.size());
    part.value = line.amount;
    return absl::OkStatus();
  }

  const std::vector<Piece>& before_;
  const LineMaker& maker_;
  ItemBill& out_;
  std::map<const Piece*, Left> standing_;
};

}  // namespace

absl::StatusOr<Piece> PartOf(const Piece& piece, const DateInterval& days) {
  Piece part = piece;
  if (days == piece.days) return part;
  part.days = days;
  const auto worth = [&](const DateInterval& of) {
    return Worth(piece.full, PlaceIn(piece.base, of.start, piece.thirty_day),
                 PlaceIn(piece.base, of.end, piece.thirty_day));
  };
  ASSIGN_OR_RETURN(const int64_t all, worth(piece.days));
  // What a setting made of it is spread evenly.
  ASSIGN_OR_RETURN(part.value,
                   all == piece.value ? worth(days) : Spread(piece.value, piece.days, days));
  for (DiscountValue& discount : part.discounts) {
    const DateInterval holds = DaysOf(discount, piece);
    const DateInterval common = holds.Intersect(days);
    ASSIGN_OR_RETURN(discount.value, Spread(discount.value, holds, common));
    discount.days = common;
  }
  return part;
}

bool SameValue(const std::vector<Piece>& a, const std::vector<Piece>& b) {
  const Rest rest = Difference(a, b);
  if (rest.value != 0 || !(CoveredDays(a) == CoveredDays(b))) return false;
  return std::all_of(rest.discounts.begin(), rest.discounts.end(),
                     [](const auto& discount) { return discount.second == 0; });
}

absl::Status Differ(const Item& item, int exponent, const std::vector<Piece>& before,
                    const std::vector<Piece>& now, ItemBill& out) {
  LineMaker maker(item, exponent, out);
  ASSIGN_OR_RETURN(const bool keeps, maker.Make(before, now));
  static const std::vector<Piece> kNone;
  Keeper keeper(keeps ? before : kNone, maker, out);
  for (const Piece& piece : now) keeper.Count(piece);
  for (const Piece& piece : now) RETURN_IF_ERROR(keeper.Keep(piece));
  maker.DropEmptyCredits();
  return absl::OkStatus();
}

}  // namespace broadbill::invoicing
