#pragma once

#include <set>

#include "absl/status/status.h"
#include "libs/calendar/date.h"
#include "libs/db/pool.h"

namespace broadbill::rating {

// Usage is kept by the month (UTC) of its time. Makes the months of these records where they are
// not there yet; part of the transaction that writes them. Months more than three years before or
// three months after `now`, and such whose first records came before the month was made, stay in
// the part without a month.
absl::Status MakeUsageMonths(db::Tx& tx, const char* table,
                             const std::set<absl::CivilMonth>& months, absl::Time now);

}  // namespace broadbill::rating
