#include <algorithm>

#include "broadbill/accounts/v1/account.pb.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/convert/import.h"
#include "libs/csv/reader.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {
namespace {

pb::Payment ToProto(const CreditRow& row, const std::vector<AllocationRow>& allocations) {
  pb::Payment out;
  out.set_payment_id(row.credit_id.ToText("pay"));
  out.set_account_id(row.account_id.ToText("acc"));
  *out.mutable_amount() = convert::ToMoney(row.amount, row.currency);
  out.set_kind(static_cast<pb::Payment::Kind>(row.kind));
  out.set_reference(row.reference);
  *out.mutable_value_date() = convert::ToProto(row.value_date);
  *out.mutable_posting_date() = convert::ToProto(row.posting_date);
  out.set_manual_hold(row.manual_hold);
  for (const AllocationRow& allocation : allocations) {
    pb::Allocation* to = out.add_allocations();
    to->set_allocation_id(allocation.allocation_id.ToText("alc"));
    to->set_document_id(allocation.document_id.ToText("doc"));
    *to->mutable_amount() = convert::ToMoney(allocation.amount, row.currency);
    *to->mutable_value_date() = convert::ToProto(allocation.value_date);
  }
  *out.mutable_allocated() =
      convert::ToMoney(row.returned ? 0 : row.amount - row.unapplied - row.refunded, row.currency);
  *out.mutable_refunded() = convert::ToMoney(row.refunded, row.currency);
  *out.mutable_unapplied() = convert::ToMoney(row.unapplied, row.currency);
  out.set_state(row.returned                 ? pb::Payment::RETURNED
                : row.refunded == row.amount ? pb::Payment::REFUNDED
                                             : pb::Payment::SUCCEEDED);
  if (row.attempt_id) out.set_attempt_id(row.attempt_id->ToText("att"));
  *out.mutable_created_at() = convert::ToProto(row.created_at);
  return out;
}

absl::StatusOr<pb::Payment> Read(db::Tx& tx, const Uuid& id) {
  ASSIGN_OR_RETURN(const auto rows, db::Select<CreditRow>(tx, "WHERE credit_id = $1", id));
  if (rows.empty()) return NotFoundError("PAYMENT_NOT_FOUND", "there is no such payment");
  ASSIGN_OR_RETURN(const auto allocations,
                   db::Select<AllocationRow>(tx,
                                             "WHERE account_id = $1 AND credit_id = $2 "
                                             "ORDER BY allocation_id",
                                             rows.front().account_id, id));
  return ToProto(rows.front(), allocations);
}

void AddAll(const std::vector<db::FeedEvent>& posted, convert::Events& events) {
  for (const db::FeedEvent& one : posted) {
    pb::Event message;
    message.ParseFromString(one.body);
    events.Add(one.account_id, message);
  }
}

// Takes a payment off what it had paid and out of cash; a method that charged it is not charged
// again by itself.
absl::Status TakeBack(db::Tx& tx, const CreditRow& row, CivilDay value_date, CivilDay posting_date,
                      const std::string& reason, absl::Time now,
                      std::vector<db::FeedEvent>& events) {
  ASSIGN_OR_RETURN(const db::Result paid,
                   tx.Exec("SELECT document_id, sum(amount)::int8 FROM allocation WHERE "
                           "account_id = $1 AND credit_id = $2 GROUP BY document_id "
                           "HAVING sum(amount) > 0 ORDER BY document_id",
                           row.account_id, row.credit_id));
  Book book(tx, now);
  for (int i = 0; i < paid.size(); ++i) {
    ItemRow item;
    item.account_id = row.account_id;
    item.document_id = paid.Get<Uuid>(i, 0);
    item.currency = row.currency;
    book.Allocate(row, item, -paid.Get<int64_t>(i, 1), value_date, posting_date);
  }
  book.Transfer(row.account_id, pb::Transfer::PAYMENT_RETURN, kCustomerCredit, kCash, row.currency,
                row.amount, value_date, posting_date, std::nullopt, row.credit_id);
  RETURN_IF_ERROR(book.Write(events));
  RETURN_IF_ERROR(tx.Exec("UPDATE credit SET unapplied = 0, returned = true WHERE account_id = $1 "
                          "AND credit_id = $2",
                          row.account_id, row.credit_id)
                      .status());
  if (!row.method_id.has_value()) return absl::OkStatus();
  return tx
      .Exec(
          "UPDATE payment_method SET state = 2, last_decline = $3 WHERE account_id = $1 AND "
          "method_id = $2",
          row.account_id, *row.method_id, reason)
      .status();
}

}  // namespace

absl::StatusOr<std::string> PaymentsApp::CurrencyOf(const Uuid& account) {
  ASSIGN_OR_RETURN(const db::Result row,
                   pool_->Exec("SELECT currency FROM customer WHERE account_id = $1", account));
  if (!row.empty()) return row.Get<std::string>(0, 0);
  // Perhaps so new that the feed has not brought it yet.
  broadbill::accounts::v1::GetAccountRequest request;
  request.set_account_id(account.ToText("acc"));
  ASSIGN_OR_RETURN(const auto found, accounts_->Call<broadbill::accounts::v1::Account>(
                                         "broadbill.accounts.v1.Accounts/GetAccount", request,
                                         rpc::BackgroundContext("payments")));
  return found.currency_code();
}

CivilDay PaymentsApp::Today() const { return DateIn(clock_.Now(), absl::UTCTimeZone()); }

absl::StatusOr<pb::Payment> PaymentsApp::CreatePayment(const rpc::Context& context,
                                                       const pb::CreatePaymentRequest& request) {
  const pb::Payment& in = request.payment();
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string currency, CurrencyOf(account));
  CreditRow row;
  row.account_id = account;
  row.credit_id = Uuid::Make(clock_.Now());
  row.kind = in.kind() == pb::Payment::KIND_UNSPECIFIED ? pb::Payment::OTHER : in.kind();
  row.currency = currency;
  row.amount = convert::ReadMoney(in.amount(), currency, "payment.amount", violations);
  violations.Require(row.amount > 0, "payment.amount", "must be more than 0");
  row.unapplied = row.amount;
  row.value_date = convert::ReadOptionalDate(in.value_date(), "payment.value_date", violations)
                       .value_or(Today());
  row.posting_date = std::max(row.value_date, Today());
  row.manual_hold = in.manual_hold();
  row.reference = in.reference();
  row.created_at = clock_.Now();
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Payment>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Payment> {
        Book book(tx, clock_.Now());
        book.AddCredit(row, kCash, pb::Transfer::PAYMENT, std::nullopt);
        RETURN_IF_ERROR(book.AutoAllocate({account}, row.value_date, row.posting_date));
        std::vector<db::FeedEvent> posted;
        RETURN_IF_ERROR(book.Write(posted));
        pb::Event received = MakeEvent(account, clock_.Now());
        auto* event = received.mutable_payment_received();
        event->set_payment_id(row.credit_id.ToText("pay"));
        event->set_kind(static_cast<pb::Payment::Kind>(row.kind));
        event->set_currency_code(currency);
        event->set_amount_minor(row.amount);
        *event->mutable_value_date() = convert::ToProto(row.value_date);
        *event->mutable_posting_date() = convert::ToProto(row.posting_date);
        event->set_reference(row.reference);
        ASSIGN_OR_RETURN(const auto balances, BalancesOf(tx, {account}));
        event->set_balance_minor(balances.at(account));
        AddEvent(account, received, posted);
        AddAll(posted, events);
        return Read(tx, row.credit_id);
      });
}

absl::StatusOr<pb::Payment> PaymentsApp::GetPayment(const rpc::Context&,
                                                    const pb::GetPaymentRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("pay", request.payment_id(), "payment_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  return Read(tx, id);
}

absl::StatusOr<pb::ListPaymentsResponse> PaymentsApp::ListPayments(
    const rpc::Context&, const pb::ListPaymentsRequest& request) {
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
  ASSIGN_OR_RETURN(auto rows, db::Select<CreditRow>(
                                  tx,
                                  "WHERE kind <> 0 AND credit_id > $1 AND ($2::uuid IS NULL OR "
                                  "account_id = $2) ORDER BY credit_id LIMIT $3",
                                  after, account, int64_t{size} + 1));
  pb::ListPaymentsResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().credit_id.ToHex()));
  }
  for (const CreditRow& row : rows) *response.add_payments() = ToProto(row, {});
  return response;
}

absl::StatusOr<pb::Payment> PaymentsApp::RefundPayment(const rpc::Context& context,
                                                       const pb::RefundPaymentRequest& request) {
  return convert::Write<pb::Payment>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Payment> {
        Violations violations;
        const Uuid id = convert::ReadId("pay", request.payment_id(), "payment_id", violations);
        violations.Require(!request.reason().empty(), "reason", "is required");
        RETURN_IF_ERROR(violations.ToStatus());
        ASSIGN_OR_RETURN(const auto rows,
                         db::Select<CreditRow>(tx, "WHERE credit_id = $1 FOR UPDATE", id));
        if (rows.empty()) return NotFoundError("PAYMENT_NOT_FOUND", "there is no such payment");
        const CreditRow& row = rows.front();
        const int64_t amount =
            request.has_amount()
                ? convert::ReadMoney(request.amount(), row.currency, "amount", violations)
                : row.unapplied;
        violations.Require(amount > 0 && amount <= row.unapplied, "amount",
                           "at most " + FormatMinor(row.unapplied, 2) +
                               " of the payment is not applied and can be refunded");
        RETURN_IF_ERROR(violations.ToStatus());
        RETURN_IF_ERROR(tx.Exec("UPDATE credit SET unapplied = unapplied - $2, "
                                "refunded = refunded + $2 WHERE credit_id = $1",
                                id, amount)
                            .status());
        Book book(tx, clock_.Now());
        book.Transfer(row.account_id, pb::Transfer::REFUND, kCustomerCredit, kCash, row.currency,
                      amount, Today(), Today(), std::nullopt, id);
        std::vector<db::FeedEvent> posted;
        RETURN_IF_ERROR(book.Write(posted));
        pb::Event refunded = MakeEvent(row.account_id, clock_.Now());
        auto* event = refunded.mutable_refund_posted();
        event->set_refund_id(Uuid::Make(clock_.Now()).ToText("ref"));
        event->set_payment_id(request.payment_id());
        event->set_currency_code(row.currency);
        event->set_amount_minor(amount);
        *event->mutable_value_date() = convert::ToProto(Today());
        event->set_reason(request.reason());
        AddEvent(row.account_id, refunded, posted);
        AddAll(posted, events);
        return Read(tx, id);
      });
}

absl::StatusOr<pb::Payment> PaymentsApp::ReturnPayment(const rpc::Context& context,
                                                       const pb::ReturnPaymentRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("pay", request.payment_id(), "payment_id", violations);
  const CivilDay day =
      convert::ReadOptionalDate(request.value_date(), "value_date", violations).value_or(Today());
  violations.Require(!request.reason().empty() && request.reason().size() <= 200, "reason",
                     "is required, at most 200 characters");
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Payment>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Payment> {
        ASSIGN_OR_RETURN(
            const auto rows,
            db::Select<CreditRow>(tx, "WHERE credit_id = $1 AND kind <> 0 FOR UPDATE", id));
        if (rows.empty()) return NotFoundError("PAYMENT_NOT_FOUND", "there is no such payment");
        const CreditRow& row = rows.front();
        if (row.returned || row.refunded > 0) {
          return FailedPreconditionError("PAYMENT_STATE",
                                         "a refunded or returned payment cannot be returned");
        }
        if (day < row.value_date) {
          return InvalidField("value_date", "must not be before the payment's value date");
        }
        std::vector<db::FeedEvent> posted;
        RETURN_IF_ERROR(
            TakeBack(tx, row, day, std::max(day, Today()), request.reason(), clock_.Now(), posted));
        AddAll(posted, events);
        return Read(tx, id);
      });
}

namespace {

// Reads opening balances into a book, row by row; what is wrong is collected.
class OpeningBalances {
 public:
  OpeningBalances(Book& book, const std::vector<CustomerRow>& customers, CivilDay today,
                  CivilDay posting_date, absl::Time now)
      : book_(book), today_(today), posting_date_(posting_date), now_(now) {
    for (const CustomerRow& customer : customers) by_number_[customer.account_number] = &customer;
  }

  void Add(const csv::Header& header, const csv::Row& row) {
    const auto refuse = [&](const char* column, const char* message) {
      errors.push_back({row.line, column, header.Get(row, column), "INVALID_VALUE", message});
    };
    const auto found = by_number_.find(header.Get(row, "account_number"));
    if (found == by_number_.end()) return refuse("account_number", "there is no such account");
    const CustomerRow& customer = *found->second;
    const auto exponent = CurrencyExponent(customer.currency);
    const auto amount = ParseMinor(header.Get(row, "amount"), exponent.ok() ? *exponent : 2);
    const auto date = header.Get(row, "date").empty() ? absl::StatusOr<CivilDay>(today_)
                                                      : ParseDate(header.Get(row, "date"));
    const auto due =
        header.Get(row, "due_date").empty() ? date : ParseDate(header.Get(row, "due_date"));
    if (!amount.ok()) return refuse("amount", "must be an amount like 49.99");
    if (!date.ok()) return refuse("date", "must be a date like 2026-03-01");
    if (!due.ok()) return refuse("due_date", "must be a date like 2026-03-01");
    if (*amount > 0) AddOwed(customer, *amount, *date, *due);
    if (*amount < 0) AddCredit(customer, -*amount, *date);
  }

  std::vector<csv::RowError> errors;

 private:
  void AddOwed(const CustomerRow& customer, int64_t amount, CivilDay date, CivilDay due) {
    ItemRow item;
    item.account_id = customer.account_id;
    item.document_id = Uuid::Make(now_);
    item.number = "OPENING-" + customer.account_number;
    item.currency = customer.currency;
    item.invoice_date = date;
    item.due_date = due;
    item.total = item.open = amount;
    book_.AddItem(std::move(item), kOpening, pb::Transfer::OPENING, posting_date_);
  }

  void AddCredit(const CustomerRow& customer, int64_t amount, CivilDay date) {
    CreditRow credit;
    credit.account_id = customer.account_id;
    credit.credit_id = Uuid::Make(now_);
    credit.kind = pb::Payment::OPENING;
    credit.currency = customer.currency;
    credit.amount = credit.unapplied = amount;
    credit.value_date = date;
    credit.posting_date = posting_date_;
    credit.reference = "opening balance";
    credit.created_at = now_;
    book_.AddCredit(std::move(credit), kOpening, pb::Transfer::OPENING, std::nullopt);
  }

  Book& book_;
  const CivilDay today_;
  const CivilDay posting_date_;
  const absl::Time now_;
  std::map<std::string, const CustomerRow*> by_number_;
};

}  // namespace

// account_number,amount,[date,reference,due_date]: a positive amount is owed, a negative one is the
// customer's credit.
absl::StatusOr<ImportResult> PaymentsApp::ImportOpeningBalances(
    const rpc::Context& context, const pb::ImportOpeningBalancesRequest& request) {
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<ImportResult> {
        Violations violations;
        const CivilDay posting_date =
            convert::ReadOptionalDate(request.posting_date(), "posting_date", violations)
                .value_or(Today());
        RETURN_IF_ERROR(violations.ToStatus());
        ImportResult result;
        if (!request.validate_only()) {
          result.set_import_id(Uuid::Make(clock_.Now()).ToText("imp"));
        }
        csv::Reader reader(request.content());
        csv::Row row;
        ASSIGN_OR_RETURN(const csv::Header header,
                         csv::Header::Read(reader, {"account_number", "amount"},
                                           {"date", "due_date", "reference"}));
        ASSIGN_OR_RETURN(const auto customers, db::Select<CustomerRow>(tx, ""));
        Book book(tx, clock_.Now());
        OpeningBalances balances(book, customers, Today(), posting_date, clock_.Now());
        while (reader.Next(row)) {
          result.set_rows_read(result.rows_read() + 1);
          if (auto wrong = header.Check(row); wrong.has_value()) {
            balances.errors.push_back(*std::move(wrong));
          } else {
            balances.Add(header, row);
          }
        }
        convert::SetErrors(balances.errors, result);
        if (!balances.errors.empty()) return result;  // nothing was written
        std::vector<db::FeedEvent> posted;
        RETURN_IF_ERROR(book.Write(posted));
        AddAll(posted, events);
        result.set_rows_applied(result.rows_read());
        return result;
      });
}

}  // namespace broadbill::payments
