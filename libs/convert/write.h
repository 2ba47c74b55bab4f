#pragma once

// Runs a write of protobuf messages in the envelope of db::RunCommand.
//
//   return convert::Write<pb::Account>(*pool_, clock_, context, request,
//       [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Account> { … });

#include <google/protobuf/message.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/calendar/clock.h"
#include "libs/db/command.h"
#include "libs/rpc/context.h"

namespace broadbill::convert {

// Collects feed events; `event` is the service's own Event message, its account_id must be set.
class Events {
 public:
  explicit Events(std::vector<db::FeedEvent>* out) : out_(out) {}
  void Add(const Uuid& account_id, const google::protobuf::Message& event) {
    out_->push_back({event.GetTypeName(), account_id, event.SerializeAsString()});
  }

 private:
  std::vector<db::FeedEvent>* out_;
};

// The request without its request_id and validate_only, as the idempotency key's content.
std::string RequestContent(const google::protobuf::Message& request);

template <class Response, class Request>
absl::StatusOr<Response> Write(
    db::Pool& pool, const Clock& clock, const rpc::Context& context, const Request& request,
    const std::function<absl::StatusOr<Response>(db::Tx&, Events&)>& run) {
  db::CommandInput input;
  input.scope = context.principal.id;
  input.method = context.method;
  input.request_id = request.request_id();
  input.request = RequestContent(request);
  input.validate_only = request.validate_only();
  input.now = clock.Now();
  auto result = db::RunCommand(pool, input, [&](db::Tx& tx) -> absl::StatusOr<db::CommandOutput> {
    db::CommandOutput output;
    Events events(&output.events);
    absl::StatusOr<Response> response = run(tx, events);
    if (!response.ok()) return response.status();
    output.answer = response->SerializeAsString();
    return output;
  });
  if (!result.ok()) return result.status();
  Response response;
  response.ParseFromString(result->answer);
  return response;
}

}  // namespace broadbill::convert
