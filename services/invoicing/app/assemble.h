#pragma once

// From snapshots to finished drafts, in batches and without writing: what preview, dry run and the
// run share.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/accounts/v1/snapshot.pb.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "broadbill/invoicing/v1/document.pb.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/metrics.h"
#include "services/invoicing/domain/bill.h"
#include "services/invoicing/store/coverage.h"
#include "services/invoicing/store/rows.h"

namespace broadbill::invoicing {

namespace pb = broadbill::invoicing::v1;
namespace accounts = broadbill::accounts::v1;

struct Problem {
  pb::RunException::Reason reason = pb::RunException::INVALID_DATA;
  std::string message;
};

// One account's bill: nothing, a document, or a problem (with or without a document).
struct Draft {
  Uuid account_id;
  std::string currency;
  std::optional<DocumentRow> document;
  std::vector<LineRow> lines;
  std::vector<TaxRow> taxes;
  std::vector<CoverageUpdate> coverage;
  std::vector<UsageBilledRow> usage;
  std::vector<Uuid> charges;            // pending charges it bills
  std::vector<ChargeRow> made_charges;  // those it makes itself: deposits that a final bill returns
  std::vector<Problem> problems;
};

// How the drafts of a run are labelled.
struct DraftContext {
  CivilDay as_of;
  std::optional<Uuid> run_id;
  int32_t chunk = 0;
};

struct AccountWork;  // work.h

class Assembler {
 public:
  struct Peers {
    std::shared_ptr<rpc::Channel> accounts, rating, tax;
    rpc::Metrics* metrics = nullptr;
  };
  Assembler(std::shared_ptr<db::Pool> pool, const Clock& clock, Peers peers)
      : pool_(std::move(pool)), clock_(clock), peers_(std::move(peers)) {}

  // Drafts for up to 1,000 accounts, in the order given. UNAVAILABLE when a peer does not answer.
  absl::StatusOr<std::vector<Draft>> MakeDrafts(const std::vector<Uuid>& account_ids,
                                                const DraftContext& context) const;

 private:
  // Items and pending charges of the accounts, before usage and taxes.
  absl::StatusOr<std::vector<AccountWork>> BillRecurring(
      const accounts::BatchGetBillingSnapshotsResponse& snapshots,
      const std::vector<Uuid>& account_ids, CivilDay as_of) const;
  absl::Status AddUsage(std::vector<AccountWork>& work,
                        CivilDay as_of) const;  // clients/usage_lines.cc
  absl::Status AddTaxes(std::vector<AccountWork>& work,
                        CivilDay tax_date) const;                     // clients/tax_lines.cc
  absl::Status AddCreditTaxes(std::vector<AccountWork>& work) const;  // credit_tax.cc

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  const Peers peers_;
};

}  // namespace broadbill::invoicing
