#include "libs/db/pool.h"

#include <libpq-fe.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/db/migrate.h"
#include "libs/fault/fault.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::db {
namespace {

constexpr size_t kPreparedMax = 400;
constexpr size_t kCopyPart = 1 << 20;

// Maps SQLSTATE (https://www.postgresql.org/docs/15/errcodes-appendix.html) to our errors. The
// server's text goes into the message only for constraint violations, where it names the rule.
absl::Status ToStatus(const PGresult* result, PGconn* connection) {
  if (PQstatus(connection) == CONNECTION_BAD) {
    return UnavailableError("DATABASE_UNAVAILABLE", "the connection to the database broke");
  }
  const char* code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* rule = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
  const std::string state = code == nullptr ? "" : code;
  const std::string message = text == nullptr ? "unknown" : text;
  const std::string constraint = rule == nullptr ? "" : rule;
  const auto with_rule = [&](absl::Status status) {
    return constraint.empty() ? status : WithMetadata(std::move(status), "constraint", constraint);
  };
  if (state == "23505") return with_rule(AlreadyExistsError("UNIQUE_VIOLATION", message));
  if (state == "23514") return with_rule(FailedPreconditionError("CHECK_VIOLATION", message));
  if (state == "23503") return with_rule(FailedPreconditionError("FOREIGN_KEY_VIOLATION", message));
  if (state == "23502") return with_rule(FailedPreconditionError("NOT_NULL_VIOLATION", message));
  if (state == "40001") return AbortedError("SERIALIZATION_FAILURE", message);
  if (state == "40P01") return AbortedError("DEADLOCK", message);
  if (state == "57014") return DeadlineExceededError("STATEMENT_TIMEOUT", message);
  if (state.substr(0, 2) == "57" || state.substr(0, 2) == "08" || state == "53300") {
    return UnavailableError("DATABASE_UNAVAILABLE", message);
  }
  return InternalError("DATABASE_ERROR", absl::StrCat(state, " ", message));
}

PGresult* Raw(const std::shared_ptr<void>& result) { return static_cast<PGresult*>(result.get()); }

}  // namespace

// ---- Result

Result::Result(void* pg_result)
    : result_(pg_result, [](void* r) { PQclear(static_cast<PGresult*>(r)); }) {}

int Result::size() const { return result_ == nullptr ? 0 : PQntuples(broadbill::db::Raw(result_)); }

int64_t Result::affected() const {
  if (result_ == nullptr) return 0;
  const char* text = PQcmdTuples(broadbill::db::Raw(result_));
  return text == nullptr || *text == '\0' ? 0 : std::strtoll(text, nullptr, 10);
}

bool Result::IsNull(int row, int column) const {
  return PQgetisnull(broadbill::db::Raw(result_), row, column) == 1;
}

std::string_view Result::Raw(int row, int column) const {
  PGresult* raw = broadbill::db::Raw(result_);
  return {PQgetvalue(raw, row, column), static_cast<size_t>(PQgetlength(raw, row, column))};
}

// ---- Connection

class Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const Pool::Options& options) {
    auto out = std::make_unique<Connection>();
    out->pg_ = PQconnectdb(options.url.c_str());
    if (PQstatus(out->pg_) != CONNECTION_OK) {
      return UnavailableError("DATABASE_UNAVAILABLE",
                              absl::StrCat("cannot connect: ", PQerrorMessage(out->pg_)));
    }
    PQsetNoticeProcessor(
        out->pg_, [](void*, const char*) {}, nullptr);
    std::string setup = "SET timezone = 'UTC'; SET client_min_messages = 'warning';";
    if (!options.schema.empty()) absl::StrAppend(&setup, "SET search_path = ", options.schema, ";");
    if (!options.application.empty()) {
      absl::StrAppend(&setup, "SET application_name = '", options.application, "';");
    }
    RETURN_IF_ERROR(out->Script(setup));
    return out;
  }
  ~Connection() {
    if (pg_ != nullptr) PQfinish(pg_);
  }

  bool healthy() const { return PQstatus(pg_) == CONNECTION_OK && !failed_; }
  bool in_transaction() const { return PQtransactionStatus(pg_) != PQTRANS_IDLE; }

  absl::Status Script(const std::string& sql) {
    return Check(PQexec(pg_, sql.c_str()), {PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY})
        .status();
  }

  // Sending and answer apart: a process that dies between them does not learn the outcome.
  absl::Status Commit(std::string_view fault_part) {
    fault::Point(fault_part, "written");
    if (PQsendQuery(pg_, "COMMIT") != 1) return ToStatus(nullptr, pg_);
    fault::Point(fault_part, "commit_sent");
    absl::Status status;
    while (PGresult* raw = PQgetResult(pg_)) {
      const auto result = Check(raw, {PGRES_COMMAND_OK});
      if (!result.ok()) {
        status = result.status();
      } else if (std::strcmp(PQcmdStatus(raw), "COMMIT") != 0) {
        status = AbortedError("TRANSACTION_FAILED", "a failed transaction was rolled back");
      }
    }
    if (status.ok()) fault::Point(fault_part, "committed");
    return status;
  }

  absl::StatusOr<Result> Exec(const std::string& sql, const Params& params) {
    ASSIGN_OR_RETURN(const std::string name, Prepare(sql, params));
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
    for (const Params::Value& value : params.values()) {
      values.push_back(value.is_null ? nullptr : value.bytes.data());
      lengths.push_back(static_cast<int>(value.bytes.size()));
      formats.push_back(1);
    }
    PGresult* result = PQexecPrepared(pg_, name.c_str(), static_cast<int>(values.size()),
                                      values.data(), lengths.data(), formats.data(), 1);
    return Check(result, {PGRES_COMMAND_OK, PGRES_TUPLES_OK});
  }

  absl::Status CopyIn(const std::string& sql, const std::string& rows) {
    RETURN_IF_ERROR(Check(PQexec(pg_, sql.c_str()), {PGRES_COPY_IN}).status());
    static constexpr char kHeader[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0";
    static constexpr char kTrailer[] = "\377\377";
    bool sent = PQputCopyData(pg_, kHeader, 19) == 1;
    for (size_t at = 0; sent && at < rows.size(); at += kCopyPart) {
      const size_t n = std::min(kCopyPart, rows.size() - at);
      sent = PQputCopyData(pg_, rows.data() + at, static_cast<int>(n)) == 1;
    }
    sent = sent && PQputCopyData(pg_, kTrailer, 2) == 1;
    PQputCopyEnd(pg_, sent ? nullptr : "client error");
    absl::Status status;
    while (PGresult* result = PQgetResult(pg_)) {
      absl::Status one = Check(result, {PGRES_COMMAND_OK}).status();
      if (status.ok()) status = one;
    }
    return status;
  }

 private:
  // Statements are prepared per SQL text and parameter types.
  absl::StatusOr<std::string> Prepare(const std::string& sql, const Params& params) {
    std::string key = sql;
    std::vector<Oid> oids;
    for (const Params::Value& value : params.values()) {
      oids.push_back(value.oid);
      absl::StrAppend(&key, "|", value.oid);
    }
    const auto found = prepared_.find(key);
    if (found != prepared_.end()) return found->second;
    if (prepared_.size() >= kPreparedMax) {
      RETURN_IF_ERROR(Script("DEALLOCATE ALL"));
      prepared_.clear();
    }
    const std::string name = absl::StrCat("s", ++prepared_count_);
    RETURN_IF_ERROR(
        Check(PQprepare(pg_, name.c_str(), sql.c_str(), static_cast<int>(oids.size()), oids.data()),
              {PGRES_COMMAND_OK})
            .status());
    prepared_[key] = name;
    return name;
  }

  absl::StatusOr<Result> Check(PGresult* raw, std::initializer_list<ExecStatusType> good) {
    Result result(raw);
    const ExecStatusType status = PQresultStatus(raw);
    if (std::find(good.begin(), good.end(), status) != good.end()) return result;
    if (PQstatus(pg_) == CONNECTION_BAD) failed_ = true;
    return ToStatus(raw, pg_);
  }

  PGconn* pg_ = nullptr;
  bool failed_ = false;
  int64_t prepared_count_ = 0;
  std::map<std::string, std::string> prepared_;
};

// ---- Tx

Tx::Tx(Pool* pool, std::unique_ptr<Connection> connection)
    : pool_(pool), connection_(std::move(connection)) {}
Tx::Tx(Tx&&) noexcept = default;
Tx& Tx::operator=(Tx&& other) noexcept {
  Rollback();
  pool_ = other.pool_;
  connection_ = std::move(other.connection_);
  return *this;
}
Tx::~Tx() { Rollback(); }

absl::StatusOr<Result> Tx::ExecParams(const std::string& sql, const Params& params) {
  if (connection_ == nullptr) return InternalError("DATABASE_ERROR", "the transaction has ended");
  return connection_->Exec(sql, params);
}

absl::Status Tx::ExecScript(const std::string& sql) {
  if (connection_ == nullptr) return InternalError("DATABASE_ERROR", "the transaction has ended");
  return connection_->Script(sql);
}

absl::Status Tx::CopyIn(const std::string& table, const std::string& columns,
                        const std::string& binary_rows) {
  if (connection_ == nullptr) return InternalError("DATABASE_ERROR", "the transaction has ended");
  return connection_->CopyIn(
      absl::StrCat("COPY ", table, " (", columns, ") FROM STDIN (FORMAT binary)"), binary_rows);
}

absl::Status Tx::Commit(std::string_view fault) {
  if (connection_ == nullptr) return InternalError("DATABASE_ERROR", "the transaction has ended");
  absl::Status status = connection_->Commit(fault);
  if (!status.ok() && !connection_->healthy()) {
    status =
        UnavailableError("COMMIT_OUTCOME_UNKNOWN",
                         "the connection broke while committing; the outcome must be looked up");
  }
  pool_->Release(std::move(connection_));
  return status;
}

void Tx::Rollback() {
  if (connection_ == nullptr) return;
  if (connection_->healthy()) connection_->Script("ROLLBACK").IgnoreError();
  pool_->Release(std::move(connection_));
}

// ---- Pool

Pool::Pool(Options options) : options_(std::move(options)) {}
Pool::~Pool() = default;

absl::StatusOr<Tx> Pool::Begin(Isolation isolation) {
  static constexpr const char* kBegin[] = {"BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ",
                                           "BEGIN ISOLATION LEVEL SERIALIZABLE"};
  const char* begin = kBegin[static_cast<int>(isolation)];
  // An idle connection may have died with the server: then the next one, at last a new one.
  while (true) {
    std::unique_ptr<Connection> connection;
    {
      absl::MutexLock lock(&mutex_);
      const auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return !idle_.empty() || open_ < options_.size_max;
      };
      if (!mutex_.AwaitWithTimeout(absl::Condition(&free), options_.wait)) {
        return ResourceExhaustedError("DATABASE_BUSY", "no database connection got free in time");
      }
      if (!idle_.empty()) {
        connection = std::move(idle_.back());
        idle_.pop_back();
      } else {
        ++open_;
      }
    }
    const bool fresh = connection == nullptr;
    if (fresh) {
      auto opened = Connection::Open(options_);
      if (!opened.ok()) {
        Release(nullptr);
        return opened.status();
      }
      connection = *std::move(opened);
    }
    const absl::Status status = connection->Script(begin);
    if (status.ok()) return Tx(this, std::move(connection));
    connection.reset();
    Release(nullptr);
    if (fresh) return status;
  }
}

void Pool::Release(std::unique_ptr<Connection> connection) {
  if (connection != nullptr && (!connection->healthy() || connection->in_transaction())) {
    connection.reset();
  }
  absl::MutexLock lock(&mutex_);
  if (connection == nullptr) {
    --open_;
  } else {
    idle_.push_back(std::move(connection));
  }
}

absl::Status RunTx(Pool& pool, const std::function<absl::Status(Tx&)>& fn, int attempts,
                   Isolation isolation) {
  while (true) {
    ASSIGN_OR_RETURN(Tx tx, pool.Begin(isolation));
    absl::Status status = fn(tx);
    if (status.ok()) status = tx.Commit();
    const std::string reason = ReasonOf(status);
    if ((reason != "SERIALIZATION_FAILURE" && reason != "DEADLOCK") || --attempts <= 0) {
      return status;
    }
  }
}

absl::Status ExecAlone(const std::string& url, const std::string& sql) {
  Pool::Options options;
  options.url = url;
  ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, Connection::Open(options));
  return connection->Script(sql);
}

absl::StatusOr<std::shared_ptr<Pool>> OpenPool(const std::string& url, const std::string& service,
                                               std::span<const Migration> migrations,
                                               int size_max) {
  if (url.empty()) {
    return FailedPreconditionError("NO_DATABASE", "no database URL is given for " + service);
  }
  RETURN_IF_ERROR(Migrate(url, service, migrations));
  Pool::Options options;
  options.url = url;
  options.schema = service;
  options.application = "broadbill-" + service;
  options.size_max = size_max;
  return std::make_shared<Pool>(std::move(options));
}

}  // namespace broadbill::db
