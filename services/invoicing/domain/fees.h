#pragma once

// One-time charges that follow from an item itself: its setup fee, and what leaving early costs.
// Each is billed once, by source and item. BILLING.md §3.

#include <string>
#include <vector>

#include "services/invoicing/domain/bill.h"

namespace broadbill::invoicing {

inline constexpr char kSetupSource[] = "setup";
inline constexpr char kEarlyTerminationSource[] = "early_termination";

struct Fee {
  std::string source;
  Decimal quantity = Decimal::FromInt(1);
  Decimal unit_price;
  std::string description, tax_class, account_code;
  std::optional<Uuid> location_id;
  CivilDay due;
  std::string derivation;
};

// The fees of an item that are due: the setup fee with its first period, the termination fee when
// it has ended. `pieces` is its coverage up to its end: a claw-back takes back the discounts that
// came with the term, as they were billed.
absl::StatusOr<std::vector<Fee>> FeesOf(const Item& item, const std::vector<Piece>& pieces,
                                        CivilDay as_of, int ahead, int exponent);

// Months from `from` to `to`, a started one counts whole.
int64_t StartedMonths(CivilDay from, CivilDay to);

}  // namespace broadbill::invoicing
