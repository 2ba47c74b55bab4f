#pragma once

// What usage of periods comes to: for invoicing, for live balances, for whoever else asks.

#include "absl/status/statusor.h"
#include "broadbill/rating/v1/period_usage.pb.h"
#include "libs/db/pool.h"
#include "services/rating/app/usage_sums.h"

namespace broadbill::rating {

// As BatchGetPeriodUsage, in a transaction of the caller. With `sums` data usage is counted by them
// and all else is left out.
absl::StatusOr<broadbill::rating::v1::BatchGetPeriodUsageResponse> AnswerPeriodUsage(
    db::Tx& tx, const broadbill::rating::v1::BatchGetPeriodUsageRequest& request, UsageSums* sums);

}  // namespace broadbill::rating
