#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/rendering.h"
#include "services/invoicing/render/ubl.h"

namespace broadbill::invoicing {
namespace {

bool IsKind(const LineRow& line, LineKind kind) { return line.kind == static_cast<int16_t>(kind); }

EInvoiceLine ToLine(const LineRow& row, const std::map<Uuid, int>& index) {
  EInvoiceLine line;
  line.id = std::to_string(row.position);
  line.name = row.description;
  if (IsKind(row, LineKind::kUsage) || IsKind(row, LineKind::kVoice)) line.note = row.derivation;
  if (row.start_date) line.days = {*row.start_date, *row.end_date};
  line.quantity = row.quantity;
  line.unit_price = row.unit_price;
  line.amount = row.amount;
  line.is_rounding = IsRounding(row);
  if (IsKind(row, LineKind::kDiscount) && row.parent_line_id) {
    const auto parent = index.find(*row.parent_line_id);
    if (parent != index.end()) line.parent = parent->second;
  }
  return line;
}

EInvoiceTax ToTax(const TaxRow& row, const std::map<Uuid, int>& index) {
  EInvoiceTax tax;
  tax.name = row.name.empty() ? row.jurisdiction_name : row.name;
  tax.category = row.category;
  tax.rate = row.rate;
  tax.inclusive = row.inclusive;
  tax.exempt_reason = row.exempt_reason;
  tax.amount = row.amount;
  for (size_t i = 0; i < row.line_ids.size(); ++i) {
    const auto line = index.find(row.line_ids[i]);
    if (line == index.end()) continue;
    tax.shares.push_back({static_cast<size_t>(line->second), row.line_bases[i], row.line_exempts[i],
                          row.line_amounts[i]});
  }
  return tax;
}

// Credit that waits for this document: it pays it as soon as it is posted.
int64_t PaidBefore(const Whole& whole, const pb::Document& document) {
  if (!document.has_statement() || whole.row.total <= 0) return 0;
  const StatementMinor statement = ToMinor(document.statement(), whole.row.currency);
  return std::clamp<int64_t>(-statement.before(), 0, whole.row.total);
}

EInvoiceInput ToInput(const Whole& whole, const pb::Document& document, int exponent) {
  EInvoiceInput in;
  in.credit_note = whole.row.kind == 2;
  in.exponent = exponent;
  std::map<Uuid, int> index;
  for (const LineRow& line : whole.lines) {
    index[line.line_id] = static_cast<int>(in.lines.size());
    in.lines.push_back(ToLine(line, index));
  }
  for (const TaxRow& tax : whole.taxes) in.taxes.push_back(ToTax(tax, index));
  in.prepaid = PaidBefore(whole, document);
  return in;
}

UblParty ToParty(const pb::Party& party) {
  UblParty out;
  out.id = party.account_number();
  out.name = party.name();
  for (const std::string& line : party.address().lines()) {
    if (!line.empty()) out.lines.push_back(line);
  }
  out.city = party.address().city();
  out.region = party.address().region();
  out.postal_code = party.address().postal_code();
  out.vat_id = VatNumber(party.tax_id());
  if (out.vat_id.empty()) out.tax_id = party.tax_id();
  out.country = party.address().country_code();
  if (out.country.empty()) out.country = CountryOfVat(out.vat_id);
  out.email = party.email();
  out.phone = party.phone();
  return out;
}

// Where the lines were delivered, when that is one country.
std::string DeliveredTo(const pb::Document& document) {
  std::string out;
  for (const auto& location : document.locations()) {
    const std::string& country = location.address().country_code();
    if (!out.empty() && !country.empty() && out != country) return "";
    if (out.empty()) out = country;
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<std::pair<std::string, CivilDay>>> CorrectedBy(db::Tx& tx,
                                                                          const Whole& whole) {
  std::vector<Uuid> ids;
  if (whole.row.corrects_document_id) ids.push_back(*whole.row.corrects_document_id);
  for (const LineRow& line : whole.lines) {
    if (line.corrects_document_id) ids.push_back(*line.corrects_document_id);
  }
  std::vector<std::pair<std::string, CivilDay>> out;
  if (ids.empty()) return out;
  ASSIGN_OR_RETURN(
      const auto rows,
      db::Select<PostingRow>(
          tx, "WHERE document_id = ANY($1) AND document_id <> $2 ORDER BY invoice_date, number",
          ids, whole.row.document_id));
  for (const PostingRow& row : rows) out.emplace_back(row.full_number, row.invoice_date);
  return out;
}

absl::StatusOr<std::string> RenderUbl(db::Tx& tx, const Whole& whole) {
  if (!whole.posting) {
    return FailedPreconditionError("DOCUMENT_STATE", "only a posted document is an e-invoice");
  }
  const pb::Document document = WholeToProto(whole);
  ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(whole.row.currency));
  UblDocument ubl;
  ubl.credit_note = whole.row.kind == 2;
  ubl.number = whole.posting->full_number;
  ubl.issue_date = whole.posting->invoice_date;
  ubl.due_date = whole.posting->due_date;
  ubl.currency = whole.row.currency;
  ubl.exponent = exponent;
  if (whole.row.corrects_document_id && !whole.lines.empty()) {
    ubl.note = whole.lines.front().derivation;  // the reason of the credit note
  }
  if (whole.row.service_start) ubl.period = {*whole.row.service_start, *whole.row.service_end};
  ASSIGN_OR_RETURN(ubl.corrected, CorrectedBy(tx, whole));
  ubl.seller = ToParty(document.seller());
  ubl.seller.id.clear();
  if (ubl.seller.vat_id.empty() && ubl.seller.tax_id.empty()) {
    ubl.seller.id = document.company_id();  // a seller is named by at least one number
  }
  ubl.buyer = ToParty(document.customer());
  ubl.buyer_reference = document.customer().account_number();
  ubl.delivered_to = DeliveredTo(document);
  ubl.iban = document.seller().iban();
  ubl.bic = document.seller().bic();
  ubl.payment_reference = document.payment_reference();
  ASSIGN_OR_RETURN(ubl.numbers, ComputeEInvoice(ToInput(whole, document, exponent)));
  const std::vector<std::string> broken = BrokenRules(ubl.numbers, exponent);
  const int64_t total = ubl.numbers.payable + ubl.numbers.prepaid;
  if (!broken.empty() || total != (ubl.credit_note ? -whole.row.total : whole.row.total)) {
    return InternalError("EINVOICE_SUMS", "the e-invoice of " + ubl.number +
                                              " does not add up: " + absl::StrJoin(broken, ", "));
  }
  const std::vector<std::string> missing = MissingForUbl(ubl);
  if (!missing.empty()) {
    return FailedPreconditionError("EINVOICE_INCOMPLETE",
                                   "an e-invoice needs " + absl::StrJoin(missing, ", "));
  }
  return WriteUbl(ubl);
}

}  // namespace broadbill::invoicing
