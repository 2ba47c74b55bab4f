#include "services/broadbill/demo/progress.h"

#include <unistd.h>

#include <iostream>

#include "absl/strings/str_format.h"
#include "libs/money/money.h"

namespace broadbill::program {
namespace {

constexpr absl::Duration kPlainEvery = absl::Seconds(5);

}  // namespace

Progress::Progress()
    : terminal_(isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0),
      start_(absl::Now()),
      last_plain_(start_) {}

void Progress::ClearLive() {
  if (live_) std::cout << "\r\x1b[K";
  live_ = false;
}

void Progress::Say(const std::string& text) {
  ClearLive();
  std::cout << absl::StrFormat("[%6.1f s] ", absl::ToDoubleSeconds(elapsed())) << text << std::endl;
}

void Progress::Live(const std::string& text) {
  if (terminal_) {
    ClearLive();
    std::cout << text << std::flush;
    live_ = true;
    return;
  }
  if (absl::Now() - last_plain_ < kPlainEvery) return;
  last_plain_ = absl::Now();
  Say(text);
}

void Progress::Add(const std::string& name, absl::Duration time) {
  for (auto& [known, sum] : steps_) {
    if (known != name) continue;
    sum += time;
    return;
  }
  steps_.emplace_back(name, time);
}

std::string Grouped(int64_t number) { return FormatMinorGrouped(number, 0); }

}  // namespace broadbill::program
