#include "services/gateway/app/front.h"

#include <google/protobuf/descriptor.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "broadbill/common/v1/options.pb.h"
#include "libs/rpc/log.h"
#include "libs/status/error.h"
#include "services/gateway/app/openapi.h"
#include "services/gateway/app/page.h"
#include "services/gateway/app/transcode.h"

namespace broadbill::gateway {
namespace {

constexpr uint64_t kBodyBytesDefault = 1 << 20;
constexpr absl::Duration kCallTimeout = absl::Seconds(30);
// Calls with large bodies are imports; they may take longer.
constexpr absl::Duration kImportTimeout = absl::Minutes(30);

const broadbill::common::v1::MethodPolicy& Policy(const Route& route) {
  return route.method->options().GetExtension(broadbill::common::v1::method);
}

// "broadbill.tax.v1" -> "tax"
std::string ShortName(const Route& route) {
  const std::string& package = route.method->file()->package();
  const size_t first = package.find('.') + 1;
  return package.substr(first, package.find('.', first) - first);
}

std::string Header(const http::Request& request, const char* name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : found->second;
}

void Secure(http::Response& response, const rpc::Trace& trace) {
  response.headers["X-Content-Type-Options"] = "nosniff";
  response.headers["Cache-Control"] = "no-store";
  response.headers["Traceparent"] = trace.ToTraceparent();
}

http::Reply Plain(int status, std::string type, std::string body) {
  http::Reply reply;
  reply.response.status = status;
  reply.response.content_type = std::move(type);
  reply.response.body = std::move(body);
  return reply;
}

// The etag of an answer, when its message has one.
std::string Etag(const google::protobuf::Message& message) {
  const auto* field = message.GetDescriptor()->FindFieldByName("etag");
  const bool text = field != nullptr && !field->is_repeated() &&
                    field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING;
  return text ? message.GetReflection()->GetString(message, field) : "";
}

}  // namespace

Front::Front(Options options, Authenticate authenticate, ChannelTo channel_to, Ready ready,
             rpc::Metrics& metrics)
    : options_(std::move(options)),
      routes_(options_.services),
      openapi_(MakeOpenApi(routes_, options_.protoset)),
      authenticate_(std::move(authenticate)),
      channel_to_(std::move(channel_to)),
      ready_(std::move(ready)),
      metrics_(metrics) {
  for (const Route& route : routes_.all()) {
    auto& channel = channels_[route.method->file()->package()];
    if (channel == nullptr) channel = channel_to_(ShortName(route));
  }
}

uint64_t Front::BodyLimit(const http::Request& request) const {
  const Match match = routes_.Find(request.method, request.path);
  if (match.route == nullptr) return kBodyBytesDefault;
  const auto bytes = static_cast<uint64_t>(Policy(*match.route).max_request_bytes());
  // Bytes fields are base64 in JSON: a third longer, plus the field names around them.
  return bytes == 0 ? kBodyBytesDefault : bytes + bytes / 3 + 4096;
}

http::Response Front::Refusal(int status, const std::string& reason) {
  const rpc::Trace trace = rpc::Trace::Make();
  http::Response out = HttpProblem(status,
                                   status == 413   ? "REQUEST_TOO_LARGE"
                                   : status == 431 ? "HEADER_TOO_LARGE"
                                   : status == 503 ? "OVERLOADED"
                                                   : "MALFORMED_REQUEST",
                                   reason, trace.trace_id);
  Secure(out, trace);
  return out;
}

http::Reply Front::Handle(const http::Request& request) {
  const absl::Time start = absl::Now();
  const rpc::Trace trace = rpc::Trace::Continue(Header(request, "traceparent"));
  const bool head = request.method == "HEAD";
  const Match match = routes_.Find(head ? "GET" : request.method, request.path);
  http::Reply reply;
  if (match.route != nullptr) {
    reply = Call(match, request, trace);
  } else if (!match.allowed.empty()) {
    reply.response =
        HttpProblem(405, "METHOD_NOT_ALLOWED",
                    request.path + " takes " + absl::StrJoin(match.allowed, ", "), trace.trace_id);
    reply.response.headers["Allow"] = absl::StrJoin(match.allowed, ", ");
  } else {
    reply = Static(request, trace);
  }
  Secure(reply.response, trace);
  const std::string route = match.route != nullptr ? match.route->path : "other";
  metrics_.Count("broadbill_http_requests_total",
                 {{"route", route}, {"status", std::to_string(reply.response.status)}});
  metrics_.ObserveSeconds("broadbill_http_seconds", {{"route", route}},
                          absl::ToDoubleSeconds(absl::Now() - start));
  return reply;
}

http::Reply Front::Static(const http::Request& request, const rpc::Trace& trace) {
  const bool reading = request.method == "GET" || request.method == "HEAD";
  if (reading && request.path == "/") {
    http::Reply reply = Plain(200, "text/html; charset=utf-8", HomePage(routes_, options_.version));
    reply.response.headers["Content-Security-Policy"] =
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    return reply;
  }
  if (reading && request.path == "/v1/openapi.json") {
    return Plain(200, "application/json", openapi_);
  }
  if (reading && request.path == "/healthz") return Plain(200, "text/plain", "ok\n");
  if (reading && request.path == "/readyz") {
    const absl::Status ready = ready_();
    if (ready.ok()) return Plain(200, "text/plain", "ready\n");
    http::Reply reply;
    reply.response = Problem(ready, trace.trace_id);
    return reply;
  }
  if (reading && request.path == "/metrics") {
    return Plain(200, "text/plain; version=0.0.4", metrics_.Expose());
  }
  http::Reply reply;
  reply.response = HttpProblem(404, "ROUTE_NOT_FOUND",
                               "there is nothing at " + request.method + " " + request.path +
                                   "; /v1/openapi.json lists what there is",
                               trace.trace_id);
  return reply;
}

absl::StatusOr<rpc::Principal> Front::Identify(const Match& match,
                                               const http::Request& request) const {
  if (Policy(*match.route).public_())
    return rpc::Principal{.id = "anonymous", .permissions = {}, .account_id = ""};
  const std::string header = Header(request, "authorization");
  constexpr std::string_view kBearer = "Bearer ";
  if (header.size() <= kBearer.size() || header.compare(0, kBearer.size(), kBearer) != 0) {
    return UnauthenticatedError("API_KEY_MISSING",
                                "send an API key in the header 'Authorization: Bearer bbk_…'");
  }
  return authenticate_(header.substr(kBearer.size()));
}

http::Reply Front::Call(const Match& match, const http::Request& request, const rpc::Trace& trace) {
  http::Reply reply;
  const auto fail = [&](const absl::Status& status) {
    reply.response = Problem(status, trace.trace_id);
    return reply;
  };
  auto principal = Identify(match, request);
  if (!principal.ok()) return fail(principal.status());
  const std::string& permission = Policy(*match.route).permission();
  if (!Policy(*match.route).public_() && !principal->Allows(permission)) {
    return fail(PermissionDeniedError("PERMISSION_DENIED",
                                      "the API key lacks the permission '" + permission + "'"));
  }
  auto message = ToMessage(match, request);
  if (!message.ok()) return fail(message.status());
  rpc::Context context;
  context.principal = *std::move(principal);
  context.trace = trace;
  if (match.route->method->server_streaming()) {
    return StreamCall(match, *std::move(message), std::move(context));
  }
  const bool import = Policy(*match.route).max_request_bytes() > 0;
  context.deadline = absl::Now() + (import ? kImportTimeout : kCallTimeout);
  std::unique_ptr<google::protobuf::Message> response(
      google::protobuf::MessageFactory::generated_factory()
          ->GetPrototype(match.route->method->output_type())
          ->New());
  const absl::Status status = channels_.at(match.route->method->file()->package())
                                  ->CallMessage(match.route->rpc(), **message, *response, context);
  if (!status.ok()) return fail(status);
  reply.response.body = ToJson(*response);
  if (const std::string etag = Etag(*response); !etag.empty()) {
    reply.response.headers["ETag"] = "\"" + etag + "\"";
  }
  return reply;
}

http::Reply Front::StreamCall(const Match& match,
                              std::unique_ptr<google::protobuf::Message> message,
                              rpc::Context context) {
  http::Reply reply;
  reply.response.content_type = "text/event-stream";
  auto channel = channels_.at(match.route->method->file()->package());
  std::shared_ptr<google::protobuf::Message> request = std::move(message);
  reply.stream = [channel, request, context, route = match.route](http::Stream& out) {
    std::unique_ptr<google::protobuf::Message> response(
        google::protobuf::MessageFactory::generated_factory()
            ->GetPrototype(route->method->output_type())
            ->New());
    const absl::Status status =
        channel->ReadStream(route->rpc(), *request, *response, context,
                            [&] { return out.Write("data: " + ToJson(*response) + "\n\n"); });
    if (!status.ok()) {
      out.Write("event: error\ndata: " + Problem(status, context.trace.trace_id).body + "\n\n");
    }
  };
  return reply;
}

}  // namespace broadbill::gateway
