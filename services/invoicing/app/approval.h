#pragma once

// Drafts that wait for a person: those above the amount that a run may post without approval, and
// what becomes of waiting drafts.

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/status/error.h"
#include "services/invoicing/app/assemble.h"

namespace broadbill::invoicing {

// The request's limit; what is wrong with it is added to `violations`.
std::optional<Decimal> ReadApproval(const pb::CreateBillRunRequest& request,
                                    Violations& violations);
// Keeps a run's limit.
absl::Status KeepApproval(db::Tx& tx, const Uuid& run_id, const std::optional<Decimal>& above);

// Makes the run's drafts above its limit wait (NEEDS_APPROVAL).
absl::Status HoldForApproval(db::Pool& pool, const Uuid& run_id, std::vector<Draft>& drafts);

// Keeps an account's drafts that wait again after they were billed again: its open exceptions of
// the run become those of the new drafts.
absl::Status HoldAgain(db::Pool& pool, const RunRow& run, const std::vector<Draft>& drafts,
                       absl::Time now);

}  // namespace broadbill::invoicing
