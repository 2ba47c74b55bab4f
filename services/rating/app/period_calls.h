#pragma once

// Calls of closed periods: what they cost together, bundles drawn, by destination group.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "broadbill/rating/v1/period_usage.pb.h"
#include "libs/db/pool.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

// Calls of one query that asks for them.
struct PeriodCalls {
  const broadbill::rating::v1::PeriodUsageQuery* query = nullptr;
  std::string field;  // of the query, for errors: "queries[0]."
  absl::TimeZone zone;
  std::vector<const CallRow*> calls;
  broadbill::rating::v1::PeriodUsage* answer = nullptr;
};

// All queries of a request: those of one account whose terms share bundles draw from one stock.
absl::Status AnswerCalls(db::Tx& tx, const std::vector<PeriodCalls>& queries);

}  // namespace broadbill::rating
