#pragma once

// What the demo tells while it works: lines that stay, one live line on a terminal, and how long
// each kind of step took.

#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace broadbill::program {

class Progress {
 public:
  Progress();

  bool terminal() const { return terminal_; }
  // A line that stays, with the seconds since the start in front.
  void Say(const std::string& text);
  // Replaces the live line; where there is no terminal, a plain line every few seconds.
  void Live(const std::string& text);

  // Runs `work` and adds its time to the step `name`.
  template <class Work>
  auto Timed(const std::string& name, const Work& work) {
    const Timer timer(*this, name);
    return work();
  }
  // Seconds by step, in order of first use.
  const std::vector<std::pair<std::string, absl::Duration>>& steps() const { return steps_; }
  absl::Duration elapsed() const { return absl::Now() - start_; }

 private:
  class Timer {
   public:
    Timer(Progress& progress, const std::string& name)
        : progress_(progress), name_(name), start_(absl::Now()) {}
    ~Timer() { progress_.Add(name_, absl::Now() - start_); }

   private:
    Progress& progress_;
    const std::string name_;
    const absl::Time start_;
  };

  void Add(const std::string& name, absl::Duration time);
  void ClearLive();

  const bool terminal_;
  const absl::Time start_;
  absl::Time last_plain_;
  bool live_ = false;
  std::vector<std::pair<std::string, absl::Duration>> steps_;
};

// "1,234,567".
std::string Grouped(int64_t number);

}  // namespace broadbill::program
