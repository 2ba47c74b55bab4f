#pragma once

// One process of the suite. A service's component gets the Host in its Register function, takes
// what it needs (database URL, clock, channels) and adds what it offers (services, background
// tasks). Order of a main: BlockSignals() before anything starts a thread, make the Host, Register
// each component, Start(), Run().

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <typeindex>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/calendar/clock.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/context.h"
#include "libs/rpc/metrics.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/service.h"

namespace broadbill::rpc {

struct HostOptions {
  std::string listen = "127.0.0.1:0";  // gRPC; port 0 picks one
  std::string metrics_listen;          // "" = no metrics port
  std::string data_dir;                // the private folder of this installation, "" = none
  // PostgreSQL connection string for all services, and per service where they differ.
  std::string database_url;
  std::map<std::string, std::string> database_urls;
  bool owns_database = false;  // no other process uses it: a private PostgreSQL under our lock
  std::string redis_url;       // "unix:/path" or "host:port"; "" = no Redis
  // Where services that are not in this process listen: {"tax", "tax:7000"}.
  std::map<std::string, std::string> addresses;
  // What single services are told, by name: "smtp-url", "mail-from" (see their READMEs). May hold
  // secrets ("smtp-password"): never logged.
  std::map<std::string, std::string> settings;
  const Clock* clock = nullptr;  // business clock; nullptr = the system clock
  TokenKey key = TokenKey::Random();
  int executor_threads = 8;  // per service
  int executor_queue = 1024;
};

// Handed to a background task.
class Background {
 public:
  virtual ~Background() = default;
  virtual bool stopping() const = 0;
  // Sleeps, or returns early (and true) when the host stops.
  virtual bool WaitFor(absl::Duration duration) = 0;
};

class Host {
 public:
  explicit Host(HostOptions options);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // ---- for components, inside Register
  const HostOptions& options() const { return options_; }
  const Clock& clock() const;
  Metrics& metrics() { return metrics_; }
  // "" when none is configured.
  std::string DatabaseUrl(const std::string& service) const;
  // "" when it is not given.
  std::string Setting(const std::string& name) const;
  // The channel to a service ("tax"); may be taken before Start and used after it.
  std::shared_ptr<Channel> ChannelTo(const std::string& service);
  void Add(Service service);
  // A thread that runs `task` once from Start on; the task ends when stopping() turns true.
  void AddBackground(std::string name, std::function<void(Background&)> task);
  // Keeps `object` until the host is gone; destroyed in reverse order.
  template <class T>
  T* Own(std::unique_ptr<T> object) {
    T* raw = object.get();
    owned_.push_back(std::shared_ptr<T>(std::move(object)));
    return raw;
  }
  // The one T of this host, made on first use by T(Host&).
  template <class T>
  T& Shared() {
    auto& slot = shared_[std::type_index(typeid(T))];
    if (slot == nullptr) slot = std::make_shared<T>(*this);
    return *static_cast<T*>(slot.get());
  }

  // ---- for mains and tests
  absl::Status Start();
  // The gRPC port, after Start.
  int port() const { return port_; }
  int metrics_port() const { return metrics_port_; }
  // Blocks until SIGTERM or SIGINT, then drains: health turns NOT_SERVING, background tasks stop,
  // running calls get `grace` to end.
  void Run(absl::Duration grace = absl::Seconds(10));
  void Stop(absl::Duration grace = absl::Seconds(10));
  // Full names of the services hosted here.
  std::vector<std::string> service_names() const;

 private:
  class Server;
  class LazyChannel;
  struct Task;

  HostOptions options_;
  Metrics metrics_;
  std::vector<std::shared_ptr<void>> owned_;
  std::map<std::type_index, std::shared_ptr<void>> shared_;
  std::vector<Service> services_;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::unique_ptr<Server> server_;
  int port_ = 0;
  int metrics_port_ = 0;
  bool stopped_ = false;
};

// Blocks SIGTERM, SIGINT and SIGHUP in this thread and all it starts, so that Run can wait for
// them. Also ignores SIGPIPE. Call first thing in main.
void BlockSignals();
// Waits for SIGTERM or SIGINT.
void WaitForSignal();

}  // namespace broadbill::rpc
