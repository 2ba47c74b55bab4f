#pragma once

// A run's row and what it looks like to the outside; shared by its RPCs and its workers.

#include <map>
#include <string>

#include "services/invoicing/app/assemble.h"

namespace broadbill::invoicing {

// NOT_FOUND (BILL_RUN_NOT_FOUND).
absl::StatusOr<RunRow> FindRun(db::Tx& tx, const std::string& bill_run_id);
// The same, locked until the transaction ends: posting waits.
absl::StatusOr<RunRow> LockRun(db::Tx& tx, const std::string& bill_run_id);
absl::StatusOr<pb::BillRun> ToProto(db::Tx& tx, const RunRow& run);
// An open exception of an account's draft.
ExceptionRow MakeException(const Uuid& run_id, const Draft& draft, const Problem& problem,
                           absl::Time now);
// Worth another try as it is; else the work itself was refused.
bool IsTransient(const absl::Status& status);

// What documents come to, by currency, added to a chunk of the run.
class Totals {
 public:
  void Add(const DocumentRow& document);
  absl::Status Write(db::Tx& tx, const Uuid& run_id, int32_t chunk) const;

 private:
  std::map<std::string, TotalRow> by_currency_;
};

}  // namespace broadbill::invoicing
