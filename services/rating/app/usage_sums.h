#pragma once

// Octets of items from stored sums and what is not in them yet, equal to what all rows say (ADR
// 12).

#include <map>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "services/rating/app/usage_octets.h"
#include "services/rating/store/usage_sums.h"

namespace broadbill::rating {

// Items with the quarters of an hour whose usage changed.
using ChangedUsage = std::map<Uuid, std::set<int32_t>>;

class UsageSums {
 public:
  // Of items that are `locked` in this transaction sums are kept up and made where they lack;
  // nobody else may do that meanwhile. Those of other items are read where they are.
  explicit UsageSums(db::Tx& tx, std::set<Uuid> locked = {})
      : tx_(tx), locked_(std::move(locked)) {}

  // Counts changed quarters of locked items again, where there are sums.
  absl::Status Apply(const ChangedUsage& changed);
  // Fills in the octets.
  absl::Status Count(const std::vector<ItemOctets*>& wanted);

 private:
  using Summed = std::map<Uuid, UsageSummedRow>;

  // Makes the sums of locked items that begin too late or are not there.
  absl::Status Make(const std::vector<ItemOctets*>& wanted, Summed& summed);
  absl::Status MakeOf(const std::vector<UsageSummedRow>& items);
  absl::Status AddSums(const std::vector<ItemOctets*>& wanted, const ChangedUsage& pending);
  // Those of quarters of each that sums cannot tell, from the events themselves.
  absl::Status AddQuarters(const std::vector<ItemOctets*>& wanted,
                           const std::vector<std::set<int32_t>>& quarters);

  db::Tx& tx_;
  const std::set<Uuid> locked_;
};

}  // namespace broadbill::rating
