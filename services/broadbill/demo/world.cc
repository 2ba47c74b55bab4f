#include "services/broadbill/demo/world.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "libs/feedrpc/feedrpc.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/demo/parts.h"
#include "services/broadbill/imports.h"
#include "services/broadbill/services.h"

namespace broadbill::program {
namespace {

namespace fs = std::filesystem;

constexpr char kMark[] = "broadbill-demo";  // a file that says: this folder may be emptied
constexpr int64_t kRowsPerPart = 50000;

// Midday in America, so that it is the same day in all of its zones and in UTC.
absl::Time Noon(CivilDay day) {
  return absl::FromCivil(absl::CivilHour(day) + 17, absl::UTCTimeZone());
}

// Whether a running suite holds the folder.
bool InUse(const fs::path& lock) {
  const int fd = open(lock.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  const bool free = flock(fd, LOCK_EX | LOCK_NB) == 0;
  close(fd);
  return !free;
}

// Removes what an earlier demo left, except what the private PostgreSQL must see to end or forget
// it.
void Empty(const fs::path& folder) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec)) {
    const std::string name = entry.path().filename().string();
    if (name != "postgresql" && name != "run" && name != "lock") fs::remove_all(entry.path(), ec);
  }
}

}  // namespace

World::World(const DemoOptions& options, Progress& progress)
    : options_(options), progress_(progress), clock_(Noon(CivilDay(2026, 3, 1))) {}

absl::Status World::MakeFolder() const {
  const fs::path folder = options_.data_dir;
  std::error_code ec;
  const bool ours = fs::exists(folder / kMark, ec);
  if (fs::exists(folder, ec) && !fs::is_empty(folder, ec) && !ours) {
    return FailedPreconditionError("DATA_DIR",
                                   options_.data_dir +
                                       " is not empty and not a folder of an earlier demo; name "
                                       "another one with --data");
  }
  if (InUse(folder / "lock")) {
    return FailedPreconditionError("DATA_DIR_IN_USE",
                                   "another program runs on " + options_.data_dir);
  }
  if (ours) Empty(folder);
  fs::create_directories(folder / "input", ec);
  std::ofstream mark(folder / kMark);
  mark << "This folder belongs to `broadbill demo`, which empties it when it starts.\n";
  mark.close();
  if (ec || !mark) return UnavailableError("DATA_DIR", "cannot write into " + options_.data_dir);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<World>> World::Start(const DemoOptions& options,
                                                    Progress& progress) {
  std::unique_ptr<World> world(new World(options, progress));
  RETURN_IF_ERROR(world->MakeFolder());
  world->SetDay(CivilDay(2026, 3, 1));
  SuiteOptions suite;
  suite.data_dir = options.data_dir;
  suite.gateway_listen = options.gateway_listen;
  suite.clock = &world->clock_;
  suite.start_empty = true;
  suite.remove_at_end = !options.keep;
  auto mail = MailServer::Start(options.data_dir + "/mail");
  if (!mail.ok() && ReasonOf(mail.status()) != "MAIL_SERVER") return mail.status();
  if (mail.ok()) {
    world->mail_server_ = *std::move(mail);
    suite.settings["smtp-url"] = world->mail_server_->url();
    suite.settings["mail-from"] = "North Woods Fiber <billing@northwoods.example>";
  }
  ASSIGN_OR_RETURN(world->suite_, Suite::Start(suite));
  return world;
}

void World::Stop() {
  suite_.reset();
  mail_server_.reset();
}

void World::SetDay(CivilDay day) {
  today_ = day;
  clock_.Set(Noon(day));
}

bool World::Has(const std::string& service) const {
  return std::any_of(Components().begin(), Components().end(),
                     [&](const Component& component) { return component.name == service; });
}

rpc::Context World::Context() const {
  rpc::Context context;
  context.principal = {"user:demo", {"*"}, ""};
  context.deadline = absl::Now() + absl::Hours(12);
  return context;
}

std::string World::ServiceOf(const std::string& method) {
  const size_t from = method.find('.') + 1;
  return method.substr(from, method.find('.', from) - from);
}

absl::StatusOr<broadbill::common::v1::ImportResult> World::Import(
    const std::string& kind, const std::string& name, const std::string& content,
    const std::map<std::string, std::string>& fields) {
  const auto found = ImportKinds().find(kind);
  if (found == ImportKinds().end()) return InvalidArgumentError("UNKNOWN_KIND", kind);
  const auto channel = Channel(ServiceOf(found->second.method));
  ASSIGN_OR_RETURN(const auto result, RunImport(*channel, Context(), kind, name, content, fields));
  if (result.errors().empty()) return result;
  const auto& error = result.errors(0);
  return InvalidArgumentError(
      error.reason(), absl::StrCat(name, ", line ", error.line(), ", ", error.column(), " '",
                                   error.value(), "': ", error.message()));
}

absl::StatusOr<int64_t> World::ImportFile(const std::string& kind, const std::string& name,
                                          const std::map<std::string, std::string>& fields) {
  CsvParts parts(input(name));
  if (!parts.ok()) return UnavailableError("DATA_DIR", "cannot read " + input(name));
  int64_t rows = 0;
  for (std::string part; parts.Next(kRowsPerPart, part);) {
    RETURN_IF_ERROR(CheckInterrupt());
    ASSIGN_OR_RETURN(const auto result, Import(kind, name, part, fields));
    rows += result.rows_applied();
    progress_.Live(absl::StrCat("loading ", name, ": ", Grouped(rows), " rows"));
  }
  return rows;
}

// The signals are blocked in every thread, so that they stay pending.
absl::Status World::CheckInterrupt() {
  sigset_t pending;
  sigemptyset(&pending);
  sigpending(&pending);
  const bool asked = sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1;
  return asked ? AbortedError("INTERRUPTED", "interrupted") : absl::OkStatus();
}

absl::Status World::Settle() {
  return progress_.Timed("waiting for feeds",
                         [this] { return feedrpc::WaitCaughtUp(suite_->host(), absl::Hours(12)); });
}

}  // namespace broadbill::program
