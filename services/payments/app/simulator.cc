#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {
namespace {

bool Has(const std::string& token, const char* word) {
  return token.find(word) != std::string::npos;
}

}  // namespace

absl::StatusOr<Outcome> SimulatorCharge(db::Pool& pool, const Uuid& key, const std::string& token,
                                        int64_t amount) {
  ASSIGN_OR_RETURN(db::Tx tx, pool.Begin());
  Outcome out;
  out.known = true;
  out.succeeded = true;
  int64_t sequence = 0;
  if (Has(token, "insufficient_once")) {
    ASSIGN_OR_RETURN(const db::Result before,
                     tx.Exec("SELECT count(*) FROM simulator_charge WHERE token = $1", token));
    sequence = before.Get<int64_t>(0, 0);
    out.succeeded = sequence > 0;
  } else if (Has(token, "insufficient") || Has(token, "stolen")) {
    out.succeeded = false;
  }
  if (!out.succeeded)
    out.decline_code = Has(token, "stolen") ? "stolen_card" : "insufficient_funds";
  out.hard = Has(token, "stolen");
  ASSIGN_OR_RETURN(
      const db::Result kept,
      tx.Exec("INSERT INTO simulator_charge VALUES ($1, $2, $3, $4, $5, $6, $7) "
              "ON CONFLICT DO NOTHING",
              key, token, amount, out.succeeded, out.decline_code, out.hard, sequence));
  RETURN_IF_ERROR(tx.Commit());
  if (kept.affected() == 0)
    return SimulatorQuery(pool, key);  // the same key again: the same answer
  if (Has(token, "lost")) out.known = false;
  return out;
}

absl::StatusOr<Outcome> SimulatorQuery(db::Pool& pool, const Uuid& key) {
  ASSIGN_OR_RETURN(const db::Result row,
                   pool.Exec("SELECT succeeded, hard, decline_code FROM simulator_charge "
                             "WHERE idempotency_key = $1",
                             key));
  Outcome out;
  if (row.empty()) return out;
  out.known = true;
  out.succeeded = row.Get<bool>(0, 0);
  out.hard = row.Get<bool>(0, 1);
  out.decline_code = row.Get<std::string>(0, 2);
  return out;
}

}  // namespace broadbill::payments
