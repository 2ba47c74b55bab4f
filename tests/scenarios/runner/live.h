#pragma once

// Running usage: what is bought on top, and expectations about it and what the network is told.

#include <string>

#include "absl/status/statusor.h"
#include "tests/scenarios/runner/reader.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::scenarios {

// buy NAME CODE [N times] [refused REASON]
absl::Status BuyTopUp(World& world, Reader& r);

// Each returns what differs, "" for nothing. What they expect: README.md.
absl::StatusOr<std::string> ExpectService(World& world, Reader& r);
absl::StatusOr<std::string> ExpectThresholds(World& world, Reader& r);
absl::StatusOr<std::string> ExpectUsage(World& world, Reader& r);

}  // namespace broadbill::scenarios
