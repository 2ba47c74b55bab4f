#pragma once

// What scenarios expect of reports. Every expectation answers what differs; nothing: as expected.
//
//   expect aging DATE [account A1] [by-value-date] [currency EUR] [current N] [1-30 N] [31-60 N]
//     [61-90 N] [over-90 N] [total N] [unapplied N] [accounts COUNT]
//   expect account-balance A1 N [on DATE] [open N] [unapplied N]
//   expect posted-invoices COUNT [credit-notes COUNT] [net N] [tax N] [total N] [open N] [from
//   DATE]
//     [to DATE] [account A1] [currency EUR]      (to: the first day after)
//   expect unposted-invoices COUNT [credit-notes COUNT] [net N] [tax N] [total N] [currency EUR]
//   expect tax-report JURISDICTION_CODE N [from DATE] [to DATE] [month 2026-03] [credit-notes]
//     [gross N] [exempt N] [taxable N] [documents COUNT] [reason ITFA] [currency EUR]
//   expect payments-report KIND|all [from DATE] [to DATE] [day DATE] [payments COUNT] [received N]
//     [declines COUNT] [declined N] [refunded N] [returned N] [currency EUR]
//   expect trial-balance zero [on DATE]          debits = credits, controls = subledgers
//   expect trial-balance CODE N [on DATE] [currency EUR]      debits less credits of one account
//   expect reports reconcile                     all reports with payments' ledger and all
//   documents

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::scenarios {

using Differences = std::vector<std::string>;

// Whether `what` is one of the above.
bool IsReport(const std::string& what);
// `words` are those after `what`.
absl::StatusOr<Differences> ExpectReport(World& world, const std::string& what,
                                         const std::vector<std::string>& words);
// expect reports reconcile
absl::StatusOr<Differences> Reconcile(World& world);

}  // namespace broadbill::scenarios
