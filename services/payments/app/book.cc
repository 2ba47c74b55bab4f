#include <algorithm>
#include <set>

#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {

pb::Event MakeEvent(const Uuid& account, absl::Time now) {
  pb::Event event;
  event.set_account_id(account.ToText("acc"));
  event.set_event_id(Uuid::Make(now).ToText("evt"));
  *event.mutable_at() = convert::ToProto(now);
  return event;
}

void AddEvent(const Uuid& account, const pb::Event& event, std::vector<db::FeedEvent>& events) {
  events.push_back({event.GetTypeName(), account, event.SerializeAsString()});
}

void Book::AddItem(ItemRow item, const char* credit, pb::Transfer::Kind kind,
                   CivilDay posting_date) {
  Transfer(item.account_id, kind, kReceivable, credit, item.currency, item.total, item.invoice_date,
           posting_date, item.document_id, std::nullopt);
  due_dates_[item.document_id] = item.due_date;
  items_.push_back(std::move(item));
}

void Book::AddCredit(CreditRow credit, const std::string& debit, pb::Transfer::Kind kind,
                     std::optional<Uuid> document_id) {
  Transfer(credit.account_id, kind, debit.c_str(), kCustomerCredit, credit.currency, credit.amount,
           credit.value_date, credit.posting_date, document_id, credit.credit_id);
  credits_.push_back(std::move(credit));
}

void Book::Transfer(const Uuid& account, pb::Transfer::Kind kind, const char* debit,
                    const char* credit, const std::string& currency, int64_t amount,
                    CivilDay value_date, CivilDay posting_date, std::optional<Uuid> document,
                    std::optional<Uuid> payment) {
  if (amount == 0) return;
  TransferRow row;
  row.account_id = account;
  row.transfer_id = Uuid::Make(now_);
  row.transaction_id = row.transfer_id;
  row.kind = kind;
  row.debit = debit;
  row.credit = credit;
  row.currency = currency;
  row.amount = amount;
  row.value_date = value_date;
  row.posting_date = posting_date;
  row.document_id = document;
  row.payment_id = payment;
  transfers_.push_back(std::move(row));
}

void Book::Allocate(const CreditRow& credit, const ItemRow& item, int64_t amount,
                    CivilDay value_date, CivilDay posting_date) {
  allocations_.push_back({item.account_id, Uuid::Make(now_), credit.credit_id, item.document_id,
                          amount, value_date, posting_date});
  const bool taken_off = amount < 0;
  Transfer(item.account_id, taken_off ? pb::Transfer::REVERSAL : pb::Transfer::ALLOCATION,
           taken_off ? kReceivable : kCustomerCredit, taken_off ? kCustomerCredit : kReceivable,
           item.currency, std::abs(amount), value_date, posting_date, item.document_id,
           credit.credit_id);
}

absl::Status Book::WriteNew() {
  RETURN_IF_ERROR(db::Copy(tx_, items_));
  RETURN_IF_ERROR(db::Copy(tx_, credits_));
  items_.clear();
  credits_.clear();
  return absl::OkStatus();
}

absl::Status Book::AutoAllocate(const std::vector<Uuid>& accounts, CivilDay value_date,
                                CivilDay posting_date) {
  RETURN_IF_ERROR(WriteNew());
  ASSIGN_OR_RETURN(const auto credits,
                   db::Select<CreditRow>(tx_,
                                         "WHERE account_id = ANY($1) AND unapplied > 0 AND NOT "
                                         "manual_hold ORDER BY account_id, credit_id FOR UPDATE",
                                         accounts));
  if (credits.empty()) return absl::OkStatus();
  std::set<Uuid> holders;
  for (const CreditRow& row : credits) holders.insert(row.account_id);
  const std::vector<Uuid> ids(holders.begin(), holders.end());
  ASSIGN_OR_RETURN(const auto items,
                   db::Select<ItemRow>(tx_,
                                       "WHERE account_id = ANY($1) AND open > 0 "
                                       "ORDER BY account_id, document_id FOR UPDATE",
                                       ids));
  std::map<Uuid, std::pair<std::vector<OpenItem>, std::vector<Credit>>> by_account;
  std::map<Uuid, const CreditRow*> credit_rows;
  std::map<Uuid, const ItemRow*> item_rows;
  for (const CreditRow& row : credits) {
    by_account[row.account_id].second.push_back(
        {row.credit_id, row.kind != 0, row.value_date, row.unapplied, std::nullopt});
    const auto first = pay_first_.find(row.credit_id);
    if (first != pay_first_.end()) by_account[row.account_id].second.back().first = first->second;
    credit_rows[row.credit_id] = &row;
  }
  for (const ItemRow& row : items) {
    by_account[row.account_id].first.push_back(
        {row.document_id, row.number, row.due_date, row.open});
    item_rows[row.document_id] = &row;
  }
  for (const auto& [account, sides] : by_account) {
    for (const payments::Allocation& made : payments::Allocate(sides.first, sides.second)) {
      const CreditRow& credit = *credit_rows.at(made.credit_id);
      const ItemRow& item = *item_rows.at(made.document_id);
      // Never before both sides are there: on no date is more applied than was owed and given.
      Allocate(credit, item, made.amount,
               std::max({value_date, credit.value_date, item.invoice_date}),
               std::max({posting_date, credit.posting_date, item.invoice_date}));
    }
  }
  return absl::OkStatus();
}

absl::Status Book::WriteAllocations() {
  std::vector<Uuid> accounts, documents, credits;
  std::vector<int64_t> amounts;
  std::vector<CivilDay> days;
  for (const AllocationRow& row : allocations_) {
    accounts.push_back(row.account_id);
    documents.push_back(row.document_id);
    credits.push_back(row.credit_id);
    amounts.push_back(row.amount);
    days.push_back(row.value_date);
  }
  RETURN_IF_ERROR(db::Copy(tx_, allocations_));
  RETURN_IF_ERROR(
      tx_.Exec("UPDATE item i SET open = open - u.a, paid_late = paid_late OR u.day > due_date "
               "FROM (SELECT c, d, sum(a)::int8 AS a, max(day) AS day FROM "
               "unnest($1, $2, $3, $4) AS x(c, d, a, day) GROUP BY c, d) u "
               "WHERE i.account_id = u.c AND i.document_id = u.d",
               accounts, documents, amounts, days)
          .status());
  return tx_
      .Exec(
          "UPDATE credit c SET unapplied = unapplied - u.a FROM (SELECT c, d, sum(a)::int8 AS a "
          "FROM unnest($1, $2, $3) AS x(c, d, a) GROUP BY c, d) u "
          "WHERE c.account_id = u.c AND c.credit_id = u.d",
          accounts, credits, amounts)
      .status();
}

absl::StatusOr<std::map<Uuid, int64_t>> BalancesOf(db::Tx& tx, const std::vector<Uuid>& accounts) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT account_id, sum(owed)::int8 FROM (SELECT account_id, open AS owed FROM item "
              "WHERE account_id = ANY($1) AND open > 0 UNION ALL SELECT account_id, -unapplied "
              "FROM credit WHERE account_id = ANY($1) AND unapplied > 0) x GROUP BY account_id",
              accounts));
  std::map<Uuid, int64_t> out;
  for (const Uuid& account : accounts) out[account] = 0;
  for (int i = 0; i < rows.size(); ++i) out[rows.Get<Uuid>(i, 0)] = rows.Get<int64_t>(i, 1);
  return out;
}

absl::Status Book::Write(std::vector<db::FeedEvent>& events) {
  RETURN_IF_ERROR(WriteNew());
  if (!allocations_.empty()) RETURN_IF_ERROR(WriteAllocations());
  RETURN_IF_ERROR(db::Copy(tx_, transfers_));
  std::map<Uuid, pb::Event> posted;
  for (const TransferRow& row : transfers_) {
    auto [at, fresh] = posted.emplace(row.account_id, pb::Event());
    if (fresh) at->second = MakeEvent(row.account_id, now_);
    pb::PostedTransfer* out = at->second.mutable_transfers_posted()->add_transfers();
    out->set_transfer_id(row.transfer_id.ToText("xfr"));
    out->set_transaction_id(row.transaction_id.ToText("xfr"));
    out->set_account_id(row.account_id.ToText("acc"));
    out->set_kind(static_cast<pb::Transfer::Kind>(row.kind));
    out->set_debit_account(row.debit);
    out->set_credit_account(row.credit);
    out->set_currency_code(row.currency);
    out->set_amount_minor(row.amount);
    *out->mutable_value_date() = convert::ToProto(row.value_date);
    *out->mutable_posting_date() = convert::ToProto(row.posting_date);
    if (row.document_id) out->set_document_id(row.document_id->ToText("doc"));
    if (row.payment_id) out->set_payment_id(row.payment_id->ToText("pay"));
    const auto due = row.document_id && row.debit == kReceivable ? due_dates_.find(*row.document_id)
                                                                 : due_dates_.end();
    if (due != due_dates_.end()) *out->mutable_due_date() = convert::ToProto(due->second);
  }
  for (const auto& [account, event] : posted) AddEvent(account, event, events);
  std::map<Uuid, pb::Event> allocated;
  std::map<Uuid, std::string> currencies;
  for (const TransferRow& row : transfers_) currencies[row.account_id] = row.currency;
  for (const AllocationRow& row : allocations_) {
    auto [at, fresh] = allocated.emplace(row.account_id, pb::Event());
    if (fresh) at->second = MakeEvent(row.account_id, now_);
    pb::PaymentAllocated* event = at->second.mutable_payment_allocated();
    event->set_currency_code(currencies[row.account_id]);
    pb::PostedAllocation* out = event->add_allocations();
    out->set_allocation_id(row.allocation_id.ToText("alc"));
    out->set_source_id(row.credit_id.ToText("pay"));
    out->set_document_id(row.document_id.ToText("doc"));
    out->set_amount_minor(row.amount);
    *out->mutable_value_date() = convert::ToProto(row.value_date);
    *out->mutable_posting_date() = convert::ToProto(row.posting_date);
  }
  for (const auto& [account, event] : allocated) AddEvent(account, event, events);
  allocations_.clear();
  transfers_.clear();
  return absl::OkStatus();
}

}  // namespace broadbill::payments
