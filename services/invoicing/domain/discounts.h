#pragma once

// Discounts take day values off pieces: an item's own in order, then the account's. BILLING.md §3.

#include <vector>

#include "services/invoicing/domain/pieces.h"

namespace broadbill::invoicing {

// Fills the discounts of the wanted pieces of all items of an account. An amount off the account is
// worth so much a period of its lines together: it is shared out by what earlier discounts left of
// each line, by largest remainder. Where periods of different lengths run side by side the shortest
// take it.
absl::Status ApplyDiscounts(const std::vector<Discount>& of_account, int exponent,
                            const std::vector<std::vector<Stretch>>& stretches,
                            std::vector<std::vector<Wanted>>& items);

}  // namespace broadbill::invoicing
