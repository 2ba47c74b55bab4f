#pragma once

// Channel over gRPC. Internal to libs/rpc.

#include <grpcpp/grpcpp.h>

#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"

namespace broadbill::rpc::internal {

constexpr absl::Duration kUnaryTimeout = absl::Seconds(60);  // of calls without a deadline

class GrpcChannel : public Channel {
 public:
  GrpcChannel(std::shared_ptr<grpc::Channel> channel, TokenKey key);

  absl::Status CallMessage(const std::string& method, const google::protobuf::Message& request,
                           google::protobuf::Message& response, const Context& context) override;
  absl::Status ReadStream(const std::string& method, const google::protobuf::Message& request,
                          google::protobuf::Message& response, const Context& context,
                          const std::function<bool()>& on_message) override;
  absl::Status Exchange(const std::string& method, google::protobuf::Message& request,
                        google::protobuf::Message& response, int unanswered_max,
                        const Context& context, const std::function<bool()>& next,
                        const std::function<bool()>& on_answer) override;

 private:
  std::shared_ptr<grpc::Channel> channel_;
  TokenKey key_;
};

}  // namespace broadbill::rpc::internal
