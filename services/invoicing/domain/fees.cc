#include "services/invoicing/domain/fees.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"

namespace broadbill::invoicing {
namespace {

Fee FeeOf(const OneTimeFee& terms, const char* source, CivilDay due, const Item& item) {
  Fee out;
  out.source = source;
  out.unit_price = terms.amount;
  out.description = terms.description;
  out.tax_class = terms.tax_class;
  out.account_code = terms.account_code;
  out.due = due;
  const Segment& at =
      due == item.segments.front().days.start ? item.segments.front() : item.segments.back();
  out.location_id = at.location_id.has_value() ? at.location_id : item.location_id;
  out.derivation = terms.amount.ToString();
  return out;
}

// What the term gave: its discount, and periods that were free.
bool ComesWithTerm(const Item& item, const DiscountValue& discount) {
  if (discount.id.IsNil()) return true;
  return std::any_of(item.discounts.begin(), item.discounts.end(), [&](const Discount& one) {
    return one.id == discount.id && one.percent == Decimal::FromInt(100);
  });
}

absl::StatusOr<int64_t> GivenInTerm(const Item& item, const std::vector<Piece>& pieces,
                                    const DateInterval& term) {
  int64_t sum = 0;
  for (const Piece& piece : pieces) {
    for (const DiscountValue& discount : piece.discounts) {
      const DateInterval holds = discount.days.empty() ? piece.days : discount.days;
      const DateInterval common = holds.Intersect(term);
      if (common.empty() || !ComesWithTerm(item, discount)) continue;
      ASSIGN_OR_RETURN(
          const int64_t part,
          (Fraction::Of(discount.value) * Fraction::Ratio(common.days(), holds.days())).Round());
      sum += part;
    }
  }
  return sum;
}

absl::StatusOr<std::optional<Fee>> TerminationFee(const Item& item,
                                                  const std::vector<Piece>& pieces, CivilDay as_of,
                                                  int exponent) {
  if (!item.early_end.has_value() || item.segments.empty()) return std::nullopt;
  const EarlyEnd& early = *item.early_end;
  const CivilDay end = item.segments.back().days.end;
  if (end > as_of || end >= early.term.end) return std::nullopt;
  Fee fee = FeeOf(early.fee, kEarlyTerminationSource, end, item);
  switch (early.kind) {
    case EarlyTermination::kNoFee:
      return std::nullopt;
    case EarlyTermination::kFixed:
      break;
    case EarlyTermination::kRemainingMonths: {
      const int64_t months = StartedMonths(end, early.term.end);
      fee.quantity = Decimal::FromInt(months);
      fee.derivation = absl::StrCat(early.fee.amount.ToString(), " × ", months, " months to ",
                                    FormatDate(early.term.end));
      break;
    }
    case EarlyTermination::kClawBack: {
      ASSIGN_OR_RETURN(const int64_t given, GivenInTerm(item, pieces, early.term));
      ASSIGN_OR_RETURN(fee.unit_price, Decimal::Parse(FormatMinor(given, exponent)));
      fee.derivation = absl::StrCat("discounts of the term since ", FormatDate(early.term.start),
                                    ", as billed: ", FormatMinor(given, exponent));
      break;
    }
  }
  if (fee.unit_price.IsZero()) return std::nullopt;
  return fee;
}

}  // namespace

int64_t StartedMonths(CivilDay from, CivilDay to) {
  if (to <= from) return 0;
  int64_t months = absl::CivilMonth(to) - absl::CivilMonth(from);
  const absl::CivilMonth month = absl::CivilMonth(from) + months;
  if (DayOfMonth(month.year(), month.month(), from.day()) < to) ++months;
  return months;
}

absl::StatusOr<std::vector<Fee>> FeesOf(const Item& item, const std::vector<Piece>& pieces,
                                        CivilDay as_of, int ahead, int exponent) {
  std::vector<Fee> out;
  if (item.segments.empty()) return out;
  const DateInterval life{item.segments.front().days.start, item.segments.back().days.end};
  const bool set_up = item.setup_fee.has_value() && !item.setup_fee->amount.IsZero() &&
                      !life.empty() && life.start <= as_of + ahead;
  if (set_up) out.push_back(FeeOf(*item.setup_fee, kSetupSource, life.start, item));
  ASSIGN_OR_RETURN(auto leaving, TerminationFee(item, pieces, as_of, exponent));
  if (leaving.has_value()) out.push_back(*std::move(leaving));
  return out;
}

}  // namespace broadbill::invoicing
