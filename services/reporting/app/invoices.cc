#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/reporting/app/reporting_app.h"
#include "services/reporting/store/reports.h"

namespace broadbill::reporting {
namespace {

constexpr size_t kDateSize = 10;

void SetRow(const ListedDocument& listed, pb::InvoiceRow* out) {
  const DocumentRow& row = listed.row;
  out->set_document_id(row.document_id.ToText("doc"));
  out->set_kind(row.kind == 2 ? "CREDIT_NOTE" : "INVOICE");
  out->set_number(row.number);
  out->set_account_id(row.account_id.ToText("acc"));
  out->set_account_number(row.account_number);
  out->set_customer_name(row.customer_name);
  out->set_company_id(row.company_id.ToText("co"));
  if (row.run_id) out->set_bill_run_id(row.run_id->ToText("run"));
  *out->mutable_invoice_date() = convert::ToProto(row.invoice_date);
  if (row.due_date) *out->mutable_due_date() = convert::ToProto(*row.due_date);
  *out->mutable_net() = convert::ToMoney(row.net, row.currency);
  *out->mutable_tax() = convert::ToMoney(row.tax, row.currency);
  *out->mutable_total() = convert::ToMoney(row.total, row.currency);
  *out->mutable_open() = convert::ToMoney(listed.open, row.currency);
}

template <class Response>
void SetTotals(const std::vector<DocumentTotal>& totals, Response& out) {
  for (const DocumentTotal& total : totals) {
    pb::InvoiceTotals* to = out.add_totals();
    to->set_currency_code(total.currency);
    to->set_invoices(total.invoices);
    to->set_credit_notes(total.credit_notes);
    *to->mutable_net() = convert::ToMoney(total.net, total.currency);
    *to->mutable_tax() = convert::ToMoney(total.tax, total.currency);
    *to->mutable_total() = convert::ToMoney(total.total, total.currency);
    *to->mutable_open() = convert::ToMoney(total.open, total.currency);
  }
}

// The date and number after which a page begins.
absl::StatusOr<std::pair<CivilDay, std::string>> ReadKey(const std::string& after) {
  if (after.empty()) return std::pair(CivilDay(1, 1, 1), std::string());
  const auto day = ParseDate(after.substr(0, kDateSize));
  if (!day.ok()) return InvalidField("page_token", "is not a token this method gave");
  return std::pair(*day, after.substr(std::min(kDateSize, after.size())));
}

}  // namespace

absl::StatusOr<pb::ListPostedInvoicesResponse> ReportingApp::PostedInvoices(
    const pb::ListPostedInvoicesRequest& request, const Page& page) const {
  Violations violations;
  DocumentFilter filter;
  filter.from = convert::ReadOptionalDate(request.from_date(), "from_date", violations);
  filter.to = convert::ReadOptionalDate(request.to_date(), "to_date", violations);
  filter.company = convert::ReadOptionalId("co", request.company_id(), "company_id", violations);
  filter.account = convert::ReadOptionalId("acc", request.account_id(), "account_id", violations);
  filter.run = convert::ReadOptionalId("run", request.bill_run_id(), "bill_run_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const auto after, ReadKey(page.after));
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(auto rows, Posted(tx, filter, after.first, after.second, page.size + 1));
  ASSIGN_OR_RETURN(const auto totals, PostedTotals(tx, filter));
  pb::ListPostedInvoicesResponse out;
  if (static_cast<int64_t>(rows.size()) > page.size) {
    rows.resize(static_cast<size_t>(page.size));
    const DocumentRow& last = rows.back().row;
    out.set_next_page_token(convert::MakePageToken(FormatDate(last.invoice_date) + last.number));
  }
  for (const ListedDocument& row : rows) SetRow(row, out.add_rows());
  SetTotals(totals, out);
  return out;
}

absl::StatusOr<pb::ListUnpostedInvoicesResponse> ReportingApp::UnpostedInvoices(
    const pb::ListUnpostedInvoicesRequest& request, const Page& page) const {
  Violations violations;
  DocumentFilter filter;
  filter.company = convert::ReadOptionalId("co", request.company_id(), "company_id", violations);
  filter.run = convert::ReadOptionalId("run", request.bill_run_id(), "bill_run_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  Uuid after;
  if (!page.after.empty()) {
    const auto id = Uuid::FromHex(page.after);
    if (!id.ok()) return InvalidField("page_token", "is not a token this method gave");
    after = *id;
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(auto rows, Drafts(tx, filter, after, page.size + 1));
  ASSIGN_OR_RETURN(const auto totals, DraftTotals(tx, filter));
  pb::ListUnpostedInvoicesResponse out;
  if (static_cast<int64_t>(rows.size()) > page.size) {
    rows.resize(static_cast<size_t>(page.size));
    out.set_next_page_token(convert::MakePageToken(rows.back().row.document_id.ToHex()));
  }
  for (const ListedDocument& row : rows) SetRow(row, out.add_rows());
  SetTotals(totals, out);
  return out;
}

absl::StatusOr<pb::TaxReport> ReportingApp::Taxes(const pb::GetTaxReportRequest& request) const {
  Violations violations;
  Days days;
  days.from = convert::ReadOptionalDate(request.from_date(), "from_date", violations);
  days.to = convert::ReadOptionalDate(request.to_date(), "to_date", violations);
  days.company = convert::ReadOptionalId("co", request.company_id(), "company_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(const auto sums, TaxSums(tx, days, request.by_month()));
  pb::TaxReport out;
  std::map<std::string, int64_t> totals;
  for (const TaxSum& sum : sums) {
    const auto money = [&](int64_t minor) { return convert::ToMoney(minor, sum.currency); };
    pb::TaxRow* to = out.add_rows();
    to->set_month(sum.month);
    to->set_jurisdiction_id(sum.tax.jurisdiction_id);
    to->set_jurisdiction_code(sum.tax.jurisdiction_code);
    to->set_jurisdiction_name(sum.tax.jurisdiction_name);
    to->set_tax_code(sum.tax.tax_code);
    to->set_tax_name(sum.tax.tax_name);
    *to->mutable_rate() = convert::ToProto(sum.tax.rate);
    to->set_credit_notes(sum.credit_notes);
    *to->mutable_gross() = money(sum.taxable + sum.exempt);
    *to->mutable_exempt() = money(sum.exempt);
    for (const auto& [reason, amount] : sum.exempt_by_reason) {
      pb::ExemptReasonRow* row = to->add_exempt_by_reason();
      row->set_reason(reason);
      *row->mutable_amount() = money(amount);
    }
    *to->mutable_taxable() = money(sum.taxable);
    *to->mutable_tax() = money(sum.amount);
    to->set_documents(sum.documents);
    totals[sum.currency] += sum.amount;
  }
  for (const auto& [currency, amount] : totals) {
    *out.add_totals() = convert::ToMoney(amount, currency);
  }
  return out;
}

absl::StatusOr<pb::ListPostedInvoicesResponse> ReportingApp::ListPostedInvoices(
    const rpc::Context&, const pb::ListPostedInvoicesRequest& request) {
  ASSIGN_OR_RETURN(const Page page, ReadPage(request.page_size(), request.page_token()));
  return PostedInvoices(request, page);
}

absl::StatusOr<pb::ListUnpostedInvoicesResponse> ReportingApp::ListUnpostedInvoices(
    const rpc::Context&, const pb::ListUnpostedInvoicesRequest& request) {
  ASSIGN_OR_RETURN(const Page page, ReadPage(request.page_size(), request.page_token()));
  return UnpostedInvoices(request, page);
}

absl::StatusOr<pb::TaxReport> ReportingApp::GetTaxReport(const rpc::Context&,
                                                         const pb::GetTaxReportRequest& request) {
  return Taxes(request);
}

}  // namespace broadbill::reporting
