#pragma once

// What the gateway does with one HTTP request: find the route, authenticate, transcode, call the
// service, transcode back. It knows no service; everything comes from descriptors.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/context.h"
#include "libs/rpc/metrics.h"
#include "services/gateway/app/routes.h"
#include "services/gateway/http/server.h"

namespace broadbill::gateway {

class Front {
 public:
  // Turns a presented API key into its principal; UNAUTHENTICATED when it is not valid.
  using Authenticate = std::function<absl::StatusOr<rpc::Principal>(const std::string& key)>;
  // The channel to a service by its short name ("tax").
  using ChannelTo = std::function<std::shared_ptr<rpc::Channel>(const std::string& service)>;
  // Whether all services answer; the text names those that do not.
  using Ready = std::function<absl::Status()>;

  struct Options {
    std::vector<std::string> services;  // full names of proto services
    std::string protoset;               // serialized FileDescriptorSet with comments
    std::string version;
  };

  Front(Options options, Authenticate authenticate, ChannelTo channel_to, Ready ready,
        rpc::Metrics& metrics);

  http::Reply Handle(const http::Request& request);
  uint64_t BodyLimit(const http::Request& request) const;
  static http::Response Refusal(int status, const std::string& reason);

  const Routes& routes() const { return routes_; }

 private:
  http::Reply Static(const http::Request& request, const rpc::Trace& trace);
  http::Reply Call(const Match& match, const http::Request& request, const rpc::Trace& trace);
  http::Reply StreamCall(const Match& match, std::unique_ptr<google::protobuf::Message> message,
                         rpc::Context context);
  absl::StatusOr<rpc::Principal> Identify(const Match& match, const http::Request& request) const;

  const Options options_;
  const Routes routes_;
  const std::string openapi_;
  Authenticate authenticate_;
  ChannelTo channel_to_;
  Ready ready_;
  rpc::Metrics& metrics_;
  std::map<std::string, std::shared_ptr<rpc::Channel>> channels_;  // by proto package
};

}  // namespace broadbill::gateway
