#pragma once

// Units bought on top of an allowance, by hand or by themselves.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/db/pool.h"
#include "services/rating/app/live_usage.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

struct Purchase {
  const broadbill::common::v1::UsageTopUp* offer = nullptr;  // of the stretch's terms
  int count = 1;
  bool automatic = false;
  std::string by;
  absl::Time now;
};

// Of one.
absl::StatusOr<int64_t> BytesOf(const LiveStretch& stretch,
                                const broadbill::common::v1::UsageTopUp& offer);

// How many of the offer can still be bought in the period; the item must be locked.
absl::StatusOr<int64_t> CanStillBuy(db::Tx& tx, const LiveStretch& stretch,
                                    const Purchase& purchase);

// FAILED_PRECONDITION/TOP_UP_MAXIMUM where the period has as many as it can.
absl::StatusOr<std::vector<TopUpRow>> Buy(db::Tx& tx, const LiveStretch& stretch,
                                          const Purchase& purchase);

}  // namespace broadbill::rating
