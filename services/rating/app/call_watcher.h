#pragma once

// Looks at accounts with limits whose calls changed, and tells which limits were exceeded. Any
// number of processes may do it.

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/calendar/clock.h"
#include "libs/db/feed_event.h"
#include "libs/db/pool.h"
#include "libs/rpc/host.h"
#include "services/rating/app/call_limits.h"

namespace broadbill::rating {

class CallWatcher {
 public:
  CallWatcher(std::shared_ptr<db::Pool> pool, const Clock& clock)
      : pool_(std::move(pool)), clock_(clock) {}

  // Looks at what waits, up to a batch; returns how many accounts that were.
  absl::StatusOr<int64_t> Step();
  // Nothing waits.
  absl::StatusOr<bool> IsDone() const;
  void Run(rpc::Background& background);

 private:
  absl::Status Judge(db::Tx& tx, const Uuid& account, const CallLimitRow& limits,
                     std::pair<absl::Time, absl::Time> span,
                     std::vector<CallAlarmRow>& alarms) const;

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
};

}  // namespace broadbill::rating
