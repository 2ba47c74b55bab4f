#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/common/v1/import_result.pb.h"
#include "broadbill/payments/v1/collections.pb.h"
#include "broadbill/payments/v1/events.pb.h"
#include "broadbill/payments/v1/ledger.pb.h"
#include "broadbill/payments/v1/method.pb.h"
#include "broadbill/payments/v1/payment.pb.h"
#include "libs/convert/write.h"
#include "libs/feed/consumer.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/context.h"
#include "services/payments/domain/late_fees.h"
#include "services/payments/domain/receivables.h"
#include "services/payments/store/rows.h"

namespace broadbill::payments {

namespace pb = broadbill::payments::v1;
using ImportResult = broadbill::common::v1::ImportResult;

// Ledger accounts. AR and customer credit have a subledger per customer.
inline constexpr char kReceivable[] = "ar";
inline constexpr char kSales[] = "sales_clearing";  // split into revenue and tax by reporting
inline constexpr char kCash[] = "cash";
inline constexpr char kCustomerCredit[] = "customer_credit";
inline constexpr char kOpening[] = "opening";

// One batch of bookings: collects rows, then writes them together with their events. Everything
// that moves money goes through here, so the ledger and the subledgers cannot drift apart.
class Book {
 public:
  Book(db::Tx& tx, absl::Time now) : tx_(tx), now_(now) {}

  // A receivable: its transfer debits AR and credits `credit`.
  void AddItem(ItemRow item, const char* credit, pb::Transfer::Kind kind, CivilDay posting_date);
  // A payment, credit note or opening credit with its cash transfer.
  void AddCredit(CreditRow credit, const std::string& debit, pb::Transfer::Kind kind,
                 std::optional<Uuid> document_id);
  // The credit pays this document before all others.
  void PayFirst(const Uuid& credit, const Uuid& document) { pay_first_[credit] = document; }
  // Explicit allocation; amounts must fit what is open and unapplied. Negative: taken off again.
  void Allocate(const CreditRow& credit, const ItemRow& item, int64_t amount, CivilDay value_date,
                CivilDay posting_date);
  void Transfer(const Uuid& account, pb::Transfer::Kind kind, const char* debit, const char* credit,
                const std::string& currency, int64_t amount, CivilDay value_date,
                CivilDay posting_date, std::optional<Uuid> document, std::optional<Uuid> payment);
  // Lets the credits of these accounts pay their open items, as far as they go.
  absl::Status AutoAllocate(const std::vector<Uuid>& accounts, CivilDay value_date,
                            CivilDay posting_date);
  // Writes all; the events go to `events` to be appended last.
  absl::Status Write(std::vector<db::FeedEvent>& events);

 private:
  absl::Status WriteNew();
  absl::Status WriteAllocations();

  db::Tx& tx_;
  const absl::Time now_;
  std::vector<ItemRow> items_;
  std::map<Uuid, CivilDay> due_dates_;  // of documents opened here
  std::map<Uuid, Uuid> pay_first_;      // credits made here to the documents they pay first
  std::vector<CreditRow> credits_;
  std::vector<AllocationRow> allocations_;
  std::vector<TransferRow> transfers_;
};

class PaymentsApp {
 public:
  PaymentsApp(std::shared_ptr<db::Pool> pool, const Clock& clock,
              std::shared_ptr<rpc::Channel> accounts)
      : pool_(std::move(pool)), clock_(clock), accounts_(std::move(accounts)) {}

  // payments.cc
  absl::StatusOr<pb::Payment> CreatePayment(const rpc::Context&, const pb::CreatePaymentRequest&);
  absl::StatusOr<pb::Payment> GetPayment(const rpc::Context&, const pb::GetPaymentRequest&);
  absl::StatusOr<pb::ListPaymentsResponse> ListPayments(const rpc::Context&,
                                                        const pb::ListPaymentsRequest&);
  absl::StatusOr<pb::Payment> RefundPayment(const rpc::Context&, const pb::RefundPaymentRequest&);
  absl::StatusOr<pb::Payment> ReturnPayment(const rpc::Context&, const pb::ReturnPaymentRequest&);
  absl::StatusOr<ImportResult> ImportOpeningBalances(const rpc::Context&,
                                                     const pb::ImportOpeningBalancesRequest&);
  // methods.cc
  absl::StatusOr<pb::PaymentMethod> CreatePaymentMethod(const rpc::Context&,
                                                        const pb::CreatePaymentMethodRequest&);
  absl::StatusOr<pb::ListPaymentMethodsResponse> ListPaymentMethods(
      const rpc::Context&, const pb::ListPaymentMethodsRequest&);
  absl::StatusOr<pb::Autopay> SetAutopay(const rpc::Context&, const pb::SetAutopayRequest&);
  absl::StatusOr<ImportResult> ImportPaymentMethods(const rpc::Context&,
                                                    const pb::ImportPaymentMethodsRequest&);
  absl::StatusOr<pb::ListAttemptsResponse> ListAttempts(const rpc::Context&,
                                                        const pb::ListAttemptsRequest&);
  // collections.cc
  absl::StatusOr<pb::RunCollectionsResponse> RunCollections(const rpc::Context&,
                                                            const pb::RunCollectionsRequest&);
  // policies.cc
  absl::StatusOr<pb::DunningPolicy> CreateDunningPolicy(const rpc::Context&,
                                                        const pb::CreateDunningPolicyRequest&);
  absl::StatusOr<pb::ListDunningPoliciesResponse> ListDunningPolicies(
      const rpc::Context&, const pb::ListDunningPoliciesRequest&);
  // disputes.cc
  absl::StatusOr<pb::Dispute> CreateDispute(const rpc::Context&, const pb::CreateDisputeRequest&);
  absl::StatusOr<pb::Dispute> EndDispute(const rpc::Context&, const pb::EndDisputeRequest&);
  absl::StatusOr<pb::ListDisputesResponse> ListDisputes(const rpc::Context&,
                                                        const pb::ListDisputesRequest&);
  // ledger.cc
  // statements.cc
  absl::StatusOr<pb::BatchGetStatementBalancesResponse> BatchGetStatementBalances(
      const rpc::Context&, const pb::BatchGetStatementBalancesRequest&);
  absl::StatusOr<pb::AccountBalance> GetAccountBalance(const rpc::Context&,
                                                       const pb::GetAccountBalanceRequest&);
  absl::StatusOr<pb::ListOpenItemsResponse> ListOpenItems(const rpc::Context&,
                                                          const pb::ListOpenItemsRequest&);
  absl::StatusOr<pb::ListTransfersResponse> ListTransfers(const rpc::Context&,
                                                          const pb::ListTransfersRequest&);
  absl::StatusOr<pb::VerifyLedgerResponse> VerifyLedger(const rpc::Context&,
                                                        const pb::VerifyLedgerRequest&);
  // feeds.cc
  absl::Status OnInvoicingEvents(db::Tx& tx, const std::vector<feed::Event>& events);
  absl::Status OnAccountsEvents(db::Tx& tx, const std::vector<feed::Event>& events);

 private:
  CivilDay Today() const;
  // Settles attempts whose outcome is not booked yet: asks the processor, never charges again.
  absl::Status Settle(std::vector<AttemptRow>& attempts, CivilDay as_of,
                      pb::RunCollectionsResponse& out);
  // One call of RunCollections.
  struct Collecting {
    CivilDay as_of;
    std::vector<Uuid> only = {};  // accounts; none: all
    bool keep = true;             // false: nobody is charged, nothing is kept
  };
  absl::Status Collect(const Collecting& what, pb::RunCollectionsResponse& out);
  absl::Status Autopay(const Collecting& what, pb::RunCollectionsResponse& out);
  // dunning.cc: late fees and reminders, policy by policy in bounded transactions. `groups` are
  // those that have a policy.
  absl::Status Dun(const Collecting& what, pb::RunCollectionsResponse& out);
  absl::Status DunGroup(const pb::DunningPolicy& policy, const std::vector<std::string>& groups,
                        const Collecting& what, pb::RunCollectionsResponse& out);
  // The account's currency; NOT_FOUND (ACCOUNT_NOT_FOUND) when neither accounts' feed nor accounts
  // itself knows it. Not inside a transaction: it may call accounts.
  absl::StatusOr<std::string> CurrencyOf(const Uuid& account);

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  const std::shared_ptr<rpc::Channel> accounts_;
};

// simulator.cc: a processor that lives in this database but keeps its own books.
struct Outcome {
  bool known = false;  // false: the answer was lost
  bool succeeded = false;
  bool hard = false;
  std::string decline_code;
};
// Charges once per idempotency key. Tokens script the answer: "…insufficient…" declines softly,
// "…insufficient_once…" only the first time, "…stolen…" declines hard, "…lost…" charges but loses
// the answer; anything else succeeds.
absl::StatusOr<Outcome> SimulatorCharge(db::Pool& pool, const Uuid& key, const std::string& token,
                                        int64_t amount);
// What became of a key; known = false when the processor never saw it.
absl::StatusOr<Outcome> SimulatorQuery(db::Pool& pool, const Uuid& key);

// An event of this service with account and time set.
pb::Event MakeEvent(const Uuid& account, absl::Time now);
void AddEvent(const Uuid& account, const pb::Event& event, std::vector<db::FeedEvent>& events);
// What each account owes now: open documents less unapplied credit.
absl::StatusOr<std::map<Uuid, int64_t>> BalancesOf(db::Tx& tx, const std::vector<Uuid>& accounts);

}  // namespace broadbill::payments
