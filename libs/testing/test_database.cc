#include "libs/testing/test_database.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/db/pool.h"
#include "libs/db/private_server.h"

namespace broadbill::testing {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void Give(const std::string& why) {
  std::fprintf(stderr, "tests need PostgreSQL: %s\n", why.c_str());
  std::_Exit(2);
}

// The server of this process, stopped at exit.
class Server {
 public:
  Server() {
    if (const char* given = std::getenv("BROADBILL_TEST_DATABASE_URL"); given != nullptr) {
      url_ = given;
      return;
    }
    folder_ = absl::StrCat("/tmp/broadbill-test-", getpid());
    db::PrivateServerOptions options;
    options.data_dir = folder_;
    options.with_redis = false;
    options.fsync = false;
    auto started = db::PrivateServer::Start(options);
    if (!started.ok()) Give(std::string(started.status().message()));
    server_ = *std::move(started);
    url_ = server_->database_url("");
    url_.resize(url_.find(" dbname="));
  }
  ~Server() {
    server_.reset();
    std::error_code ec;
    if (!folder_.empty()) fs::remove_all(folder_, ec);
  }
  std::string url(const std::string& database) const { return url_ + " dbname=" + database; }

 private:
  std::string folder_;
  std::string url_;
  std::unique_ptr<db::PrivateServer> server_;
};

const Server& TheServer() {
  static const Server server;
  return server;
}

// CREATE and DROP DATABASE cannot stand in a transaction; dblink is not needed for a plain one.
void Admin(const std::string& sql) {
  const absl::Status status = db::ExecAlone(TheServer().url("postgres"), sql);
  if (!status.ok()) Give(std::string(status.message()));
}

}  // namespace

TestDatabase::TestDatabase() {
  static std::atomic<int> count{0};
  name_ = absl::StrCat("test_", getpid(), "_", ++count);
  Admin("CREATE DATABASE " + name_);
  url_ = TheServer().url(name_);
}

TestDatabase::~TestDatabase() { Admin("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)"); }

void TestDatabase::BreakConnections() {
  Admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name_ + "'");
}

std::string SharedFolder() {
  const char* given = std::getenv("BROADBILL_SHARED");
  const std::string path =
      given != nullptr ? given : absl::StrCat(BROADBILL_SOURCE_DIR, "/../shared");
  std::error_code ec;
  return fs::exists(path + "/oracle", ec) ? path : "";
}

}  // namespace broadbill::testing
