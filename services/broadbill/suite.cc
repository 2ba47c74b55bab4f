#include "services/broadbill/suite.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/services.h"
#include "services/gateway/component.h"

namespace broadbill::program {
namespace {

namespace fs = std::filesystem;

std::string FirstLine(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

// Written whole or not at all, readable by its owner only.
absl::Status WritePrivate(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  const mode_t before = umask(0077);
  std::ofstream(temporary, std::ios::trunc) << text << "\n";
  umask(before);
  std::error_code ec;
  fs::rename(temporary, path, ec);
  return ec ? UnavailableError("DATA_DIR", "cannot write " + path) : absl::OkStatus();
}

bool Wanted(const SuiteOptions& options, const std::string& name) {
  return options.services.empty() || std::find(options.services.begin(), options.services.end(),
                                               name) != options.services.end();
}

}  // namespace

absl::StatusOr<rpc::TokenKey> InternalKey(const std::string& data_dir) {
  if (const char* given = std::getenv("BROADBILL_INTERNAL_KEY"); given != nullptr) {
    return rpc::TokenKey::FromHex(given);
  }
  const std::string path = data_dir + "/internal.key";
  if (fs::exists(path)) return rpc::TokenKey::FromHex(FirstLine(path));
  std::error_code ec;
  fs::create_directories(data_dir, ec);
  const rpc::TokenKey key = rpc::TokenKey::Random();
  RETURN_IF_ERROR(WritePrivate(path, key.ToHex()));
  return key;
}

absl::StatusOr<std::string> RunningAddress(const std::string& data_dir) {
  const std::string path = data_dir + "/endpoints";
  const std::string address = FirstLine(path);
  if (!address.empty()) return address;
  return UnavailableError("NOT_RUNNING", "nothing runs on " + data_dir +
                                             "; start it with `broadbill serve --data " + data_dir +
                                             "`, or name a server with --address");
}

absl::StatusOr<std::unique_ptr<Suite>> Suite::Start(const SuiteOptions& options) {
  std::unique_ptr<Suite> suite(new Suite());
  rpc::HostOptions host;
  host.listen = options.listen;
  host.metrics_listen = options.metrics_listen;
  host.data_dir = options.data_dir;
  host.database_url = options.database_url;
  host.redis_url = options.redis_url;
  host.addresses = options.addresses;
  host.settings = options.settings;
  host.clock = options.clock;
  if (options.database_url.empty()) {
    db::PrivateServerOptions private_server;
    private_server.data_dir = options.data_dir;
    private_server.with_redis = options.redis_url.empty();
    private_server.fsync = options.fsync;
    private_server.start_empty = options.start_empty;
    private_server.remove_at_end = options.remove_at_end;
    ASSIGN_OR_RETURN(suite->server_, db::PrivateServer::Start(private_server));
    host.database_url = suite->server_->database_url();
    host.owns_database = true;
    if (options.redis_url.empty()) host.redis_url = suite->server_->redis_url();
  }
  ASSIGN_OR_RETURN(host.key, InternalKey(options.data_dir));
  suite->database_url_ = host.database_url;
  suite->host_ = std::make_unique<rpc::Host>(std::move(host));
  for (const Component& component : Components()) {
    if (!Wanted(options, component.name)) continue;
    RETURN_IF_ERROR(Annotate(component.register_with(*suite->host_), component.name));
  }
  const bool with_gateway = !options.gateway_listen.empty() && Wanted(options, "gateway");
  if (with_gateway) {
    RETURN_IF_ERROR(gateway::Register(
        *suite->host_,
        {.listen = options.gateway_listen, .admin_key_file = options.data_dir + "/admin.key"}));
  }
  RETURN_IF_ERROR(suite->host_->Start());
  if (with_gateway) {
    ASSIGN_OR_RETURN(suite->gateway_port_, gateway::StartHttp(*suite->host_));
  }
  RETURN_IF_ERROR(WritePrivate(options.data_dir + "/endpoints",
                               "127.0.0.1:" + std::to_string(suite->host_->port()) +
                                   "\nhttp://127.0.0.1:" + std::to_string(suite->gateway_port_) +
                                   "\n" + suite->database_url_));
  return suite;
}

Suite::~Suite() { Stop(); }

void Suite::Stop() {
  if (stopped_) return;
  stopped_ = true;
  if (host_ != nullptr) {
    if (gateway_port_ != 0) gateway::StopHttp(*host_);
    host_->Stop();
    host_.reset();
  }
  server_.reset();
}

}  // namespace broadbill::program
