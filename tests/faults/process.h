#pragma once

// `broadbill serve` as a process of its own, to be killed.

#include <sys/types.h>

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace broadbill::faults {

class Process {
 public:
  struct Options {
    std::string program;   // path of the binary
    std::string data_dir;  // with its private PostgreSQL, which survives the kill
    std::string clock;     // the business day
    std::string fault_log;
    std::string fault_kill;          // "point:n", or ""
    std::vector<std::string> flags;  // more of them
  };

  // Starts it and waits until it listens. A process that dies before (a kill point at its start) is
  // reported by alive(), not as an error.
  static absl::Status Start(const Options& options, Process& out);
  Process() = default;
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  bool alive();
  void SendKill();  // SIGKILL, from any thread; alive() turns false
  void Kill();      // SIGKILL, and waits for the end
  void Stop();      // SIGTERM, and waits: the private servers stop as well
  absl::Time started() const { return started_; }

 private:
  std::atomic<pid_t> pid_ = 0;
  absl::Time started_;
};

// The private PostgreSQL of a data folder. It dies as in a crash: at once, its children with it.
absl::Status CrashPostgres(const std::string& data_dir);
// Starts it again with the command line it had, and waits until it has recovered.
absl::Status RestartPostgres(const std::string& data_dir);

// The points passed so far.
struct Passing {
  absl::Time at;
  std::string thread, point;
};
std::vector<Passing> ReadLog(const std::string& path);

}  // namespace broadbill::faults
