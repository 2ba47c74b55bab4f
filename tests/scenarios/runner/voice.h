#pragma once

// Limits of calls, alarms and margins.

#include <string>

#include "absl/status/statusor.h"
#include "tests/scenarios/runner/reader.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::scenarios {

// call-limits ACCOUNT|all [hour A] [day A] [calls N] [abroad]
absl::Status SetCallLimits(World& world, Reader& r);
// acknowledge ACCOUNT "Note": its open alarms.
absl::Status AcknowledgeAlarms(World& world, Reader& r);
// Each returns what differs, "" for nothing. What they expect: README.md.
absl::StatusOr<std::string> ExpectAlarms(World& world, Reader& r);
absl::StatusOr<std::string> ExpectMargin(World& world, Reader& r);

}  // namespace broadbill::scenarios
