#pragma once

// What a run costs: seconds, memory and CPU of this process and of its PostgreSQL.

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>

#include "absl/time/time.h"

namespace broadbill::bench {

struct Usage {
  double program_cpu_seconds = 0;
  double postgres_cpu_seconds = 0;
};
// CPU used so far; PostgreSQL's with all its backends, living and gone.
Usage UsageNow(pid_t postmaster);

int64_t PeakMemoryBytes();  // of this process (VmHWM)

// Of another process: CPU used so far, and its peak memory.
double CpuSeconds(pid_t pid);
int64_t PeakMemoryBytes(pid_t pid);

// Samples the memory of a PostgreSQL in the background: the private memory of all its processes and
// the touched part of its shared memory.
class PostgresMemory {
 public:
  explicit PostgresMemory(pid_t postmaster);
  ~PostgresMemory();
  int64_t peak_private_bytes() const { return private_; }
  int64_t peak_shared_bytes() const { return shared_; }

 private:
  void Sample();

  const pid_t postmaster_;
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> private_ = 0;
  std::atomic<int64_t> shared_ = 0;
  std::thread thread_;
};

// One line of JSON, keys in the order of their first use.
class JsonObject {
 public:
  void Add(const std::string& key, const std::string& text);
  void Add(const std::string& key, int64_t value);
  void Add(const std::string& key, double value, int digits);
  void Add(const std::string& key, const JsonObject& value);
  std::string ToString() const { return "{" + members_ + "}"; }

 private:
  void Member(const std::string& key, const std::string& json);
  std::string members_;
};

}  // namespace broadbill::bench
