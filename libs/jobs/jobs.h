#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/db/pool.h"

namespace broadbill::jobs {

struct Claim {
  Uuid job_id;
  int32_t chunk = 0;
  int64_t fence = 0;     // rises with every claim of the chunk
  int32_t attempts = 0;  // claims so far, this one included
  std::string spec;      // the job's
};

struct Progress {
  std::string state;  // running, paused, cancelled, finished
  int64_t chunks = 0;
  int64_t done = 0;
};

// Inserts the job with `chunks` chunks (0 … chunks − 1), running.
absl::Status Create(db::Tx& tx, const Uuid& job_id, const std::string& kind,
                    const std::string& spec, int32_t chunks, absl::Time created_at);

// Takes the lowest free chunk of a running job of `kind` (of `job_id` when given): one that nobody
// claimed, or whose lease ran out.
absl::StatusOr<std::optional<Claim>> Take(db::Pool& pool, const std::string& kind,
                                          absl::Duration lease,
                                          std::optional<Uuid> job_id = std::nullopt);
// Prolongs the lease; ABORTED (LEASE_LOST) when somebody else has it.
absl::Status Renew(db::Pool& pool, const Claim& claim, absl::Duration lease);
// First statement of the worker's transaction: locks the chunk and checks the fence and that the
// job still runs. ABORTED (LEASE_LOST) otherwise.
absl::Status Fence(db::Tx& tx, const Claim& claim);
// Last statement of the worker's transaction.
absl::Status Done(db::Tx& tx, const Claim& claim);
// Gives the chunk back at once.
absl::Status Release(db::Pool& pool, const Claim& claim);
// Gives back all claimed chunks of a kind: for a process that knows itself the only one (it holds
// the lock of a private database), so that what a killed predecessor had claimed need not run out.
// Returns how many there were.
absl::StatusOr<int64_t> ReleaseAll(db::Pool& pool, const std::string& kind);

// Renews the leases of the claims that are being worked on. Thread-safe.
class Leases {
 public:
  Leases(std::shared_ptr<db::Pool> pool, absl::Duration lease)
      : pool_(std::move(pool)), lease_(lease) {}

  // The claim is renewed until the Held is gone.
  class Held {
   public:
    Held(Leases* leases, const Claim& claim);
    ~Held();
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

   private:
    Leases* const leases_;
  };
  // To be called about every third of a lease. A claim that was lost is left alone: its fence says
  // so to the worker.
  void Renew();

 private:
  const std::shared_ptr<db::Pool> pool_;
  const absl::Duration lease_;
  absl::Mutex mutex_;
  std::map<const Held*, Claim> held_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<Progress> GetProgress(db::Tx& tx, const Uuid& job_id);
// running ↔ paused, → cancelled, → finished. FAILED_PRECONDITION when the job has ended.
absl::Status SetState(db::Tx& tx, const Uuid& job_id, const std::string& state);

}  // namespace broadbill::jobs
