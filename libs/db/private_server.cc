#include "libs/db/private_server.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

extern char** environ;  // NOLINT: POSIX

namespace broadbill::db {
namespace {

namespace fs = std::filesystem;
constexpr absl::Duration kStartTimeout = absl::Seconds(60);

absl::Status SystemError(const std::string& what) {
  return UnavailableError("PRIVATE_SERVER", what + ": " + std::strerror(errno));
}

// A backend that takes a large batch gives its memory back to the system with the batch and asks
// for it anew with the next, page by page; kept, that costs a twentieth of a bill run less. What
// the operator has set stays.
std::vector<std::string> Environment() {
  std::vector<std::string> out;
  for (char** at = environ; *at != nullptr; ++at) out.emplace_back(*at);
  // 32 MB is the largest threshold that glibc takes.
  for (const char* name : {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}) {
    if (std::getenv(name) == nullptr) out.push_back(absl::StrCat(name, "=", 32 << 20));
  }
  return out;
}

// Runs `args` as a child in a process group of its own, so that a Ctrl-C meant for us does not
// reach it; output goes to `log`.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& args, const std::string& log) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> argv;
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  const std::vector<std::string> environment = Environment();
  std::vector<char*> envp;
  for (const std::string& one : environment) envp.push_back(const_cast<char*>(one.c_str()));
  envp.push_back(nullptr);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &files, &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  errno = error;
  if (error != 0) return SystemError("cannot start " + args[0]);
  return pid;
}

absl::Status RunToEnd(const std::vector<std::string>& args, const std::string& log) {
  ASSIGN_OR_RETURN(const pid_t pid, Spawn(args, log));
  int status = 0;
  if (waitpid(pid, &status, 0) < 0) return SystemError("cannot wait for " + args[0]);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return UnavailableError("PRIVATE_SERVER", args.back() + " failed; see " + log);
}

std::string FindBinDir() {
  for (const char* version : {"18", "17", "16", "15"}) {
    const std::string dir = absl::StrCat("/usr/lib/postgresql/", version, "/bin");
    if (fs::exists(dir + "/postgres")) return dir;
  }
  return "";
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

int64_t MemoryBytes() {
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

// Whether a Redis answers PING on the unix socket.
bool RedisAnswers(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const timeval patience{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  char answer[5] = {};
  const bool ok = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
                  write(fd, "PING\r\n", 6) == 6 && read(fd, answer, sizeof(answer)) == 5 &&
                  std::memcmp(answer, "+PONG", 5) == 0;
  close(fd);
  return ok;
}

// Another user must be able to walk down to `dir`.
bool OthersMayEnter(const fs::path& dir) {
  for (fs::path at = fs::absolute(dir); at != at.root_path(); at = at.parent_path()) {
    struct stat info {};
    if (stat(at.c_str(), &info) == 0 && (info.st_mode & S_IXOTH) == 0) return false;
  }
  return true;
}

}  // namespace

struct PrivateServer::Impl {
  PrivateServerOptions options;
  int lock = -1;
  const passwd* user = nullptr;  // set when we are root
  std::string bin;
  std::string base;    // where cluster, sockets and logs lie
  std::string socket;  // folder of the sockets
  pid_t postgres = 0;
  bool adopted = false;
  pid_t redis = 0;
  bool redis_adopted = false;

  std::string log(const std::string& name) const { return base + "/" + name + ".log"; }
  std::string cluster() const { return base + "/postgresql"; }

  std::vector<std::string> AsUser(std::vector<std::string> args) const {
    if (user == nullptr) return args;
    std::vector<std::string> out = {"setpriv", absl::StrCat("--reuid=", user->pw_uid),
                                    absl::StrCat("--regid=", user->pw_gid), "--clear-groups"};
    out.insert(out.end(), args.begin(), args.end());
    return out;
  }

  absl::Status Lock() {
    std::error_code ec;
    fs::create_directories(options.data_dir, ec);
    const std::string path = options.data_dir + "/lock";
    lock = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0) return SystemError("cannot open " + path);
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
      return FailedPreconditionError(
          "DATA_DIR_IN_USE",
          "the folder " + options.data_dir + " is in use by process " + ReadFile(path));
    }
    const std::string pid = std::to_string(getpid());
    const bool kept = ftruncate(lock, 0) == 0 &&
                      pwrite(lock, pid.data(), pid.size(), 0) == static_cast<ssize_t>(pid.size());
    return kept ? absl::OkStatus() : SystemError("cannot write " + path);
  }

  absl::Status Prepare() {
    bin = FindBinDir();
    if (bin.empty()) return UnavailableError("PRIVATE_SERVER", "PostgreSQL is not installed");
    base = fs::absolute(options.data_dir).string();
    if (getuid() == 0) {
      for (const char* name : {"postgres", "nobody"}) {
        if (user == nullptr) user = getpwnam(name);
      }
      if (user == nullptr) return UnavailableError("PRIVATE_SERVER", "no unprivileged user found");
      if (!OthersMayEnter(options.data_dir)) {
        base = absl::StrCat("/var/lib/broadbill/", std::hash<std::string>()(base));
      }
    }
    std::error_code ec;
    fs::create_directories(base, ec);
    socket = base + "/run";
    // A unix socket's path is limited to 107 bytes.
    if (socket.size() > 70) {
      socket = absl::StrCat("/tmp/broadbill-", std::hash<std::string>()(base) % 100000000);
    }
    fs::create_directories(socket, ec);
    fs::permissions(socket, fs::perms::owner_all, ec);
    if (user != nullptr) {
      for (const std::string& path : {base, socket}) {
        if (chown(path.c_str(), user->pw_uid, user->pw_gid) != 0)
          return SystemError("chown " + path);
      }
    }
    return ec ? UnavailableError("PRIVATE_SERVER", ec.message()) : absl::OkStatus();
  }

  pid_t OldPostmaster() const {
    const std::string text = ReadFile(cluster() + "/postmaster.pid");
    const pid_t old = static_cast<pid_t>(std::strtol(text.c_str(), nullptr, 10));
    return old > 0 && kill(old, 0) == 0 && Answers("postgres") ? old : 0;
  }

  // Removes the cluster; an orphaned postmaster of it is stopped first.
  void RemoveCluster() const {
    const pid_t old = OldPostmaster();
    if (old > 0) kill(old, SIGINT);
    for (int i = 0; old > 0 && i < 3000 && kill(old, 0) == 0; ++i) {
      absl::SleepFor(absl::Milliseconds(10));
    }
    std::error_code ec;
    fs::remove_all(cluster(), ec);
  }

  // initdb into a temporary folder, then rename: a crash leaves no half cluster.
  absl::Status MakeCluster() {
    if (fs::exists(cluster() + "/PG_VERSION")) return absl::OkStatus();
    const std::string temporary = cluster() + ".new";
    std::error_code ec;
    fs::remove_all(temporary, ec);
    std::vector<std::string> args = {
        bin + "/initdb",    "-U",        "broadbill", "--auth=trust", "-E", "UTF8",
        "--locale=C.UTF-8", "--no-sync", "-D",        temporary};
    RETURN_IF_ERROR(RunToEnd(AsUser(args), log("postgresql")));
    fs::rename(temporary, cluster(), ec);
    return ec ? UnavailableError("PRIVATE_SERVER", ec.message()) : absl::OkStatus();
  }

  absl::Status WriteSettings() {
    const int64_t shared_mb = std::min<int64_t>(4096, MemoryBytes() / 4 >> 20);
    std::ofstream out(cluster() + "/postgresql.auto.conf", std::ios::trunc);
    out << "listen_addresses = ''\nunix_socket_directories = '" << socket
        << "'\nunix_socket_permissions = 0700\nshared_buffers = "
        << std::max<int64_t>(16, shared_mb)
        << "MB\nmax_wal_size = 8GB\nmin_wal_size = 256MB\nwal_compression = lz4\n"
        << "max_connections = " << options.connections_max
        << "\nwork_mem = 32MB\nmaintenance_work_mem = 256MB\ncheckpoint_timeout = 15min\n"
        << "jit = off\nrandom_page_cost = 1.1\nlogging_collector = off\n"
        << "fsync = " << (options.fsync ? "on" : "off") << "\n"
        << "full_page_writes = " << (options.fsync ? "on" : "off") << "\n"
        << "synchronous_commit = " << (options.fsync ? "on" : "off") << "\n";
    out.close();
    const std::string path = cluster() + "/postgresql.auto.conf";
    if (user != nullptr && chown(path.c_str(), user->pw_uid, user->pw_gid) != 0) {
      return SystemError("chown " + path);
    }
    return out.fail() ? SystemError("cannot write " + path) : absl::OkStatus();
  }

  std::string Url(const std::string& database) const {
    return absl::StrCat("host=", socket, " user=broadbill dbname=", database);
  }

  bool Answers(const std::string& database) const {
    PGconn* connection = PQconnectdb(Url(database).c_str());
    const bool ok = PQstatus(connection) == CONNECTION_OK;
    PQfinish(connection);
    return ok;
  }

  // A live postmaster of this folder is adopted; one that dies is waited out by PostgreSQL itself.
  absl::Status StartPostgres() {
    if (const pid_t old = OldPostmaster(); old > 0) {
      postgres = old;
      adopted = true;
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(WriteSettings());
    const absl::Time deadline = absl::Now() + kStartTimeout;
    while (true) {
      ASSIGN_OR_RETURN(postgres,
                       Spawn(AsUser({bin + "/postgres", "-D", cluster()}), log("postgresql")));
      bool alive = true;
      while (alive && absl::Now() < deadline) {
        if (Answers("postgres")) return absl::OkStatus();
        alive = waitpid(postgres, nullptr, WNOHANG) == 0;
        absl::SleepFor(absl::Milliseconds(20));
      }
      if (absl::Now() >= deadline) {
        return UnavailableError("PRIVATE_SERVER",
                                "PostgreSQL does not answer; see " + log("postgresql"));
      }
      absl::SleepFor(absl::Milliseconds(300));
    }
  }

  absl::Status MakeDatabase() {
    if (Answers("broadbill")) return absl::OkStatus();
    PGconn* connection = PQconnectdb(Url("postgres").c_str());
    PGresult* result = PQexec(connection, "CREATE DATABASE broadbill");
    const bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    const std::string message = PQresultErrorMessage(result);
    PQclear(result);
    PQfinish(connection);
    return ok ? absl::OkStatus() : UnavailableError("PRIVATE_SERVER", message);
  }

  // A live Redis of this folder, left by a parent that was killed, is adopted.
  absl::Status StartRedis() {
    if (!options.with_redis) return absl::OkStatus();
    const std::string path = socket + "/redis.sock";
    const std::string pid_path = base + "/redis.pid";
    redis = static_cast<pid_t>(std::strtol(ReadFile(pid_path).c_str(), nullptr, 10));
    if (redis > 0 && kill(redis, 0) == 0 && RedisAnswers(path)) {
      redis_adopted = true;
      return absl::OkStatus();
    }
    unlink(path.c_str());
    ASSIGN_OR_RETURN(redis, Spawn(AsUser({"redis-server", "--port", "0", "--unixsocket", path,
                                          "--unixsocketperm", "700", "--save", "", "--appendonly",
                                          "no", "--dir", socket}),
                                  log("redis")));
    std::ofstream(pid_path, std::ios::trunc) << redis << "\n";
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    while (!RedisAnswers(path)) {
      if (waitpid(redis, nullptr, WNOHANG) != 0 || absl::Now() > deadline) {
        redis = 0;
        return UnavailableError("PRIVATE_SERVER", "Redis does not start; see " + log("redis"));
      }
      absl::SleepFor(absl::Milliseconds(10));
    }
    return absl::OkStatus();
  }

  void StopAll() {
    Stop(redis, SIGTERM, redis_adopted);
    Stop(postgres, SIGINT, adopted);  // fast shutdown
    if (options.remove_at_end && !bin.empty()) {
      std::error_code ec;
      fs::remove_all(cluster(), ec);
      fs::remove_all(socket, ec);
      if (base != fs::absolute(options.data_dir).string()) fs::remove_all(base, ec);
    }
    if (lock >= 0) close(lock);
  }

  static void Stop(pid_t pid, int signal, bool is_adopted) {
    if (pid <= 0) return;
    kill(pid, signal);
    if (!is_adopted) waitpid(pid, nullptr, 0);
    for (int i = 0; is_adopted && i < 3000 && kill(pid, 0) == 0; ++i) {
      absl::SleepFor(absl::Milliseconds(10));
    }
  }
};

PrivateServer::PrivateServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PrivateServer::~PrivateServer() { impl_->StopAll(); }

absl::StatusOr<std::unique_ptr<PrivateServer>> PrivateServer::Start(
    const PrivateServerOptions& options) {
  std::unique_ptr<PrivateServer> out(new PrivateServer(std::make_unique<Impl>()));
  Impl& impl = *out->impl_;
  impl.options = options;
  RETURN_IF_ERROR(impl.Lock());
  RETURN_IF_ERROR(impl.Prepare());
  if (options.start_empty) impl.RemoveCluster();
  RETURN_IF_ERROR(impl.MakeCluster());
  RETURN_IF_ERROR(impl.StartPostgres());
  RETURN_IF_ERROR(impl.MakeDatabase());
  RETURN_IF_ERROR(impl.StartRedis());
  return out;
}

std::string PrivateServer::database_url(const std::string& database) const {
  return impl_->Url(database);
}

std::string PrivateServer::redis_url() const {
  return impl_->options.with_redis ? "unix:" + impl_->socket + "/redis.sock" : "";
}

int PrivateServer::postgres_pid() const { return impl_->postgres; }

}  // namespace broadbill::db
