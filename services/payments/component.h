#pragma once

#include "absl/status/status.h"
#include "libs/rpc/host.h"

namespace broadbill::payments {

// Adds the payments service to the host.
absl::Status Register(rpc::Host& host);

}  // namespace broadbill::payments
