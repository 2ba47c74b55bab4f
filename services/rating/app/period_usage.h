#pragma once

// What usage of periods comes to: for invoicing, for live balances, for whoever else asks.

#include "absl/status/statusor.h"
#include "broadbill/rating/v1/period_usage.pb.h"
#include "libs/db/pool.h"

namespace broadbill::rating {

// As BatchGetPeriodUsage, in a transaction of the caller.
absl::StatusOr<broadbill::rating::v1::BatchGetPeriodUsageResponse> AnswerPeriodUsage(
    db::Tx& tx, const broadbill::rating::v1::BatchGetPeriodUsageRequest& request);

}  // namespace broadbill::rating
