#pragma once

#include "absl/status/status.h"
#include "libs/rpc/host.h"

namespace broadbill::rating {

// Adds the rating service to the host.
absl::Status Register(rpc::Host& host);

}  // namespace broadbill::rating
