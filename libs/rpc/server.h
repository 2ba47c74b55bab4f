#pragma once

// The gRPC server behind Host. Internal to libs/rpc.

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/host.h"

namespace broadbill::rpc::internal {

class Server {
 public:
  Server(const HostOptions& options, Metrics& metrics);
  ~Server();

  absl::Status Start(const std::vector<Service>& services);
  int port() const;
  std::shared_ptr<Channel> InProcessChannel();
  void SetServing(bool serving);
  // New calls are refused, running ones get `grace`; then the executors end.
  void Stop(absl::Duration grace);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace broadbill::rpc::internal
