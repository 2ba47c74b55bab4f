#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/fault/fault.h"
#include "libs/money/money.h"
#include "libs/rpc/log.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/approval.h"
#include "services/invoicing/app/invoicing_app.h"
#include "services/invoicing/app/phases.h"

namespace broadbill::invoicing {
namespace {

constexpr char kJob[] = "bill_run";
constexpr char kSignal[] = "invoicing.work";
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

absl::StatusOr<RunRow> FindRun(db::Tx& tx, const std::string& text) {
  Violations violations;
  const Uuid id = convert::ReadId("run", text, "bill_run_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const auto rows, db::Select<RunRow>(tx, "WHERE run_id = $1", id));
  if (rows.empty()) return NotFoundError("BILL_RUN_NOT_FOUND", "there is no bill run " + text);
  return rows.front();
}

const char* PhaseOf(int32_t state) {
  switch (state) {
    case pb::BillRun::RUNNING:
      return "drafting";
    case pb::BillRun::POSTING:
      return "posting";
    case pb::BillRun::DRAFTED:
      return "drafted";
    case pb::BillRun::DONE:
      return "done";
    case pb::BillRun::CANCELLED:
      return "cancelled";
    default:
      return "planning";
  }
}

absl::StatusOr<pb::BillRun> ToProto(db::Tx& tx, const RunRow& run) {
  pb::BillRun out;
  out.set_bill_run_id(run.run_id.ToText("run"));
  *out.mutable_as_of() = convert::ToProto(run.as_of);
  out.set_mode(static_cast<pb::BillRun::Mode>(run.mode));
  out.mutable_scope()->ParseFromString(run.scope.data);
  out.set_state(static_cast<pb::BillRun::State>(run.state));
  out.set_created_by(run.created_by);
  *out.mutable_created_at() = convert::ToProto(run.created_at);
  ASSIGN_OR_RETURN(
      const db::Result sums,
      tx.Exec("SELECT count(*) FILTER (WHERE drafted), count(*) FILTER (WHERE posted), "
              "coalesce(sum(cardinality(account_ids)) FILTER (WHERE drafted), 0)::int8, "
              "coalesce(sum(documents), 0)::int8, coalesce(sum(credit_notes), 0)::int8, "
              "coalesce(sum(lines), 0)::int8, coalesce(sum(net), 0)::int8, "
              "coalesce(sum(tax), 0)::int8, coalesce(sum(total), 0)::int8, "
              "coalesce(sum(exceptions), 0)::int8, "
              "coalesce(sum(documents) FILTER (WHERE posted), 0)::int8 "
              "FROM bill_run_chunk WHERE run_id = $1",
              run.run_id));
  const auto at = [&](int column) { return sums.Get<int64_t>(0, column); };
  pb::BillRunProgress* progress = out.mutable_progress();
  progress->set_accounts_total(run.accounts);
  progress->set_accounts_done(at(2));
  progress->set_documents_drafted(at(3));
  progress->set_documents_posted(at(10));
  progress->set_lines(at(5));
  progress->set_exceptions(at(9));
  progress->set_chunks_total(run.chunks);
  progress->set_chunks_drafted(static_cast<int32_t>(at(0)));
  progress->set_chunks_posted(static_cast<int32_t>(at(1)));
  progress->set_phase(PhaseOf(run.state));
  const absl::Duration elapsed = run.finished_at.value_or(absl::Now()) - run.started_at;
  progress->set_elapsed_ms(absl::ToInt64Milliseconds(elapsed));
  const double seconds = std::max(0.001, absl::ToDoubleSeconds(elapsed));
  const double rate = static_cast<double>(at(2)) / seconds;
  progress->set_accounts_per_second(rate);
  if (rate > 0) {
    progress->set_eta_seconds(
        static_cast<int64_t>(static_cast<double>(run.accounts - at(2)) / rate));
  }
  ASSIGN_OR_RETURN(const db::Result currency,
                   tx.Exec("SELECT currency FROM document WHERE run_id = $1 LIMIT 1", run.run_id));
  pb::BillRunTotals* totals = out.add_totals();
  const std::string code = currency.empty() ? "USD" : currency.Get<std::string>(0, 0);
  totals->set_currency_code(code);
  totals->set_invoices(at(3) - at(4));
  totals->set_credit_notes(at(4));
  *totals->mutable_net() = convert::ToMoney(at(6), code);
  *totals->mutable_tax() = convert::ToMoney(at(7), code);
  *totals->mutable_total() = convert::ToMoney(at(8), code);
  ASSIGN_OR_RETURN(const db::Result reasons,
                   tx.Exec("SELECT reason, count(*) FROM run_exception WHERE run_id = $1 AND "
                           "state = 1 GROUP BY reason ORDER BY reason",
                           run.run_id));
  for (int i = 0; i < reasons.size(); ++i) {
    pb::ExceptionCount* count = out.add_exception_counts();
    count->set_reason(static_cast<pb::RunException::Reason>(reasons.Get<int32_t>(i, 0)));
    count->set_count(reasons.Get<int64_t>(i, 1));
  }
  return out;
}

ExceptionRow MakeException(const Uuid& run_id, const Draft& draft, const Problem& problem,
                           absl::Time now) {
  ExceptionRow row;
  row.exception_id = Uuid::Make(now);
  row.run_id = run_id;
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
  return row;
}

bool IsTransient(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kAborted ||
         status.code() == absl::StatusCode::kDeadlineExceeded ||
         status.code() == absl::StatusCode::kResourceExhausted;
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
        RETURN_IF_ERROR(jobs::Create(tx, run.run_id, kJob, "", run.chunks, run.created_at));
        return ToProto(tx, run);
      });
  db::SignalFeed(kSignal);
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
        ASSIGN_OR_RETURN(RunRow run, FindRun(tx, request.bill_run_id()));
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
  db::SignalFeed(kSignal);
  return result;
}

absl::StatusOr<pb::BillRun> InvoicingApp::CancelBillRun(const rpc::Context& context,
                                                        const pb::CancelBillRunRequest& request) {
  auto result = convert::Write<pb::BillRun>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::BillRun> {
        ASSIGN_OR_RETURN(RunRow run, FindRun(tx, request.bill_run_id()));
        if (run.state == pb::BillRun::DONE) {
          return FailedPreconditionError("BILL_RUN_STATE", "the run is done");
        }
        RETURN_IF_ERROR(jobs::SetState(tx, run.run_id, "cancelled"));
        run.state = pb::BillRun::CANCELLED;
        RETURN_IF_ERROR(
            tx.Exec("UPDATE bill_run SET state = $2, finished_at = $3 WHERE run_id = $1",
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
  ASSIGN_OR_RETURN(const RunRow run, FindRun(tx, request.bill_run_id()));
  Violations violations;
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  Uuid after;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(after, Uuid::FromHex(token));
  }
  ASSIGN_OR_RETURN(auto rows, db::Select<ExceptionRow>(tx,
                                                       "WHERE run_id = $1 AND exception_id > $2 "
                                                       "ORDER BY exception_id LIMIT $3",
                                                       run.run_id, after, int64_t{size} + 1));
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
    out->set_state(static_cast<pb::RunException::State>(row.state));
    *out->mutable_created_at() = convert::ToProto(row.created_at);
  }
  return response;
}

namespace {

// An account's clean drafts, billed again after an exception: posted on their own date, with their
// service periods kept.
absl::Status SaveAndPost(db::Pool& pool, const Clock& clock, const RunRow& run,
                         const std::vector<Draft>& drafts) {
  return db::RunTx(pool, [&](db::Tx& tx) -> absl::Status {
    RETURN_IF_ERROR(SaveDrafts(tx, drafts));
    RETURN_IF_ERROR(tx.Exec("UPDATE run_exception SET state = 2 WHERE run_id = $1 AND "
                            "account_id = $2 AND state = 1",
                            run.run_id, drafts.front().account_id)
                        .status());
    std::vector<db::FeedEvent> events;
    std::vector<DocumentRow> documents;
    if (drafts.front().document.has_value()) documents.push_back(*drafts.front().document);
    const CivilDay date = std::max(run.as_of, DateIn(clock.Now(), absl::UTCTimeZone()));
    RETURN_IF_ERROR(
        PostDocuments(tx, documents, date, PostingDate::kEarliest, clock.Now(), events));
    return db::AppendFeed(tx, events, clock.Now());
  });
}

}  // namespace

absl::StatusOr<pb::RetryRunExceptionsResponse> InvoicingApp::RetryRunExceptions(
    const rpc::Context&, const pb::RetryRunExceptionsRequest& request) {
  // Held drafts are voided (their coverage is released) and the accounts are billed again.
  std::set<Uuid> accounts_left;
  RunRow run;
  {
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(run, FindRun(tx, request.bill_run_id()));
    if (request.release()) return ReleaseExceptions(request, run);
    ASSIGN_OR_RETURN(const auto rows,
                     db::Select<ExceptionRow>(tx, "WHERE run_id = $1 AND state = 1", run.run_id));
    for (const ExceptionRow& row : rows) accounts_left.insert(row.account_id);
  }
  pb::RetryRunExceptionsResponse response;
  for (const Uuid& account : accounts_left) {
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(const auto held,
                     db::Select<DocumentRow>(tx,
                                             "WHERE account_id = $1 AND run_id = $2 AND held AND "
                                             "document_id NOT IN (SELECT document_id FROM voiding) "
                                             "AND document_id NOT IN (SELECT document_id FROM "
                                             "posting)",
                                             account, run.run_id));
    tx.Rollback();
    bool superseded = false;
    for (const DocumentRow& document : held) {
      pb::VoidDocumentRequest discard;
      discard.set_document_id(document.document_id.ToText("doc"));
      discard.set_reason("billed again after an exception");
      const auto voided = VoidDocument(rpc::BackgroundContext("invoicing"), discard);
      if (!voided.ok() && ReasonOf(voided.status()) != "DRAFT_SUPERSEDED") return voided.status();
      superseded = superseded || !voided.ok();
    }
    if (superseded) {
      response.set_open(response.open() + 1);
      continue;
    }
    DraftContext context{run.as_of, run.run_id, run.chunks};
    ASSIGN_OR_RETURN(const std::vector<Draft> drafts, assembler_.MakeDrafts({account}, context));
    const bool clean = !drafts.empty() && drafts.front().problems.empty();
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

// ---- workers

void InvoicingApp::Work(rpc::Background& background) {
  while (!background.stopping()) {
    const int64_t seen = db::FeedSignals(kSignal);
    const auto drafted = DraftOneChunk();
    const auto posted = PostOneChunk();
    for (const auto& result : {drafted, posted}) {
      if (result.ok()) continue;
      rpc::Log(IsTransient(result.status()) ? rpc::LogLevel::kInfo : rpc::LogLevel::kError,
               "bill run",
               {{"error", std::string(result.status().message())},
                {"reason", ReasonOf(result.status())}});
      background.WaitFor(absl::Milliseconds(200));
    }
    const bool idle = drafted.ok() && !*drafted && posted.ok() && !*posted;
    if (idle) db::WaitFeedSignal(kSignal, seen, absl::Milliseconds(100));
  }
}

void InvoicingApp::KeepLeases(rpc::Background& background) {
  while (!background.WaitFor(kLease / 3)) leases_.Renew();
}

absl::Status InvoicingApp::TakeBackChunks() {
  ASSIGN_OR_RETURN(const int64_t chunks, jobs::ReleaseAll(*pool_, kJob));
  if (chunks > 0)
    rpc::Log(rpc::LogLevel::kInfo, "bill run", {{"taken_back", std::to_string(chunks)}});
  return absl::OkStatus();
}

absl::StatusOr<bool> InvoicingApp::DraftOneChunk() {
  ASSIGN_OR_RETURN(const auto claim, jobs::Take(*pool_, kJob, kLease));
  if (!claim.has_value()) return false;
  const jobs::Leases::Held held(&leases_, *claim);
  fault::Point("draft", "claimed");
  RunRow run;
  ChunkRow chunk;
  {
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(run, FindRun(tx, claim->job_id.ToText("run")));
    ASSIGN_OR_RETURN(const auto chunks, db::Select<ChunkRow>(tx, "WHERE run_id = $1 AND chunk = $2",
                                                             run.run_id, claim->chunk));
    chunk = chunks.front();
  }
  const absl::Status status = DraftChunk(*claim, run, chunk);
  if (!status.ok()) {
    jobs::Release(*pool_, *claim).IgnoreError();
    return status;
  }
  db::SignalFeed(kSignal);
  return true;
}

// Drafts a chunk; what cannot be computed or is refused by the database is narrowed down by halves
// until the one account stands alone as an exception.
absl::Status InvoicingApp::DraftChunk(const jobs::Claim& claim, const RunRow& run,
                                      const ChunkRow& chunk) {
  const DraftContext context{run.as_of, run.run_id, chunk.chunk};
  std::vector<Draft> drafts;
  auto made = assembler_.MakeDrafts(chunk.account_ids, context);
  if (!made.ok() && IsTransient(made.status())) return made.status();
  if (made.ok()) drafts = *std::move(made);
  fault::Point("draft", "computed");
  absl::Status saved =
      made.ok() ? SaveChunk(claim, run, chunk, drafts) : absl::InternalError("not computed");
  if (saved.ok() || IsTransient(saved)) return saved;
  drafts.clear();
  for (const Uuid& account : chunk.account_ids) {
    auto one = assembler_.MakeDrafts({account}, context);
    if (!one.ok() && IsTransient(one.status())) return one.status();
    absl::Status tried = one.status();
    if (one.ok()) {
      // Tried and rolled back: only the chunk's own transaction keeps anything.
      ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
      tried = SaveDrafts(tx, *one);
    }
    if (IsTransient(tried)) return tried;
    if (tried.ok()) {
      drafts.insert(drafts.end(), one->begin(), one->end());
      continue;
    }
    Draft refused;
    refused.account_id = account;
    refused.currency = "USD";
    refused.problems.push_back({pb::RunException::REFUSED, std::string(tried.message())});
    drafts.push_back(std::move(refused));
  }
  return SaveChunk(claim, run, chunk, drafts);
}

absl::Status InvoicingApp::SaveChunk(const jobs::Claim& claim, const RunRow& run,
                                     const ChunkRow& chunk, const std::vector<Draft>& drafts) {
  ChunkRow sums = chunk;
  std::vector<ExceptionRow> exceptions;
  for (const Draft& draft : drafts) {
    for (const Problem& problem : draft.problems) {
      exceptions.push_back(MakeException(run.run_id, draft, problem, clock_.Now()));
    }
    if (!draft.problems.empty()) ++sums.exceptions;
    if (!draft.document.has_value() || draft.document->held) continue;
    ++sums.documents;
    if (draft.document->kind == 2) ++sums.credit_notes;
    sums.lines += static_cast<int64_t>(draft.lines.size());
    sums.net += draft.document->net;
    sums.tax += draft.document->tax;
    sums.total += draft.document->total;
  }
  Stopwatch watch(peers_.metrics);
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  RETURN_IF_ERROR(jobs::Fence(tx, claim));
  if (run.mode != pb::BillRun::DRY) RETURN_IF_ERROR(SaveDrafts(tx, drafts));
  RETURN_IF_ERROR(db::Copy(tx, exceptions));
  RETURN_IF_ERROR(tx.Exec("UPDATE bill_run_chunk SET drafted = true, documents = $3, "
                          "credit_notes = $4, lines = $5, net = $6, tax = $7, total = $8, "
                          "exceptions = $9 WHERE run_id = $1 AND chunk = $2",
                          run.run_id, chunk.chunk, sums.documents, sums.credit_notes, sums.lines,
                          sums.net, sums.tax, sums.total, sums.exceptions)
                      .status());
  RETURN_IF_ERROR(jobs::Done(tx, claim));
  std::vector<db::FeedEvent> events;
  if (run.mode != pb::BillRun::DRY) {
    DraftEvents(drafts, run.mode == pb::BillRun::POST, clock_.Now(), events);
  }
  RETURN_IF_ERROR(db::AppendFeed(tx, events, clock_.Now()));
  watch.Lap("write drafts");
  RETURN_IF_ERROR(tx.Commit("draft"));
  watch.Lap("commit drafts");
  if (!events.empty()) db::SignalFeed("invoicing");
  return absl::OkStatus();
}

// Posts the next chunk of a run, in order; one poster per run by the row's lock.
absl::StatusOr<bool> InvoicingApp::PostOneChunk() {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto runs,
                   db::Select<RunRow>(tx,
                                      "WHERE state IN (2, 5) ORDER BY created_at, run_id LIMIT 1 "
                                      "FOR UPDATE SKIP LOCKED"));
  if (runs.empty()) return false;
  RunRow run = runs.front();
  const auto finish = [&](int32_t state) -> absl::StatusOr<bool> {
    RETURN_IF_ERROR(tx.Exec("UPDATE bill_run SET state = $2, finished_at = $3 WHERE run_id = $1",
                            run.run_id, state, absl::Now())
                        .status());
    if (state == pb::BillRun::DONE) RETURN_IF_ERROR(jobs::SetState(tx, run.run_id, "finished"));
    RETURN_IF_ERROR(tx.Commit("finish"));
    return true;
  };
  if (run.mode != pb::BillRun::POST) {
    ASSIGN_OR_RETURN(const jobs::Progress progress, jobs::GetProgress(tx, run.run_id));
    if (progress.done < progress.chunks) return false;
    return finish(run.mode == pb::BillRun::DRY ? pb::BillRun::DONE : pb::BillRun::DRAFTED);
  }
  if (run.next_post >= run.chunks) return finish(pb::BillRun::DONE);
  ASSIGN_OR_RETURN(const auto chunks, db::Select<ChunkRow>(tx, "WHERE run_id = $1 AND chunk = $2",
                                                           run.run_id, run.next_post));
  if (chunks.empty() || !chunks.front().drafted) return false;
  fault::Point("post", "read");
  Stopwatch watch(peers_.metrics);
  ASSIGN_OR_RETURN(const auto documents,
                   db::Select<DocumentRow>(tx,
                                           "WHERE run_id = $1 AND chunk = $2 AND NOT held AND "
                                           "document_id NOT IN (SELECT document_id FROM voiding) "
                                           "ORDER BY account_id, document_id",
                                           run.run_id, run.next_post));
  std::vector<db::FeedEvent> events;
  RETURN_IF_ERROR(
      PostDocuments(tx, documents, run.as_of, PostingDate::kEarliest, clock_.Now(), events));
  RETURN_IF_ERROR(
      tx.Exec("UPDATE bill_run_chunk SET posted = true WHERE run_id = $1 AND chunk = $2",
              run.run_id, run.next_post)
          .status());
  RETURN_IF_ERROR(
      tx.Exec("UPDATE bill_run SET next_post = next_post + 1 WHERE run_id = $1", run.run_id)
          .status());
  RETURN_IF_ERROR(db::AppendFeed(tx, events, clock_.Now()));
  watch.Lap("post");
  RETURN_IF_ERROR(tx.Commit("post"));
  watch.Lap("commit postings");
  db::SignalFeed("invoicing");
  return true;
}

}  // namespace broadbill::invoicing
