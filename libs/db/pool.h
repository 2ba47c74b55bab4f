#pragma once

// Connections and transactions. libpq stays inside the .cc files.
//
//   auto tx = pool->Begin();
//   auto rows = tx->Exec("SELECT name FROM account WHERE account_id = $1", id);
//   rows->Get<std::string>(0, 0);
//   tx->Commit();

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/db/codec.h"
#include "libs/db/migration.h"

namespace broadbill::db {

// Parameters of one statement, in binary.
class Params {
 public:
  template <class... T>
  static Params Of(const T&... values) {
    Params out;
    (out.Add(values), ...);
    return out;
  }
  template <class T>
  void Add(const T& value) {
    using Column = typename AsColumn<std::decay_t<T>>::type;
    std::string text;
    Codec<Column>::Encode(text, value);
    values_.push_back({Codec<Column>::kOid, false, std::move(text)});
  }
  template <class T>
  void Add(const std::optional<T>& value) {
    if (value.has_value()) return Add(*value);
    values_.push_back({Codec<T>::kOid, true, ""});
  }

  struct Value {
    uint32_t oid;
    bool is_null;
    std::string bytes;
  };
  const std::vector<Value>& values() const { return values_; }

 private:
  std::vector<Value> values_;
};

// Rows of a statement. Columns by position.
class Result {
 public:
  Result() = default;
  explicit Result(void* pg_result);

  int size() const;
  bool empty() const { return size() == 0; }
  // Rows that an INSERT, UPDATE or DELETE touched.
  int64_t affected() const;
  bool IsNull(int row, int column) const;
  std::string_view Raw(int row, int column) const;
  template <class T>
  T Get(int row, int column) const {
    return Codec<T>::Decode(Raw(row, column));
  }
  template <class T>
  std::optional<T> GetOptional(int row, int column) const {
    if (IsNull(row, column)) return std::nullopt;
    return Get<T>(row, column);
  }

 private:
  std::shared_ptr<void> result_;
};

class Connection;
class Pool;

enum class Isolation { kReadCommitted, kRepeatableRead, kSerializable };

// A transaction on a connection of the pool; rolls back unless committed. Used by one thread.
class Tx {
 public:
  Tx(Tx&&) noexcept;
  Tx& operator=(Tx&&) noexcept;
  ~Tx();

  // Prepared once per connection and SQL text. Errors: ALREADY_EXISTS (UNIQUE_VIOLATION),
  // FAILED_PRECONDITION (CHECK_VIOLATION, FOREIGN_KEY_VIOLATION, …), ABORTED
  // (SERIALIZATION_FAILURE, DEADLOCK), UNAVAILABLE (DATABASE_UNAVAILABLE), INTERNAL
  // (DATABASE_ERROR). After an error the transaction can only be rolled back.
  template <class... T>
  absl::StatusOr<Result> Exec(const std::string& sql, const T&... values) {
    return ExecParams(sql, Params::Of(values...));
  }
  absl::StatusOr<Result> ExecParams(const std::string& sql, const Params& params);
  // Several statements without parameters, for migrations and settings.
  absl::Status ExecScript(const std::string& sql);

  // Binary COPY of rows encoded by CopyBuffer into `table (columns)`.
  absl::Status CopyIn(const std::string& table, const std::string& columns,
                      const std::string& binary_rows);

  // UNAVAILABLE with reason COMMIT_OUTCOME_UNKNOWN when the connection broke during COMMIT: look
  // the effect up, do not run it again blindly. ABORTED (TRANSACTION_FAILED) when an earlier error
  // of the transaction was passed over, so that nothing was kept. `fault` names the transaction's
  // points for tests that kill the process: "draft.written", "draft.commit_sent",
  // "draft.committed".
  absl::Status Commit(std::string_view fault = {});
  void Rollback();

 private:
  friend class Pool;
  Tx(Pool* pool, std::unique_ptr<Connection> connection);

  Pool* pool_ = nullptr;
  std::unique_ptr<Connection> connection_;
};

// A bounded set of connections to one database, with one search path. Thread-safe.
class Pool {
 public:
  struct Options {
    std::string url;          // libpq connection string or URI
    std::string schema;       // first (and only) schema of the search path; "" = default
    std::string application;  // shown in pg_stat_activity
    int size_max = 16;
    absl::Duration wait = absl::Seconds(30);  // for a free connection
  };
  explicit Pool(Options options);
  ~Pool();

  // RESOURCE_EXHAUSTED when none gets free in time, UNAVAILABLE when the server does not answer.
  absl::StatusOr<Tx> Begin(Isolation isolation = Isolation::kReadCommitted);
  // One statement in a transaction of its own.
  template <class... T>
  absl::StatusOr<Result> Exec(const std::string& sql, const T&... values) {
    auto tx = Begin();
    if (!tx.ok()) return tx.status();
    auto result = tx->Exec(sql, values...);
    if (!result.ok()) return result.status();
    absl::Status committed = tx->Commit();
    if (!committed.ok()) return committed;
    return result;
  }
  const std::string& schema() const { return options_.schema; }

 private:
  friend class Tx;
  void Release(std::unique_ptr<Connection> connection);

  const Options options_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Runs `fn` in a transaction and commits; again, up to `attempts` times, on serialization failures
// and deadlocks.
absl::Status RunTx(Pool& pool, const std::function<absl::Status(Tx&)>& fn, int attempts = 5,
                   Isolation isolation = Isolation::kReadCommitted);

// One statement on a connection of its own, outside any transaction (CREATE DATABASE, VACUUM).
absl::Status ExecAlone(const std::string& url, const std::string& sql);

// Migrates the service's schema and opens a pool on it.
absl::StatusOr<std::shared_ptr<Pool>> OpenPool(const std::string& url, const std::string& service,
                                               std::span<const Migration> migrations,
                                               int size_max = 16);

}  // namespace broadbill::db
