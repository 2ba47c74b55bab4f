#include "services/rating/app/ingest.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/app/call_ingest.h"
#include "services/rating/app/stored_record.h"

namespace broadbill::rating {

void Ingest::Wait(int16_t kind, const std::string& key, const std::string& reason,
                  const std::string& message, const std::string& subject, absl::Time at,
                  int64_t line, std::optional<Uuid> item_id, const std::string& raw) {
  WaitingRow row;
  row.record_key = WaitingKey(kind, key);
  row.record_id = Uuid::Make(now_);
  row.kind = kind;
  row.reason = reason;
  row.message = message;
  row.subject = subject;
  row.item_id = item_id;
  row.at = at;
  row.source_name = source_name_;
  row.source_line = line;
  row.raw.data = raw;
  row.import_id = import_id_;
  if (const auto again = again_.find(row.record_key.data); again != again_.end()) {
    // It waited before, under this name.
    row.record_key = again->second.record_key;
    row.record_id = again->second.record_id;
    row.source_name = again->second.source_name;
  }
  waiting_.push_back(std::move(row));
}

absl::Status Ingest::Flush() {
  ASSIGN_OR_RETURN(const int64_t kept, db::CopyNew(tx_, waiting_));
  counts_.waiting += kept;
  counts_.duplicates += static_cast<int64_t>(waiting_.size()) - kept;
  std::vector<std::string> unknown;
  for (const WaitingRow& row : waiting_) {
    if (row.reason == kUnknownSubject) unknown.push_back(row.subject);
  }
  waiting_.clear();
  return unknown.empty() || looked_again_ ? absl::OkStatus() : LookAgain(unknown);
}

absl::Status LockSubjects(db::Tx& tx) {
  return tx.Exec("SELECT pg_advisory_xact_lock(hashtextextended('broadbill.rating.subjects', 0))")
      .status();
}

absl::Status Ingest::LookAgain(const std::vector<std::string>& unknown) {
  looked_again_ = true;
  RETURN_IF_ERROR(
      tx_.Exec("SELECT pg_advisory_xact_lock_shared(hashtextextended('broadbill.rating.subjects', "
               "0))")
          .status());
  const std::vector<int16_t> kinds = {kRadiusUser, kDid, kTrunk, kMeterSubject};
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx_.Exec("SELECT DISTINCT value FROM subject WHERE kind = ANY($1) AND "
                            "value = ANY($2)",
                            kinds, unknown));
  std::vector<std::string> known;
  for (int i = 0; i < rows.size(); ++i) known.push_back(rows.Get<std::string>(i, 0));
  if (known.empty()) return absl::OkStatus();
  const std::optional<Uuid> import_id = import_id_;
  const std::map<std::string, WaitingRow> again = again_;
  ASSIGN_OR_RETURN(const int64_t taken, Again({kUnknownSubject}, known));
  import_id_ = import_id;
  again_ = again;
  counts_.waiting -= taken;
  return absl::OkStatus();
}

absl::Status Ingest::AddCalls(const std::vector<CallRecord>& records, const std::string& country) {
  DeckCache own;
  CallIngest calls(tx_, now_, decks_ != nullptr ? *decks_ : own, import_id_);
  RETURN_IF_ERROR(calls.Add(records, country));
  counts_.applied += calls.applied();
  counts_.duplicates += calls.duplicates();
  for (const WaitingCall& call : calls.waiting()) {
    const CallRecord& record = records[call.record];
    Wait(kWaitingCall, record.key, call.reason, call.message, record.calling, record.answered,
         record.line, call.item_id, Pack(record, country));
  }
  return Flush();
}

}  // namespace broadbill::rating
