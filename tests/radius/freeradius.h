#pragma once

// Debian's freeradius as a process of its own, with a configuration made for it: one port whose
// packets it passes on to us, one whose packets it writes into a `detail` file.

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace broadbill::radius {

// A UDP port that is free now.
int FreePort();
// Runs a program to its end; its exit status.
int RunProgram(const std::vector<std::string>& args, const std::string& log);

class FreeRadius {
 public:
  struct Options {
    std::string folder;
    std::string secret;
    int proxy_port = 0, detail_port = 0;
    int home_port = 0;  // ours
  };
  static absl::Status Start(const Options& options, FreeRadius& out);
  FreeRadius() = default;
  ~FreeRadius() { Stop(); }
  FreeRadius(const FreeRadius&) = delete;
  FreeRadius& operator=(const FreeRadius&) = delete;

  void Stop();
  std::string detail_file() const { return folder_ + "/detail"; }

 private:
  std::string folder_;
  pid_t pid_ = 0;
};

}  // namespace broadbill::radius
