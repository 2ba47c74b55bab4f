#pragma once

// Deposits: what a customer gave as security. They are pending charges of kind DEPOSIT whose lines
// are given back by lines that correct them, never more than was billed.

#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/invoicing/app/assemble.h"

namespace broadbill::invoicing {

// A posted line that holds a deposit.
struct DepositLine {
  Uuid account_id;
  Uuid line_id;
  Uuid document_id;
  std::string currency;
  int64_t left = 0;  // not given back, nor about to be
  ChargeRow charge;
};

// The deposit lines of accounts, the oldest first, also those that nothing is left of.
absl::StatusOr<std::vector<DepositLine>> LoadDeposits(db::Tx& tx,
                                                      const std::vector<Uuid>& accounts);

// What waits to be given back, by deposit line, in minor units.
absl::StatusOr<std::map<Uuid, int64_t>> WaitingReturns(db::Tx& tx, const Uuid& account,
                                                       const std::string& currency);

// The charge that gives `amount` minor units of a deposit back.
absl::StatusOr<ChargeRow> ReturnOf(const DepositLine& deposit, int64_t amount, absl::Time now);

// For accounts whose last item ended by `as_of`: charges in state BILLED that give back what is
// left of their deposits, once a deposit.
absl::StatusOr<std::vector<ChargeRow>> FinalDeposits(
    db::Tx& tx, const accounts::BatchGetBillingSnapshotsResponse& snapshots, CivilDay as_of,
    absl::Time now);

// Writes the charges that drafts made themselves; ABORTED (DEPOSIT_MOVED) when a deposit was given
// back meanwhile. After the drafts' lines.
absl::Status SaveDepositReturns(db::Tx& tx, const std::vector<Draft>& drafts);

}  // namespace broadbill::invoicing
