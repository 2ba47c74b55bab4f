// Usage events as HTTP brings them: the query in the first line, then the JSON body.

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "broadbill/rating/v1/usage.pb.h"
#include "services/gateway/app/routes.h"
#include "services/gateway/app/transcode.h"
#include "services/rating/app/events.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill {
namespace {

using broadbill::rating::v1::IngestEventsRequest;
using fuzz::Require;

// The answer to an error is JSON, whatever the error repeats of the input.
void CheckProblem(const absl::Status& status) {
  const gateway::http::Response response = gateway::Problem(status, "0123456789abcdef");
  Require(response.status >= 400 && response.status < 500, "what is wrong is the request");
  google::protobuf::Struct read;
  Require(google::protobuf::util::JsonStringToMessage(response.body, &read).ok(),
          "the answer to an error is JSON");
}

void CheckEvents(const IngestEventsRequest& request) {
  const auto events = rating::ReadEvents(request);
  if (!events.ok()) return CheckProblem(events.status());
  Require(static_cast<int>(events->size()) == request.events_size(), "every event is one");
  for (const rating::UsageEventRecord& event : *events) {
    fuzz::RequireName(event.id, 200);
    fuzz::RequireName(event.source, 200);
    fuzz::RequireName(event.subject, 200);
    fuzz::RequireTime(event.at);
    Require(event.octets >= 0, "octets are not negative");
  }
}

}  // namespace

FUZZ_TARGET(events_json) {
  static const gateway::Routes routes({"broadbill.rating.v1.Rating"});
  const gateway::Match match = routes.Find("POST", "/v1/usage:ingest");
  Require(match.route != nullptr, "events have a route");
  const size_t end = std::min(input.find('\n'), input.size());
  gateway::http::Request http;
  http.query = std::string(input.substr(0, end));
  http.body = std::string(input.substr(std::min(end + 1, input.size())));
  const auto message = gateway::ToMessage(match, http);
  if (!message.ok()) return CheckProblem(message.status());
  const auto* const request = dynamic_cast<const IngestEventsRequest*>(message->get());
  Require(request != nullptr, "the route's message is the request");
  gateway::http::Request again;
  again.body = gateway::ToJson(*request);
  const auto read = gateway::ToMessage(match, again);
  Require(read.ok(), "a request as written out is a request");
  Require(google::protobuf::util::MessageDifferencer::Equals(**read, *request),
          "a request as written out is the same");
  CheckEvents(*request);
}

}  // namespace broadbill
