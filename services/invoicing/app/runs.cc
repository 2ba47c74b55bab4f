#include <algorithm>
#include <set>

#include "absl/time/clock.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/approval.h"
#include "services/invoicing/app/invoicing_app.h"
#include "services/invoicing/app/run_view.h"

namespace broadbill::invoicing {
namespace {

constexpr size_t kChunkAccounts = 500;

// Chunks of one bucket each, accounts in order.
std::vector<ChunkRow> PlanChunks(const Uuid& run_id,
                                 const std::vector<accounts::BillableAccount>& found) {
  std::vector<ChunkRow> out;
  int bucket = -1;
  for (const auto& account : found) {
    const auto id = Uuid::Parse("acc", account.account_id());
    if (!id.ok()) continue;
    if (out.empty() || bucket != account.bucket() ||
        out.back().account_ids.size() >= kChunkAccounts) {
      ChunkRow chunk;
      chunk.run_id = run_id;
      chunk.chunk = static_cast<int32_t>(out.size());
      out.push_back(std::move(chunk));
      bucket = account.bucket();
    }
    out.back().account_ids.push_back(*id);
    ++out.back().accounts;
  }
  return out;
}

absl::StatusOr<std::vector<accounts::BillableAccount>> ListAll(rpc::Channel& channel,
                                                               const pb::BillRunScope& scope,
                                                               CivilDay as_of) {
  accounts::ListBillableAccountsRequest request;
  request.set_company_id(scope.company_id());
  request.set_group(scope.group());
  *request.mutable_account_ids() = scope.account_ids();
  *request.mutable_cycle_days() = scope.cycle_days();
  *request.mutable_as_of() = convert::ToProto(as_of);
  std::vector<accounts::BillableAccount> out;
  while (true) {
    ASSIGN_OR_RETURN(const auto page, channel.Call<accounts::ListBillableAccountsResponse>(
                                          "broadbill.accounts.v1.Accounts/ListBillableAccounts",
                                          request, rpc::BackgroundContext("invoicing")));
    out.insert(out.end(), page.accounts().begin(), page.accounts().end());
    if (page.next_page_token().empty()) return out;
    request.set_page_token(page.next_page_token());
  }
}

// Streams the run about ten times a second until it has ended.
class RunWatch : public rpc::StreamSource<pb::BillRun> {
 public:
  RunWatch(InvoicingApp* app, std::string run_id) : app_(app), run_id_(std::move(run_id)) {}
  absl::StatusOr<rpc::StreamStep> Next(pb::BillRun& out) override {
    if (ended_) return rpc::StreamStep::kEnd;
    waited_ = !waited_;
    if (!waited_) return rpc::StreamStep::kWait;
    pb::GetBillRunRequest request;
    request.set_bill_run_id(run_id_);
    ASSIGN_OR_RETURN(out, app_->GetBillRun(rpc::BackgroundContext("invoicing"), request));
    ended_ = out.state() == pb::BillRun::DONE || out.state() == pb::BillRun::CANCELLED ||
             out.state() == pb::BillRun::DRAFTED || out.state() == pb::BillRun::FAILED;
    return rpc::StreamStep::kMessage;
  }

 private:
  InvoicingApp* const app_;
  const std::string run_id_;
  bool waited_ = false;
  bool ended_ = false;
};

// One account, billed again after an exception: posted on its own date, with its service periods
// kept.
absl::Status SaveAndPost(db::Pool& pool, const Clock& clock, const RunRow& run,
                         const std::vector<Draft>& drafts) {
  return db::RunTx(pool, [&](db::Tx& tx) -> absl::Status {
    RETURN_IF_ERROR(SaveDrafts(tx, drafts));
    RETURN_IF_ERROR(tx.Exec("UPDATE run_exception SET state = 2 WHERE run_id = $1 AND "
                            "account_id = $2",
                            run.run_id, drafts.front().account_id)
                        .status());
    std::vector<db::FeedEvent> events;
    std::vector<DocumentRow> documents;
    Totals totals;
    for (const Draft& draft : drafts) {
      if (!draft.document.has_value()) continue;
      documents.push_back(*draft.document);
      totals.Add(documents.back());
    }
    RETURN_IF_ERROR(totals.Write(tx, run.run_id, run.chunks));
    const CivilDay date = std::max(run.as_of, DateIn(clock.Now(), absl::UTCTimeZone()));
    RETURN_IF_ERROR(
        PostDocuments(tx, documents, date, PostingDate::kEarliest, clock.Now(), events));
    return db::AppendFeed(tx, events, clock.Now());
  });
}

}  // namespace

absl::StatusOr<pb::BillRun> InvoicingApp::CreateBillRun(const rpc::Context& context,
                                                        const pb::CreateBillRunRequest& request) {
  Violations violations;
  const CivilDay as_of = convert::ReadOptionalDate(request.as_of(), "as_of", violations)
                             .value_or(DateIn(clock_.Now(), absl::UTCTimeZone()));
  const auto given =
      convert::ReadOptionalId("run", request.bill_run_id(), "bill_run_id", violations);
  violations.Require(request.mode() != pb::BillRun::MODE_UNSPECIFIED, "mode",
                     "is required: DRY, DRAFT or POST");
  std::optional<Decimal> tolerance;
  if (request.has_forecast_tolerance_percent()) {
    tolerance = convert::ReadDecimal(request.forecast_tolerance_percent(),
                                     "forecast_tolerance_percent", violations);
    violations.Require(!tolerance->IsNegative(), "forecast_tolerance_percent",
                       "must not be negative");
  }
  const auto approval_above = ReadApproval(request, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const auto found, ListAll(*peers_.accounts, request.scope(), as_of));
  auto result = convert::Write<pb::BillRun>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::BillRun> {
        RunRow run;
        run.run_id = given.value_or(Uuid::Make(clock_.Now()));
        run.as_of = as_of;
        run.mode = request.mode();
        run.scope.data = request.scope().SerializeAsString();
        run.created_by = context.principal.id;
        run.created_at = clock_.Now();
        run.started_at = absl::Now();
        run.tolerance = tolerance;
        const std::vector<ChunkRow> chunks = PlanChunks(run.run_id, found);
        run.accounts = static_cast<int64_t>(found.size());
        run.chunks = static_cast<int32_t>(chunks.size());
        run.state = chunks.empty() ? pb::BillRun::DONE : pb::BillRun::RUNNING;
        if (chunks.empty()) run.finished_at = run.started_at;
        ASSIGN_OR_RETURN(const int64_t fresh, db::InsertOne(tx, run, "ON CONFLICT DO NOTHING"));
        if (fresh == 0) {
          // The same run again continues it.
          ASSIGN_OR_RETURN(const RunRow known, FindRun(tx, run.run_id.ToText("run")));
          return ToProto(tx, known);
        }
        RETURN_IF_ERROR(db::Copy(tx, chunks));
        RETURN_IF_ERROR(KeepApproval(tx, run.run_id, approval_above));
        RETURN_IF_ERROR(jobs::Create(tx, run.run_id, kRunJob, "", run.chunks, run.created_at));
        return ToProto(tx, run);
      });
  db::SignalFeed(kRunSignal);
  return result;
}

absl::StatusOr<pb::BillRun> InvoicingApp::GetBillRun(const rpc::Context&,
                                                     const pb::GetBillRunRequest& request) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const RunRow run, FindRun(tx, request.bill_run_id()));
  return ToProto(tx, run);
}

absl::StatusOr<pb::ListBillRunsResponse> InvoicingApp::ListBillRuns(
    const rpc::Context&, const pb::ListBillRunsRequest&) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<RunRow>(tx, "ORDER BY created_at DESC, run_id DESC LIMIT 100"));
  pb::ListBillRunsResponse response;
  for (const RunRow& row : rows) {
    ASSIGN_OR_RETURN(*response.add_bill_runs(), ToProto(tx, row));
  }
  return response;
}

absl::StatusOr<std::unique_ptr<rpc::StreamSource<pb::BillRun>>> InvoicingApp::WatchBillRun(
    const rpc::Context& context, const pb::WatchBillRunRequest& request) {
  pb::GetBillRunRequest get;
  get.set_bill_run_id(request.bill_run_id());
  RETURN_IF_ERROR(GetBillRun(context, get).status());
  return std::unique_ptr<rpc::StreamSource<pb::BillRun>>(
      std::make_unique<RunWatch>(this, request.bill_run_id()));
}

absl::StatusOr<pb::BillRun> InvoicingApp::PostBillRun(const rpc::Context& context,
                                                      const pb::PostBillRunRequest& request) {
  auto result = convert::Write<pb::BillRun>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::BillRun> {
        ASSIGN_OR_RETURN(RunRow run, LockRun(tx, request.bill_run_id()));
        if (run.state != pb::BillRun::DRAFTED) {
          return FailedPreconditionError("BILL_RUN_STATE", "only a drafted run can be posted");
        }
        run.state = pb::BillRun::POSTING;
        run.mode = pb::BillRun::POST;
        RETURN_IF_ERROR(tx.Exec("UPDATE bill_run SET state = $2, mode = $3, finished_at = NULL "
                                "WHERE run_id = $1",
                                run.run_id, run.state, run.mode)
                            .status());
        return ToProto(tx, run);
      });
  db::SignalFeed(kRunSignal);
  return result;
}

// From now on no worker claims a chunk of the run and none is posted; chunks at work are finished.
absl::StatusOr<pb::BillRun> InvoicingApp::PauseBillRun(const rpc::Context& context,
                                                       const pb::PauseBillRunRequest& request) {
  return convert::Write<pb::BillRun>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::BillRun> {
        ASSIGN_OR_RETURN(RunRow run, LockRun(tx, request.bill_run_id()));
        if (run.state == pb::BillRun::PAUSED) return ToProto(tx, run);
        if (run.state != pb::BillRun::RUNNING && run.state != pb::BillRun::POSTING) {
          return FailedPreconditionError("BILL_RUN_STATE", "only a run at work can be paused");
        }
        RETURN_IF_ERROR(jobs::SetState(tx, run.run_id, "paused"));
        run.state = pb::BillRun::PAUSED;
        run.paused_at = absl::Now();
        RETURN_IF_ERROR(tx.Exec("UPDATE bill_run SET state = $2, paused_at = $3 WHERE run_id = $1",
                                run.run_id, run.state, run.paused_at)
                            .status());
        return ToProto(tx, run);
      });
}

absl::StatusOr<pb::BillRun> InvoicingApp::ResumeBillRun(const rpc::Context& context,
                                                        const pb::ResumeBillRunRequest& request) {
  auto result = convert::Write<pb::BillRun>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::BillRun> {
        ASSIGN_OR_RETURN(RunRow run, LockRun(tx, request.bill_run_id()));
        if (run.state != pb::BillRun::PAUSED) {
          return FailedPreconditionError("BILL_RUN_STATE", "the run is not paused");
        }
        RETURN_IF_ERROR(jobs::SetState(tx, run.run_id, "running"));
        run.state = pb::BillRun::RUNNING;
        run.paused_ms += absl::ToInt64Milliseconds(absl::Now() - *run.paused_at);
        run.paused_at.reset();
        RETURN_IF_ERROR(tx.Exec("UPDATE bill_run SET state = $2, paused_at = NULL, paused_ms = $3 "
                                "WHERE run_id = $1",
                                run.run_id, run.state, run.paused_ms)
                            .status());
        return ToProto(tx, run);
      });
  db::SignalFeed(kRunSignal);
  return result;
}

absl::StatusOr<pb::BillRun> InvoicingApp::CancelBillRun(const rpc::Context& context,
                                                        const pb::CancelBillRunRequest& request) {
  auto result = convert::Write<pb::BillRun>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::BillRun> {
        ASSIGN_OR_RETURN(RunRow run, LockRun(tx, request.bill_run_id()));
        if (run.state == pb::BillRun::DONE) {
          return FailedPreconditionError("BILL_RUN_STATE", "the run is done");
        }
        RETURN_IF_ERROR(jobs::SetState(tx, run.run_id, "cancelled"));
        run.state = pb::BillRun::CANCELLED;
        RETURN_IF_ERROR(tx.Exec("UPDATE bill_run SET state = $2, finished_at = $3, paused_at = "
                                "NULL WHERE run_id = $1",
                                run.run_id, run.state, absl::Now())
                            .status());
        return ToProto(tx, run);
      });
  if (result.ok() && !request.validate_only()) {
    RETURN_IF_ERROR(VoidDrafts(*result));
  }
  return result;
}

// No worker saves a chunk of a cancelled run any more: its lease's fence fails. What this leaves
// when it is interrupted, the same call again takes up.
absl::Status InvoicingApp::VoidDrafts(const pb::BillRun& run) {
  Violations violations;
  const Uuid id = convert::ReadId("run", run.bill_run_id(), "bill_run_id", violations);
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(
      const db::Result drafts,
      tx.Exec(
          "SELECT document_id FROM document d WHERE run_id = $1 AND NOT EXISTS (SELECT 1 FROM "
          "voiding v WHERE v.document_id = d.document_id) AND NOT EXISTS (SELECT 1 FROM posting "
          "p WHERE p.document_id = d.document_id) ORDER BY document_id DESC",
          id));
  tx.Rollback();
  for (int i = 0; i < drafts.size(); ++i) {
    pb::VoidDocumentRequest discard;
    discard.set_document_id(drafts.Get<Uuid>(i, 0).ToText("doc"));
    discard.set_reason("the bill run was cancelled");
    RETURN_IF_ERROR(VoidDocument(rpc::BackgroundContext("invoicing"), discard).status());
  }
  return absl::OkStatus();
}

absl::StatusOr<pb::ListRunExceptionsResponse> InvoicingApp::ListRunExceptions(
    const rpc::Context&, const pb::ListRunExceptionsRequest& request) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  std::optional<Uuid> run_id;  // none: all runs
  if (request.bill_run_id() != "-") {
    ASSIGN_OR_RETURN(const RunRow run, FindRun(tx, request.bill_run_id()));
    run_id = run.run_id;
  }
  Violations violations;
  const auto account =
      convert::ReadOptionalId("acc", request.account_id(), "account_id", violations);
  const std::vector<int32_t> reasons(request.reasons().begin(), request.reasons().end());
  std::vector<int32_t> states(request.states().begin(), request.states().end());
  if (states.empty()) states.push_back(pb::RunException::OPEN);
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  Uuid after;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(after, Uuid::FromHex(token));
  }
  ASSIGN_OR_RETURN(
      auto rows,
      db::Select<ExceptionRow>(tx,
                               "WHERE ($1::uuid IS NULL OR run_id = $1) AND exception_id > $2 AND "
                               "state = ANY($4) AND (cardinality($5) = 0 OR reason = ANY($5)) AND "
                               "($6::uuid IS NULL OR account_id = $6) "
                               "ORDER BY exception_id LIMIT $3",
                               run_id, after, int64_t{size} + 1, states, reasons, account));
  pb::ListRunExceptionsResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().exception_id.ToHex()));
  }
  for (const ExceptionRow& row : rows) {
    pb::RunException* out = response.add_exceptions();
    out->set_exception_id(row.exception_id.ToText("exc"));
    out->set_bill_run_id(row.run_id.ToText("run"));
    out->set_account_id(row.account_id.ToText("acc"));
    out->set_reason(static_cast<pb::RunException::Reason>(row.reason));
    out->set_message(row.message);
    if (row.document_id) out->set_document_id(row.document_id->ToText("doc"));
    *out->mutable_amount() = convert::ToMoney(row.amount, row.currency);
    if (row.forecast) *out->mutable_forecast() = convert::ToMoney(*row.forecast, row.currency);
    out->set_state(static_cast<pb::RunException::State>(row.state));
    *out->mutable_created_at() = convert::ToProto(row.created_at);
  }
  return response;
}

absl::StatusOr<pb::RetryRunExceptionsResponse> InvoicingApp::RetryRunExceptions(
    const rpc::Context&, const pb::RetryRunExceptionsRequest& request) {
  // Held drafts are voided (their coverage is released) and the accounts are billed again.
  Violations violations;
  std::vector<Uuid> only;
  for (const std::string& id : request.exception_ids()) {
    only.push_back(convert::ReadId("exc", id, "exception_ids", violations));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  std::set<Uuid> accounts_left;
  RunRow run;
  {
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(run, FindRun(tx, request.bill_run_id()));
    ASSIGN_OR_RETURN(const auto rows,
                     db::Select<ExceptionRow>(tx,
                                              "WHERE run_id = $1 AND state = 1 AND "
                                              "(cardinality($2) = 0 OR exception_id = ANY($2))",
                                              run.run_id, only));
    for (const ExceptionRow& row : rows) accounts_left.insert(row.account_id);
  }
  pb::RetryRunExceptionsResponse response;
  for (const Uuid& account : accounts_left) {
    if (request.release()) {
      ASSIGN_OR_RETURN(const bool released, ReleaseHeld(run, account));
      released ? response.set_resolved(response.resolved() + 1)
               : response.set_open(response.open() + 1);
      continue;
    }
    ASSIGN_OR_RETURN(const bool free, VoidHeld(run, account));
    if (!free) {
      response.set_open(response.open() + 1);
      continue;
    }
    DraftContext context{run.as_of, run.run_id, run.chunks, run.tolerance};
    ASSIGN_OR_RETURN(const std::vector<Draft> drafts, assembler_.MakeDrafts({account}, context));
    const bool clean =
        !drafts.empty() && std::all_of(drafts.begin(), drafts.end(),
                                       [](const Draft& draft) { return draft.problems.empty(); });
    if (!clean) {
      const absl::Status waits = HoldAgain(*pool_, run, drafts, clock_.Now());
      if (IsTransient(waits)) return waits;
      response.set_open(response.open() + 1);
      continue;
    }
    const absl::Status billed = SaveAndPost(*pool_, clock_, run, drafts);
    if (!billed.ok()) {
      if (IsTransient(billed)) return billed;
      response.set_open(response.open() + 1);  // refused again
      continue;
    }
    db::SignalFeed("invoicing");
    response.set_resolved(response.resolved() + 1);
  }
  return response;
}

}  // namespace broadbill::invoicing
