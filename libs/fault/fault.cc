#include "libs/fault/fault.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"

namespace broadbill::fault {
namespace {

class Faults {
 public:
  Faults() {
    if (const char* path = std::getenv("BROADBILL_FAULT_LOG"); path != nullptr) {
      log_ = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    const char* kill = std::getenv("BROADBILL_FAULT_KILL");
    if (kill == nullptr) return;
    kill_at_ = kill;
    const size_t colon = kill_at_.rfind(':');
    int64_t passing = 0;
    if (colon == std::string::npos || !absl::SimpleAtoi(kill_at_.substr(colon + 1), &passing) ||
        passing < 1) {
      // A test that asks for nothing must not pass.
      std::fprintf(stderr, "BROADBILL_FAULT_KILL must be POINT:N, was '%s'\n", kill);
      std::_Exit(2);
    }
    kill_at_.resize(colon);
    left_ = passing;
  }

  bool armed() const { return log_ >= 0 || !kill_at_.empty(); }

  void Pass(const std::string& point) {
    if (log_ >= 0) {
      // One write: lines of several threads do not mix.
      const std::string line = std::to_string(absl::GetCurrentTimeNanos() / 1000) + " " +
                               std::to_string(syscall(SYS_gettid)) + " " + point + "\n";
      const ssize_t written = write(log_, line.data(), line.size());
      (void)written;
    }
    if (point == kill_at_ && --left_ == 0) kill(getpid(), SIGKILL);
  }

 private:
  int log_ = -1;
  std::string kill_at_;
  std::atomic<int64_t> left_ = 0;
};

Faults& Get() {
  static auto* const faults = new Faults;
  return *faults;
}

}  // namespace

bool Armed() {
  static const bool armed = Get().armed();
  return armed;
}

void Point(std::string_view part, std::string_view step) {
  if (!Armed() || part.empty()) return;
  Get().Pass(std::string(part) + "." + std::string(step));
}

}  // namespace broadbill::fault
