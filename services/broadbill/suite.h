#pragma once

// A running suite in this process: what `serve`, `demo`, the scenario runner and the benchmarks
// stand on.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/db/private_server.h"
#include "libs/rpc/host.h"

namespace broadbill::program {

struct SuiteOptions {
  std::string data_dir = ".data";     // private servers, keys and addresses
  std::string database_url;           // "" = a private PostgreSQL in data_dir
  std::string redis_url;              // "" = a private Redis in data_dir
  std::vector<std::string> services;  // short names; empty = all
  std::string listen = "127.0.0.1:0";
  std::string gateway_listen = "127.0.0.1:8080";  // "" = no gateway
  std::string metrics_listen;
  std::map<std::string, std::string> addresses;  // of services that run elsewhere
  std::map<std::string, std::string> settings;   // HostOptions::settings: "smtp-url", …
  const Clock* clock = nullptr;                  // nullptr = the system's
  bool fsync = true;
  bool start_empty = false;    // of the private database: forget an earlier use of data_dir,
  bool remove_at_end = false;  // leave none behind
};

class Suite {
 public:
  // Starts the private servers where no URL is given, migrates, registers the components, listens,
  // and writes <data>/internal.key and <data>/endpoints (gRPC address, HTTP address, database URL,
  // a line each) for `broadbill call` and for services started beside it.
  static absl::StatusOr<std::unique_ptr<Suite>> Start(const SuiteOptions& options);
  ~Suite();

  rpc::Host& host() { return *host_; }
  int gateway_port() const { return gateway_port_; }
  std::string database_url() const { return database_url_; }
  // Gateway first, then background tasks and services, then the private servers.
  void Stop();

 private:
  Suite() = default;

  std::unique_ptr<db::PrivateServer> server_;
  std::unique_ptr<rpc::Host> host_;
  std::string database_url_;
  int gateway_port_ = 0;
  bool stopped_ = false;
};

// The key that signs principals: BROADBILL_INTERNAL_KEY, else <data>/internal.key, made on first
// use.
absl::StatusOr<rpc::TokenKey> InternalKey(const std::string& data_dir);

// The gRPC address of the suite that runs on `data_dir`. UNAVAILABLE when none does.
absl::StatusOr<std::string> RunningAddress(const std::string& data_dir);

}  // namespace broadbill::program
