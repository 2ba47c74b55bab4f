#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "libs/rpc/host.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/client.h"
#include "services/broadbill/commands.h"
#include "services/broadbill/demo/calendar.h"
#include "services/broadbill/demo/generator.h"
#include "services/broadbill/demo/summary.h"
#include "services/broadbill/demo/world.h"
#include "services/broadbill/export_documents.h"
#include "services/broadbill/services.h"

namespace broadbill::program {
namespace {

DemoOptions ReadOptions(const Args& args) {
  DemoOptions options;
  options.accounts = args.GetInt("accounts", options.accounts);
  options.data_dir = args.Get("data", options.data_dir);
  options.gateway_listen = args.Get("gateway-listen", options.gateway_listen);
  options.export_dir = args.Get("export");
  options.keep = args.Has("keep");
  options.exit = args.Has("exit");
  return options;
}

absl::Status Generate(World& world) {
  const std::string folder = world.options().data_dir + "/input";
  RETURN_IF_ERROR(world.progress().Timed(
      "writing input", [&] { return GenerateDemo(folder, world.options().accounts); }));
  int64_t files = 0;
  uintmax_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    ++files;
    bytes += entry.file_size();
  }
  world.progress().Say(absl::StrCat("wrote ", files, " files, ",
                                    Grouped(static_cast<int64_t>(bytes / 1000)), " kB, into ",
                                    folder));
  return absl::OkStatus();
}

absl::StatusOr<DemoTotals> PlayMonth(World& world) {
  Calendar calendar(world);
  RETURN_IF_ERROR(calendar.Load());
  RETURN_IF_ERROR(calendar.Play());
  return calendar.totals();
}

absl::Status Export(World& world) {
  const std::string& folder = world.options().export_dir;
  if (folder.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto exported, world.progress().Timed("exporting", [&] {
    return ExportDocuments(world.Channel("invoicing"), world.Channel("accounts"), world.Context(),
                           folder);
  }));
  world.progress().Say(
      absl::StrCat("exported ", Grouped(exported.documents), " documents into ", folder));
  return absl::OkStatus();
}

void TellAddress(World& world) {
  const std::string& data = world.options().data_dir;
  const std::string url = absl::StrCat("http://127.0.0.1:", world.suite().gateway_port());
  std::cout << "\nThe suite is up: " << url << "/\n"
            << "  curl -H \"Authorization: Bearer $(cat " << data << "/admin.key)\" '" << url
            << "/v1/documents?page_size=3'\n"
            << "  broadbill call --data " << data
            << " Invoicing/ListDocuments '{\"page_size\": 3}'\n"
            << "Ctrl-C ends it.\n"
            << std::flush;
}

void TellEnd(const DemoOptions& options) {
  std::cout << "\nThe suite is stopped. ";
  if (options.keep) {
    std::cout << "`broadbill serve --data " << options.data_dir << "` goes on with it.\n";
  } else {
    std::cout << "Input, mail and the invoice are in " << options.data_dir
              << "; on a terminal without --exit the suite stays up, with --keep the database "
                 "stays.\n";
  }
}

absl::Status RunDemo(const DemoOptions& options) {
  if (options.accounts < 1 || options.accounts > kDemoAccountsMax) {
    return InvalidField("--accounts", absl::StrCat("must be 1 to ", kDemoAccountsMax));
  }
  Progress progress;
  ASSIGN_OR_RETURN(std::unique_ptr<World> world,
                   progress.Timed("starting", [&] { return World::Start(options, progress); }));
  progress.Say(absl::StrCat("the suite is up on ", options.data_dir, ": PostgreSQL, Redis, ",
                            world->mail_server() == nullptr ? "" : "a mail server, ",
                            Components().size(),
                            " services and the gateway, all on this machine only"));
  RETURN_IF_ERROR(Generate(*world));
  ASSIGN_OR_RETURN(const DemoTotals totals, PlayMonth(*world));
  RETURN_IF_ERROR(WaitForMail(*world));
  RETURN_IF_ERROR(Export(*world));
  RETURN_IF_ERROR(Summarise(*world, totals));
  if (!options.exit && progress.terminal()) {
    TellAddress(*world);
    rpc::WaitForSignal();
  }
  world->Stop();
  TellEnd(options);
  return absl::OkStatus();
}

}  // namespace

int Demo(const Args& args) {
  const absl::Status status = RunDemo(ReadOptions(args));
  if (status.ok()) return 0;
  std::cout << std::flush;
  return Fail(Annotate(status, "the demo failed"));
}

int ExportCommand(const Args& args) {
  if (args.words.size() != 1) {
    std::cerr << "broadbill export FOLDER\n";
    return 2;
  }
  const auto client = Connect(args);
  if (!client.ok()) return Fail(client.status());
  const auto exported =
      ExportDocuments(client->channel, client->channel, client->context, args.words[0]);
  if (!exported.ok()) return Fail(exported.status());
  std::cout << exported->documents << " documents, " << exported->lines << " lines\n";
  return 0;
}

}  // namespace broadbill::program
