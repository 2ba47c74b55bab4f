#include <algorithm>
#include <map>
#include <set>

#include "broadbill/tax/v1/calculation.pb.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/clients/snapshots.h"
#include "services/invoicing/app/work.h"

namespace broadbill::invoicing {
namespace {

namespace tax = broadbill::tax::v1;

TaxRow ToRow(const tax::TaxAmount& in, const DocumentRow& document, int32_t position) {
  TaxRow row;
  row.account_id = document.account_id;
  row.document_id = document.document_id;
  row.position = position;
  row.rule_id = in.rule_id();
  row.jurisdiction_id = in.jurisdiction_id();
  row.jurisdiction_code = in.jurisdiction_code();
  row.jurisdiction_name = in.jurisdiction_name();
  row.tax_code = in.tax_code();
  row.name = in.tax_name();
  row.category = in.category();
  row.rate = ToDecimal(in.rate());
  row.fixed = in.fixed();
  row.inclusive = in.inclusive();
  row.base = in.base_minor();
  row.exempt = in.exempt_minor();
  row.exempt_reason = in.exempt_reason();
  row.unrounded = ToDecimal(in.unrounded());
  row.amount = in.amount_minor();
  return row;
}

void AddDocument(const AccountWork& one, CivilDay tax_date, tax::BatchCalculateRequest& request) {
  tax::TaxDocument* document = request.add_documents();
  document->set_document_key(one.draft.document->document_id.ToText("doc"));
  document->set_account_id(one.snapshot->account_id());
  document->set_company_id(one.snapshot->company_id());
  document->set_customer_class(one.snapshot->customer_class());
  document->set_customer_tax_id(one.snapshot->tax_id());
  document->set_currency_code(one.snapshot->currency_code());
  *document->mutable_tax_date() = convert::ToProto(tax_date);
  for (const LineRow& line : one.draft.lines) {
    if (IsCredit(line)) continue;  // keeps the original's tax
    if (line.tax_class == kUntaxed) continue;
    tax::TaxLine* to = document->add_lines();
    to->set_line_id(line.line_id.ToText("lin"));
    to->set_tax_class(line.tax_class);
    to->set_net_minor(line.amount);
    *to->mutable_quantity() = convert::ToProto(line.quantity);
    if (line.start_date.has_value()) {
      *to->mutable_interval() = convert::ToProto(DateInterval{*line.start_date, *line.end_date});
    }
    to->set_recurring(line.kind == static_cast<int16_t>(LineKind::kRecurring));
    if (line.location_id.has_value()) to->set_location_id(line.location_id->ToText("loc"));
  }
}

absl::Status ReadAnswer(const tax::TaxedDocument& taxed, Draft& draft) {
  for (const tax::TaxProblem& problem : taxed.problems()) {
    draft.problems.push_back({pb::RunException::MISSING_TAX_AREA, problem.message()});
  }
  for (const tax::TaxAmount& amount : taxed.taxes()) {
    TaxRow row = ToRow(amount, *draft.document, static_cast<int32_t>(draft.taxes.size()) + 1);
    for (const tax::TaxLineShare& share : amount.shares()) {
      ASSIGN_OR_RETURN(const Uuid line, Uuid::Parse("lin", share.line_id()));
      row.line_ids.push_back(line);
      row.line_bases.push_back(share.base_minor());
      row.line_exempts.push_back(share.exempt_minor());
      row.line_amounts.push_back(share.amount_minor());
    }
    draft.taxes.push_back(std::move(row));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Assembler::AddTaxes(std::vector<AccountWork>& work, CivilDay tax_date) const {
  tax::BatchCalculateRequest request;
  std::set<std::string> locations;
  std::map<std::string, Draft*> by_key;
  for (AccountWork& one : work) {
    if (!one.draft.document.has_value()) continue;
    AddDocument(one, tax_date, request);
    by_key[one.draft.document->document_id.ToText("doc")] = &one.draft;
    for (const auto& location : one.snapshot->locations()) {
      if (!locations.insert(location.location_id()).second) continue;
      tax::TaxLocation* to = request.add_locations();
      to->set_location_id(location.location_id());
      *to->mutable_address() = location.address();
    }
  }
  if (request.documents_size() == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto response, peers_.tax->Call<tax::BatchCalculateResponse>(
                                            "broadbill.tax.v1.Tax/BatchCalculate", request,
                                            rpc::BackgroundContext("invoicing")));
  for (const tax::TaxedDocument& taxed : response.documents()) {
    RETURN_IF_ERROR(ReadAnswer(taxed, *by_key.at(taxed.document_key())));
  }
  return absl::OkStatus();
}

}  // namespace broadbill::invoicing
