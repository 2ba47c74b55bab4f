#pragma once

// Another process of this program that works at the same runs.

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/measure.h"

namespace broadbill::bench {

class WorkerProcess {
 public:
  // Returns when it is up.
  static absl::StatusOr<std::unique_ptr<WorkerProcess>> Start(
      const std::vector<std::string>& arguments);
  // Tells it to end, and waits.
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  double cpu_seconds() const { return CpuSeconds(pid_); }
  int64_t peak_memory_bytes() const { return PeakMemoryBytes(pid_); }

 private:
  explicit WorkerProcess(pid_t pid) : pid_(pid) {}
  const pid_t pid_;
};

}  // namespace broadbill::bench
