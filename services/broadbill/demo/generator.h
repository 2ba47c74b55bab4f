#pragma once

// A plausible provider in Minnesota as files that the public imports read: homes and businesses,
// annual prepayers, voice lines, changes in mid-month, RADIUS sessions that straddle months, calls,
// late records. The same size gives the same files, byte for byte. README.md describes them.

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace broadbill::program {

inline constexpr int64_t kDemoAccountsMax = 5000000;

// Writes the input of `accounts` customers (1 to kDemoAccountsMax) into `folder`, which exists.
absl::Status GenerateDemo(const std::string& folder, int64_t accounts);

}  // namespace broadbill::program
