#include "services/payments/domain/receivables.h"

#include <algorithm>
#include <tuple>

namespace broadbill::payments {
std::vector<Allocation> Allocate(std::vector<OpenItem> items, std::vector<Credit> credits) {
  std::sort(items.begin(), items.end(), [](const OpenItem& a, const OpenItem& b) {
    return std::tie(a.due_date, a.number) < std::tie(b.due_date, b.number);
  });
  std::sort(credits.begin(), credits.end(), [](const Credit& a, const Credit& b) {
    return std::tie(a.is_payment, a.value_date, a.credit_id) <
           std::tie(b.is_payment, b.value_date, b.credit_id);
  });
  std::vector<Allocation> out;
  const auto put = [&out](Credit& credit, OpenItem& item) {
    const int64_t amount = std::min(credit.unapplied, item.open);
    if (amount > 0) out.push_back({credit.credit_id, item.document_id, amount});
    credit.unapplied -= amount;
    item.open -= amount;
  };
  for (Credit& credit : credits) {
    for (OpenItem& item : items) {
      if (credit.first == item.document_id) put(credit, item);
    }
  }
  size_t item = 0;
  for (Credit& credit : credits) {
    while (credit.unapplied > 0 && item < items.size()) {
      put(credit, items[item]);
      if (items[item].open <= 0) ++item;
    }
  }
  return out;
}

std::optional<CivilDay> NextRetry(CivilDay first_attempt, int tries, CivilDay last_attempt) {
  if (tries < 1 || tries > static_cast<int>(std::size(kRetryDays))) return std::nullopt;
  return std::max(first_attempt + kRetryDays[tries - 1], last_attempt + 1);
}

}  // namespace broadbill::payments
