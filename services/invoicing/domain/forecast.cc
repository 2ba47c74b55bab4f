#include "services/invoicing/domain/forecast.h"

#include <algorithm>

#include "libs/money/rounding.h"
#include "libs/status/macros.h"
#include "services/invoicing/domain/discounts.h"
#include "services/invoicing/domain/pieces.h"
#include "services/invoicing/domain/schedule.h"

namespace broadbill::invoicing {
namespace {

CivilDay MonthBefore(CivilDay day) {
  const absl::CivilMonth month = absl::CivilMonth(day) - 1;
  return DayOfMonth(month.year(), month.month(), day.day());
}

// The item as if today's terms had always held.
Item AsNow(const Item& item, CivilDay as_of) {
  Item out = item;
  if (item.segments.empty()) return out;
  const CivilDay start = item.segments.front().days.start;
  const CivilDay end = item.segments.back().days.end;
  const CivilDay day = std::max(start, std::min(as_of, end - 1));
  for (const Segment& segment : item.segments) {
    if (!segment.days.Contains(day)) continue;
    out.segments = {segment};
    out.segments[0].days = {start, end};
    out.segments[0].cause = Cause::kStart;
  }
  return out;
}

}  // namespace

absl::StatusOr<int64_t> RecurringForecast(const std::vector<Item>& items, const AccountTerms& terms,
                                          CivilDay as_of) {
  std::vector<Item> now;
  for (const Item& item : items) now.push_back(AsNow(item, as_of));
  std::vector<std::vector<Stretch>> stretches;
  std::vector<std::vector<Wanted>> wanted;
  for (size_t i = 0; i < now.size(); ++i) {
    stretches.push_back(Stretches(now[i], terms.exponent));
    const std::vector<Era> eras = Eras(items[i], terms.schedules);
    const Horizon horizon{CivilDay::min(), as_of, terms.ahead};
    ASSIGN_OR_RETURN(auto pieces, WantedPieces(now[i], stretches.back(), eras, horizon));
    wanted.push_back(std::move(pieces));
  }
  RETURN_IF_ERROR(ApplyDiscounts(terms.discounts, terms.exponent, stretches, wanted));
  int64_t sum = 0;
  const CivilDay since = MonthBefore(as_of);
  for (const std::vector<Wanted>& pieces : wanted) {
    for (const Wanted& piece : pieces) {
      // The whole period that is due with the stub before it falls due after the as-of date.
      const CivilDay due =
          piece.stretch->terms->arrears ? piece.days.end : piece.days.start - terms.ahead;
      if (!piece.due || due <= since) continue;
      sum += piece.value;
      for (const DiscountValue& discount : piece.discounts) sum -= discount.value;
    }
  }
  return sum;
}

int64_t AverageOfLast(const std::vector<int64_t>& sums, size_t count) {
  const size_t taken = std::min(count, sums.size());
  if (taken == 0) return 0;
  Int128 sum = 0;
  for (size_t i = sums.size() - taken; i < sums.size(); ++i) sum += sums[i];
  return static_cast<int64_t>(RoundDiv(sum, static_cast<Int128>(taken)));
}

bool IsOff(int64_t net, int64_t forecast, const Decimal& percent) {
  const int64_t off = net > forecast ? net - forecast : forecast - net;
  const Fraction allowed = Fraction::Of(forecast < 0 ? -forecast : forecast) *
                           Fraction::Of(percent) * Fraction::Ratio(1, 100);
  return (allowed - Fraction::Of(off)).IsNegative();
}

}  // namespace broadbill::invoicing
