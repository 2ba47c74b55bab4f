#include "libs/db/migrate.h"

#include <sodium.h>

#include <array>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/db/pool.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::db {
namespace {

constexpr char kCommon[] = R"SQL(
-- Answers of writes by idempotency key. Not by account: keys name their own scope.
CREATE TABLE command_key (
  scope        text NOT NULL,
  method       text NOT NULL,
  request_id   text NOT NULL,
  request_hash bytea NOT NULL,
  answer       bytea,
  at           timestamptz NOT NULL,
  PRIMARY KEY (scope, method, request_id)
);
-- The change feed: one row per commit and partition, dense positions in commit order.
CREATE TABLE feed (
  partition   int2 NOT NULL CHECK (partition >= 0 AND partition < 64),
  pos         int8 NOT NULL,
  event_count int4 NOT NULL CHECK (event_count > 0),
  at          timestamptz NOT NULL,
  payload     bytea NOT NULL,
  PRIMARY KEY (partition, pos)
);
CREATE TABLE feed_head (
  partition int2 PRIMARY KEY,
  pos       int8 NOT NULL
);
INSERT INTO feed_head SELECT p, 0 FROM generate_series(0, 63) p;
-- How far this service has applied another service's feed, and who is at it.
CREATE TABLE feed_cursor (
  source      text NOT NULL,
  partition   int2 NOT NULL,
  pos         int8 NOT NULL,
  lease_owner uuid,
  lease_until timestamptz,
  PRIMARY KEY (source, partition)
);
-- Events that could not be applied, with all later ones of their account.
CREATE TABLE feed_parked (
  source     text NOT NULL,
  partition  int2 NOT NULL,
  pos        int8 NOT NULL,
  number     int4 NOT NULL,
  account_id uuid NOT NULL,
  type       text NOT NULL,
  body       bytea NOT NULL,
  at         timestamptz NOT NULL,
  reason     text NOT NULL,
  PRIMARY KEY (source, partition, pos, number)
);
CREATE INDEX feed_parked_account ON feed_parked (account_id);
-- Chunked work, claimed by any process under a lease.
CREATE TABLE job (
  job_id     uuid PRIMARY KEY,
  kind       text NOT NULL,
  state      text NOT NULL CHECK (state IN ('running', 'paused', 'cancelled', 'finished')),
  spec       bytea NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE TABLE job_chunk (
  job_id      uuid NOT NULL REFERENCES job,
  chunk       int4 NOT NULL,
  state       text NOT NULL CHECK (state IN ('ready', 'claimed', 'done')),
  fence       int8 NOT NULL DEFAULT 0,
  lease_until timestamptz,
  attempts    int4 NOT NULL DEFAULT 0,
  PRIMARY KEY (job_id, chunk)
);
)SQL";

constexpr std::array<Migration, 1> kCommonMigrations{{{"000_common", kCommon}}};

std::string Sha256(std::string_view text) {
  std::string out(crypto_hash_sha256_BYTES, '\0');
  crypto_hash_sha256(reinterpret_cast<unsigned char*>(out.data()),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return absl::BytesToHexString(out);
}

absl::Status ApplyAll(Pool& pool, const std::string& service, const std::vector<Migration>& steps) {
  // One session-long lock would pin a connection; the lock is taken again in every transaction.
  const std::string lock =
      absl::StrCat("SELECT pg_advisory_xact_lock(hashtextextended('broadbill.", service, "', 0))");
  size_t done = 0;
  while (true) {
    ASSIGN_OR_RETURN(Tx tx, pool.Begin());
    RETURN_IF_ERROR(tx.ExecScript(lock));
    RETURN_IF_ERROR(tx.ExecScript(absl::StrCat(
        "CREATE SCHEMA IF NOT EXISTS ", service, "; CREATE TABLE IF NOT EXISTS ", service,
        ".schema_migration (name text "
        "PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL)")));
    ASSIGN_OR_RETURN(const Result rows, tx.Exec(absl::StrCat("SELECT name, sha256 FROM ", service,
                                                             ".schema_migration ORDER BY name")));
    std::map<std::string, std::string> applied;
    for (int i = 0; i < rows.size(); ++i) {
      applied[rows.Get<std::string>(i, 0)] = rows.Get<std::string>(i, 1);
    }
    const Migration* next = nullptr;
    done = 0;
    for (const Migration& step : steps) {
      const auto found = applied.find(std::string(step.name));
      if (found == applied.end()) {
        if (next == nullptr) next = &step;
        continue;
      }
      ++done;
      if (found->second != Sha256(step.sql)) {
        return FailedPreconditionError("MIGRATION_CHANGED",
                                       absl::StrCat("step ", std::string(step.name), " of schema ",
                                                    service, " differs from the one applied"));
      }
    }
    if (applied.size() > done) {
      return FailedPreconditionError(
          "SCHEMA_UNKNOWN", absl::StrCat("schema ", service,
                                         " has steps that this program does not know; use the "
                                         "newer program that made them"));
    }
    if (next == nullptr) return tx.Commit();
    RETURN_IF_ERROR(Annotate(tx.ExecScript(std::string(next->sql)),
                             absl::StrCat(service, "/", std::string(next->name))));
    RETURN_IF_ERROR(
        tx.Exec(absl::StrCat("INSERT INTO ", service, ".schema_migration VALUES ($1, $2, now())"),
                std::string(next->name), Sha256(next->sql))
            .status());
    RETURN_IF_ERROR(tx.Commit());
  }
}

}  // namespace

std::span<const Migration> CommonMigrations() { return kCommonMigrations; }

absl::Status Migrate(const std::string& url, const std::string& service,
                     std::span<const Migration> migrations) {
  Pool::Options options;
  options.url = url;
  options.schema = service;
  options.application = "broadbill-migrate";
  Pool pool(std::move(options));
  std::vector<Migration> steps(CommonMigrations().begin(), CommonMigrations().end());
  steps.insert(steps.end(), migrations.begin(), migrations.end());
  return ApplyAll(pool, service, steps);
}

}  // namespace broadbill::db
