#pragma once

#include <string>

#include "absl/status/status.h"
#include "libs/rpc/host.h"

namespace broadbill::gateway {

struct GatewayOptions {
  std::string listen = "127.0.0.1:8080";  // HTTP; port 0 picks one
  std::string admin_key_file;             // where the first admin key is written; "" = none
};

// Adds the gateway to the host; call it after the other components and before Start.
absl::Status Register(rpc::Host& host, const GatewayOptions& options);

// Begins to listen; after host.Start(). Returns the HTTP port.
absl::StatusOr<int> StartHttp(rpc::Host& host);
// Stops listening; before host.Stop().
void StopHttp(rpc::Host& host);

}  // namespace broadbill::gateway
