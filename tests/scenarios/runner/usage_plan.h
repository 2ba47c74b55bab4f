#pragma once

// Options of `plan` that say what usage and calls cost.

#include <string>

#include "absl/status/statusor.h"
#include "broadbill/accounts/v1/plan.pb.h"
#include "tests/scenarios/runner/reader.h"

namespace broadbill::scenarios {

// Takes an option that it knows; false for another word.
absl::StatusOr<bool> ReadUsageOption(const std::string& word, Reader& r,
                                     broadbill::accounts::v1::Plan* plan);

}  // namespace broadbill::scenarios
