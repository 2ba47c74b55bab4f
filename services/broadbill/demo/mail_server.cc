#include "services/broadbill/demo/mail_server.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/demo/embedded.h"

extern char** environ;  // NOLINT: POSIX

namespace broadbill::program {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kListening = "listening ";

// Debian's Python, whose packages the script needs; another one may come first in PATH.
constexpr char kPython[] = "/usr/bin/python3";

// Starts the script with its standard output in `pipe_end` and errors in the file `log`.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& args, int pipe_end,
                            const std::string& log) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, pipe_end, 1);
  posix_spawn_file_actions_addopen(&files, 2, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);  // a Ctrl-C meant for us does not reach it
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> argv;
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &files, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (error == 0) return pid;
  return UnavailableError("MAIL_SERVER",
                          absl::StrCat("cannot start ", args[0], ": ", std::strerror(error)));
}

// The first line that the script prints; "" when it ended without one.
std::string ReadLine(int fd) {
  std::string line;
  for (char c = 0; read(fd, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MailServer>> MailServer::Start(const std::string& folder) {
  std::error_code ec;
  fs::create_directories(folder, ec);
  const std::string script = folder + "/mailbox.py";
  std::ofstream(script, std::ios::trunc) << kMailServerScript;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return UnavailableError("MAIL_SERVER", std::strerror(errno));
  const auto pid = Spawn({kPython, script, "--listen", "127.0.0.1:0", "--folder", folder}, ends[1],
                         folder + ".log");
  close(ends[1]);
  if (!pid.ok()) {
    close(ends[0]);
    return pid.status();
  }
  std::unique_ptr<MailServer> server(new MailServer(*pid, folder));
  const std::string line = ReadLine(ends[0]);
  close(ends[0]);
  if (line.rfind(kListening, 0) != 0) {
    return NotFoundError("MAIL_SERVER", "the mail server did not start; see " + folder + ".log");
  }
  server->address_ = line.substr(kListening.size());
  return server;
}

MailServer::~MailServer() {
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

int64_t MailServer::Count() const {
  int64_t count = 0;
  std::error_code ec;
  for (const auto& entry : fs::recursive_directory_iterator(folder_, ec)) {
    if (entry.path().extension() == ".eml") ++count;
  }
  return count;
}

}  // namespace broadbill::program
