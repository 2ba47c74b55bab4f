#pragma once

// A plausible provider in Minnesota as files that the public imports read: homes and businesses,
// annual prepayers, voice lines, changes in mid-month, RADIUS sessions that straddle months, calls,
// late records. The same size gives the same files, byte for byte.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace broadbill::program {

struct DemoFile {
  std::string loaded_date;  // ISO, when it is loaded
  std::string name;         // in the folder
  std::string format;       // "detail" or "asterisk"
};

struct DemoInput {
  std::vector<DemoFile> usage;
};

// Writes the input of `accounts` customers (1 to 5,000,000) into `folder`, which exists. The files
// are described in services/broadbill/demo/README.md.
absl::Status GenerateDemo(const std::string& folder, int64_t accounts, DemoInput& out);

}  // namespace broadbill::program
