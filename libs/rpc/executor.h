#pragma once

// A bounded pool of threads for blocking handlers: one per service, because a pool shared between
// services that call each other in one process deadlocks.

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace broadbill::rpc {

class Executor {
 public:
  // Threads start when first needed. `queue_max` is the number of waiting tasks before refusal.
  Executor(int threads_max, int queue_max);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // False when the queue is full or the executor stops; the task is then not run.
  bool Submit(std::function<void()> task) ABSL_LOCKS_EXCLUDED(mutex_);
  // Like Submit, but past the bound: for the next step of work that was already admitted.
  void Continue(std::function<void()> task) ABSL_LOCKS_EXCLUDED(mutex_);
  // Runs what is queued, then ends the threads.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Push(std::function<void()> task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Work();

  const size_t threads_max_;
  const size_t queue_max_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace broadbill::rpc
