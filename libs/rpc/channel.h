#pragma once

// Calls methods of one service, in this process or another.

#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/rpc/context.h"

namespace broadbill::rpc {

class Channel {
 public:
  virtual ~Channel() = default;

  // `method` is "broadbill.tax.v1.Tax/BatchCalculate". The callee sees the context's principal,
  // trace and deadline; without a deadline a unary call gets 60 s. Errors carry reason, metadata
  // and violations as libs/status gives them.
  template <class Response>
  absl::StatusOr<Response> Call(const std::string& method, const google::protobuf::Message& request,
                                const Context& context) {
    Response response;
    absl::Status status = CallMessage(method, request, response, context);
    if (!status.ok()) return status;
    return response;
  }

  virtual absl::Status CallMessage(const std::string& method,
                                   const google::protobuf::Message& request,
                                   google::protobuf::Message& response, const Context& context) = 0;

  // Reads a server stream to its end, or until `on_message` returns false (which cancels it).
  // `response` is reused for every message.
  virtual absl::Status ReadStream(const std::string& method,
                                  const google::protobuf::Message& request,
                                  google::protobuf::Message& response, const Context& context,
                                  const std::function<bool()>& on_message) = 0;

  // Sends messages as long as `next` fills `request` and returns true, and reads the answer to
  // each, in order, into `response`; `on_answer` returns false to cancel. At most `unanswered_max`
  // messages are on their way. `next` runs on a thread of its own.
  virtual absl::Status Exchange(const std::string& method, google::protobuf::Message& request,
                                google::protobuf::Message& response, int unanswered_max,
                                const Context& context, const std::function<bool()>& next,
                                const std::function<bool()>& on_answer) = 0;
};

// A TCP channel to "host:port" without TLS, for loopback and for meshes that bring their own.
std::shared_ptr<Channel> Dial(const std::string& address, const TokenKey& key);

}  // namespace broadbill::rpc
