#pragma once

// Expectations about running usage and what the network is told.

#include <string>

#include "absl/status/statusor.h"
#include "tests/scenarios/runner/reader.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::scenarios {

// Each returns what differs, "" for nothing. What they expect: README.md.
absl::StatusOr<std::string> ExpectService(World& world, Reader& r);
absl::StatusOr<std::string> ExpectThresholds(World& world, Reader& r);
absl::StatusOr<std::string> ExpectUsage(World& world, Reader& r);

}  // namespace broadbill::scenarios
