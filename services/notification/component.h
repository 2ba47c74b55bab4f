#pragma once

#include "absl/status/status.h"
#include "libs/rpc/host.h"

namespace broadbill::notification {

// Adds the notification service to the host. Settings: "smtp-url" (without it mail stays queued),
// "smtp-user", "smtp-password", "mail-from", "smtp-connections", "smtp-retry-seconds"; see
// README.md.
absl::Status Register(rpc::Host& host);

}  // namespace broadbill::notification
