#pragma once

// Usage of running periods in Redis, for whoever shows it often. It may be lost: it is written
// again with the item's next usage, when its balance is asked for, or all at once into an empty
// Redis.
//
//   usage:{sub_…}:{2026-03-01}  a hash: in, out, counted, included (bytes), percent, at (Unix
//   seconds)

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/rating/app/live_usage.h"

struct redisContext;

namespace broadbill::rating {

class LiveCounters {
 public:
  // "unix:/path" or "host:port"; "" keeps no counters.
  explicit LiveCounters(std::string url) : url_(std::move(url)) {}

  // Nothing that goes wrong here stops anybody; thread-safe.
  void Write(const std::vector<LiveStretch>& stretches, absl::Time now);
  // Whether Redis lost what was written, or never had it: asked, it is taken as known.
  bool TakeLost();

 private:
  struct Free {
    void operator()(redisContext* context) const;
  };
  bool Connected() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Replies of what was appended; false when the connection broke.
  bool Receive(size_t count) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string url_;
  absl::Mutex mutex_;
  std::unique_ptr<redisContext, Free> context_ ABSL_GUARDED_BY(mutex_);
  absl::Time retry_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace broadbill::rating
