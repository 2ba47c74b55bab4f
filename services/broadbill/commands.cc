#include "services/broadbill/commands.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/db/migrate.h"
#include "libs/rpc/host.h"
#include "libs/rpc/log.h"
#include "libs/serve/serve.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/call.h"
#include "services/broadbill/client.h"
#include "services/broadbill/suite.h"

namespace broadbill::program {
namespace {

constexpr char kHelp[] = R"(broadbill: billing for internet providers, in one program

  broadbill serve [--data DIR]          run the suite; with its own PostgreSQL and Redis in DIR
                                        (.data) unless --database-url and --redis-url are given
      --services a,b      only these services        --tax-address HOST:PORT   where others run
      --listen H:P        gRPC (127.0.0.1:0)         --gateway-listen H:P      HTTP (127.0.0.1:8080)
      --metrics-listen H:P                           --clock 2026-03-01        a fixed business day
      --smtp-url smtp://H:P  the mail server (smtps://H:P for TLS); without it mail stays queued.
                          Login: BROADBILL_SMTP_USER and BROADBILL_SMTP_PASSWORD in the environment
      --mail-from 'Name <billing@isp.example>'   the sender; otherwise the company's own address
      --smtp-connections N (2)                       --smtp-retry-seconds N (60) first retry, doubling
      --radius-listen 127.0.0.1:1813  RADIUS accounting over UDP; --radius-clients FILE has a line
                          'address[/bits] secret' for each access server
  broadbill migrate [--data DIR | --database-url URL]   bring all schemas to the newest step
  broadbill import KIND FILE [--dry-run]  load a file; `broadbill import` lists the kinds
  broadbill call [METHOD [JSON]]        list services and methods, or call one:
      broadbill call Accounts/ListAccounts '{"page_size": 5}'
      broadbill call --describe Invoicing/CreateBillRun
  broadbill bill --as-of 2026-04-01 [--mode dry|draft|post]   run billing and watch it
  broadbill apikey create NAME [--permissions 'accounts.*,invoices.read']   an API key for HTTP
  broadbill export FOLDER               posted documents as CSV: documents, lines, taxes
  broadbill demo [--accounts 2000]      a whole ISP's month: import, bill, tax, post, mail, collect
      --data DIR (.demo)  --export FOLDER  --gateway-listen H:P  --exit (do not wait for Ctrl-C)
      --keep (leave the database; then `broadbill serve --data DIR` goes on with it)
  broadbill help [COMMAND]              this

import, call, bill, export and apikey talk to the suite that runs on --data DIR (.data), or to --address H:P
with the key in BROADBILL_INTERNAL_KEY.
)";

SuiteOptions ToSuiteOptions(const Args& args) {
  auto host = serve::ToHostOptions(args);
  if (!host.ok()) std::exit(Fail(host.status()));
  SuiteOptions options;
  options.data_dir = args.Get("data", ".data");
  options.database_url = host->database_url;
  options.redis_url = host->redis_url;
  options.listen = host->listen;
  options.gateway_listen = args.Get("gateway-listen", options.gateway_listen);
  options.metrics_listen = host->metrics_listen;
  options.addresses = host->addresses;
  options.settings = host->settings;
  options.clock = host->clock;
  for (const absl::string_view name :
       absl::StrSplit(args.Get("services"), ',', absl::SkipEmpty())) {
    options.services.emplace_back(name);
  }
  return options;
}

}  // namespace

int Main(int argc, char** argv) {
  static const std::set<std::string> kBare = {"dry-run", "describe", "help",
                                              "keep",    "exit",     "verbose"};
  Args args = serve::ParseArgs(argc, argv, kBare);
  const std::string command = args.words.empty() ? "help" : args.words.front();
  if (!args.words.empty()) args.words.erase(args.words.begin());
  if (args.Has("verbose")) rpc::SetLogLevel(rpc::LogLevel::kDebug);
  static const std::map<std::string, int (*)(const Args&)> kCommands = {
      {"serve", Serve}, {"migrate", Migrate}, {"import", Import}, {"call", CallCommand},
      {"bill", Bill},   {"apikey", ApiKey},   {"demo", Demo},     {"export", ExportCommand}};
  const auto found = kCommands.find(command);
  if (command == "help" || args.Has("help")) {
    std::cout << kHelp;
    return 0;
  }
  if (found == kCommands.end()) {
    std::cerr << "broadbill: no command '" << command << "'; see `broadbill help`\n";
    return 2;
  }
  return found->second(args);
}

int Serve(const Args& args) {
  auto suite = Suite::Start(ToSuiteOptions(args));
  if (!suite.ok()) return Fail(suite.status());
  std::cout << "Broadbill " << BROADBILL_VERSION << " is up.\n"
            << "  HTTP   http://127.0.0.1:" << (*suite)->gateway_port()
            << "/  (first key: " << args.Get("data", ".data") << "/admin.key)\n"
            << "  gRPC   127.0.0.1:" << (*suite)->host().port() << "\n"
            << std::flush;
  rpc::WaitForSignal();
  rpc::Log(rpc::LogLevel::kInfo, "draining");
  (*suite)->Stop();
  return 0;
}

int Migrate(const Args& args) {
  // Registering the components migrates; nothing listens.
  SuiteOptions options = ToSuiteOptions(args);
  options.gateway_listen = "127.0.0.1:0";
  auto suite = Suite::Start(options);
  if (!suite.ok()) return Fail(suite.status());
  std::cout << "all schemas are at their newest step\n";
  return 0;
}

int CallCommand(const Args& args) {
  if (args.words.empty()) {
    std::cout << ListServices();
    return 0;
  }
  if (args.Has("describe")) {
    const auto text = DescribeMethod(args.words[0]);
    if (!text.ok()) return Fail(text.status());
    std::cout << *text;
    return 0;
  }
  auto client = Connect(args);
  if (!client.ok()) return Fail(client.status());
  std::string json = args.words.size() > 1 ? args.words[1] : "";
  if (json == "-") json.assign(std::istreambuf_iterator<char>(std::cin), {});
  const absl::Status status = CallJson(*client->channel, args.words[0], json, client->context);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace broadbill::program
