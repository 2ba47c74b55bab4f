#pragma once

// Binds plain member functions to the methods of a proto service, by name, through descriptors.
//
//   rpc::Service service("broadbill.accounts.v1.Accounts");
//   service.Unary("GetAccount", app, &App::GetAccount);
//   host.Add(std::move(service));
//
// Methods of the proto that are not bound answer UNIMPLEMENTED. A wrong name or message type is a
// programming error and ends the process at start, naming the method.

#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/rpc/context.h"

namespace broadbill::rpc {

// What a server stream does next.
enum class StreamStep {
  kMessage,  // `out` holds a message to send
  kWait,     // nothing now: asked again after about 100 ms
  kEnd,      // the stream ends OK
};

// Pulled by the server whenever the client can take more; holds no thread between calls.
template <class Response>
class StreamSource {
 public:
  virtual ~StreamSource() = default;
  virtual absl::StatusOr<StreamStep> Next(Response& out) = 0;
};

namespace internal {

using Message = google::protobuf::Message;
using UnaryFn = std::function<absl::Status(const Context&, const Message&, Message&)>;
using NextFn = std::function<absl::StatusOr<StreamStep>(Message&)>;
using StreamFn = std::function<absl::StatusOr<NextFn>(const Context&, const Message&)>;

struct Method {
  std::string name;
  const google::protobuf::MethodDescriptor* descriptor = nullptr;
  const Message* request = nullptr;  // prototypes
  const Message* response = nullptr;
  UnaryFn unary;  // exactly one of these two is set
  StreamFn stream;
  bool exchange = false;  // `unary` answers every message of a stream
};

}  // namespace internal

class Service {
 public:
  explicit Service(std::string full_name);

  template <class App, class Request, class Response>
  Service& Unary(const std::string& name, App* app,
                 absl::StatusOr<Response> (App::*fn)(const Context&, const Request&)) {
    return AddUnary(name, Request::default_instance(), Response::default_instance(),
                    Bind<Request, Response>(app, fn));
  }

  template <class App, class Request, class Response>
  Service& Stream(const std::string& name, App* app,
                  absl::StatusOr<std::unique_ptr<StreamSource<Response>>> (App::*fn)(
                      const Context&, const Request&)) {
    return AddStream(
        name, Request::default_instance(), Response::default_instance(),
        [app, fn](const Context& context,
                  const internal::Message& request) -> absl::StatusOr<internal::NextFn> {
          auto made = (app->*fn)(context, static_cast<const Request&>(request));
          if (!made.ok()) return made.status();
          return internal::NextFn(
              [source = std::shared_ptr<StreamSource<Response>>(*std::move(made))](
                  internal::Message& out) { return source->Next(static_cast<Response&>(out)); });
        });
  }

  // A stream both ways with one answer per message, in order. The next message is read when the
  // answer to the one before has left, so that whoever sends faster than `fn` works is held up by
  // the transport, and an answer tells what is done. An error ends the stream. Permission and
  // principal are those of the stream's start; size and scope are checked for every message.
  template <class App, class Request, class Response>
  Service& Exchange(const std::string& name, App* app,
                    absl::StatusOr<Response> (App::*fn)(const Context&, const Request&)) {
    return AddExchange(name, Request::default_instance(), Response::default_instance(),
                       Bind<Request, Response>(app, fn));
  }

  const std::string& full_name() const { return full_name_; }
  const std::vector<internal::Method>& methods() const { return methods_; }

 private:
  template <class Request, class Response, class App>
  static internal::UnaryFn Bind(App* app, absl::StatusOr<Response> (App::*fn)(const Context&,
                                                                              const Request&)) {
    return [app, fn](const Context& context, const internal::Message& request,
                     internal::Message& response) -> absl::Status {
      auto result = (app->*fn)(context, static_cast<const Request&>(request));
      if (!result.ok()) return result.status();
      static_cast<Response&>(response) = *std::move(result);
      return absl::OkStatus();
    };
  }
  Service& AddUnary(const std::string& name, const internal::Message& request,
                    const internal::Message& response, internal::UnaryFn fn);
  Service& AddStream(const std::string& name, const internal::Message& request,
                     const internal::Message& response, internal::StreamFn fn);
  Service& AddExchange(const std::string& name, const internal::Message& request,
                       const internal::Message& response, internal::UnaryFn fn);
  internal::Method Describe(const std::string& name, const internal::Message& request,
                            const internal::Message& response, bool client_streaming,
                            bool server_streaming) const;

  std::string full_name_;
  std::vector<internal::Method> methods_;
};

}  // namespace broadbill::rpc
