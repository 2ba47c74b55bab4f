#include "libs/serve/serve.h"

#include <cstdlib>
#include <iostream>

#include "libs/calendar/date.h"
#include "libs/rpc/log.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::serve {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// A business clock that stands at noon of a day: the same civil day in nearly every zone.
absl::StatusOr<const Clock*> FixedClock(const std::string& text) {
  if (text.empty()) return nullptr;
  const auto day = ParseDate(text);
  if (!day.ok()) return InvalidField("--clock", std::string(day.status().message()));
  return new FakeClock(absl::FromCivil(absl::CivilHour(*day) + 12, absl::UTCTimeZone()));
}

// What must not stand on a command line comes from the environment.
std::map<std::string, std::string> ToSettings(const Args& args) {
  std::map<std::string, std::string> settings;
  for (const char* name :
       {"smtp-url", "mail-from", "smtp-connections", "smtp-retry-seconds", "bill-workers",
        "gateway-listen", "admin-key-file", "radius-listen", "radius-clients"}) {
    if (args.Has(name)) settings[name] = args.Get(name);
  }
  const std::pair<const char*, const char*> secrets[] = {
      {"smtp-user", "BROADBILL_SMTP_USER"}, {"smtp-password", "BROADBILL_SMTP_PASSWORD"}};
  for (const auto& [name, variable] : secrets) {
    const std::string value = Environment(variable);
    if (!value.empty()) settings[name] = value;
  }
  return settings;
}

std::map<std::string, std::string> ToAddresses(const Args& args) {
  std::map<std::string, std::string> out;
  constexpr std::string_view kSuffix = "-address";
  for (const auto& [name, value] : args.options) {
    if (name.size() <= kSuffix.size()) continue;
    const size_t at = name.size() - kSuffix.size();
    if (name.compare(at, kSuffix.size(), kSuffix) == 0) out[name.substr(0, at)] = value;
  }
  return out;
}

absl::StatusOr<rpc::HostOptions> ServiceOptions(const Args& args) {
  ASSIGN_OR_RETURN(rpc::HostOptions options, ToHostOptions(args));
  if (options.database_url.empty()) {
    return InvalidField("--database-url", "is required, here or in BROADBILL_DATABASE_URL");
  }
  const std::string key = Environment("BROADBILL_INTERNAL_KEY");
  if (key.empty()) {
    return InvalidField("BROADBILL_INTERNAL_KEY",
                        "is required: the same 64 hex digits for all services of a suite");
  }
  ASSIGN_OR_RETURN(options.key, rpc::TokenKey::FromHex(key));
  return options;
}

int Fail(const std::string& name, const absl::Status& status) {
  std::cerr << "broadbill-" << name << ": " << status.message() << "\n";
  for (const FieldViolation& violation : ViolationsOf(status)) {
    std::cerr << "  " << violation.field << ": " << violation.description << "\n";
  }
  return 1;
}

void PrintHelp(const std::string& name) {
  std::cout
      << "broadbill-" << name << ": the " << name << " service of Broadbill\n\n"
      << "  --listen H:P            gRPC (127.0.0.1:0)\n"
         "  --metrics-listen H:P    Prometheus metrics\n"
         "  --database-url URL      or BROADBILL_DATABASE_URL; required\n"
         "  --redis-url URL         or BROADBILL_REDIS_URL\n"
         "  --<service>-address H:P where another service listens\n"
         "  --clock 2026-03-01      a fixed business day, for tests\n"
         "  --smtp-url, --mail-from, --smtp-connections, --smtp-retry-seconds of notification\n"
         "  --bill-workers N        threads of bill runs, of invoicing (the cores and one)\n"
         "  --gateway-listen H:P, --admin-key-file FILE of the gateway\n"
         "  --radius-listen H:P, --radius-clients FILE of rating: RADIUS accounting\n"
         "BROADBILL_INTERNAL_KEY signs calls between services: 64 hex digits, required.\n";
}

}  // namespace

absl::StatusOr<rpc::HostOptions> ToHostOptions(const Args& args) {
  rpc::HostOptions options;
  options.listen = args.Get("listen", options.listen);
  options.metrics_listen = args.Get("metrics-listen");
  options.database_url = args.Get("database-url", Environment("BROADBILL_DATABASE_URL"));
  options.redis_url = args.Get("redis-url", Environment("BROADBILL_REDIS_URL"));
  options.addresses = ToAddresses(args);
  options.settings = ToSettings(args);
  ASSIGN_OR_RETURN(options.clock, FixedClock(args.Get("clock")));
  return options;
}

int Main(int argc, char** argv, const Program& program) {
  // First of all: threads that gRPC starts must inherit the blocked signals.
  rpc::BlockSignals();
  const Args args = ParseArgs(argc, argv, {"help", "verbose"});
  if (args.Has("help")) {
    PrintHelp(program.name);
    return 0;
  }
  if (args.Has("verbose")) rpc::SetLogLevel(rpc::LogLevel::kDebug);
  auto options = ServiceOptions(args);
  if (!options.ok()) return Fail(program.name, options.status());
  rpc::Host host(*std::move(options));
  absl::Status status = program.register_with(host);
  if (status.ok()) status = host.Start();
  if (status.ok() && program.after_start) status = program.after_start(host);
  if (!status.ok()) return Fail(program.name, status);
  std::cout << "broadbill-" << program.name << " is up on port " << host.port() << "\n"
            << std::flush;
  rpc::WaitForSignal();
  if (program.before_stop) program.before_stop(host);
  host.Stop();
  return 0;
}

}  // namespace broadbill::serve
