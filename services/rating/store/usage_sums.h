#pragma once

// Sums of an item's events by day and quarter of an hour, and what is not in them yet (ADR 12).

#include <map>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "services/rating/domain/usage_sums.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

// Days of UTC of an item.
struct SumQuery {
  Uuid account_id, item_id;
  CivilDay first, last;  // both ends included
  bool fine = false;     // quarters of all days; else of the first and the last
};
struct DaySum {
  size_t query = 0;
  CivilDay day;
  Octets total;
  QuarterOctets quarters;
};
absl::StatusOr<std::vector<DaySum>> SumsOfDays(db::Tx& tx, const std::vector<SumQuery>& queries);

// Sums of these days in place of what is there.
struct NewSum {
  Uuid account_id, item_id;
  CivilDay day;
  QuarterOctets quarters;
};
absl::Status SaveSums(db::Tx& tx, const std::vector<NewSum>& sums);

absl::StatusOr<std::map<Uuid, UsageSummedRow>> SummedItems(db::Tx& tx,
                                                           const std::vector<Uuid>& items);
// They hold nothing any more, and are made anew when they are needed.
absl::Status ForgetSums(db::Tx& tx, const std::vector<Uuid>& items);

// Quarters whose usage changed and that are not in the sums yet.
absl::StatusOr<std::map<Uuid, std::set<int32_t>>> ChangedQuarters(db::Tx& tx,
                                                                  const std::vector<Uuid>& items);

}  // namespace broadbill::rating
