#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "broadbill/invoicing/v1/document.pb.h"
#include "broadbill/invoicing/v1/events.pb.h"
#include "broadbill/invoicing/v1/pending_charge.pb.h"
#include "broadbill/invoicing/v1/preview.pb.h"
#include "broadbill/invoicing/v1/schedule.pb.h"
#include "libs/convert/write.h"
#include "libs/feed/consumer.h"
#include "libs/jobs/jobs.h"
#include "libs/rpc/host.h"
#include "services/invoicing/app/assemble.h"
#include "services/invoicing/app/ready.h"

namespace broadbill::invoicing {

// A chunk's lease: short, and renewed while the chunk is worked on, so that a dead worker's chunk
// is soon another's.
constexpr absl::Duration kLease = absl::Seconds(6);
// Of bill runs: the kind of their jobs, and what wakes the workers.
inline constexpr char kRunJob[] = "bill_run";
inline constexpr char kRunSignal[] = "invoicing.work";

// The source of pending charges that are late fees.
inline constexpr char kLateFeeSource[] = "payments.late_fee";

class InvoicingApp {
 public:
  InvoicingApp(std::shared_ptr<db::Pool> pool, const Clock& clock, Assembler::Peers peers)
      : pool_(pool),
        clock_(clock),
        peers_(peers),
        assembler_(pool, clock, peers),
        leases_(pool, kLease) {}

  // runs.cc
  absl::StatusOr<pb::BillRun> CreateBillRun(const rpc::Context&, const pb::CreateBillRunRequest&);
  absl::StatusOr<pb::BillRun> GetBillRun(const rpc::Context&, const pb::GetBillRunRequest&);
  absl::StatusOr<pb::ListBillRunsResponse> ListBillRuns(const rpc::Context&,
                                                        const pb::ListBillRunsRequest&);
  absl::StatusOr<std::unique_ptr<rpc::StreamSource<pb::BillRun>>> WatchBillRun(
      const rpc::Context&, const pb::WatchBillRunRequest&);
  absl::StatusOr<pb::BillRun> PostBillRun(const rpc::Context&, const pb::PostBillRunRequest&);
  absl::StatusOr<pb::BillRun> PauseBillRun(const rpc::Context&, const pb::PauseBillRunRequest&);
  absl::StatusOr<pb::BillRun> ResumeBillRun(const rpc::Context&, const pb::ResumeBillRunRequest&);
  absl::StatusOr<pb::BillRun> CancelBillRun(const rpc::Context&, const pb::CancelBillRunRequest&);
  absl::StatusOr<pb::ListRunExceptionsResponse> ListRunExceptions(
      const rpc::Context&, const pb::ListRunExceptionsRequest&);
  absl::StatusOr<pb::RetryRunExceptionsResponse> RetryRunExceptions(
      const rpc::Context&, const pb::RetryRunExceptionsRequest&);
  // run_work.cc
  // A worker: claims chunks and posts finished ones until told to stop.
  void Work(rpc::Background& background);
  // Renews the leases of the chunks that workers of this process hold.
  void KeepLeases(rpc::Background& background);
  // What a killed predecessor had claimed, for the only process of a private database.
  absl::Status TakeBackChunks();

  // schedules.cc
  absl::StatusOr<pb::BillSchedule> CreateBillSchedule(const rpc::Context&,
                                                      const pb::CreateBillScheduleRequest&);
  absl::StatusOr<pb::ListBillSchedulesResponse> ListBillSchedules(
      const rpc::Context&, const pb::ListBillSchedulesRequest&);
  absl::StatusOr<pb::BillSchedule> UpdateBillSchedule(const rpc::Context&,
                                                      const pb::UpdateBillScheduleRequest&);
  absl::StatusOr<pb::BillSchedule> DeleteBillSchedule(const rpc::Context&,
                                                      const pb::DeleteBillScheduleRequest&);
  // Starts scheduled runs when their time has come, until told to stop.
  void KeepSchedules(rpc::Background& background);

  // documents.cc
  absl::StatusOr<pb::Document> GetDocument(const rpc::Context&, const pb::GetDocumentRequest&);
  absl::StatusOr<pb::ListDocumentsResponse> ListDocuments(const rpc::Context&,
                                                          const pb::ListDocumentsRequest&);
  absl::StatusOr<pb::ListLinesResponse> ListLines(const rpc::Context&, const pb::ListLinesRequest&);
  absl::StatusOr<pb::LineExplanation> ExplainLine(const rpc::Context&,
                                                  const pb::ExplainLineRequest&);
  absl::StatusOr<pb::RenderDocumentResponse> RenderDocument(const rpc::Context&,
                                                            const pb::RenderDocumentRequest&);
  absl::StatusOr<pb::Document> PostDocument(const rpc::Context&, const pb::PostDocumentRequest&);
  absl::StatusOr<pb::Document> CreateCreditNote(const rpc::Context&,
                                                const pb::CreateCreditNoteRequest&);
  absl::StatusOr<pb::ListCoverageResponse> ListCoverage(const rpc::Context&,
                                                        const pb::ListCoverageRequest&);

  // preview.cc
  absl::StatusOr<pb::PreviewAccountResponse> PreviewAccount(const rpc::Context&,
                                                            const pb::PreviewAccountRequest&);
  // voiding.cc
  absl::StatusOr<pb::Document> VoidDocument(const rpc::Context&, const pb::VoidDocumentRequest&);

  // charges.cc
  absl::StatusOr<pb::PendingCharge> CreatePendingCharge(const rpc::Context&,
                                                        const pb::CreatePendingChargeRequest&);
  absl::StatusOr<pb::ListPendingChargesResponse> ListPendingCharges(
      const rpc::Context&, const pb::ListPendingChargesRequest&);
  absl::StatusOr<pb::PendingCharge> CancelPendingCharge(const rpc::Context&,
                                                        const pb::CancelPendingChargeRequest&);
  absl::StatusOr<pb::ApplyDepositResponse> ApplyDeposit(const rpc::Context&,
                                                        const pb::ApplyDepositRequest&);
  // Payments' feed: late fees become pending charges, once each.
  absl::Status OnPaymentsEvents(db::Tx& tx, const std::vector<feed::Event>& events);

 private:
  // release.cc: the drafts of an account that wait with an exception. Posts them as they are;
  // false: it has none.
  absl::StatusOr<bool> ReleaseHeld(const RunRow& run, const Uuid& account_id);
  // Voids them; false: a later document is in the way.
  absl::StatusOr<bool> VoidHeld(const RunRow& run, const Uuid& account_id);
  absl::Status StartScheduledRuns();
  absl::Status StartScheduledRun(const ScheduleRow& row);
  absl::StatusOr<absl::TimeZone> ZoneOf(const std::string& company_id);
  // Of the company given and of the one that a schedule has now.
  absl::StatusOr<std::map<std::string, absl::TimeZone>> ZonesOf(const std::string& company_id,
                                                                const std::string& schedule);
  // Voids what a run drafted and did not post.
  absl::Status VoidDrafts(const pb::BillRun& run);
  absl::StatusOr<bool> DraftOneChunk();
  absl::StatusOr<bool> PostChunks();
  absl::StatusOr<int32_t> Postable(db::Tx& tx, const RunRow& run);
  absl::Status DraftParts(std::span<const Uuid> account_ids, const DraftContext& context,
                          std::vector<Draft>& out);
  absl::Status DraftChunk(const jobs::Claim& claim, const RunRow& run, const ChunkRow& chunk);
  // A chunk's documents that are to be posted, in order.
  absl::StatusOr<std::vector<Ready>> ToPost(db::Tx& tx, const RunRow& run, int32_t chunk);
  absl::Status SaveChunk(const jobs::Claim& claim, const RunRow& run, const ChunkRow& chunk,
                         const std::vector<Draft>& drafts);

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  const Assembler::Peers peers_;
  const Assembler assembler_;
  jobs::Leases leases_;
  ReadyChunks ready_;
  absl::Mutex zones_mutex_;
  // The zones of companies with the machine's time of reading them; "" is the first company.
  std::map<std::string, std::pair<absl::TimeZone, absl::Time>> zones_ ABSL_GUARDED_BY(zones_mutex_);
};

// charges.cc: a row to its message.
pb::PendingCharge ToProto(const ChargeRow& row);
// documents.cc: rows to messages.
pb::Document ToProto(const DocumentRow& row, const PostingRow* posting, bool is_void,
                     const std::vector<LineRow>& lines, const std::vector<TaxRow>& taxes);
// Writes the drafts' rows in the given transaction.
absl::Status SaveDrafts(db::Tx& tx, const std::vector<Draft>& drafts);
// credit_tax.cc: that what a draft credits is still left. Locks the credited documents, as whoever
// credits does. ABORTED (CREDIT_MOVED) when more was credited since the draft was computed.
absl::Status CheckSeen(db::Tx& tx, const std::vector<Draft>& drafts);
// links.cc: the rows of drafts beside their documents: accounts, twins, charges that follow from
// their items. ABORTED (CHARGE_MOVED) when another transaction billed such a charge.
absl::Status SaveLinks(db::Tx& tx, const std::vector<Draft>& drafts);
// Accounts whose items stand on a document, its own first, and the documents made with it, itself
// first.
struct Links {
  std::vector<Uuid> accounts, documents;
};
absl::StatusOr<Links> LoadLinks(db::Tx& tx, const Uuid& account_id, const Uuid& document_id);
// Tells of drafts that are not posted at once; with `held_only` of those that wait as exceptions.
void DraftEvents(const std::vector<Draft>& drafts, bool held_only, absl::Time now,
                 std::vector<db::FeedEvent>& events);
// A series never goes back in date: an earlier posting date is moved to that of the series' last
// document, or refused (SERIES_DATE) when somebody asked for exactly that date.
enum class PostingDate { kEarliest, kExact };
// Makes drafts ready that are read from the database.
absl::StatusOr<std::vector<Ready>> ReadBack(db::Tx& tx, const std::vector<DocumentRow>& documents,
                                            absl::Time now);
// Numbers, posting rows and events of documents, in the order given; part of a transaction whose
// last statement is appending the events.
absl::Status PostReady(db::Tx& tx, const std::vector<Ready>& documents, CivilDay earliest,
                       PostingDate rule, absl::Time now, std::vector<db::FeedEvent>& events);
absl::Status PostDocuments(db::Tx& tx, const std::vector<DocumentRow>& documents, CivilDay earliest,
                           PostingDate rule, absl::Time now, std::vector<db::FeedEvent>& events);

}  // namespace broadbill::invoicing
