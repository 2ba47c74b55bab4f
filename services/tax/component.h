#pragma once

#include "absl/status/status.h"
#include "libs/rpc/host.h"

namespace broadbill::tax {

// Adds the tax service to the host.
absl::Status Register(rpc::Host& host);

}  // namespace broadbill::tax
