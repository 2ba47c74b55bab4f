#pragma once

#include "absl/status/status.h"
#include "libs/rpc/host.h"

namespace broadbill::reporting {

// Adds the reporting service to the host.
absl::Status Register(rpc::Host& host);

}  // namespace broadbill::reporting
