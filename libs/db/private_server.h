#pragma once

// A private PostgreSQL and Redis as children of this process, for small installations, development
// and tests: unix sockets only, under an unprivileged user when this process is root (PostgreSQL
// refuses root), adopted again when an earlier parent died.

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace broadbill::db {

struct PrivateServerOptions {
  std::string data_dir;  // holds everything; made when absent
  bool with_redis = true;
  bool fsync = true;  // false: tests only, a crash of the machine loses data
  int connections_max = 200;
  bool start_empty = false;    // removes what an earlier use of the folder left
  bool remove_at_end = false;  // leaves no database behind
};

class PrivateServer {
 public:
  // Takes the folder's lock, makes the cluster on first use, starts the servers and waits until
  // they answer. FAILED_PRECONDITION (DATA_DIR_IN_USE) names the process that holds the folder.
  // Call before anything starts gRPC or threads.
  static absl::StatusOr<std::unique_ptr<PrivateServer>> Start(const PrivateServerOptions& options);
  // Stops Redis and PostgreSQL (fast shutdown).
  ~PrivateServer();

  // libpq connection string of database `broadbill`, and of others by name.
  std::string database_url(const std::string& database = "broadbill") const;
  // "unix:/path"; empty without Redis.
  std::string redis_url() const;
  int postgres_pid() const;

 private:
  struct Impl;
  explicit PrivateServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace broadbill::db
