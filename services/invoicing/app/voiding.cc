#include "absl/strings/str_cat.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/whole.h"

namespace broadbill::invoicing {
namespace {

absl::Status CheckDraft(const Whole& whole) {
  if (!whole.posting.has_value() && !whole.is_void) return absl::OkStatus();
  return FailedPreconditionError("DOCUMENT_STATE", "only a draft can be voided");
}

// Usage is as if the line had never been: when no other one billed the period, the next bill of it
// is the first again, not a correction.
absl::Status ReleaseUsage(db::Tx& tx, const LineRow& line, const std::vector<Uuid>& accounts) {
  RETURN_IF_ERROR(tx.Exec("UPDATE usage_billed SET billed_minor = billed_minor - $5 "
                          "WHERE account_id = ANY($1) AND item_id = $2 AND meter = $3 AND "
                          "period_start = $4",
                          accounts, *line.item_id, line.source_id, *line.start_date, line.amount)
                      .status());
  return tx
      .Exec(
          "DELETE FROM usage_billed WHERE account_id = ANY($1) AND item_id = $2 AND meter = $3 AND "
          "period_start = $4 AND billed_minor = 0 AND NOT EXISTS (SELECT 1 FROM line l WHERE "
          "l.account_id = $6 AND l.source = 'usage' AND l.item_id = $2 AND l.source_id = $3 AND "
          "l.start_date = $4 AND l.document_id <> $5 AND NOT EXISTS (SELECT 1 FROM voiding v "
          "WHERE v.document_id = l.document_id))",
          accounts, *line.item_id, line.source_id, *line.start_date, line.document_id,
          line.account_id)
      .status();
}

// Usage and charges are as if the document had never been.
absl::Status Release(db::Tx& tx, const Whole& whole, const std::vector<Uuid>& accounts) {
  for (const LineRow& line : whole.lines) {
    if (line.source != "usage" || !line.item_id || !line.start_date) continue;
    RETURN_IF_ERROR(ReleaseUsage(tx, line, accounts));
  }
  // A fee that follows from an item is found again by the next run, if it is still due.
  RETURN_IF_ERROR(tx.Exec("DELETE FROM pending_charge WHERE account_id = ANY($1) AND "
                          "document_id = $2 AND source IN ('setup', 'early_termination')",
                          accounts, whole.row.document_id)
                      .status());
  return tx
      .Exec(
          "UPDATE pending_charge SET state = 1, document_id = NULL "
          "WHERE account_id = ANY($1) AND document_id = $2",
          accounts, whole.row.document_id)
      .status();
}

absl::Status MarkVoid(db::Tx& tx, const Whole& whole, const std::string& reason, absl::Time now,
                      convert::Events& events) {
  RETURN_IF_ERROR(tx.Exec("INSERT INTO voiding VALUES ($1, $2, $3, $4)", whole.row.document_id,
                          whole.row.account_id, reason, now)
                      .status());
  pb::Event event;
  event.set_account_id(whole.row.account_id.ToText("acc"));
  event.set_event_id(Uuid::Make(now).ToText("evt"));
  *event.mutable_at() = convert::ToProto(now);
  event.mutable_document_voided()->set_document_id(whole.row.document_id.ToText("doc"));
  event.mutable_document_voided()->set_reason(reason);
  events.Add(whole.row.account_id, event);
  return absl::OkStatus();
}

}  // namespace

// A void draft releases what it covered. An invoice and the credit note of its corrections are one
// change of coverage: voiding either voids both.
absl::StatusOr<pb::Document> InvoicingApp::VoidDocument(const rpc::Context& context,
                                                        const pb::VoidDocumentRequest& request) {
  return convert::Write<pb::Document>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Document> {
        ASSIGN_OR_RETURN(const Whole whole, FindWhole(tx, request.document_id()));
        RETURN_IF_ERROR(CheckDraft(whole));
        ASSIGN_OR_RETURN(const Links links,
                         LoadLinks(tx, whole.row.account_id, whole.row.document_id));
        ASSIGN_OR_RETURN(const std::vector<CoverageUpdate> updates,
                         TakeBack(tx, links.accounts, links.documents));
        std::vector<const CoverageUpdate*> saved;
        for (const CoverageUpdate& update : updates) saved.push_back(&update);
        RETURN_IF_ERROR(SaveCoverage(tx, saved));
        for (const Uuid& document : links.documents) {
          ASSIGN_OR_RETURN(const Whole one, FindWhole(tx, document.ToText("doc")));
          RETURN_IF_ERROR(CheckDraft(one));
          RETURN_IF_ERROR(Release(tx, one, links.accounts));
          RETURN_IF_ERROR(MarkVoid(tx, one, request.reason(), clock_.Now(), events));
        }
        ASSIGN_OR_RETURN(const Whole now, FindWhole(tx, request.document_id()));
        return WholeToProto(now);
      });
}

}  // namespace broadbill::invoicing
