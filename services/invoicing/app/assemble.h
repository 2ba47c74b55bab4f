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
  std::optional<int64_t> forecast = {};  // net, minor units
};

// A company's logo image.
struct Logo {
  std::string sha256;  // in hexadecimal
  std::string png;
};

// What a line has had credited when a draft that credits more of it was computed.
struct CreditSeen {
  Uuid account_id, document_id;  // the line's
  Uuid line_id;
  int64_t credited = 0;
};

// One account's bill: nothing, a document, or a problem (with or without a document). An account
// may have two in a row: its invoice, and its corrections as a credit note.
struct Draft {
  Uuid account_id;
  std::string currency;
  std::optional<DocumentRow> document;
  std::vector<LineRow> lines;
  std::vector<TaxRow> taxes;
  std::vector<CoverageUpdate> coverage;
  std::vector<UsageBilledRow> usage;
  std::vector<Uuid> charges;    // pending charges it bills
  std::vector<ChargeRow> fees;  // one-time charges that follow from its items, billed by it
  std::vector<Uuid> children;   // accounts whose items stand on it
  std::optional<Uuid> twin;     // the other document that was made with it
  std::vector<CreditSeen> seen;
  std::vector<ChargeRow> made_charges;  // those it makes itself: deposits that a final bill returns
  std::vector<Problem> problems;
  std::shared_ptr<const Logo> logo;  // its company's; may be nullptr
};

// How the drafts of a run are labelled.
struct DraftContext {
  CivilDay as_of;
  std::optional<Uuid> run_id;
  int32_t chunk = 0;
  // How far a document may be off its forecast, percent; unset: not checked.
  std::optional<Decimal> tolerance = {};
  // Mid-cycle changes do not wait for the cycle invoice.
  bool at_once = false;
  // What accounts told, instead of asking it.
  const accounts::BatchGetBillingSnapshotsResponse* snapshots = nullptr;
  // Drafts as if they were saved.
  const std::vector<Draft>* after = nullptr;
};

struct AccountWork;  // work.h

class Assembler {
 public:
  struct Peers {
    std::shared_ptr<rpc::Channel> accounts, rating, tax;
    rpc::Metrics* metrics = nullptr;
    std::shared_ptr<rpc::Channel> payments = nullptr;
  };
  Assembler(std::shared_ptr<db::Pool> pool, const Clock& clock, Peers peers)
      : pool_(std::move(pool)), clock_(clock), peers_(std::move(peers)) {}

  // Drafts for up to 1,000 accounts, in the order given. UNAVAILABLE when a peer does not answer.
  absl::StatusOr<std::vector<Draft>> MakeDrafts(const std::vector<Uuid>& account_ids,
                                                const DraftContext& context) const;
  // What accounts tells of an account, with changes as if they were recorded.
  absl::StatusOr<accounts::BatchGetBillingSnapshotsResponse> Suppose(
      const Uuid& account_id,
      const google::protobuf::RepeatedPtrField<accounts::HypotheticalChange>& changes) const;
  // The day of the next cycle invoice by the context's snapshots, at most `days` after its date.
  absl::StatusOr<std::optional<CivilDay>> NextBill(const DraftContext& context, int days) const;

 private:
  // Items and pending charges of the accounts, before usage and taxes.
  absl::StatusOr<std::vector<AccountWork>> BillRecurring(
      const accounts::BatchGetBillingSnapshotsResponse& snapshots,
      const DraftContext& context) const;
  absl::Status AddUsage(std::vector<AccountWork>& work,
                        const DraftContext& context) const;  // clients/usage_lines.cc
  absl::Status AddTaxes(std::vector<AccountWork>& work,
                        CivilDay tax_date) const;                     // clients/tax_lines.cc
  absl::Status AddCreditTaxes(std::vector<AccountWork>& work) const;  // credit_tax.cc
  absl::Status AddStatements(std::vector<AccountWork>& work,
                             CivilDay as_of) const;  // clients/statements.cc

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  const Peers peers_;
};

}  // namespace broadbill::invoicing
