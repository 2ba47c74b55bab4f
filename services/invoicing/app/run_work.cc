// The workers of bill runs: chunks are drafted by any of them, posted in order by one.

#include <algorithm>
#include <iterator>
#include <tuple>

#include "absl/time/clock.h"
#include "libs/fault/fault.h"
#include "libs/rpc/log.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/invoicing_app.h"
#include "services/invoicing/app/phases.h"
#include "services/invoicing/app/run_view.h"

namespace broadbill::invoicing {
namespace {

constexpr int32_t kPostChunks = 8;  // at most, in one transaction
// Chunks of so many accounts are of a run that has the machine to itself: who follows the feed in
// this process waits, until nothing came for the time of the hold.
constexpr int32_t kBulkAccounts = 250;
constexpr absl::Duration kHold = absl::Seconds(2);

// The drafts that are to be posted, in the order of their numbers.
std::vector<Ready> ReadyOf(const std::vector<Draft>& drafts, absl::Time now) {
  std::vector<Ready> out;
  for (const Draft& draft : drafts) {
    if (!draft.document.has_value() || draft.document->held) continue;
    out.push_back(MakeReady(*draft.document, draft.lines, draft.taxes, now));
  }
  std::sort(out.begin(), out.end(), [](const Ready& a, const Ready& b) {
    return std::tie(a.account_id, a.document_id) < std::tie(b.account_id, b.document_id);
  });
  return out;
}

}  // namespace

void InvoicingApp::Work(rpc::Background& background) {
  while (!background.stopping()) {
    const int64_t seen = db::FeedSignals(kRunSignal);
    const auto drafted = DraftOneChunk();
    const auto posted = PostChunks();
    for (const auto& result : {drafted, posted}) {
      if (result.ok()) continue;
      rpc::Log(IsTransient(result.status()) ? rpc::LogLevel::kInfo : rpc::LogLevel::kError,
               "bill run",
               {{"error", std::string(result.status().message())},
                {"reason", ReasonOf(result.status())}});
      background.WaitFor(absl::Milliseconds(200));
    }
    const bool idle = drafted.ok() && !*drafted && posted.ok() && !*posted;
    if (idle) db::WaitFeedSignal(kRunSignal, seen, absl::Milliseconds(100));
  }
}

void InvoicingApp::KeepLeases(rpc::Background& background) {
  while (!background.WaitFor(kLease / 3)) leases_.Renew();
}

absl::Status InvoicingApp::TakeBackChunks() {
  ASSIGN_OR_RETURN(const int64_t chunks, jobs::ReleaseAll(*pool_, kRunJob));
  if (chunks > 0)
    rpc::Log(rpc::LogLevel::kInfo, "bill run", {{"taken_back", std::to_string(chunks)}});
  return absl::OkStatus();
}

absl::StatusOr<bool> InvoicingApp::DraftOneChunk() {
  ASSIGN_OR_RETURN(const auto claim, jobs::Take(*pool_, kRunJob, kLease));
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
  if (chunk.accounts >= kBulkAccounts) db::HoldConsumers("invoicing", kHold);
  const absl::Status status = DraftChunk(*claim, run, chunk);
  if (!status.ok()) {
    jobs::Release(*pool_, *claim).IgnoreError();
    return status;
  }
  db::SignalFeed(kRunSignal);
  return true;
}

// Drafts accounts; what cannot be computed, or is refused by the database, is tried in halves until
// the one account stands alone as an exception.
absl::Status InvoicingApp::DraftParts(std::span<const Uuid> account_ids,
                                      const DraftContext& context, std::vector<Draft>& out) {
  auto made = assembler_.MakeDrafts({account_ids.begin(), account_ids.end()}, context);
  absl::Status tried = made.status();
  if (tried.ok()) {
    // Tried and rolled back: only the chunk's own transaction keeps anything.
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    tried = SaveDrafts(tx, *made);
  }
  if (IsTransient(tried)) return tried;
  if (tried.ok()) {
    std::move(made->begin(), made->end(), std::back_inserter(out));
    return absl::OkStatus();
  }
  if (account_ids.size() > 1) {
    const size_t half = account_ids.size() / 2;
    RETURN_IF_ERROR(DraftParts(account_ids.first(half), context, out));
    return DraftParts(account_ids.subspan(half), context, out);
  }
  Draft refused;
  refused.account_id = account_ids.front();
  refused.currency = "USD";
  refused.problems.push_back({pb::RunException::REFUSED, std::string(tried.message())});
  out.push_back(std::move(refused));
  return absl::OkStatus();
}

absl::Status InvoicingApp::DraftChunk(const jobs::Claim& claim, const RunRow& run,
                                      const ChunkRow& chunk) {
  const DraftContext context{run.as_of, run.run_id, chunk.chunk, run.tolerance};
  auto made = assembler_.MakeDrafts(chunk.account_ids, context);
  fault::Point("draft", "computed");
  absl::Status saved = made.ok() ? SaveChunk(claim, run, chunk, *made) : made.status();
  if (saved.ok() || IsTransient(saved)) return saved;
  std::vector<Draft> drafts;
  RETURN_IF_ERROR(DraftParts(chunk.account_ids, context, drafts));
  return SaveChunk(claim, run, chunk, drafts);
}

absl::Status InvoicingApp::SaveChunk(const jobs::Claim& claim, const RunRow& run,
                                     const ChunkRow& chunk, const std::vector<Draft>& drafts) {
  ChunkRow sums = chunk;
  Totals totals;
  std::vector<ExceptionRow> exceptions;
  for (const Draft& draft : drafts) {
    for (const Problem& problem : draft.problems) {
      exceptions.push_back(MakeException(run.run_id, draft, problem, clock_.Now()));
    }
    if (!draft.problems.empty()) ++sums.exceptions;
    if (!draft.document.has_value() || draft.document->held) continue;
    ++sums.documents;
    sums.lines += static_cast<int64_t>(draft.lines.size());
    totals.Add(*draft.document);
  }
  Stopwatch watch(peers_.metrics);
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  RETURN_IF_ERROR(jobs::Fence(tx, claim));
  if (run.mode != pb::BillRun::DRY) RETURN_IF_ERROR(SaveDrafts(tx, drafts));
  RETURN_IF_ERROR(db::Copy(tx, exceptions));
  RETURN_IF_ERROR(totals.Write(tx, run.run_id, chunk.chunk));
  RETURN_IF_ERROR(tx.Exec("UPDATE bill_run_chunk SET drafted = true, drafted_at = $3, "
                          "documents = $4, lines = $5, exceptions = $6 "
                          "WHERE run_id = $1 AND chunk = $2",
                          run.run_id, chunk.chunk, absl::Now(), sums.documents, sums.lines,
                          sums.exceptions)
                      .status());
  RETURN_IF_ERROR(jobs::Done(tx, claim));
  std::vector<db::FeedEvent> events;
  if (run.mode != pb::BillRun::DRY) {
    DraftEvents(drafts, run.mode == pb::BillRun::POST, clock_.Now(), events);
  }
  RETURN_IF_ERROR(db::AppendFeed(tx, events, clock_.Now()));
  watch.Lap("write drafts");
  std::vector<Ready> ready =
      run.mode == pb::BillRun::POST ? ReadyOf(drafts, clock_.Now()) : std::vector<Ready>();
  watch.Lap("prepare postings");
  RETURN_IF_ERROR(tx.Commit("draft"));
  watch.Lap("commit drafts");
  if (!ready.empty()) ready_.Put(run.run_id, chunk.chunk, std::move(ready));
  if (!events.empty()) db::SignalFeed("invoicing");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Ready>> InvoicingApp::ToPost(db::Tx& tx, const RunRow& run,
                                                        int32_t chunk) {
  auto ready = ready_.Take(run.run_id, chunk);
  if (!ready.has_value()) {
    ASSIGN_OR_RETURN(const auto documents,
                     db::Select<DocumentRow>(tx,
                                             "WHERE run_id = $1 AND chunk = $2 AND NOT held AND "
                                             "document_id NOT IN (SELECT document_id FROM voiding) "
                                             "AND NOT EXISTS (SELECT 1 FROM posting p WHERE "
                                             "p.document_id = document.document_id) "
                                             "ORDER BY account_id, document_id",
                                             run.run_id, chunk));
    return ReadBack(tx, documents, clock_.Now());
  }
  std::vector<Uuid> ids;
  for (const Ready& document : *ready) ids.push_back(document.document_id);
  ASSIGN_OR_RETURN(const db::Result voided,
                   tx.Exec("SELECT document_id FROM voiding WHERE document_id = ANY($1)", ids));
  for (int i = 0; i < voided.size(); ++i) {
    std::erase_if(*ready, [id = voided.Get<Uuid>(i, 0)](const Ready& document) {
      return document.document_id == id;
    });
  }
  return *std::move(ready);
}

// How many of the next chunks are drafted, up to kPostChunks.
absl::StatusOr<int32_t> InvoicingApp::Postable(db::Tx& tx, const RunRow& run) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT chunk, drafted FROM bill_run_chunk WHERE run_id = $1 AND "
                           "chunk >= $2 AND chunk < $3 ORDER BY chunk",
                           run.run_id, run.next_post, run.next_post + kPostChunks));
  int32_t count = 0;
  while (count < rows.size() && rows.Get<bool>(count, 1)) ++count;
  return count;
}

// Posts the next chunks of a run, in order; one poster per run by the row's lock.
absl::StatusOr<bool> InvoicingApp::PostChunks() {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto runs,
                   db::Select<RunRow>(tx,
                                      "WHERE state IN (2, 5) ORDER BY created_at, run_id LIMIT 1 "
                                      "FOR UPDATE SKIP LOCKED"));
  if (runs.empty()) return false;
  const RunRow& run = runs.front();
  const auto finish = [&](int32_t state) -> absl::StatusOr<bool> {
    RETURN_IF_ERROR(tx.Exec("UPDATE bill_run SET state = $2, finished_at = $3 WHERE run_id = $1",
                            run.run_id, state, absl::Now())
                        .status());
    if (state == pb::BillRun::DONE) RETURN_IF_ERROR(jobs::SetState(tx, run.run_id, "finished"));
    RETURN_IF_ERROR(tx.Commit("finish"));
    db::ReleaseConsumers("invoicing");
    return true;
  };
  if (run.mode != pb::BillRun::POST) {
    ASSIGN_OR_RETURN(const jobs::Progress progress, jobs::GetProgress(tx, run.run_id));
    if (progress.done < progress.chunks) return false;
    return finish(run.mode == pb::BillRun::DRY ? pb::BillRun::DONE : pb::BillRun::DRAFTED);
  }
  if (run.next_post >= run.chunks) return finish(pb::BillRun::DONE);
  ASSIGN_OR_RETURN(const int32_t count, Postable(tx, run));
  if (count == 0) return false;
  fault::Point("post", "read");
  Stopwatch watch(peers_.metrics);
  std::vector<Ready> documents;
  for (int32_t chunk = run.next_post; chunk < run.next_post + count; ++chunk) {
    ASSIGN_OR_RETURN(std::vector<Ready> one, ToPost(tx, run, chunk));
    std::move(one.begin(), one.end(), std::back_inserter(documents));
  }
  if (documents.size() >= kBulkAccounts) db::HoldConsumers("invoicing", kHold);
  std::vector<db::FeedEvent> events;
  RETURN_IF_ERROR(
      PostReady(tx, documents, run.as_of, PostingDate::kEarliest, clock_.Now(), events));
  RETURN_IF_ERROR(tx.Exec("UPDATE bill_run_chunk SET posted = true, posted_at = $4 WHERE run_id = "
                          "$1 AND chunk >= $2 AND chunk < $3",
                          run.run_id, run.next_post, run.next_post + count, absl::Now())
                      .status());
  RETURN_IF_ERROR(
      tx.Exec("UPDATE bill_run SET next_post = next_post + $2 WHERE run_id = $1", run.run_id, count)
          .status());
  RETURN_IF_ERROR(db::AppendFeed(tx, events, clock_.Now()));
  watch.Lap("post");
  RETURN_IF_ERROR(tx.Commit("post"));
  watch.Lap("commit postings");
  db::SignalFeed("invoicing");
  return true;
}

}  // namespace broadbill::invoicing
