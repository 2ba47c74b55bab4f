#pragma once

#include "absl/status/status.h"
#include "libs/rpc/host.h"

namespace broadbill::invoicing {

// Adds the invoicing service and its bill run workers to the host.
absl::Status Register(rpc::Host& host);

}  // namespace broadbill::invoicing
