#include <algorithm>

#include "libs/calendar/time_zone.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/invoicing_app.h"
#include "services/invoicing/app/run_view.h"

namespace broadbill::invoicing {

namespace {

absl::StatusOr<std::vector<DocumentRow>> SelectHeld(db::Tx& tx, const RunRow& run,
                                                    const Uuid& account_id) {
  return db::Select<DocumentRow>(
      tx,
      "WHERE account_id = $1 AND run_id = $2 AND held AND document_id "
      "NOT IN (SELECT document_id FROM voiding) AND document_id NOT IN "
      "(SELECT document_id FROM posting) ORDER BY document_id FOR UPDATE",
      account_id, run.run_id);
}

}  // namespace

absl::StatusOr<bool> InvoicingApp::VoidHeld(const RunRow& run, const Uuid& account_id) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto held, SelectHeld(tx, run, account_id));
  tx.Rollback();
  bool free = true;
  for (const DocumentRow& document : held) {
    pb::VoidDocumentRequest discard;
    discard.set_document_id(document.document_id.ToText("doc"));
    discard.set_reason("billed again after an exception");
    const auto voided = VoidDocument(rpc::BackgroundContext("invoicing"), discard);
    const std::string reason = ReasonOf(voided.status());
    // Voided together with the document it was made with.
    if (reason == "DOCUMENT_STATE") continue;
    if (!voided.ok() && reason != "DRAFT_SUPERSEDED") return voided.status();
    free = free && voided.ok();
  }
  return free;
}

absl::StatusOr<bool> InvoicingApp::ReleaseHeld(const RunRow& run, const Uuid& account_id) {
  bool any = false;
  RETURN_IF_ERROR(db::RunTx(*pool_, [&](db::Tx& tx) -> absl::Status {
    ASSIGN_OR_RETURN(const auto held, SelectHeld(tx, run, account_id));
    any = !held.empty();
    if (!any) return absl::OkStatus();
    RETURN_IF_ERROR(tx.Exec("UPDATE document SET held = false WHERE account_id = $1 AND "
                            "run_id = $2 AND held",
                            account_id, run.run_id)
                        .status());
    RETURN_IF_ERROR(
        tx.Exec("UPDATE run_exception SET state = 2 WHERE run_id = $1 AND account_id = $2",
                run.run_id, account_id)
            .status());
    Totals totals;
    for (const DocumentRow& document : held) totals.Add(document);
    RETURN_IF_ERROR(totals.Write(tx, run.run_id, run.chunks));
    // Posted on its own date, with its service periods kept.
    const CivilDay date = std::max(run.as_of, DateIn(clock_.Now(), absl::UTCTimeZone()));
    std::vector<db::FeedEvent> events;
    RETURN_IF_ERROR(PostDocuments(tx, held, date, PostingDate::kEarliest, clock_.Now(), events));
    return db::AppendFeed(tx, events, clock_.Now());
  }));
  if (any) db::SignalFeed("invoicing");
  return any;
}

}  // namespace broadbill::invoicing
