#include "tests/radius/freeradius.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/substitute.h"
#include "absl/time/clock.h"
#include "libs/status/error.h"

extern char** environ;  // NOLINT: POSIX

namespace broadbill::radius {
namespace {

namespace fs = std::filesystem;

constexpr char kConfiguration[] = R"(prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = $0
logdir = $0
run_dir = $0
pidfile = $0/radiusd.pid
max_request_time = 60
cleanup_delay = 2
max_requests = 65536
log {
  destination = files
  file = $0/radius.log
}
security {
  allow_core_dumps = no
}
thread pool {
  start_servers = 4
  max_servers = 8
  min_spare_servers = 1
  max_spare_servers = 4
  max_requests_per_server = 0
}
proxy server {
  default_fallback = no
}
home_server broadbill {
  type = acct
  ipaddr = 127.0.0.1
  port = $4
  secret = $1
  response_window = 20
  zombie_period = 40
  status_check = none
  revive_interval = 10
}
home_server_pool broadbill {
  type = fail-over
  home_server = broadbill
}
realm broadbill {
  acct_pool = broadbill
  nostrip
}
client loopback {
  ipaddr = 127.0.0.1
  secret = $1
}
modules {
  detail {
    filename = $0/detail
    permissions = 0600
  }
}
server passes_on {
  listen {
    type = acct
    ipaddr = 127.0.0.1
    port = $2
  }
  preacct {
    update control {
      &Proxy-To-Realm := "broadbill"
    }
  }
  accounting {
  }
}
server writes {
  listen {
    type = acct
    ipaddr = 127.0.0.1
    port = $3
  }
  preacct {
  }
  accounting {
    detail
  }
}
)";

pid_t Spawn(std::vector<std::string> args, const std::string& log) {
  std::vector<char*> pointers;
  for (std::string& arg : args) pointers.push_back(arg.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, pointers[0], &files, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  return error == 0 ? pid : 0;
}

}  // namespace

int FreePort() {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof own;
  const bool good = bind(socket, reinterpret_cast<sockaddr*>(&own), size) == 0 &&
                    getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) == 0;
  close(socket);
  return good ? ntohs(own.sin_port) : 0;
}

int RunProgram(const std::vector<std::string>& args, const std::string& log) {
  const pid_t pid = Spawn(args, log);
  int status = 0;
  const bool ended = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status);
  return ended ? WEXITSTATUS(status) : -1;
}

absl::Status FreeRadius::Start(const Options& options, FreeRadius& out) {
  out.folder_ = options.folder;
  std::error_code ec;
  fs::create_directories(options.folder, ec);
  std::ofstream(options.folder + "/radiusd.conf")
      << absl::Substitute(kConfiguration, options.folder, options.secret, options.proxy_port,
                          options.detail_port, options.home_port);
  std::ofstream(options.folder + "/dictionary").flush();
  const std::string log = options.folder + "/radius.log";
  out.pid_ = Spawn({"/usr/sbin/freeradius", "-f", "-d", options.folder, "-n", "radiusd"},
                   options.folder + "/output.log");
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (out.pid_ > 0 && absl::Now() < deadline) {
    std::ifstream in(log);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (text.find("Ready to process requests") != std::string::npos) return absl::OkStatus();
    if (waitpid(out.pid_, nullptr, WNOHANG) == out.pid_) out.pid_ = 0;
    absl::SleepFor(absl::Milliseconds(20));
  }
  return UnavailableError("FREERADIUS", "freeradius does not start; see " + log);
}

void FreeRadius::Stop() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

}  // namespace broadbill::radius
