#include "libs/jobs/jobs.h"

#include "absl/time/clock.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::jobs {
namespace {

absl::Status LeaseLost() {
  return AbortedError("LEASE_LOST", "the chunk's lease was lost or its job does not run");
}

}  // namespace

absl::Status Create(db::Tx& tx, const Uuid& job_id, const std::string& kind,
                    const std::string& spec, int32_t chunks, absl::Time created_at) {
  RETURN_IF_ERROR(tx.Exec("INSERT INTO job (job_id, kind, state, spec, created_at) "
                          "VALUES ($1, $2, 'running', $3, $4)",
                          job_id, kind, db::Bytes{spec}, created_at)
                      .status());
  return tx
      .Exec(
          "INSERT INTO job_chunk (job_id, chunk, state) "
          "SELECT $1, n, 'ready' FROM generate_series(0, $2 - 1) n",
          job_id, chunks)
      .status();
}

absl::StatusOr<std::optional<Claim>> Take(db::Pool& pool, const std::string& kind,
                                          absl::Duration lease, std::optional<Uuid> job_id) {
  const absl::Time now = absl::Now();
  ASSIGN_OR_RETURN(
      const db::Result rows,
      pool.Exec("WITH free AS (SELECT c.job_id, c.chunk, j.spec FROM job_chunk c "
                "JOIN job j USING (job_id) WHERE j.kind = $1 AND j.state = 'running' "
                "AND ($4::uuid IS NULL OR j.job_id = $4) "
                "AND (c.state = 'ready' OR (c.state = 'claimed' AND c.lease_until < $2)) "
                "ORDER BY j.created_at, c.job_id, c.chunk LIMIT 1 FOR UPDATE OF c SKIP LOCKED) "
                "UPDATE job_chunk c SET state = 'claimed', fence = c.fence + 1, lease_until = $3, "
                "attempts = c.attempts + 1 FROM free "
                "WHERE c.job_id = free.job_id AND c.chunk = free.chunk "
                "RETURNING c.job_id, c.chunk, c.fence, c.attempts, free.spec",
                kind, now, now + lease, job_id));
  if (rows.empty()) return std::optional<Claim>();
  return std::optional<Claim>(Claim{rows.Get<Uuid>(0, 0), rows.Get<int32_t>(0, 1),
                                    rows.Get<int64_t>(0, 2), rows.Get<int32_t>(0, 3),
                                    rows.Get<db::Bytes>(0, 4).data});
}

absl::Status Renew(db::Pool& pool, const Claim& claim, absl::Duration lease) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      pool.Exec("UPDATE job_chunk SET lease_until = $4 WHERE job_id = $1 AND chunk = $2 "
                "AND fence = $3 AND state = 'claimed'",
                claim.job_id, claim.chunk, claim.fence, absl::Now() + lease));
  return rows.affected() == 1 ? absl::OkStatus() : LeaseLost();
}

// The job is locked as well: who ends it waits for the chunks that are being saved, and finds all
// they wrote.
absl::Status Fence(db::Tx& tx, const Claim& claim) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT 1 FROM job_chunk c JOIN job j USING (job_id) "
                           "WHERE c.job_id = $1 AND c.chunk = $2 AND c.fence = $3 "
                           "AND c.state = 'claimed' AND j.state IN ('running', 'paused') "
                           "FOR UPDATE OF c FOR SHARE OF j",
                           claim.job_id, claim.chunk, claim.fence));
  return rows.size() == 1 ? absl::OkStatus() : LeaseLost();
}

absl::Status Done(db::Tx& tx, const Claim& claim) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("UPDATE job_chunk SET state = 'done', lease_until = NULL "
                           "WHERE job_id = $1 AND chunk = $2 AND fence = $3 AND state = 'claimed'",
                           claim.job_id, claim.chunk, claim.fence));
  return rows.affected() == 1 ? absl::OkStatus() : LeaseLost();
}

absl::Status Release(db::Pool& pool, const Claim& claim) {
  return pool
      .Exec(
          "UPDATE job_chunk SET state = 'ready', lease_until = NULL "
          "WHERE job_id = $1 AND chunk = $2 AND fence = $3 AND state = 'claimed'",
          claim.job_id, claim.chunk, claim.fence)
      .status();
}

absl::StatusOr<int64_t> ReleaseAll(db::Pool& pool, const std::string& kind) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      pool.Exec("UPDATE job_chunk c SET state = 'ready', lease_until = NULL FROM job j "
                "WHERE j.job_id = c.job_id AND j.kind = $1 AND c.state = 'claimed'",
                kind));
  return rows.affected();
}

Leases::Held::Held(Leases* leases, const Claim& claim) : leases_(leases) {
  absl::MutexLock lock(&leases_->mutex_);
  leases_->held_.emplace(this, claim);
}

Leases::Held::~Held() {
  absl::MutexLock lock(&leases_->mutex_);
  leases_->held_.erase(this);
}

void Leases::Renew() {
  std::vector<Claim> claims;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [held, claim] : held_) claims.push_back(claim);
  }
  for (const Claim& claim : claims) jobs::Renew(*pool_, claim, lease_).IgnoreError();
}

absl::StatusOr<Progress> GetProgress(db::Tx& tx, const Uuid& job_id) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT j.state, count(c.chunk), "
                           "count(c.chunk) FILTER (WHERE c.state = 'done') "
                           "FROM job j LEFT JOIN job_chunk c USING (job_id) WHERE j.job_id = $1 "
                           "GROUP BY j.state",
                           job_id));
  if (rows.empty()) return NotFoundError("JOB_NOT_FOUND", "there is no such job");
  return Progress{rows.Get<std::string>(0, 0), rows.Get<int64_t>(0, 1), rows.Get<int64_t>(0, 2)};
}

absl::Status SetState(db::Tx& tx, const Uuid& job_id, const std::string& state) {
  ASSIGN_OR_RETURN(const db::Result rows, tx.Exec("UPDATE job SET state = $2 WHERE job_id = $1 "
                                                  "AND state IN ('running', 'paused')",
                                                  job_id, state));
  if (rows.affected() == 1) return absl::OkStatus();
  return FailedPreconditionError("JOB_ENDED", "the job has ended or does not exist");
}

}  // namespace broadbill::jobs
