#include "libs/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/codegen/service_type.h>

#include <atomic>
#include <deque>
#include <map>
#include <thread>

#include "broadbill/common/v1/options.pb.h"
#include "libs/rpc/executor.h"
#include "libs/rpc/grpc_channel.h"
#include "libs/rpc/log.h"
#include "libs/rpc/wire.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::rpc::internal {
namespace {

constexpr int64_t kRequestBytesDefault = 1 << 20;
constexpr absl::Duration kStreamPoll = absl::Milliseconds(100);

// Runs things later, on one thread. Used to ask waiting streams again.
class Timer {
 public:
  Timer() : thread_([this] { Work(); }) {}
  ~Timer() { Stop(); }

  void After(absl::Duration delay, std::function<void()> task) {
    absl::MutexLock lock(&mutex_);
    tasks_.emplace(absl::Now() + delay, std::move(task));
  }
  // Fires what is left at once, then ends.
  void Stop() {
    {
      absl::MutexLock lock(&mutex_);
      stop_ = true;
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Work() {
    while (true) {
      std::function<void()> task;
      {
        absl::MutexLock lock(&mutex_);
        const absl::Time next = tasks_.empty() ? absl::InfiniteFuture() : tasks_.begin()->first;
        const auto earlier = [this, next]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          return stop_ || (!tasks_.empty() && tasks_.begin()->first < next);
        };
        mutex_.AwaitWithDeadline(absl::Condition(&earlier), next);
        if (tasks_.empty()) {
          if (stop_) return;
          continue;
        }
        if (!stop_ && tasks_.begin()->first > absl::Now()) continue;
        task = std::move(tasks_.begin()->second);
        tasks_.erase(tasks_.begin());
      }
      task();
    }
  }

  absl::Mutex mutex_;
  std::multimap<absl::Time, std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

std::string MetadataValue(const grpc::CallbackServerContext& server, const char* key) {
  const auto found = server.client_metadata().find(key);
  if (found == server.client_metadata().end()) return "";
  return std::string(found->second.data(), found->second.size());
}

// A caller that is bound to one account may only name that account.
absl::Status CheckScope(const Principal& principal, const google::protobuf::Message& request) {
  if (principal.account_id.empty()) return absl::OkStatus();
  const auto* field = request.GetDescriptor()->FindFieldByName("account_id");
  const bool single = field != nullptr && !field->is_repeated() &&
                      field->type() == google::protobuf::FieldDescriptor::TYPE_STRING;
  if (single && request.GetReflection()->GetString(request, field) == principal.account_id) {
    return absl::OkStatus();
  }
  return PermissionDeniedError("ACCOUNT_SCOPE", "the caller may only act on its own account");
}

// What stands around every handler of one method.
struct Binding {
  std::string path;  // "broadbill.tax.v1.Tax/BatchCalculate"
  Method method;
  broadbill::common::v1::MethodPolicy policy;
  Executor* executor = nullptr;
  Timer* timer = nullptr;
  Metrics* metrics = nullptr;
  const TokenKey* key = nullptr;

  absl::StatusOr<Context> Admit(const grpc::CallbackServerContext& server, size_t bytes) const {
    Context context;
    context.method = path;
    context.deadline = absl::FromChrono(server.deadline());
    if (server.deadline() == std::chrono::system_clock::time_point::max()) {
      context.deadline = absl::InfiniteFuture();
    }
    context.trace = Trace::Continue(MetadataValue(server, kTraceKey));
    if (!policy.public_()) {
      ASSIGN_OR_RETURN(context.principal, key->Verify(MetadataValue(server, kTokenKey)));
    }
    RETURN_IF_ERROR(Allow(context.principal, bytes));
    return context;
  }

  absl::Status Allow(const Principal& principal, size_t bytes) const {
    if (!policy.public_() && !principal.Allows(policy.permission())) {
      return PermissionDeniedError("PERMISSION_DENIED",
                                   "the caller lacks the permission '" + policy.permission() + "'");
    }
    const int64_t bytes_max =
        policy.max_request_bytes() > 0 ? policy.max_request_bytes() : kRequestBytesDefault;
    if (static_cast<int64_t>(bytes) > bytes_max) {
      return ResourceExhaustedError(
          "REQUEST_TOO_LARGE", "the request has " + std::to_string(bytes) + " bytes; " +
                                   method.name + " takes at most " + std::to_string(bytes_max));
    }
    return absl::OkStatus();
  }

  void Finished(const Context& context, const absl::Status& status, absl::Time start) const {
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    const std::string code = absl::StatusCodeToString(status.code());
    metrics->Count("broadbill_rpc_calls_total", {{"method", path}, {"code", code}});
    metrics->ObserveSeconds("broadbill_rpc_seconds", {{"method", path}}, seconds);
    const bool ours = status.code() == absl::StatusCode::kInternal ||
                      status.code() == absl::StatusCode::kUnknown ||
                      status.code() == absl::StatusCode::kDataLoss;
    Log(ours ? LogLevel::kError : LogLevel::kDebug, "rpc",
        {{"method", path},
         {"code", code},
         {"reason", ReasonOf(status)},
         {"detail", std::string(status.message())},
         {"principal", context.principal.id},
         {"trace", context.trace.trace_id},
         {"milliseconds", std::to_string(static_cast<int64_t>(seconds * 1000))}});
  }
};

// One unary call. Deletes itself when gRPC is done with it.
class UnaryCall : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(const Binding* binding, grpc::CallbackServerContext* server,
            const grpc::ByteBuffer* request, grpc::ByteBuffer* response)
      : binding_(binding), request_(*request), response_(response) {
    auto admitted = binding_->Admit(*server, request->Length());
    if (!admitted.ok()) {
      End(admitted.status());
      return;
    }
    context_ = *std::move(admitted);
    context_.cancelled = cancelled_;
    if (!binding_->executor->Submit([this] { Run(); })) {
      End(ResourceExhaustedError("OVERLOADED", "the service is busy; try again later"));
    }
  }

  void OnCancel() override { cancelled_->store(true); }
  void OnDone() override { delete this; }

 private:
  void Run() {
    std::unique_ptr<Message> request(binding_->method.request->New());
    std::unique_ptr<Message> response(binding_->method.response->New());
    absl::Status status = Parse(request_, *request);
    if (status.ok()) status = CheckScope(context_.principal, *request);
    if (status.ok() && (cancelled_->load() || absl::Now() > context_.deadline)) {
      status = DeadlineExceededError("DEADLINE_EXCEEDED", "the call waited past its deadline");
    }
    if (status.ok()) status = binding_->method.unary(context_, *request, *response);
    if (status.ok()) *response_ = Serialize(*response);
    End(status);
  }

  void End(const absl::Status& status) {
    binding_->Finished(context_, status, start_);
    Finish(ToGrpc(status));
  }

  const Binding* const binding_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer* const response_;
  const absl::Time start_ = absl::Now();
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  Context context_;
};

// One server stream. At any time exactly one of these holds the turn: an executor task, a write in
// flight, or the timer; so nothing here needs a lock.
class StreamCall : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  StreamCall(const Binding* binding, grpc::CallbackServerContext* server,
             const grpc::ByteBuffer* request)
      : binding_(binding), request_(*request) {
    auto admitted = binding_->Admit(*server, request->Length());
    if (!admitted.ok()) {
      End(admitted.status());
      return;
    }
    context_ = *std::move(admitted);
    context_.cancelled = cancelled_;
    if (!binding_->executor->Submit([this] { Open(); })) {
      End(ResourceExhaustedError("OVERLOADED", "the service is busy; try again later"));
    }
  }

  void OnCancel() override { cancelled_->store(true); }
  void OnDone() override { delete this; }
  void OnWriteDone(bool ok) override {
    if (!ok) {
      End(absl::CancelledError("the client is gone"));
      return;
    }
    binding_->executor->Continue([this] { Step(); });
  }

 private:
  void Open() {
    std::unique_ptr<Message> request(binding_->method.request->New());
    absl::Status status = Parse(request_, *request);
    if (status.ok()) status = CheckScope(context_.principal, *request);
    if (!status.ok()) return End(status);
    auto opened = binding_->method.stream(context_, *request);
    if (!opened.ok()) return End(opened.status());
    next_ = *std::move(opened);
    message_.reset(binding_->method.response->New());
    Step();
  }

  void Step() {
    if (cancelled_->load()) return End(absl::CancelledError("the client is gone"));
    if (absl::Now() > context_.deadline) {
      return End(DeadlineExceededError("DEADLINE_EXCEEDED", "the stream's deadline passed"));
    }
    message_->Clear();
    auto step = next_(*message_);
    if (!step.ok()) return End(step.status());
    switch (*step) {
      case StreamStep::kMessage:
        out_ = Serialize(*message_);
        StartWrite(&out_);
        return;
      case StreamStep::kWait:
        binding_->timer->After(kStreamPoll,
                               [this] { binding_->executor->Continue([this] { Step(); }); });
        return;
      case StreamStep::kEnd:
        return End(absl::OkStatus());
    }
  }

  void End(const absl::Status& status) {
    binding_->Finished(context_, status, start_);
    Finish(ToGrpc(status));
  }

  const Binding* const binding_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer out_;
  const absl::Time start_ = absl::Now();
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  Context context_;
  NextFn next_;
  std::unique_ptr<Message> message_;
};

// One exchange. At any time exactly one of these holds the turn: a read in flight, an executor task
// or a write in flight; so nothing here needs a lock, and no more than one message is in memory.
class ExchangeCall : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  ExchangeCall(const Binding* binding, grpc::CallbackServerContext* server) : binding_(binding) {
    auto admitted = binding_->Admit(*server, 0);
    if (!admitted.ok()) {
      End(admitted.status());
      return;
    }
    context_ = *std::move(admitted);
    context_.cancelled = cancelled_;
    StartRead(&in_);
  }

  void OnCancel() override { cancelled_->store(true); }
  void OnDone() override { delete this; }
  void OnReadDone(bool ok) override {
    if (!ok) {
      End(cancelled_->load() ? absl::CancelledError("the client is gone") : absl::OkStatus());
      return;
    }
    binding_->executor->Continue([this] { Answer(); });
  }
  void OnWriteDone(bool ok) override {
    if (!ok) {
      End(absl::CancelledError("the client is gone"));
      return;
    }
    StartRead(&in_);
  }

 private:
  void Answer() {
    std::unique_ptr<Message> request(binding_->method.request->New());
    std::unique_ptr<Message> response(binding_->method.response->New());
    const size_t bytes = in_.Length();
    absl::Status status = binding_->Allow(context_.principal, bytes);
    if (status.ok()) status = Parse(in_, *request);
    in_.Clear();
    if (status.ok()) status = CheckScope(context_.principal, *request);
    if (status.ok() && cancelled_->load()) status = absl::CancelledError("the client is gone");
    if (status.ok() && absl::Now() > context_.deadline) {
      status = DeadlineExceededError("DEADLINE_EXCEEDED", "the stream's deadline passed");
    }
    if (status.ok()) status = binding_->method.unary(context_, *request, *response);
    binding_->metrics->Count("broadbill_rpc_messages_total", {{"method", binding_->path}});
    if (!status.ok()) return End(status);
    out_ = Serialize(*response);
    StartWrite(&out_);
  }

  void End(const absl::Status& status) {
    binding_->Finished(context_, status, start_);
    Finish(ToGrpc(status));
  }

  const Binding* const binding_;
  grpc::ByteBuffer in_;
  grpc::ByteBuffer out_;
  const absl::Time start_ = absl::Now();
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
  Context context_;
};

// All methods of one proto service; the unbound ones have no handler and answer UNIMPLEMENTED.
class BoundService : public grpc::Service {
 public:
  explicit BoundService(const std::vector<const Binding*>& bindings) {
    int index = 0;
    for (const Binding* binding : bindings) {
      paths_.push_back("/" + binding->path);
      const bool streaming = binding->method.stream != nullptr;
      const bool exchange = binding->method.exchange;
      AddMethod(new grpc::internal::RpcServiceMethod(
          paths_.back().c_str(),
          exchange    ? grpc::internal::RpcMethod::BIDI_STREAMING
          : streaming ? grpc::internal::RpcMethod::SERVER_STREAMING
                      : grpc::internal::RpcMethod::NORMAL_RPC,
          nullptr));
      if (exchange) {
        MarkMethodRawCallback(
            index, new grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                       [binding](grpc::CallbackServerContext* server) {
                         return new ExchangeCall(binding, server);
                       }));
      } else if (streaming) {
        MarkMethodRawCallback(
            index,
            new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                [binding](grpc::CallbackServerContext* server, const grpc::ByteBuffer* request) {
                  return new StreamCall(binding, server, request);
                }));
      } else {
        MarkMethodRawCallback(
            index, new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                       [binding](grpc::CallbackServerContext* server,
                                 const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
                         return new UnaryCall(binding, server, request, response);
                       }));
      }
      ++index;
    }
  }

 private:
  std::deque<std::string> paths_;  // gRPC keeps pointers to them
};

// Calls of this process to itself: the same checks, then the handler on the caller's own thread,
// which would only wait; nothing is serialized. Streams go through gRPC.
class DirectChannel : public Channel {
 public:
  DirectChannel(std::shared_ptr<Channel> streams, std::map<std::string, const Binding*> bindings,
                std::shared_ptr<std::atomic<bool>> stopped)
      : streams_(std::move(streams)),
        bindings_(std::move(bindings)),
        stopped_(std::move(stopped)) {}

  absl::Status CallMessage(const std::string& method, const Message& request, Message& response,
                           const Context& caller) override {
    if (stopped_->load()) return UnavailableError("SERVICE_UNAVAILABLE", "the process ends");
    const auto found = bindings_.find(method);
    const bool direct = found != bindings_.end() && found->second->method.unary != nullptr &&
                        !found->second->method.exchange &&
                        SameClass(*found->second->method.request, request) &&
                        SameClass(*found->second->method.response, response);
    if (!direct) return streams_->CallMessage(method, request, response, caller);
    const Binding& binding = *found->second;
    const absl::Time start = absl::Now();
    Context context;
    context.method = method;
    if (!binding.policy.public_()) context.principal = caller.principal;
    context.trace = caller.trace.Child();
    const bool bound = caller.deadline != absl::InfiniteFuture();
    context.deadline = bound ? caller.deadline : start + kUnaryTimeout;
    context.cancelled = caller.cancelled;
    const absl::Status status = Run(binding, context, request, response);
    binding.Finished(context, status, start);
    return status;
  }

  absl::Status ReadStream(const std::string& method, const Message& request, Message& response,
                          const Context& context,
                          const std::function<bool()>& on_message) override {
    return streams_->ReadStream(method, request, response, context, on_message);
  }

  absl::Status Exchange(const std::string& method, Message& request, Message& response,
                        int unanswered_max, const Context& context,
                        const std::function<bool()>& next,
                        const std::function<bool()>& on_answer) override {
    return streams_->Exchange(method, request, response, unanswered_max, context, next, on_answer);
  }

 private:
  // Messages made at run time have the same descriptor as generated ones and another class.
  static bool SameClass(const Message& a, const Message& b) {
    return a.GetReflection() == b.GetReflection();
  }

  static absl::Status Run(const Binding& binding, const Context& context, const Message& request,
                          Message& response) {
    RETURN_IF_ERROR(binding.Allow(context.principal, request.ByteSizeLong()));
    RETURN_IF_ERROR(CheckScope(context.principal, request));
    if (absl::Now() > context.deadline) {
      return DeadlineExceededError("DEADLINE_EXCEEDED", "the call waited past its deadline");
    }
    return binding.method.unary(context, request, response);
  }

  const std::shared_ptr<Channel> streams_;
  const std::map<std::string, const Binding*> bindings_;
  const std::shared_ptr<std::atomic<bool>> stopped_;
};

}  // namespace

struct Server::Impl {
  Impl(const HostOptions& host_options, Metrics& host_metrics)
      : options(host_options), metrics(host_metrics) {}

  const HostOptions& options;
  Metrics& metrics;
  Timer timer;
  std::vector<std::unique_ptr<Executor>> executors;
  std::vector<std::unique_ptr<Binding>> bindings;
  std::vector<std::unique_ptr<BoundService>> services;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
  bool stopped = false;
  const std::shared_ptr<std::atomic<bool>> ended = std::make_shared<std::atomic<bool>>(false);
};

Server::Server(const HostOptions& options, Metrics& metrics)
    : impl_(std::make_unique<Impl>(options, metrics)) {}

Server::~Server() { Stop(absl::ZeroDuration()); }

absl::Status Server::Start(const std::vector<Service>& services) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMessageBytesMax);
  builder.SetMaxSendMessageSize(kMessageBytesMax);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(impl_->options.listen, grpc::InsecureServerCredentials(), &impl_->port);
  for (const Service& service : services) {
    impl_->executors.push_back(
        std::make_unique<Executor>(impl_->options.executor_threads, impl_->options.executor_queue));
    std::vector<const Binding*> bound;
    for (const Method& method : service.methods()) {
      auto binding = std::make_unique<Binding>();
      binding->path = service.full_name() + "/" + method.name;
      binding->method = method;
      binding->policy = method.descriptor->options().GetExtension(broadbill::common::v1::method);
      binding->executor = impl_->executors.back().get();
      binding->timer = &impl_->timer;
      binding->metrics = &impl_->metrics;
      binding->key = &impl_->options.key;
      bound.push_back(binding.get());
      impl_->bindings.push_back(std::move(binding));
    }
    impl_->services.push_back(std::make_unique<BoundService>(bound));
    builder.RegisterService(impl_->services.back().get());
  }
  impl_->server = builder.BuildAndStart();
  if (impl_->server == nullptr) {
    return UnavailableError("ADDRESS_TAKEN", "cannot listen at " + impl_->options.listen);
  }
  SetServing(true);
  return absl::OkStatus();
}

int Server::port() const { return impl_->port; }

std::shared_ptr<Channel> Server::InProcessChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
  arguments.SetMaxSendMessageSize(kMessageBytesMax);
  auto streams =
      std::make_shared<GrpcChannel>(impl_->server->InProcessChannel(arguments), impl_->options.key);
  std::map<std::string, const Binding*> bindings;
  for (const auto& binding : impl_->bindings) bindings[binding->path] = binding.get();
  return std::make_shared<DirectChannel>(std::move(streams), std::move(bindings), impl_->ended);
}

void Server::SetServing(bool serving) {
  if (impl_->server == nullptr) return;
  if (auto* health = impl_->server->GetHealthCheckService(); health != nullptr) {
    health->SetServingStatus(serving);
  }
}

void Server::Stop(absl::Duration grace) {
  if (impl_->stopped) return;
  impl_->stopped = true;
  impl_->ended->store(true);
  if (impl_->server != nullptr) {
    impl_->server->Shutdown(absl::ToChronoTime(absl::Now() + grace));
    impl_->server->Wait();
  }
  impl_->timer.Stop();
  for (auto& executor : impl_->executors) executor->Stop();
}

}  // namespace broadbill::rpc::internal
