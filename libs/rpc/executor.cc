#include "libs/rpc/executor.h"

#include <utility>

namespace broadbill::rpc {

Executor::Executor(int threads_max, int queue_max)
    : threads_max_(static_cast<size_t>(threads_max)), queue_max_(static_cast<size_t>(queue_max)) {}

Executor::~Executor() { Stop(); }

bool Executor::Submit(std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || queue_.size() >= queue_max_) return false;
  Push(std::move(task));
  return true;
}

void Executor::Continue(std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  Push(std::move(task));
}

void Executor::Push(std::function<void()> task) {
  queue_.push_back(std::move(task));
  if (queue_.size() > idle_ && threads_.size() < threads_max_) {
    threads_.emplace_back([this] { Work(); });
  }
}

void Executor::Work() {
  while (true) {
    std::function<void()> task;
    {
      absl::MutexLock lock(&mutex_);
      ++idle_;
      const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !queue_.empty();
      };
      mutex_.Await(absl::Condition(&ready));
      --idle_;
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

void Executor::Stop() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace broadbill::rpc
