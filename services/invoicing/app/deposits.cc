#include "services/invoicing/app/deposits.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/clients/snapshots.h"
#include "services/invoicing/app/invoicing_app.h"
#include "services/invoicing/app/whole.h"
#include "services/invoicing/app/work.h"

namespace broadbill::invoicing {
namespace {

constexpr char kReturnSource[] = "deposit";       // by ApplyDeposit
constexpr char kFinalSource[] = "deposit.final";  // by a final bill
constexpr char kReturned[] = "Deposit returned";
static_assert(pb::Line::DEPOSIT == 9 && static_cast<int>(LineKind::kDeposit) == 9);  // the SQL's 9

absl::StatusOr<int64_t> AmountOf(const ChargeRow& charge, const std::string& currency) {
  ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(currency));
  return (Fraction::MinorUnits(charge.unit_price, exponent) * Fraction::Of(charge.quantity))
      .Round();
}

// The last item has ended: nothing but deposits is to come.
bool IsOver(const accounts::BillingSnapshot& snapshot, CivilDay as_of) {
  if (snapshot.items_size() == 0) return false;
  return std::all_of(snapshot.items().begin(), snapshot.items().end(), [&](const auto& item) {
    return item.segments_size() > 0 &&
           ToDay(item.segments(item.segments_size() - 1).end_date(), CivilDay::max()) <= as_of;
  });
}

absl::Status LockDocuments(db::Tx& tx, const std::vector<DepositLine>& deposits) {
  std::vector<Uuid> accounts, documents;
  for (const DepositLine& deposit : deposits) {
    accounts.push_back(deposit.account_id);
    documents.push_back(deposit.document_id);
  }
  return tx
      .Exec(
          "SELECT 1 FROM document WHERE (account_id, document_id) IN (SELECT * FROM unnest($1, "
          "$2)) ORDER BY document_id FOR UPDATE",
          accounts, documents)
      .status();
}

}  // namespace

absl::StatusOr<std::map<Uuid, int64_t>> WaitingReturns(db::Tx& tx, const Uuid& account,
                                                       const std::string& currency) {
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<ChargeRow>(tx,
                                         "WHERE account_id = $1 AND kind = 9 AND state = 1 AND "
                                         "corrects_line_id IS NOT NULL",
                                         account));
  std::map<Uuid, int64_t> out;
  for (const ChargeRow& row : rows) {
    ASSIGN_OR_RETURN(const int64_t amount, AmountOf(row, currency));
    out[*row.corrects_line_id] -= amount;
  }
  return out;
}

absl::StatusOr<std::vector<DepositLine>> LoadDeposits(db::Tx& tx,
                                                      const std::vector<Uuid>& accounts) {
  ASSIGN_OR_RETURN(const auto charges,
                   db::Select<ChargeRow>(tx,
                                         "WHERE account_id = ANY($1) AND kind = 9 AND state = 2 "
                                         "AND corrects_line_id IS NULL ORDER BY charge_id",
                                         accounts));
  std::vector<DepositLine> out;
  for (const ChargeRow& charge : charges) {
    ASSIGN_OR_RETURN(
        const db::Result rows,
        tx.Exec("SELECT l.line_id, d.currency, (l.amount + coalesce((SELECT sum(c.amount) FROM "
                "line c WHERE c.corrects_line_id = l.line_id AND NOT EXISTS (SELECT 1 FROM voiding "
                "v WHERE v.document_id = c.document_id)), 0))::int8 FROM line l JOIN document d "
                "USING (account_id, document_id) JOIN posting p USING (document_id) "
                "WHERE l.account_id = $1 AND l.document_id = $2 AND l.source = $3 AND "
                "l.source_id = $4",
                charge.account_id, *charge.document_id, charge.source, charge.source_id));
    if (rows.empty()) continue;  // not posted yet
    DepositLine deposit;
    deposit.account_id = charge.account_id;
    deposit.document_id = *charge.document_id;
    deposit.line_id = rows.Get<Uuid>(0, 0);
    deposit.currency = rows.Get<std::string>(0, 1);
    deposit.charge = charge;
    ASSIGN_OR_RETURN(const auto waiting, WaitingReturns(tx, charge.account_id, deposit.currency));
    const auto waits = waiting.find(deposit.line_id);
    deposit.left = rows.Get<int64_t>(0, 2) - (waits == waiting.end() ? 0 : waits->second);
    out.push_back(std::move(deposit));
  }
  return out;
}

absl::StatusOr<ChargeRow> ReturnOf(const DepositLine& deposit, int64_t amount, absl::Time now) {
  ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(deposit.currency));
  ChargeRow row = deposit.charge;
  row.charge_id = Uuid::Make(now);
  row.description = kReturned;
  row.quantity = Decimal::FromInt(1);
  ASSIGN_OR_RETURN(row.unit_price, Decimal::Parse(FormatMinor(-amount, exponent)));
  row.bill_alone = false;
  row.state = pb::PendingCharge::PENDING;
  row.document_id.reset();
  row.created_at = now;
  row.series.clear();
  row.part = row.parts = 0;
  row.corrects_line_id = deposit.line_id;
  row.corrects_document_id = deposit.document_id;
  return row;
}

absl::StatusOr<std::vector<ChargeRow>> FinalDeposits(
    db::Tx& tx, const accounts::BatchGetBillingSnapshotsResponse& snapshots, CivilDay as_of,
    absl::Time now) {
  std::vector<Uuid> over;
  for (const auto& snapshot : snapshots.snapshots()) {
    if (!IsOver(snapshot, as_of)) continue;
    ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse("acc", snapshot.account_id()));
    over.push_back(id);
  }
  std::vector<ChargeRow> out;
  if (over.empty()) return out;
  ASSIGN_OR_RETURN(const auto deposits, LoadDeposits(tx, over));
  for (const DepositLine& deposit : deposits) {
    if (deposit.left <= 0) continue;
    const std::string id = deposit.line_id.ToText("lin");
    // Once a deposit: a return that somebody took back stays taken back.
    ASSIGN_OR_RETURN(const db::Result known,
                     tx.Exec("SELECT 1 FROM pending_charge WHERE account_id = $1 AND source = $2 "
                             "AND source_id = $3",
                             deposit.account_id, std::string(kFinalSource), id));
    if (!known.empty()) continue;
    ASSIGN_OR_RETURN(ChargeRow row, ReturnOf(deposit, deposit.left, now));
    row.source = kFinalSource;
    row.source_id = id;
    row.due_date = as_of;
    row.state = pb::PendingCharge::BILLED;
    out.push_back(std::move(row));
  }
  return out;
}

absl::Status SaveDepositReturns(db::Tx& tx, const std::vector<Draft>& drafts) {
  std::vector<ChargeRow> rows;
  std::vector<Uuid> accounts;
  for (const Draft& draft : drafts) {
    if (!draft.document.has_value()) continue;
    for (ChargeRow row : draft.made_charges) {
      row.document_id = draft.document->document_id;
      rows.push_back(std::move(row));
      accounts.push_back(draft.account_id);
    }
  }
  if (rows.empty()) return absl::OkStatus();
  // One at a time with those who give deposits back by hand.
  ASSIGN_OR_RETURN(const auto before, LoadDeposits(tx, accounts));
  RETURN_IF_ERROR(LockDocuments(tx, before));
  ASSIGN_OR_RETURN(const auto deposits, LoadDeposits(tx, accounts));
  for (const DepositLine& deposit : deposits) {
    if (deposit.left < 0) {
      return AbortedError("DEPOSIT_MOVED", "a deposit was given back meanwhile");
    }
  }
  return db::Insert(tx, rows).status();
}

namespace {

// Gives deposits back within one write.
class Returning {
 public:
  Returning(db::Tx& tx, const pb::ApplyDepositRequest& request, absl::Time now,
            convert::Events& events)
      : tx_(tx),
        request_(request),
        text_(request.reason().empty() ? kReturned : request.reason()),
        now_(now),
        events_(events) {}

  absl::Status Give(const DepositLine& deposit, int64_t amount) {
    if (request_.mode() == pb::ApplyDepositRequest::NEXT_INVOICE) return Wait(deposit, amount);
    pb::CreateCreditNoteRequest credit;
    credit.set_document_id(deposit.document_id.ToText("doc"));
    credit.set_reason(text_);
    credit.set_post(true);
    auto* line = credit.add_lines();
    line->set_line_id(deposit.line_id.ToText("lin"));
    *line->mutable_amount() = convert::ToMoney(amount, deposit.currency);
    ASSIGN_OR_RETURN(const pb::Document made, Credit(tx_, credit, std::nullopt, now_, events_));
    out.add_document_ids(made.document_id());
    return absl::OkStatus();
  }

  pb::ApplyDepositResponse out;

 private:
  absl::Status Wait(const DepositLine& deposit, int64_t amount) {
    ASSIGN_OR_RETURN(ChargeRow row, ReturnOf(deposit, amount, now_));
    row.source = kReturnSource;
    row.source_id = row.charge_id.ToText("chg");
    row.description = text_;
    row.due_date = DateIn(now_, absl::UTCTimeZone());
    RETURN_IF_ERROR(db::InsertOne(tx_, row).status());
    *out.add_charges() = ToProto(row);
    return absl::OkStatus();
  }

  db::Tx& tx_;
  const pb::ApplyDepositRequest& request_;
  const std::string text_;
  const absl::Time now_;
  convert::Events& events_;
};

}  // namespace

absl::StatusOr<pb::ApplyDepositResponse> InvoicingApp::ApplyDeposit(
    const rpc::Context& context, const pb::ApplyDepositRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  violations.Require(request.reason().size() <= 200, "reason", "must be at most 200 characters");
  violations.Require(pb::ApplyDepositRequest::Mode_IsValid(request.mode()), "mode",
                     "must be CREDIT_NOTE or NEXT_INVOICE");
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::ApplyDepositResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::ApplyDepositResponse> {
        ASSIGN_OR_RETURN(const auto found, LoadDeposits(tx, {account}));
        if (found.empty()) return NotFoundError("NO_DEPOSIT", "the account has no posted deposit");
        RETURN_IF_ERROR(LockDocuments(tx, found));
        ASSIGN_OR_RETURN(const auto deposits, LoadDeposits(tx, {account}));
        const std::string& currency = deposits.front().currency;
        int64_t left = 0;
        for (const DepositLine& deposit : deposits) left += std::max<int64_t>(0, deposit.left);
        Violations amounts;
        const int64_t wanted =
            request.has_amount() ? convert::ReadMoney(request.amount(), currency, "amount", amounts)
                                 : left;
        if (amounts.empty()) {
          amounts.Require(wanted > 0 && wanted <= left, "amount",
                          absl::StrCat("must be more than 0; ", FormatMoney(left, currency),
                                       " is left of the deposits"));
        }
        RETURN_IF_ERROR(amounts.ToStatus());
        Returning returning(tx, request, clock_.Now(), events);
        int64_t rest = wanted;
        for (const DepositLine& deposit : deposits) {
          const int64_t amount = std::min(rest, deposit.left);
          if (amount <= 0) continue;
          RETURN_IF_ERROR(returning.Give(deposit, amount));
          rest -= amount;
        }
        *returning.out.mutable_applied() = convert::ToMoney(wanted, currency);
        *returning.out.mutable_left() = convert::ToMoney(left - wanted, currency);
        return returning.out;
      });
}

}  // namespace broadbill::invoicing
