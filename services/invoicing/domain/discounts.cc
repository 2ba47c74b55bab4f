#include "services/invoicing/domain/discounts.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/money/allocate.h"
#include "libs/status/macros.h"

namespace broadbill::invoicing {
namespace {

// The discount that comes with the plan's term; it has no id.
std::optional<Discount> TermDiscount(const Wanted& piece) {
  const Decimal& percent = piece.stretch->terms->term_discount_percent;
  if (percent.IsZero()) return std::nullopt;
  return Discount{Uuid(),     absl::StrCat("Term discount ", percent.ToString(), " %"),
                  percent,    std::nullopt,
                  piece.base, ""};
}

std::vector<Discount> OwnDiscounts(const Wanted& piece) {
  std::vector<Discount> out;
  if (auto term = TermDiscount(piece)) out.push_back(*std::move(term));
  out.insert(out.end(), piece.item->discounts.begin(), piece.item->discounts.end());
  return out;
}

Fraction ToMajor(Fraction minor, int exponent) {
  for (int i = 0; i < exponent; ++i) minor = minor * Fraction::Ratio(1, 10);
  return minor;
}

// A place between those at which the piece begins and ends, however days are counted there.
Fraction Within(const Wanted& piece, const Fraction& place) {
  if ((place - piece.from).IsNegative()) return piece.from;
  return (piece.to - place).IsNegative() ? piece.to : place;
}

// Cuts a piece at the given days inside it.
absl::Status MakeCuts(const std::set<CivilDay>& days, Wanted& piece) {
  std::set<CivilDay> ends = {piece.days.start, piece.days.end};
  for (auto at = days.upper_bound(piece.days.start); at != days.end() && *at < piece.days.end; ++at)
    ends.insert(*at);
  Fraction from = piece.from;
  for (auto at = ends.begin(); std::next(at) != ends.end(); ++at) {
    Cut cut;
    cut.days = {*at, *std::next(at)};
    cut.from = from;
    cut.to = cut.days.end == piece.days.end
                 ? piece.to
                 : Within(piece, PlaceIn(piece.base, cut.days.end, piece.thirty_day));
    from = cut.to;
    cut.left = piece.stretch->full;
    ASSIGN_OR_RETURN(cut.net, Worth(cut.left, cut.from, cut.to));
    piece.cuts.push_back(std::move(cut));
  }
  return absl::OkStatus();
}

void Record(const Discount& discount, const DateInterval& days, int64_t value,
            const std::string& basis, Wanted& piece) {
  auto& all = piece.discounts;
  if (!all.empty() && all.back().id == discount.id && all.back().label == discount.label) {
    all.back().value += value;
    all.back().days.end = days.end;
    return;
  }
  all.push_back({discount.id, discount.label, discount.account_code, value, days, basis});
}

// One discount off one piece, on what earlier ones left of it.
absl::Status TakeOff(const Discount& discount, int exponent, Wanted& piece) {
  for (Cut& cut : piece.cuts) {
    if (!discount.days.Contains(cut.days.start)) continue;
    Fraction off = discount.percent.has_value()
                       ? cut.left * Fraction::Of(*discount.percent) * Fraction::Ratio(1, 100)
                       : Fraction::MinorUnits(*discount.amount, exponent);
    std::string basis;
    if (discount.percent.has_value()) {
      ASSIGN_OR_RETURN(const Decimal of, ToMajor(cut.left, exponent).ToDecimal());
      basis = absl::StrCat(of.ToString(), " × ", discount.percent->ToString(), " %");
    } else {
      basis = discount.amount->ToString();
    }
    if (!(cut.left - off).IsNegative() && !(cut.left - off).IsZero()) {
      ASSIGN_OR_RETURN(int64_t value, Worth(off, cut.from, cut.to));
      value = std::min(value, cut.net);  // never below zero
      cut.left = cut.left - off;
      cut.net -= value;
      Record(discount, cut.days, value, basis, piece);
    } else {
      Record(discount, cut.days, cut.net, basis, piece);
      cut.left = Fraction();
      cut.net = 0;
    }
  }
  return absl::OkStatus();
}

struct Share {
  Wanted* piece;
  Cut* cut;
};

// Of the lines that run side by side those with the shortest period take part.
std::vector<Share> TakingPart(const std::vector<Share>& shares) {
  const auto less = [](const Share& a, const Share& b) {
    const DateInterval& x = a.piece->base;
    const DateInterval& y = b.piece->base;
    return x.days() != y.days() ? x.days() < y.days() : x.start < y.start;
  };
  const DateInterval base = std::min_element(shares.begin(), shares.end(), less)->piece->base;
  std::vector<Share> out;
  for (const Share& share : shares) {
    if (share.piece->base == base) out.push_back(share);
  }
  return out;
}

// An amount off the account on days that are cut alike in all its pieces.
absl::Status ShareOut(const Discount& discount, int exponent, const std::vector<Share>& shares) {
  const Fraction amount = Fraction::MinorUnits(*discount.amount, exponent);
  const Cut& first = *shares.front().cut;
  ASSIGN_OR_RETURN(int64_t value, Worth(amount, first.from, first.to));
  std::vector<int64_t> weights;
  int64_t sum = 0;
  for (const Share& share : shares) {
    weights.push_back(std::max<int64_t>(0, share.cut->net));
    sum += weights.back();
  }
  value = std::min(value, sum);  // never below zero
  if (sum <= 0 || value <= 0) return absl::OkStatus();
  const std::vector<int64_t> parts = Allocate(value, weights);
  for (size_t i = 0; i < shares.size(); ++i) {
    Cut& cut = *shares[i].cut;
    Fraction off = amount * Fraction::Ratio(weights[i], sum);
    if ((cut.left - off).IsNegative()) off = cut.left;
    cut.left = cut.left - off;
    cut.net -= parts[i];
    Record(discount, cut.days, parts[i], absl::StrCat("share of ", discount.amount->ToString()),
           *shares[i].piece);
  }
  return absl::OkStatus();
}

int64_t LengthOf(const Recurrence& recurrence) {
  return recurrence.days > 0 ? recurrence.days : int64_t{30} * recurrence.months;
}

// Whether a line with a shorter period runs on that day, due yet or not.
bool HasShorter(const std::vector<std::vector<Stretch>>& stretches, const Recurrence& than,
                CivilDay day) {
  for (const std::vector<Stretch>& item : stretches) {
    for (const Stretch& stretch : item) {
      if (stretch.days.Contains(day) && !stretch.stopped &&
          LengthOf(stretch.terms->recurrence) < LengthOf(than)) {
        return true;
      }
    }
  }
  return false;
}

absl::Status TakeShared(const Discount& discount, int exponent,
                        const std::vector<std::vector<Stretch>>& stretches,
                        std::vector<std::vector<Wanted>>& items) {
  std::map<CivilDay, std::vector<Share>> side_by_side;
  for (std::vector<Wanted>& pieces : items) {
    for (Wanted& piece : pieces) {
      if (piece.nothing) continue;
      for (Cut& cut : piece.cuts) {
        if (discount.days.Contains(cut.days.start) &&
            !HasShorter(stretches, piece.stretch->terms->recurrence, cut.days.start)) {
          side_by_side[cut.days.start].push_back({&piece, &cut});
        }
      }
    }
  }
  for (const auto& [day, shares] : side_by_side) {
    RETURN_IF_ERROR(ShareOut(discount, exponent, TakingPart(shares)));
  }
  return absl::OkStatus();
}

void AddEnds(const DateInterval& days, std::set<CivilDay>& out) {
  out.insert(days.start);
  out.insert(days.end);
}

bool HasSharedAmount(const std::vector<Discount>& of_account) {
  return std::any_of(of_account.begin(), of_account.end(),
                     [](const Discount& discount) { return discount.amount.has_value(); });
}

}  // namespace

absl::Status ApplyDiscounts(const std::vector<Discount>& of_account, int exponent,
                            const std::vector<std::vector<Stretch>>& stretches,
                            std::vector<std::vector<Wanted>>& items) {
  std::set<CivilDay> common;
  for (const Discount& discount : of_account) AddEnds(discount.days, common);
  if (HasSharedAmount(of_account)) {
    for (const std::vector<Stretch>& item : stretches) {
      for (const Stretch& stretch : item) AddEnds(stretch.days, common);
    }
    for (const std::vector<Wanted>& pieces : items) {
      for (const Wanted& piece : pieces) {
        AddEnds(piece.days, common);
        for (const Discount& discount : piece.item->discounts) AddEnds(discount.days, common);
      }
    }
  }
  for (std::vector<Wanted>& pieces : items) {
    for (Wanted& piece : pieces) {
      const bool any = !of_account.empty() || !piece.item->discounts.empty() ||
                       !piece.stretch->terms->term_discount_percent.IsZero();
      if (!any || piece.nothing) continue;
      std::set<CivilDay> days = common;
      const std::vector<Discount> own = OwnDiscounts(piece);
      for (const Discount& discount : own) AddEnds(discount.days, days);
      RETURN_IF_ERROR(MakeCuts(days, piece));
      for (const Discount& discount : own) RETURN_IF_ERROR(TakeOff(discount, exponent, piece));
    }
  }
  for (const Discount& discount : of_account) {
    if (discount.amount.has_value()) {
      RETURN_IF_ERROR(TakeShared(discount, exponent, stretches, items));
      continue;
    }
    for (std::vector<Wanted>& pieces : items) {
      for (Wanted& piece : pieces) RETURN_IF_ERROR(TakeOff(discount, exponent, piece));
    }
  }
  return absl::OkStatus();
}

}  // namespace broadbill::invoicing
