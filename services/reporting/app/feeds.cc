// From the feeds to the read models: parse, sort by what it is, write a batch at once.

#include "broadbill/accounts/v1/events.pb.h"
#include "broadbill/invoicing/v1/events.pb.h"
#include "broadbill/payments/v1/events.pb.h"
#include "libs/status/macros.h"
#include "services/reporting/app/reporting_app.h"
#include "services/reporting/store/apply.h"

namespace broadbill::reporting {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace invoicing = broadbill::invoicing::v1;
namespace payments = broadbill::payments::v1;

static_assert(kCreditNoteEntry == payments::Transfer::CREDIT_NOTE);
static_assert(kRefundEntry == payments::Transfer::REFUND);
static_assert(kReturnEntry == payments::Transfer::PAYMENT_RETURN);

CivilDay Day(const google::type::Date& date) {
  return CivilDay(date.year(), date.month(), date.day());
}

std::optional<CivilDay> OptionalDay(const google::type::Date& date) {
  if (date.year() == 0) return std::nullopt;
  return Day(date);
}

absl::StatusOr<std::optional<Uuid>> OptionalId(std::string_view prefix, const std::string& text) {
  if (text.empty()) return std::optional<Uuid>();
  ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse(prefix, text));
  return std::optional<Uuid>(id);
}

template <class Message>
absl::Status Parse(const feed::Event& event, Message& out) {
  if (out.ParseFromString(event.body)) return absl::OkStatus();
  return InvalidArgumentError("EVENT_UNREADABLE", "the event cannot be read");
}

absl::StatusOr<PostedTax> ToTax(const invoicing::PostedTax& in) {
  PostedTax out;
  out.tax.jurisdiction_id = in.jurisdiction_id();
  out.tax.jurisdiction_code = in.jurisdiction_code();
  out.tax.jurisdiction_name = in.jurisdiction_name();
  out.tax.tax_code = in.tax_code();
  out.tax.tax_name = in.name();
  if (!in.rate().value().empty()) {
    ASSIGN_OR_RETURN(out.tax.rate, Decimal::Parse(in.rate().value()));
  }
  out.taxable = in.base_minor();
  out.exempt = in.exempt_minor();
  out.exempt_reason = in.exempt_reason();
  out.amount = in.amount_minor();
  return out;
}

SaleTax ToSaleTax(const invoicing::PostedTax& in) {
  SaleTax out{in.jurisdiction_code(), in.tax_code(), in.amount_minor(), in.inclusive(), {}};
  for (const invoicing::PostedTaxShare& share : in.shares()) {
    out.shares.emplace_back(static_cast<size_t>(share.line()), share.amount_minor());
  }
  return out;
}

absl::StatusOr<PostedDocument> ToDocument(const Uuid& account,
                                          const invoicing::DocumentPosted& in) {
  PostedDocument out;
  DocumentRow& row = out.document;
  row.account_id = account;
  ASSIGN_OR_RETURN(row.document_id, Uuid::Parse("doc", in.document_id()));
  ASSIGN_OR_RETURN(row.company_id, Uuid::Parse("co", in.company_id()));
  ASSIGN_OR_RETURN(row.run_id, OptionalId("run", in.bill_run_id()));
  row.kind = static_cast<int16_t>(in.kind());
  row.number = in.number();
  row.currency = in.currency_code();
  row.invoice_date = Day(in.invoice_date());
  if (in.kind() == invoicing::Document::INVOICE) row.due_date = OptionalDay(in.due_date());
  row.net = in.net_minor();
  row.tax = in.tax_minor();
  row.total = in.total_minor();
  row.account_number = in.account_number();
  row.customer_name = in.customer_name();
  std::vector<SaleLine> lines;
  std::vector<SaleTax> taxes;
  for (const auto& line : in.lines()) lines.push_back({line.account_code(), line.amount_minor()});
  for (const auto& tax : in.taxes()) {
    taxes.push_back(ToSaleTax(tax));
    ASSIGN_OR_RETURN(PostedTax posted, ToTax(tax));
    out.taxes.push_back(std::move(posted));
  }
  out.books = SplitSale(lines, taxes);
  return out;
}

absl::StatusOr<DraftRow> ToDraft(const Uuid& account, const invoicing::DocumentDrafted& in) {
  DraftRow row;
  row.account_id = account;
  ASSIGN_OR_RETURN(row.document_id, Uuid::Parse("doc", in.document_id()));
  ASSIGN_OR_RETURN(row.company_id, Uuid::Parse("co", in.company_id()));
  ASSIGN_OR_RETURN(row.run_id, OptionalId("run", in.bill_run_id()));
  row.kind = static_cast<int16_t>(in.kind());
  row.currency = in.currency_code();
  row.as_of = Day(in.as_of());
  row.net = in.net_minor();
  row.tax = in.tax_minor();
  row.total = in.total_minor();
  row.customer_name = in.customer_name();
  return row;
}

absl::StatusOr<PostedEntry> ToEntry(const Uuid& account, const payments::PostedTransfer& in) {
  PostedEntry out;
  EntryRow& row = out.entry;
  row.account_id = account;
  ASSIGN_OR_RETURN(row.transfer_id, Uuid::Parse("xfr", in.transfer_id()));
  row.kind = static_cast<int16_t>(in.kind());
  row.debit = in.debit_account();
  row.credit = in.credit_account();
  row.currency = in.currency_code();
  row.amount = in.amount_minor();
  row.value_date = Day(in.value_date());
  row.posting_date = Day(in.posting_date());
  ASSIGN_OR_RETURN(row.document_id, OptionalId("doc", in.document_id()));
  ASSIGN_OR_RETURN(row.payment_id, OptionalId("pay", in.payment_id()));
  // What moves receivables moves an open item, that of no document if need be: so items and their
  // control account cannot differ.
  const bool receivable = row.debit == kReceivable || row.credit == kReceivable;
  if (receivable && !row.document_id) row.document_id = Uuid();
  out.due_date = OptionalDay(in.due_date());
  return out;
}

// First and last statements of every batch; all events are of one partition.
absl::Status Begin(db::Tx& tx, const std::vector<feed::Event>& events) {
  return LockPartition(tx, events.front().partition);
}
absl::Status End(db::Tx& tx, const std::string& source, const std::vector<feed::Event>& events) {
  return NoteApplied(tx, source, events.front().partition, events.back().at);
}

}  // namespace

absl::Status ReportingApp::OnAccountsEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  RETURN_IF_ERROR(Begin(tx, events));
  std::map<Uuid, AccountRow> latest;
  for (const feed::Event& event : events) {
    accounts::Event message;
    RETURN_IF_ERROR(Parse(event, message));
    if (!message.has_account_changed()) continue;
    const accounts::Account& account = message.account_changed().account();
    AccountRow row;
    row.account_id = event.account_id;
    row.account_number = account.account_number();
    row.name = account.name();
    ASSIGN_OR_RETURN(row.company_id, Uuid::Parse("co", account.company_id()));
    row.currency = account.currency_code();
    row.version = account.version();
    latest[event.account_id] = row;
  }
  std::vector<AccountRow> rows;
  for (auto& [id, row] : latest) rows.push_back(std::move(row));
  if (!rows.empty()) RETURN_IF_ERROR(ApplyAccounts(tx, events.front().partition, rows));
  return End(tx, "accounts", events);
}

absl::Status ReportingApp::OnInvoicingEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  RETURN_IF_ERROR(Begin(tx, events));
  std::vector<PostedDocument> documents;
  std::map<Uuid, DraftRow> drafts;
  std::vector<Uuid> gone_accounts;
  std::vector<Uuid> gone_documents;
  const auto gone = [&](const Uuid& account, const Uuid& document) {
    if (drafts.erase(document) > 0) return;
    gone_accounts.push_back(account);
    gone_documents.push_back(document);
  };
  for (const feed::Event& event : events) {
    invoicing::Event message;
    RETURN_IF_ERROR(Parse(event, message));
    if (message.has_document_posted()) {
      ASSIGN_OR_RETURN(PostedDocument posted,
                       ToDocument(event.account_id, message.document_posted()));
      gone(event.account_id, posted.document.document_id);
      documents.push_back(std::move(posted));
    } else if (message.has_document_drafted()) {
      ASSIGN_OR_RETURN(DraftRow draft, ToDraft(event.account_id, message.document_drafted()));
      drafts[draft.document_id] = std::move(draft);
    } else if (message.has_document_voided()) {
      ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse("doc", message.document_voided().document_id()));
      gone(event.account_id, id);
    }
  }
  std::vector<DraftRow> rows;
  for (auto& [id, row] : drafts) rows.push_back(std::move(row));
  RETURN_IF_ERROR(ApplyDrafts(tx, rows, gone_accounts, gone_documents));
  RETURN_IF_ERROR(ApplyDocuments(tx, events.front().partition, std::move(documents)));
  return End(tx, "invoicing", events);
}

absl::Status ReportingApp::OnPaymentsEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  RETURN_IF_ERROR(Begin(tx, events));
  std::vector<PostedEntry> entries;
  std::vector<PaymentRow> received;
  std::vector<DeclineRow> declines;
  for (const feed::Event& event : events) {
    payments::Event message;
    RETURN_IF_ERROR(Parse(event, message));
    if (message.has_transfers_posted()) {
      for (const auto& transfer : message.transfers_posted().transfers()) {
        ASSIGN_OR_RETURN(PostedEntry entry, ToEntry(event.account_id, transfer));
        entries.push_back(std::move(entry));
      }
    } else if (message.has_payment_received()) {
      const auto& in = message.payment_received();
      ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse("pay", in.payment_id()));
      received.push_back({event.account_id, id, static_cast<int16_t>(in.kind()), in.currency_code(),
                          in.amount_minor(), Day(in.value_date())});
    } else if (message.has_payment_declined()) {
      const auto& in = message.payment_declined();
      ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse("att", in.attempt_id()));
      declines.push_back({event.account_id, id, static_cast<int16_t>(in.kind()), in.currency_code(),
                          in.amount_minor(), Day(in.date())});
    }
  }
  RETURN_IF_ERROR(ApplyEntries(tx, events.front().partition, entries));
  RETURN_IF_ERROR(ApplyPayments(tx, received, declines));
  return End(tx, "payments", events);
}

}  // namespace broadbill::reporting
