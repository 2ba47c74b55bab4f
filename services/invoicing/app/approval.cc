#include "services/invoicing/app/approval.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/invoicing_app.h"

namespace broadbill::invoicing {

std::optional<Decimal> ReadApproval(const pb::CreateBillRunRequest& request,
                                    Violations& violations) {
  if (!request.has_approval_above()) return std::nullopt;
  const Decimal above =
      convert::ReadDecimal(request.approval_above(), "approval_above", violations);
  violations.Require(!above.IsNegative(), "approval_above", "must not be negative");
  return above;
}

absl::Status KeepApproval(db::Tx& tx, const Uuid& run_id, const std::optional<Decimal>& above) {
  if (!above.has_value()) return absl::OkStatus();
  return tx.Exec("INSERT INTO bill_run_approval VALUES ($1, $2)", run_id, *above).status();
}

absl::Status HoldForApproval(db::Pool& pool, const Uuid& run_id, std::vector<Draft>& drafts) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      pool.Exec("SELECT approval_above FROM bill_run_approval WHERE run_id = $1", run_id));
  if (rows.empty()) return absl::OkStatus();
  const Decimal above = rows.Get<Decimal>(0, 0);
  for (Draft& draft : drafts) {
    if (!draft.document.has_value()) continue;
    ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(draft.currency));
    const int64_t total = std::abs(draft.document->total);
    const Fraction over = Fraction::Of(total) - Fraction::MinorUnits(above, exponent);
    if (over.valid() && (over.IsNegative() || over.IsZero())) continue;
    draft.problems.push_back({pb::RunException::NEEDS_APPROVAL,
                              absl::StrCat(FormatMoney(total, draft.currency), " is more than ",
                                           above.ToString(), " may be posted without approval")});
    draft.document->held = true;
  }
  return absl::OkStatus();
}

absl::Status HoldAgain(db::Pool& pool, const RunRow& run, const std::vector<Draft>& drafts,
                       absl::Time now) {
  return db::RunTx(pool, [&](db::Tx& tx) -> absl::Status {
    RETURN_IF_ERROR(SaveDrafts(tx, drafts));
    std::vector<ExceptionRow> exceptions;
    for (const Draft& draft : drafts) {
      RETURN_IF_ERROR(tx.Exec("UPDATE run_exception SET state = $3 WHERE run_id = $1 AND "
                              "account_id = $2 AND state = 1",
                              run.run_id, draft.account_id,
                              static_cast<int32_t>(pb::RunException::DISMISSED))
                          .status());
      for (const Problem& problem : draft.problems) {
        ExceptionRow row;
        row.exception_id = Uuid::Make(now);
        row.run_id = run.run_id;
        row.account_id = draft.account_id;
        row.reason = problem.reason;
        row.message = problem.message;
        if (draft.document.has_value()) {
          row.document_id = draft.document->document_id;
          row.amount = draft.document->total;
        }
        row.currency = draft.currency;
        row.state = pb::RunException::OPEN;
        row.created_at = now;
        exceptions.push_back(std::move(row));
      }
    }
    RETURN_IF_ERROR(db::Copy(tx, exceptions));
    std::vector<db::FeedEvent> events;
    DraftEvents(drafts, true, now, events);
    return db::AppendFeed(tx, events, now);
  });
}

// One transaction a draft: its number, and the end of its exceptions.
absl::StatusOr<pb::RetryRunExceptionsResponse> InvoicingApp::ReleaseExceptions(
    const pb::RetryRunExceptionsRequest& request, const RunRow& run) {
  Violations violations;
  std::vector<Uuid> only;
  for (const std::string& id : request.exception_ids()) {
    only.push_back(convert::ReadId("exc", id, "exception_ids", violations));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  std::set<Uuid> waiting;
  {
    ASSIGN_OR_RETURN(
        const db::Result rows,
        pool_->Exec("SELECT document_id FROM run_exception WHERE run_id = $1 AND state = 1 AND "
                    "document_id IS NOT NULL AND (cardinality($2) = 0 OR exception_id = ANY($2))",
                    run.run_id, only));
    for (int i = 0; i < rows.size(); ++i) waiting.insert(rows.Get<Uuid>(i, 0));
  }
  pb::RetryRunExceptionsResponse response;
  for (const Uuid& id : waiting) {
    bool released = false;
    RETURN_IF_ERROR(db::RunTx(*pool_, [&](db::Tx& tx) -> absl::Status {
      ASSIGN_OR_RETURN(const auto drafts,
                       db::Select<DocumentRow>(
                           tx,
                           "d WHERE document_id = $1 AND NOT EXISTS (SELECT 1 FROM voiding v WHERE "
                           "v.document_id = d.document_id) AND NOT EXISTS (SELECT 1 FROM posting p "
                           "WHERE p.document_id = d.document_id) FOR UPDATE",
                           id));
      released = !drafts.empty();
      const int32_t state = released ? pb::RunException::RESOLVED : pb::RunException::DISMISSED;
      RETURN_IF_ERROR(tx.Exec("UPDATE run_exception SET state = $2 WHERE run_id = $3 AND "
                              "document_id = $1 AND state = 1",
                              id, state, run.run_id)
                          .status());
      std::vector<db::FeedEvent> events;
      // Posted on its own date, with its service periods kept.
      const CivilDay date = std::max(run.as_of, DateIn(clock_.Now(), absl::UTCTimeZone()));
      RETURN_IF_ERROR(
          PostDocuments(tx, drafts, date, PostingDate::kEarliest, clock_.Now(), events));
      return db::AppendFeed(tx, events, clock_.Now());
    }));
    if (released) response.set_resolved(response.resolved() + 1);
  }
  db::SignalFeed("invoicing");
  ASSIGN_OR_RETURN(const db::Result open,
                   pool_->Exec("SELECT count(*) FROM run_exception WHERE run_id = $1 AND state = 1",
                               run.run_id));
  response.set_open(open.Get<int64_t>(0, 0));
  return response;
}

}  // namespace broadbill::invoicing
