#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {

absl::StatusOr<pb::AccountBalance> PaymentsApp::GetAccountBalance(
    const rpc::Context&, const pb::GetAccountBalanceRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const auto given = convert::ReadOptionalDate(request.as_of(), "as_of", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  // By value date: what documents asked for, less what was allocated to them; what was given, less
  // what was allocated and refunded of it.
  ASSIGN_OR_RETURN(
      const db::Result row,
      pool_->Exec(
          "WITH i AS (SELECT due_date, total - coalesce((SELECT sum(amount) FROM allocation a "
          "WHERE "
          "a.account_id = $1 AND a.document_id = item.document_id AND a.value_date <= $2), 0) AS "
          "open FROM item WHERE account_id = $1 AND invoice_date <= $2) "
          "SELECT coalesce((SELECT sum(open) FROM i), 0)::int8, "
          "coalesce((SELECT sum(open) FROM i WHERE due_date < $3), 0)::int8, "
          "(coalesce((SELECT sum(amount) FROM credit WHERE account_id = $1 AND value_date <= $2), "
          "0) "
          "- coalesce((SELECT sum(amount) FROM allocation WHERE account_id = $1 AND "
          "value_date <= $2), 0) - coalesce((SELECT sum(amount) FROM transfer WHERE account_id = "
          "$1 "
          "AND kind = ANY($4) AND value_date <= $2), 0))::int8, "
          "coalesce((SELECT sum(amount) FROM attempt WHERE account_id = $1 AND state IN (1, 2, "
          "3)), "
          "0)::int8, coalesce((SELECT currency FROM customer WHERE account_id = $1), 'USD')",
          account, given.value_or(CivilDay::max()), given.value_or(Today()),
          std::vector<int32_t>{pb::Transfer::REFUND, pb::Transfer::PAYMENT_RETURN}));
  const std::string currency = row.Get<std::string>(0, 4);
  pb::AccountBalance out;
  out.set_account_id(request.account_id());
  out.set_currency_code(currency);
  *out.mutable_balance() =
      convert::ToMoney(row.Get<int64_t>(0, 0) - row.Get<int64_t>(0, 2), currency);
  *out.mutable_open() = convert::ToMoney(row.Get<int64_t>(0, 0), currency);
  *out.mutable_past_due() = convert::ToMoney(row.Get<int64_t>(0, 1), currency);
  *out.mutable_unapplied() = convert::ToMoney(row.Get<int64_t>(0, 2), currency);
  *out.mutable_pending() = convert::ToMoney(row.Get<int64_t>(0, 3), currency);
  return out;
}

absl::StatusOr<pb::ListOpenItemsResponse> PaymentsApp::ListOpenItems(
    const rpc::Context&, const pb::ListOpenItemsRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<ItemRow>(tx,
                                       "WHERE account_id = $1 AND ($2 OR open > 0) "
                                       "ORDER BY due_date, number LIMIT 1000",
                                       account, request.include_closed()));
  ASSIGN_OR_RETURN(
      const auto allocations,
      db::Select<AllocationRow>(tx, "WHERE account_id = $1 ORDER BY allocation_id", account));
  pb::ListOpenItemsResponse response;
  for (const ItemRow& row : rows) {
    pb::OpenItem* out = response.add_open_items();
    out->set_document_id(row.document_id.ToText("doc"));
    out->set_number(row.number);
    out->set_account_id(request.account_id());
    *out->mutable_invoice_date() = convert::ToProto(row.invoice_date);
    *out->mutable_due_date() = convert::ToProto(row.due_date);
    *out->mutable_total() = convert::ToMoney(row.total, row.currency);
    *out->mutable_open() = convert::ToMoney(row.open, row.currency);
    out->set_state(row.open == 0            ? pb::OpenItem::PAID
                   : row.due_date < Today() ? pb::OpenItem::OVERDUE
                                            : pb::OpenItem::OPEN);
    for (const AllocationRow& allocation : allocations) {
      if (allocation.document_id != row.document_id) continue;
      pb::Allocation* to = out->add_allocations();
      to->set_allocation_id(allocation.allocation_id.ToText("alc"));
      to->set_source_id(allocation.credit_id.ToText("pay"));
      *to->mutable_amount() = convert::ToMoney(allocation.amount, row.currency);
      *to->mutable_value_date() = convert::ToProto(allocation.value_date);
    }
  }
  return response;
}

absl::StatusOr<pb::ListTransfersResponse> PaymentsApp::ListTransfers(
    const rpc::Context&, const pb::ListTransfersRequest& request) {
  Violations violations;
  const auto account =
      convert::ReadOptionalId("acc", request.account_id(), "account_id", violations);
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  Uuid after;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(after, Uuid::FromHex(token));
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(auto rows,
                   db::Select<TransferRow>(tx,
                                           "WHERE transfer_id > $1 AND ($2::uuid IS NULL OR "
                                           "account_id = $2) ORDER BY transfer_id LIMIT $3",
                                           after, account, int64_t{size} + 1));
  pb::ListTransfersResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().transfer_id.ToHex()));
  }
  for (const TransferRow& row : rows) {
    pb::Transfer* out = response.add_transfers();
    out->set_transfer_id(row.transfer_id.ToText("xfr"));
    out->set_transaction_id(row.transaction_id.ToText("xfr"));
    out->set_account_id(row.account_id.ToText("acc"));
    out->set_debit_account(row.debit);
    out->set_credit_account(row.credit);
    *out->mutable_amount() = convert::ToMoney(row.amount, row.currency);
    *out->mutable_value_date() = convert::ToProto(row.value_date);
    *out->mutable_posting_date() = convert::ToProto(row.posting_date);
    out->set_kind(static_cast<pb::Transfer::Kind>(row.kind));
    if (row.document_id) out->set_document_id(row.document_id->ToText("doc"));
    if (row.payment_id) out->set_payment_id(row.payment_id->ToText("pay"));
  }
  return response;
}

// The ledger balances by construction; what can drift is a subledger against its control account.
absl::StatusOr<pb::VerifyLedgerResponse> PaymentsApp::VerifyLedger(const rpc::Context&,
                                                                   const pb::VerifyLedgerRequest&) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(
      const db::Result sums,
      tx.Exec("SELECT a, currency, sum(d)::int8, sum(c)::int8 FROM (SELECT debit AS a, "
              "currency, amount AS d, 0 AS c FROM transfer UNION ALL SELECT credit, "
              "currency, 0, amount FROM transfer) t GROUP BY a, currency ORDER BY a"));
  pb::VerifyLedgerResponse response;
  std::map<std::string, int64_t> total;
  std::map<std::string, int64_t> receivable;
  std::map<std::string, int64_t> credit;
  for (int i = 0; i < sums.size(); ++i) {
    const std::string code = sums.Get<std::string>(i, 0);
    const std::string currency = sums.Get<std::string>(i, 1);
    const int64_t balance = sums.Get<int64_t>(i, 2) - sums.Get<int64_t>(i, 3);
    total[currency] += balance;
    if (code == kReceivable) receivable[currency] += balance;
    if (code == kCustomerCredit) credit[currency] -= balance;
    pb::LedgerAccount* out = response.add_accounts();
    out->set_code(code);
    out->set_currency_code(currency);
    *out->mutable_debits() = convert::ToMoney(sums.Get<int64_t>(i, 2), currency);
    *out->mutable_credits() = convert::ToMoney(sums.Get<int64_t>(i, 3), currency);
    *out->mutable_balance() = convert::ToMoney(balance, currency);
  }
  ASSIGN_OR_RETURN(const db::Result open,
                   tx.Exec("SELECT currency, sum(open)::int8, 0::int8 FROM item GROUP BY currency "
                           "UNION ALL SELECT currency, 0, sum(unapplied)::int8 FROM credit "
                           "GROUP BY currency"));
  for (int i = 0; i < open.size(); ++i) {
    receivable[open.Get<std::string>(i, 0)] -= open.Get<int64_t>(i, 1);
    credit[open.Get<std::string>(i, 0)] -= open.Get<int64_t>(i, 2);
  }
  response.set_ok(true);
  for (const auto& [currency, difference] : total) {
    *response.add_difference() = convert::ToMoney(difference, currency);
    if (difference != 0) response.set_ok(false);
  }
  for (const auto& [currency, difference] : receivable) {
    *response.add_control_difference() = convert::ToMoney(difference, currency);
    if (difference == 0 && credit[currency] == 0) continue;
    response.set_ok(false);
    response.add_problems("the subledger of " + currency + " differs from its control account");
  }
  return response;
}

}  // namespace broadbill::payments
