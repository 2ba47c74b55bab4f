#include "services/payments/domain/receivables.h"

#include <algorithm>
#include <tuple>

#include "libs/money/fraction.h"

namespace broadbill::payments {
namespace {

int64_t Minor(const Decimal& major, int exponent) {
  const auto minor = Fraction::MinorUnits(major, exponent).Round();
  return minor.ok() ? *minor : 0;
}

}  // namespace

std::vector<Allocation> Allocate(std::vector<OpenItem> items, std::vector<Credit> credits) {
  std::sort(items.begin(), items.end(), [](const OpenItem& a, const OpenItem& b) {
    return std::tie(a.due_date, a.number) < std::tie(b.due_date, b.number);
  });
  std::sort(credits.begin(), credits.end(), [](const Credit& a, const Credit& b) {
    return std::tie(a.is_payment, a.value_date, a.credit_id) <
           std::tie(b.is_payment, b.value_date, b.credit_id);
  });
  std::vector<Allocation> out;
  size_t item = 0;
  for (Credit& credit : credits) {
    while (credit.unapplied > 0 && item < items.size()) {
      const int64_t amount = std::min(credit.unapplied, items[item].open);
      if (amount > 0) out.push_back({credit.credit_id, items[item].document_id, amount});
      credit.unapplied -= amount;
      items[item].open -= amount;
      if (items[item].open <= 0) ++item;
    }
  }
  return out;
}

int64_t LateFee(const FeeTerms& terms, int64_t base, int currency_exponent) {
  if (base <= 0) return 0;
  const int64_t flat = Minor(terms.flat, currency_exponent);
  const auto part =
      (Fraction::Of(base) * Fraction::Of(terms.percent) * Fraction::Ratio(1, 100)).Round();
  const int64_t percent = part.ok() ? *part : 0;
  int64_t fee = flat;
  if (terms.mode == FeeMode::kPercent) fee = percent;
  if (terms.mode == FeeMode::kGreaterOf) fee = std::max(flat, percent);
  if (terms.mode == FeeMode::kSum) fee = flat + percent;
  if (terms.minimum.has_value()) fee = std::max(fee, Minor(*terms.minimum, currency_exponent));
  if (terms.maximum.has_value()) fee = std::min(fee, Minor(*terms.maximum, currency_exponent));
  return fee;
}

std::optional<CivilDay> NextRetry(CivilDay first_attempt, int tries, CivilDay last_attempt) {
  if (tries < 1 || tries > static_cast<int>(std::size(kRetryDays))) return std::nullopt;
  return std::max(first_attempt + kRetryDays[tries - 1], last_attempt + 1);
}

}  // namespace broadbill::payments
