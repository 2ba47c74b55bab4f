#pragma once

// The list of the suite's services: what the program hosts and what its tools know.

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/rpc/host.h"

namespace broadbill::program {

struct Component {
  std::string name;  // "accounts"
  std::function<absl::Status(rpc::Host&)> register_with;
};

// All components, in the order they start: nobody calls a later one while starting.
const std::vector<Component>& Components();

// Full names of the proto services, for listing and calling.
const std::vector<std::string>& ProtoServices();

}  // namespace broadbill::program
