#include "services/invoicing/app/approval.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/invoicing_app.h"
#include "services/invoicing/app/run_view.h"

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
  // An invoice and the credit note that was made with it wait together.
  for (size_t i = 1; i < drafts.size(); ++i) {
    Draft& one = drafts[i - 1];
    Draft& other = drafts[i];
    if (!one.twin.has_value() || !other.document.has_value()) continue;
    if (other.document->document_id != *one.twin || !one.document.has_value()) continue;
    const bool held = one.document->held || other.document->held;
    one.document->held = other.document->held = held;
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
        exceptions.push_back(MakeException(run.run_id, draft, problem, now));
      }
    }
    RETURN_IF_ERROR(db::Copy(tx, exceptions));
    std::vector<db::FeedEvent> events;
    DraftEvents(drafts, true, now, events);
    return db::AppendFeed(tx, events, now);
  });
}

}  // namespace broadbill::invoicing
