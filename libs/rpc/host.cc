#include "libs/rpc/host.h"

#include <csignal>
#include <thread>

#include "libs/rpc/log.h"
#include "libs/rpc/server.h"
#include "libs/status/error.h"

namespace broadbill::rpc {
namespace {

// "broadbill.tax.v1.Tax/…" and "tax" name the same service.
std::string ShortName(const std::string& full_name) {
  const size_t first = full_name.find('.');
  if (first == std::string::npos) return full_name;
  return full_name.substr(first + 1, full_name.find('.', first + 1) - first - 1);
}

}  // namespace

class Host::Server : public internal::Server {
 public:
  using internal::Server::Server;
};

struct Host::Task : public Background {
  std::string name;
  std::function<void(Background&)> run;
  std::thread thread;
  mutable absl::Mutex mutex;
  bool stop ABSL_GUARDED_BY(mutex) = false;

  bool stopping() const override {
    absl::MutexLock lock(&mutex);
    return stop;
  }
  bool WaitFor(absl::Duration duration) override {
    absl::MutexLock lock(&mutex);
    return mutex.AwaitWithTimeout(absl::Condition(&stop), duration);
  }
};

// Finds the way to its service at the first call, when all components are registered.
class Host::LazyChannel : public Channel {
 public:
  LazyChannel(Host* host, std::string service) : host_(host), service_(std::move(service)) {}

  absl::Status CallMessage(const std::string& method, const google::protobuf::Message& request,
                           google::protobuf::Message& response, const Context& context) override {
    auto channel = Target();
    if (!channel.ok()) return channel.status();
    return (*channel)->CallMessage(method, request, response, context);
  }
  absl::Status ReadStream(const std::string& method, const google::protobuf::Message& request,
                          google::protobuf::Message& response, const Context& context,
                          const std::function<bool()>& on_message) override {
    auto channel = Target();
    if (!channel.ok()) return channel.status();
    return (*channel)->ReadStream(method, request, response, context, on_message);
  }
  absl::Status Exchange(const std::string& method, google::protobuf::Message& request,
                        google::protobuf::Message& response, int unanswered_max,
                        const Context& context, const std::function<bool()>& next,
                        const std::function<bool()>& on_answer) override {
    auto channel = Target();
    if (!channel.ok()) return channel.status();
    return (*channel)->Exchange(method, request, response, unanswered_max, context, next,
                                on_answer);
  }

 private:
  absl::StatusOr<std::shared_ptr<Channel>> Target() {
    absl::MutexLock lock(&mutex_);
    if (channel_ != nullptr) return channel_;
    bool here = false;
    for (const Service& hosted : host_->services_)
      here |= ShortName(hosted.full_name()) == service_;
    const auto address = host_->options_.addresses.find(service_);
    if (here && host_->server_ != nullptr) {
      channel_ = host_->server_->InProcessChannel();
    } else if (address != host_->options_.addresses.end()) {
      channel_ = Dial(address->second, host_->options_.key);
    } else {
      return UnavailableError("SERVICE_UNAVAILABLE",
                              "no address is configured for service " + service_);
    }
    return channel_;
  }

  Host* const host_;
  const std::string service_;
  absl::Mutex mutex_;
  std::shared_ptr<Channel> channel_ ABSL_GUARDED_BY(mutex_);
};

Host::Host(HostOptions options) : options_(std::move(options)) {
  // Debian's absl looks for deadlocks at every lock that any mutex takes, gRPC's included.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
}

Host::~Host() {
  Stop();
  while (!owned_.empty()) owned_.pop_back();
}

const Clock& Host::clock() const {
  static const SystemClock system;
  return options_.clock != nullptr ? *options_.clock : static_cast<const Clock&>(system);
}

std::string Host::DatabaseUrl(const std::string& service) const {
  const auto own = options_.database_urls.find(service);
  return own != options_.database_urls.end() ? own->second : options_.database_url;
}

std::string Host::Setting(const std::string& name) const {
  const auto found = options_.settings.find(name);
  return found != options_.settings.end() ? found->second : "";
}

std::shared_ptr<Channel> Host::ChannelTo(const std::string& service) {
  return std::make_shared<LazyChannel>(this, service);
}

void Host::Add(Service service) { services_.push_back(std::move(service)); }

void Host::AddBackground(std::string name, std::function<void(Background&)> run) {
  auto task = std::make_unique<Task>();
  task->name = std::move(name);
  task->run = std::move(run);
  tasks_.push_back(std::move(task));
}

absl::Status Host::Start() {
  server_ = std::make_unique<Server>(options_, metrics_);
  absl::Status started = server_->Start(services_);
  if (!started.ok()) return started;
  port_ = server_->port();
  if (!options_.metrics_listen.empty()) {
    auto port = metrics_.Serve(options_.metrics_listen);
    if (!port.ok()) return port.status();
    metrics_port_ = *port;
  }
  for (auto& task : tasks_) {
    Task* raw = task.get();
    raw->thread = std::thread([raw] { raw->run(*raw); });
  }
  return absl::OkStatus();
}

void Host::Stop(absl::Duration grace) {
  if (stopped_) return;
  stopped_ = true;
  if (server_ != nullptr) server_->SetServing(false);
  for (auto& task : tasks_) {
    absl::MutexLock lock(&task->mutex);
    task->stop = true;
  }
  for (auto& task : tasks_) {
    if (task->thread.joinable()) task->thread.join();
  }
  if (server_ != nullptr) server_->Stop(grace);
}

void Host::Run(absl::Duration grace) {
  WaitForSignal();
  Log(LogLevel::kInfo, "draining");
  Stop(grace);
}

std::vector<std::string> Host::service_names() const {
  std::vector<std::string> out;
  for (const Service& service : services_) out.push_back(service.full_name());
  return out;
}

void BlockSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

void WaitForSignal() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&set, signal);
  int received = 0;
  sigwait(&set, &received);
}

}  // namespace broadbill::rpc
