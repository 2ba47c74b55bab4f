#include <algorithm>
#include <map>

#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/rendering.h"
#include "services/invoicing/app/run_view.h"
#include "services/invoicing/app/whole.h"
#include "services/invoicing/domain/explain.h"

namespace broadbill::invoicing {
namespace {

void SetLine(const LineRow& row, const std::string& currency, int64_t tax, pb::Line* out) {
  out->set_line_id(row.line_id.ToText("lin"));
  out->set_position(row.position);
  out->set_kind(static_cast<pb::Line::Kind>(row.kind));
  if (row.item_id) out->set_item_id(row.item_id->ToText("sub"));
  if (row.location_id) out->set_location_id(row.location_id->ToText("loc"));
  out->set_description(row.description);
  if (row.start_date) {
    *out->mutable_interval() = convert::ToProto(DateInterval{*row.start_date, *row.end_date});
  }
  *out->mutable_quantity() = convert::ToProto(row.quantity);
  *out->mutable_unit_price() = convert::ToProto(row.unit_price);
  *out->mutable_amount() = convert::ToMoney(row.amount, currency);
  *out->mutable_tax() = convert::ToMoney(tax, currency);
  out->set_tax_class(row.tax_class);
  out->set_account_code(row.account_code);
  if (row.parent_line_id) out->set_parent_line_id(row.parent_line_id->ToText("lin"));
  if (row.corrects_line_id) out->set_corrects_line_id(row.corrects_line_id->ToText("lin"));
  if (row.corrects_document_id) {
    out->set_corrects_document_id(row.corrects_document_id->ToText("doc"));
  }
  out->set_derivation(row.derivation);
  out->set_source(row.source);
  out->set_source_id(row.source_id);
}

void SetTax(const TaxRow& row, const std::string& currency, pb::DocumentTax* out) {
  out->set_rule_id(row.rule_id);
  out->set_jurisdiction_id(row.jurisdiction_id);
  out->set_jurisdiction_code(row.jurisdiction_code);
  out->set_jurisdiction_name(row.jurisdiction_name);
  out->set_tax_code(row.tax_code);
  out->set_name(row.name);
  out->set_category(row.category);
  *out->mutable_rate() = convert::ToProto(row.rate);
  out->set_fixed(row.fixed);
  out->set_inclusive(row.inclusive);
  *out->mutable_base() = convert::ToMoney(row.base, currency);
  *out->mutable_exempt() = convert::ToMoney(row.exempt, currency);
  out->set_exempt_reason(row.exempt_reason);
  *out->mutable_unrounded() = convert::ToProto(row.unrounded);
  *out->mutable_amount() = convert::ToMoney(row.amount, currency);
  for (size_t i = 0; i < row.line_ids.size(); ++i) {
    pb::DocumentTaxShare* share = out->add_shares();
    share->set_line_id(row.line_ids[i].ToText("lin"));
    *share->mutable_base() = convert::ToMoney(row.line_bases[i], currency);
    *share->mutable_exempt() = convert::ToMoney(row.line_exempts[i], currency);
    *share->mutable_amount() = convert::ToMoney(row.line_amounts[i], currency);
  }
}

}  // namespace

pb::Document ToProto(const DocumentRow& row, const PostingRow* posting, bool is_void,
                     const std::vector<LineRow>& lines, const std::vector<TaxRow>& taxes) {
  pb::Document out;
  out.ParseFromString(row.parties.data);
  out.mutable_seller()->clear_account_number();
  out.set_document_id(row.document_id.ToText("doc"));
  out.set_kind(static_cast<pb::Document::Kind>(row.kind));
  out.set_state(is_void   ? pb::Document::VOID
                : posting ? pb::Document::POSTED
                          : pb::Document::DRAFT);
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_account_version(row.account_version);
  out.set_company_id(row.company_id.ToText("co"));
  if (row.run_id) out.set_bill_run_id(row.run_id->ToText("run"));
  if (row.corrects_document_id) {
    out.set_corrects_document_id(row.corrects_document_id->ToText("doc"));
  }
  out.set_currency_code(row.currency);
  *out.mutable_as_of() = convert::ToProto(row.as_of);
  if (posting != nullptr) {
    out.set_number(posting->full_number);
    *out.mutable_invoice_date() = convert::ToProto(posting->invoice_date);
    *out.mutable_due_date() = convert::ToProto(posting->due_date);
    *out.mutable_posted_at() = convert::ToProto(posting->posted_at);
    out.set_payment_reference(posting->full_number);
  }
  if (row.service_start) {
    *out.mutable_service_period() =
        convert::ToProto(DateInterval{*row.service_start, *row.service_end});
  }
  *out.mutable_net() = convert::ToMoney(row.net, row.currency);
  *out.mutable_tax() = convert::ToMoney(row.tax, row.currency);
  *out.mutable_total() = convert::ToMoney(row.total, row.currency);
  int64_t rounding = 0;
  for (const LineRow& line : lines) rounding += IsRounding(line) ? line.amount : 0;
  if (rounding != 0) *out.mutable_rounding() = convert::ToMoney(rounding, row.currency);
  std::map<Uuid, int64_t> line_taxes;
  for (const TaxRow& tax : taxes) {
    SetTax(tax, row.currency, out.add_taxes());
    for (size_t i = 0; i < tax.line_ids.size(); ++i)
      line_taxes[tax.line_ids[i]] += tax.line_amounts[i];
  }
  for (const LineRow& line : lines) {
    SetLine(line, row.currency, line_taxes[line.line_id], out.add_lines());
  }
  out.set_language(row.language);
  *out.mutable_created_at() = convert::ToProto(row.created_at);
  out.set_etag(posting ? "posted" : is_void ? "void" : "draft");
  return out;
}

absl::StatusOr<pb::Document> InvoicingApp::GetDocument(const rpc::Context&,
                                                       const pb::GetDocumentRequest& request) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const Whole whole, FindWhole(tx, request.document_id()));
  return WholeToProto(whole);
}

absl::StatusOr<pb::ListDocumentsResponse> InvoicingApp::ListDocuments(
    const rpc::Context&, const pb::ListDocumentsRequest& request) {
  Violations violations;
  const auto account =
      convert::ReadOptionalId("acc", request.account_id(), "account_id", violations);
  const auto run = convert::ReadOptionalId("run", request.bill_run_id(), "bill_run_id", violations);
  const auto company =
      convert::ReadOptionalId("co", request.company_id(), "company_id", violations);
  const auto from =
      convert::ReadOptionalDate(request.invoice_date_from(), "invoice_date_from", violations);
  const auto to =
      convert::ReadOptionalDate(request.invoice_date_to(), "invoice_date_to", violations);
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  Uuid after;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(after, Uuid::FromHex(token));
  }
  std::vector<int16_t> kinds(request.kinds().begin(), request.kinds().end());
  const auto wants = [&](pb::Document::State state) {
    return request.states_size() == 0 || std::find(request.states().begin(), request.states().end(),
                                                   state) != request.states().end();
  };
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(
      auto rows,
      db::Select<DocumentRow>(
          tx,
          "d WHERE document_id > $1 AND ($2::uuid IS NULL OR account_id = $2) AND "
          "($3::uuid IS NULL OR run_id = $3) AND (cardinality($4) = 0 OR kind = ANY($4)) AND "
          "($5::date IS NULL OR EXISTS (SELECT 1 FROM posting p WHERE p.document_id = "
          "d.document_id AND p.invoice_date >= $5)) AND ($6::date IS NULL OR EXISTS (SELECT 1 FROM "
          "posting p WHERE p.document_id = d.document_id AND p.invoice_date < $6)) AND "
          "($11::uuid IS NULL OR company_id = $11) AND "
          "CASE WHEN EXISTS (SELECT 1 FROM posting p WHERE p.document_id = d.document_id) THEN $7 "
          "WHEN EXISTS (SELECT 1 FROM voiding v WHERE v.document_id = d.document_id) THEN $8 "
          "ELSE $9 END ORDER BY document_id LIMIT $10",
          after, account, run, kinds, from, to, wants(pb::Document::POSTED),
          wants(pb::Document::VOID), wants(pb::Document::DRAFT), int64_t{size} + 1, company));
  pb::ListDocumentsResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().document_id.ToHex()));
  }
  std::vector<Uuid> ids;
  for (const DocumentRow& row : rows) ids.push_back(row.document_id);
  ASSIGN_OR_RETURN(const auto postings,
                   db::Select<PostingRow>(tx, "WHERE document_id = ANY($1)", ids));
  ASSIGN_OR_RETURN(const db::Result voids,
                   tx.Exec("SELECT document_id FROM voiding WHERE document_id = ANY($1)", ids));
  ASSIGN_OR_RETURN(const auto lines,
                   db::Select<LineRow>(tx, "WHERE document_id = ANY($1) ORDER BY position", ids));
  ASSIGN_OR_RETURN(const auto taxes,
                   db::Select<TaxRow>(tx, "WHERE document_id = ANY($1) ORDER BY position", ids));
  std::map<Uuid, Whole> wholes;
  for (const LineRow& line : lines) wholes[line.document_id].lines.push_back(line);
  for (const TaxRow& tax : taxes) wholes[tax.document_id].taxes.push_back(tax);
  for (const PostingRow& posting : postings) wholes[posting.document_id].posting = posting;
  for (int i = 0; i < voids.size(); ++i) wholes[voids.Get<Uuid>(i, 0)].is_void = true;
  for (const DocumentRow& row : rows) {
    Whole& whole = wholes[row.document_id];
    whole.row = row;
    *response.add_documents() = WholeToProto(whole);
  }
  return response;
}

absl::StatusOr<pb::ListLinesResponse> InvoicingApp::ListLines(const rpc::Context&,
                                                              const pb::ListLinesRequest& request) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const Whole whole, FindWhole(tx, request.document_id()));
  pb::ListLinesResponse response;
  *response.mutable_lines() = WholeToProto(whole).lines();
  return response;
}

namespace {

// How the amount came about, from what is stored with the line.
void SetReason(const pb::Line& line, pb::LineExplanation* out) {
  out->set_rule(RuleOf(static_cast<LineKind>(line.kind()), line.source(), line.derivation()));
  auto& inputs = *out->mutable_inputs();
  inputs["price"] = line.unit_price().value();
  inputs["quantity"] = line.quantity().value();
  if (line.has_interval()) {
    const auto day = [](const google::type::Date& date) {
      return CivilDay(date.year(), date.month(), date.day());
    };
    const DateInterval days{day(line.interval().start_date()), day(line.interval().end_date())};
    inputs["period_start"] = FormatDate(days.start);
    inputs["period_end"] = FormatDate(days.end);
    inputs["days"] = std::to_string(days.days());
  }
  if (const auto unrounded = UnroundedOf(line.derivation())) {
    *out->mutable_unrounded() = convert::ToProto(*unrounded);
  }
  out->add_steps(line.derivation());
}

}  // namespace

absl::StatusOr<pb::LineExplanation> InvoicingApp::ExplainLine(
    const rpc::Context&, const pb::ExplainLineRequest& request) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const Whole whole, FindWhole(tx, request.document_id()));
  const pb::Document document = WholeToProto(whole);
  for (const pb::Line& line : document.lines()) {
    if (line.line_id() != request.line_id()) continue;
    pb::LineExplanation out;
    *out.mutable_line() = line;
    SetReason(line, &out);
    const auto id = Uuid::Parse("lin", line.line_id());
    ASSIGN_OR_RETURN(const auto corrections, db::Select<LineRow>(tx, "WHERE corrects_line_id = $1",
                                                                 id.ok() ? *id : Uuid()));
    int64_t left = 0;
    for (const LineRow& row : whole.lines) {
      if (row.line_id.ToText("lin") == line.line_id()) left = row.amount;
    }
    for (const LineRow& row : corrections) {
      SetLine(row, whole.row.currency, 0, out.add_corrections());
      left += row.amount;
    }
    *out.mutable_left() = convert::ToMoney(left, whole.row.currency);
    return out;
  }
  return NotFoundError("LINE_NOT_FOUND", "the document has no such line");
}

namespace {

// Before a run's draft is posted by itself: the run's poster must not have it in hand. What waited
// is approved by that, and counts in the run's totals from now on.
absl::Status LeaveRun(db::Tx& tx, const DocumentRow& document) {
  if (!document.run_id.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const RunRow run, LockRun(tx, document.run_id->ToText("run")));
  if (!document.held) {
    const bool ended = run.state == pb::BillRun::DRAFTED || run.state == pb::BillRun::DONE ||
                       run.state == pb::BillRun::CANCELLED;
    if (ended) return absl::OkStatus();
    return FailedPreconditionError("BILL_RUN_STATE", "the draft's bill run is at work");
  }
  RETURN_IF_ERROR(tx.Exec("UPDATE document SET held = false WHERE account_id = $1 AND "
                          "document_id = $2",
                          document.account_id, document.document_id)
                      .status());
  RETURN_IF_ERROR(tx.Exec("UPDATE run_exception SET state = 2 WHERE run_id = $1 AND "
                          "account_id = $2 AND document_id = $3",
                          run.run_id, document.account_id, document.document_id)
                      .status());
  Totals totals;
  totals.Add(document);
  return totals.Write(tx, run.run_id, run.chunks);
}

}  // namespace

absl::StatusOr<pb::Document> InvoicingApp::PostDocument(const rpc::Context& context,
                                                        const pb::PostDocumentRequest& request) {
  Violations violations;
  const auto given = convert::ReadOptionalDate(request.posting_date(), "posting_date", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  std::vector<db::FeedEvent> posted;
  return convert::Write<pb::Document>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Document> {
        ASSIGN_OR_RETURN(const Whole whole, FindWhole(tx, request.document_id()));
        if (whole.posting.has_value() || whole.is_void) {
          return FailedPreconditionError("DOCUMENT_STATE", "only a draft can be posted");
        }
        const CivilDay date =
            given.value_or(std::max(whole.row.as_of, DateIn(clock_.Now(), absl::UTCTimeZone())));
        const PostingDate rule = given ? PostingDate::kExact : PostingDate::kEarliest;
        posted.clear();
        RETURN_IF_ERROR(LeaveRun(tx, whole.row));
        RETURN_IF_ERROR(PostDocuments(tx, {whole.row}, date, rule, clock_.Now(), posted));
        pb::Event event;
        event.ParseFromString(posted.front().body);
        events.Add(whole.row.account_id, event);
        ASSIGN_OR_RETURN(const Whole now, FindWhole(tx, request.document_id()));
        return WholeToProto(now);
      });
}

absl::StatusOr<pb::ListCoverageResponse> InvoicingApp::ListCoverage(
    const rpc::Context&, const pb::ListCoverageRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const CoverageMap coverage, LoadCoverage(tx, {account}));
  pb::ListCoverageResponse response;
  for (const auto& [item, state] : coverage) {
    const DateSet& covered = state.covered();
    DateSet gaps;
    if (!covered.empty()) {
      gaps.Add({covered.intervals().front().start, covered.intervals().back().end});
      for (const DateInterval& days : covered.intervals()) gaps.Subtract(days);
    }
    if (request.gaps_only() && gaps.empty()) continue;
    pb::ItemCoverage* out = response.add_items();
    out->set_account_id(request.account_id());
    out->set_item_id(item.ToText("sub"));
    for (const DateInterval& days : covered.intervals())
      *out->add_covered() = convert::ToProto(days);
    for (const DateInterval& days : gaps.intervals()) *out->add_gaps() = convert::ToProto(days);
    out->set_covered_days(covered.days());
  }
  return response;
}

}  // namespace broadbill::invoicing
