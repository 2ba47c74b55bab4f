#include "broadbill/accounts/v1/events.pb.h"
#include "broadbill/invoicing/v1/events.pb.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace invoicing = broadbill::invoicing::v1;

CivilDay Day(const google::type::Date& date) {
  return CivilDay(date.year(), date.month(), date.day());
}

}  // namespace

absl::Status PaymentsApp::OnAccountsEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  std::map<Uuid, CustomerRow> latest;
  for (const feed::Event& event : events) {
    accounts::Event message;
    if (!message.ParseFromString(event.body) || !message.has_account_changed()) continue;
    const accounts::Account& account = message.account_changed().account();
    latest[event.account_id] = {event.account_id,      account.account_number(),
                                account.external_id(), account.currency_code(),
                                account.group(),       account.time_zone()};
  }
  std::vector<CustomerRow> rows;
  for (const auto& [id, row] : latest) rows.push_back(row);
  return db::Insert(tx, rows,
                    "ON CONFLICT (account_id) DO UPDATE SET account_number = "
                    "excluded.account_number, external_id = excluded.external_id, "
                    "account_group = excluded.account_group, time_zone = excluded.time_zone")
      .status();
}

// Posted documents become receivables and credits; what the customer has left over pays them at
// once.
absl::Status PaymentsApp::OnInvoicingEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  Book book(tx, clock_.Now());
  std::vector<Uuid> touched;
  std::vector<Uuid> waived_accounts, waived_documents;
  std::vector<int64_t> waived;
  for (const feed::Event& event : events) {
    invoicing::Event message;
    if (!message.ParseFromString(event.body) || !message.has_document_posted()) continue;
    const auto& document = message.document_posted();
    ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse("doc", document.document_id()));
    const CivilDay date = Day(document.invoice_date());
    touched.push_back(event.account_id);
    if (document.total_minor() >= 0) {
      ItemRow item;
      item.account_id = event.account_id;
      item.document_id = id;
      item.number = document.number();
      item.currency = document.currency_code();
      item.invoice_date = date;
      item.due_date = Day(document.due_date());
      item.total = item.open = document.total_minor();
      item.fees = document.late_fees_minor();
      book.AddItem(std::move(item), kSales, pb::Transfer::INVOICE, date);
      continue;
    }
    CreditRow credit;
    credit.account_id = event.account_id;
    credit.credit_id = id;
    credit.currency = document.currency_code();
    credit.amount = credit.unapplied = -document.total_minor();
    credit.value_date = credit.posting_date = date;
    credit.reference = document.number();
    credit.created_at = clock_.Now();
    if (document.late_fees_minor() != 0 && !document.corrects_document_id().empty()) {
      // A waived late fee pays the document that asked for it, so that what is open of the others,
      // and with it their fees, stays the same.
      ASSIGN_OR_RETURN(const Uuid corrected, Uuid::Parse("doc", document.corrects_document_id()));
      book.PayFirst(id, corrected);
      waived_accounts.push_back(event.account_id);
      waived_documents.push_back(corrected);
      waived.push_back(document.late_fees_minor());
    }
    book.AddCredit(std::move(credit), kSales, pb::Transfer::CREDIT_NOTE, id);
  }
  if (touched.empty()) return absl::OkStatus();
  // On the day on which both sides are there, whenever the event is read.
  RETURN_IF_ERROR(book.AutoAllocate(touched, CivilDay::min(), CivilDay::min()));
  std::vector<db::FeedEvent> out;
  RETURN_IF_ERROR(book.Write(out));
  if (!waived.empty()) {
    // The late fees that a credit note takes back are owed no more.
    RETURN_IF_ERROR(
        tx.Exec("UPDATE item i SET fees = greatest(0, fees + u.f) FROM (SELECT a, d, "
                "sum(f)::int8 AS f FROM unnest($1, $2, $3) AS x(a, d, f) GROUP BY a, d) u "
                "WHERE i.account_id = u.a AND i.document_id = u.d",
                waived_accounts, waived_documents, waived)
            .status());
  }
  return db::AppendFeed(tx, out, clock_.Now());
}

}  // namespace broadbill::payments
