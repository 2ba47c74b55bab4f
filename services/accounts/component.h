#pragma once

#include "absl/status/status.h"
#include "libs/rpc/host.h"

namespace broadbill::accounts {

// Adds the accounts service to the host.
absl::Status Register(rpc::Host& host);

}  // namespace broadbill::accounts
