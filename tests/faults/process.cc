#include "tests/faults/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

extern char** environ;  // NOLINT: POSIX

namespace broadbill::faults {
namespace {

namespace fs = std::filesystem;
constexpr absl::Duration kStartTimeout = absl::Seconds(60);

// Our environment with the two variables of libs/fault.
std::vector<std::string> Environment(const Process::Options& options) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (text.rfind("BROADBILL_FAULT_", 0) != 0) out.push_back(text);
  }
  if (!options.fault_log.empty()) out.push_back("BROADBILL_FAULT_LOG=" + options.fault_log);
  if (!options.fault_kill.empty()) out.push_back("BROADBILL_FAULT_KILL=" + options.fault_kill);
  return out;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// A child of a process that was killed may wait to be reaped.
bool IsDefunct(pid_t pid) {
  std::ifstream in(absl::StrCat("/proc/", pid, "/stat"));
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const size_t end = text.rfind(')');
  return end != std::string::npos && end + 2 < text.size() && text[end + 2] == 'Z';
}

}  // namespace

absl::Status Process::Start(const Options& options, Process& out) {
  const std::string endpoints = options.data_dir + "/endpoints";
  const std::string log = options.data_dir + "/serve.log";
  std::error_code ec;
  fs::remove(endpoints, ec);
  std::vector<std::string> args = {options.program,    "serve",       "--data",  options.data_dir,
                                   "--gateway-listen", "127.0.0.1:0", "--clock", options.clock};
  args.insert(args.end(), options.flags.begin(), options.flags.end());
  std::vector<std::string> environment = Environment(options);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  out.started_ = absl::Now();
  pid_t pid = 0;
  const int error = posix_spawn(&pid, options.program.c_str(), &files, nullptr,
                                Pointers(args).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&files);
  out.pid_ = error == 0 ? pid : 0;
  if (error != 0) {
    return UnavailableError("SPAWN", "cannot start " + options.program);
  }
  while (out.alive() && !fs::exists(endpoints)) {
    if (absl::Now() - out.started_ > kStartTimeout) {
      return UnavailableError("SPAWN", "the program does not come up; see " + log);
    }
    absl::SleepFor(absl::Milliseconds(2));
  }
  return absl::OkStatus();
}

Process::~Process() { Kill(); }

bool Process::alive() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = 0;
  return pid_ > 0;
}

void Process::SendKill() {
  if (const pid_t pid = pid_; pid > 0) kill(pid, SIGKILL);
}

void Process::Kill() {
  if (!alive()) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void Process::Stop() {
  if (!alive()) return;
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

absl::Status CrashPostgres(const std::string& data_dir) {
  std::ifstream in(data_dir + "/postgresql/postmaster.pid");
  pid_t pid = 0;
  if (!(in >> pid) || pid <= 0) return UnavailableError("POSTGRES", "no postmaster of " + data_dir);
  // Immediate: every backend quits without writing anything more, the postmaster after them.
  kill(pid, SIGQUIT);
  const absl::Time deadline = absl::Now() + kStartTimeout;
  while (kill(pid, 0) == 0 && !IsDefunct(pid)) {
    if (absl::Now() > deadline) return UnavailableError("POSTGRES", "PostgreSQL does not die");
    absl::SleepFor(absl::Milliseconds(2));
  }
  return absl::OkStatus();
}

absl::Status RestartPostgres(const std::string& data_dir) {
  RETURN_IF_ERROR(CrashPostgres(data_dir));
  // Its folder belongs to the user it ran as.
  struct stat folder {};
  const std::string cluster = data_dir + "/postgresql";
  if (stat(cluster.c_str(), &folder) != 0) return UnavailableError("POSTGRES", "no " + cluster);
  std::string bin;
  for (const char* version : {"15", "16", "17", "18"}) {
    const std::string dir = absl::StrCat("/usr/lib/postgresql/", version, "/bin");
    if (fs::exists(dir + "/pg_ctl")) bin = dir;
  }
  std::vector<std::string> args = {bin + "/pg_ctl",
                                   "-D",
                                   cluster,
                                   "-w",
                                   "-t",
                                   "60",
                                   "-l",
                                   data_dir + "/postgresql-restarted.log",
                                   "start"};
  if (getuid() == 0) {
    const std::vector<std::string> as = {"/usr/bin/setpriv",
                                         absl::StrCat("--reuid=", folder.st_uid),
                                         absl::StrCat("--regid=", folder.st_gid), "--clear-groups"};
    args.insert(args.begin(), as.begin(), as.end());
    // pg_ctl's log is written as that user.
    std::ofstream(data_dir + "/postgresql-restarted.log", std::ios::app).close();
    const std::string log = data_dir + "/postgresql-restarted.log";
    if (chown(log.c_str(), folder.st_uid, folder.st_gid) != 0) {
      return UnavailableError("POSTGRES", "cannot own " + log);
    }
  }
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  pid_t pid = 0;
  const int error =
      posix_spawn(&pid, args[0].c_str(), &files, nullptr, Pointers(args).data(), environ);
  posix_spawn_file_actions_destroy(&files);
  int status = 0;
  const bool ended = error == 0 && waitpid(pid, &status, 0) == pid;
  const bool ok = ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  return ok ? absl::OkStatus() : UnavailableError("POSTGRES", "PostgreSQL does not come back");
}

std::vector<Passing> ReadLog(const std::string& path) {
  std::vector<Passing> out;
  std::ifstream in(path);
  int64_t micros = 0;
  for (Passing one; in >> micros >> one.thread >> one.point;) {
    one.at = absl::FromUnixMicros(micros);
    out.push_back(one);
  }
  return out;
}

}  // namespace broadbill::faults
