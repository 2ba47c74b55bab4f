#pragma once

// What a bill should come to by the account's current terms, told apart from how it is billed, to
// notice bills that look wrong.

#include "services/invoicing/domain/bill.h"

namespace broadbill::invoicing {

// Recurring charges of the periods that fall due in the month up to the as-of date, at the terms of
// now, less discounts, in minor units.
absl::StatusOr<int64_t> RecurringForecast(const std::vector<Item>& items, const AccountTerms& terms,
                                          CivilDay as_of);

// The average of the last `count` sums, oldest first; 0 of none.
int64_t AverageOfLast(const std::vector<int64_t>& sums, size_t count);

// Whether `net` is off `forecast` by more than `percent` of it.
bool IsOff(int64_t net, int64_t forecast, const Decimal& percent);

}  // namespace broadbill::invoicing
