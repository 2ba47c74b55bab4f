#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "broadbill/rating/v1/usage_balance.pb.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "libs/rpc/context.h"
#include "services/rating/app/live_counters.h"

namespace broadbill::rating {

class UsageBalances {
 public:
  UsageBalances(std::shared_ptr<db::Pool> pool, const Clock& clock, LiveCounters& counters)
      : pool_(std::move(pool)), clock_(clock), counters_(counters) {}

  absl::StatusOr<broadbill::rating::v1::UsageBalance> GetUsageBalance(
      const rpc::Context&, const broadbill::rating::v1::GetUsageBalanceRequest& request);

 private:
  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  LiveCounters& counters_;
};

}  // namespace broadbill::rating
