#include "services/gateway/component.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

#include "libs/db/pool.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/gateway/app/front.h"
#include "services/gateway/app/keys.h"
#include "services/gateway/http/server.h"
#include "services/gateway/migrations.h"

extern "C" {
extern const char broadbill_protoset_begin[];
extern const char broadbill_protoset_end[];
}

namespace broadbill::gateway {
namespace {

namespace pb = broadbill::gateway::v1;

const std::vector<std::string>& AllServices() {
  static const auto* const names =
      new std::vector<std::string>{"broadbill.accounts.v1.Accounts",
                                   "broadbill.rating.v1.Rating",
                                   "broadbill.tax.v1.Tax",
                                   "broadbill.invoicing.v1.Invoicing",
                                   "broadbill.payments.v1.Payments",
                                   "broadbill.notification.v1.Notification",
                                   "broadbill.reporting.v1.Reporting",
                                   "broadbill.gateway.v1.Gateway"};
  return *names;
}

// What Register leaves for StartHttp.
struct State {
  explicit State(rpc::Host&) {}
  GatewayOptions options;
  Keys* keys = nullptr;
  std::unique_ptr<Front> front;
  std::unique_ptr<http::Server> server;
};

// On the first start there is no key to make keys with: one with all permissions goes to a file
// that only its owner can read.
absl::Status WriteAdminKey(State& state) {
  const std::string& path = state.options.admin_key_file;
  if (path.empty() || std::filesystem::exists(path)) return absl::OkStatus();
  pb::CreateApiKeyRequest request;
  request.mutable_api_key()->set_name("first administrator");
  request.mutable_api_key()->add_permissions("*");
  ASSIGN_OR_RETURN(const auto made,
                   state.keys->CreateApiKey(rpc::BackgroundContext("gateway"), request));
  const mode_t before = umask(0077);
  std::ofstream(path) << made.secret() << "\n";
  umask(before);
  return absl::OkStatus();
}

absl::Status AllAnswer(rpc::Host& host) {
  for (const std::string& name : AllServices()) {
    const size_t from = name.find('.') + 1;
    const std::string service = name.substr(from, name.find('.', from) - from);
    const auto& addresses = host.options().addresses;
    const auto hosted = host.service_names();
    const bool here = std::find(hosted.begin(), hosted.end(), name) != hosted.end();
    if (!here && addresses.count(service) == 0) {
      return UnavailableError("SERVICE_UNAVAILABLE", "no way to service " + service);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Register(rpc::Host& host, const GatewayOptions& options) {
  State& state = host.Shared<State>();
  state.options = options;
  ASSIGN_OR_RETURN(auto pool, db::OpenPool(host.DatabaseUrl("gateway"), "gateway", Migrations()));
  state.keys = host.Own(std::make_unique<Keys>(std::move(pool), host.clock(), AllServices()));
  rpc::Service service("broadbill.gateway.v1.Gateway");
  service.Unary("CreateApiKey", state.keys, &Keys::CreateApiKey)
      .Unary("ListApiKeys", state.keys, &Keys::ListApiKeys)
      .Unary("RevokeApiKey", state.keys, &Keys::RevokeApiKey)
      .Unary("GetServerInfo", state.keys, &Keys::GetServerInfo);
  host.Add(std::move(service));
  return WriteAdminKey(state);
}

absl::StatusOr<int> StartHttp(rpc::Host& host) {
  State& state = host.Shared<State>();
  Front::Options options;
  options.services = AllServices();
  options.services.push_back("broadbill.common.v1.Feed");
  options.protoset.assign(broadbill_protoset_begin, broadbill_protoset_end);
  options.version = BROADBILL_VERSION;
  Keys* keys = state.keys;
  state.front = std::make_unique<Front>(
      std::move(options), [keys](const std::string& key) { return keys->Authenticate(key); },
      [&host](const std::string& service) { return host.ChannelTo(service); },
      [&host] { return AllAnswer(host); }, host.metrics());
  Front* front = state.front.get();
  http::ServerOptions server;
  server.listen = state.options.listen;
  state.server = std::make_unique<http::Server>(
      server, [front](const http::Request& request) { return front->Handle(request); },
      [front](const http::Request& request) { return front->BodyLimit(request); }, &Front::Refusal);
  return state.server->Start();
}

void StopHttp(rpc::Host& host) {
  State& state = host.Shared<State>();
  if (state.server != nullptr) state.server->Stop();
}

}  // namespace broadbill::gateway
