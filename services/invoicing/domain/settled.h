#pragma once

// What need not be looked at again. An item's earlier periods follow from its terms alone; while
// these are as they were when the periods were billed, the periods are right as they stand, and a
// run begins at the last one. The cost of a run does not grow with the life of its items.

#include <optional>
#include <vector>

#include "services/invoicing/domain/bill.h"
#include "services/invoicing/domain/pieces.h"

namespace broadbill::invoicing {

// Stands for all that an item's pieces follow from: its dated terms and discounts, its account's
// schedules and percentages. Equal on every machine; 0 when other items take part in it (an amount
// off the whole account is shared among them).
uint64_t BasisOf(const Item& item, const AccountTerms& terms);

// The day before which all that is wanted is due by now, so that no later run of the same terms
// changes it: the first day of the last period, or of the first that is not due. None when periods
// of different schedules lie over that day. `from`: where `wanted` begins.
std::optional<CivilDay> SettledThrough(const std::vector<Wanted>& wanted, CivilDay from);

// Whether the days before `settled.through` may be left out of a run as of that date.
inline bool IsSettled(const Settled& settled, uint64_t basis, CivilDay as_of) {
  return basis != 0 && settled.basis == basis && settled.through <= as_of;
}

}  // namespace broadbill::invoicing
