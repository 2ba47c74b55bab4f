#pragma once

// Looks at items whose usage or terms changed: tells which thresholds are reached, what the network
// should do about what is used up, and when that is over. Any number of processes may do it.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/calendar/clock.h"
#include "libs/db/feed_event.h"
#include "libs/db/pool.h"
#include "libs/rpc/host.h"
#include "libs/rpc/metrics.h"
#include "services/rating/app/live_counters.h"
#include "services/rating/app/live_usage.h"

namespace broadbill::rating {

class UsageWatcher {
 public:
  UsageWatcher(std::shared_ptr<db::Pool> pool, const Clock& clock, LiveCounters& counters,
               rpc::Metrics& metrics)
      : pool_(std::move(pool)), clock_(clock), counters_(counters), metrics_(metrics) {}

  // Looks at what waits, up to a batch; returns how many items that were.
  absl::StatusOr<int64_t> Step();
  // Nothing waits.
  absl::StatusOr<bool> IsDone() const;
  // Looks at all watched items again when Redis lost its counters.
  absl::Status Refill();
  void Run(rpc::Background& background);

 private:
  // Items with the moments at which their usage changed.
  using Touched = std::map<Uuid, std::set<absl::Time>>;
  // What came of looking.
  struct Outcome {
    std::vector<db::FeedEvent> events;
    std::vector<LiveStretch> live;
  };

  // What a step takes on.
  struct Work {
    std::vector<Uuid> rows;  // of usage_touched
    Touched touched;
    ChangedUsage changed;  // not in the sums yet
  };

  absl::StatusOr<Work> Take(db::Tx& tx) const;
  // Items that have nothing to watch need no look; their sums, if there are any, are not kept up.
  static absl::Status LeaveOut(db::Tx& tx, Work& work, const std::set<Uuid>& always);
  static absl::Status AddPools(db::Tx& tx, Touched& touched);
  absl::Status Judge(db::Tx& tx, const Touched& touched, const ChangedUsage& changed,
                     Outcome& outcome) const;
  // In halves where that fails, so that an item that cannot be judged does not hold up the others.
  absl::Status JudgeApart(db::Tx& tx, const Touched& touched, const ChangedUsage& changed,
                          Outcome& outcome) const;
  absl::Status LiftWhatIsOver(db::Tx& tx, const Uuid& item, Outcome& outcome) const;
  // Offers that are bought by themselves where nothing is left; true when any was.
  absl::StatusOr<bool> BuyTopUps(db::Tx& tx, const std::vector<LiveStretch>& stretches,
                                 const std::set<size_t>& running) const;
  absl::Status TellThresholds(db::Tx& tx, const std::vector<LiveStretch>& stretches,
                              Outcome& outcome) const;
  absl::Status TellCaps(db::Tx& tx, const std::map<Uuid, LiveItem>& items,
                        const std::map<Uuid, const LiveStretch*>& live, Outcome& outcome) const;
  // All watched items are to be looked at.
  absl::Status TouchAll() const;

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  LiveCounters& counters_;
  rpc::Metrics& metrics_;
  bool lost_ = false;  // counters, and not all are touched yet
};

}  // namespace broadbill::rating
