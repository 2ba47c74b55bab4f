#pragma once

// The whole of a single service's main.cc:
//
//   int main(int argc, char** argv) {
//     return broadbill::serve::Main(argc, argv, {"tax", &broadbill::tax::Register});
//   }

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/rpc/host.h"
#include "libs/serve/args.h"

namespace broadbill::serve {

// What a process hosts.
struct Program {
  std::string name;  // "tax"
  std::function<absl::Status(rpc::Host&)> register_with;
  // After the host listens and before it stops; may be absent.
  std::function<absl::Status(rpc::Host&)> after_start;
  std::function<void(rpc::Host&)> before_stop;
};

// The options that every process has, from the command line and the environment: --listen,
// --metrics-listen, --<service>-address, --clock, --smtp-url, --mail-from; --database-url and
// --redis-url, or BROADBILL_DATABASE_URL and BROADBILL_REDIS_URL. INVALID_ARGUMENT naming the
// option.
absl::StatusOr<rpc::HostOptions> ToHostOptions(const Args& args);

// A service of its own: needs a database (--database-url) and the suite's key
// (BROADBILL_INTERNAL_KEY), serves until SIGTERM, drains, returns the exit status.
int Main(int argc, char** argv, const Program& program);

}  // namespace broadbill::serve
