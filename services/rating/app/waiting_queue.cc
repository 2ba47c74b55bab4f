#include "services/rating/app/waiting_queue.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/convert/write.h"
#include "libs/csv/reader.h"
#include "libs/status/macros.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/page.h"
#include "services/rating/app/recipes.h"
#include "services/rating/app/stored_record.h"
#include "services/rating/domain/import_file.h"

namespace broadbill::rating {
namespace {

using Change = pb::WaitingRecordChange;
using Outcome = pb::CorrectWaitingRecordResponse;
using Request = pb::CorrectWaitingRecordRequest;

constexpr int kIdsMost = 10000;

std::string ContentOf(const WaitingRow& row) {
  std::string country;
  switch (row.kind) {
    case kWaitingSample:
      return Describe(UnpackSample(row.raw.data));
    case kWaitingCall:
      return Describe(UnpackCall(row.raw.data, country));
    case kWaitingEvent:
      return Describe(UnpackEvent(row.raw.data));
    case kWaitingPacket:
      return "a packet of " + row.subject;
    default:
      return csv::Printable(UnpackMalformed(row.raw.data).text, kRowBytesMost);
  }
}

pb::WaitingRecord ToProto(const WaitingRow& row) {
  pb::WaitingRecord out;
  out.set_record_id(row.record_id.ToText("rec"));
  out.set_kind(row.kind == kWaitingCall        ? pb::WaitingRecord::CALL
               : row.kind == kWaitingMalformed ? pb::WaitingRecord::MALFORMED_ROW
                                               : pb::WaitingRecord::USAGE);
  out.set_reason(row.reason);
  out.set_message(row.message);
  out.set_subject(row.subject);
  *out.mutable_time() = convert::ToProto(row.at);
  out.set_source_name(row.source_name);
  out.set_source_line(row.source_line);
  if (row.import_id.has_value()) out.set_import_id(row.import_id->ToText("imp"));
  out.set_content(ContentOf(row));
  out.set_state(static_cast<pb::WaitingRecord::State>(row.state));
  return out;
}

// Records with their owners and what people did with them.
absl::StatusOr<std::vector<pb::WaitingRecord>> Load(db::Tx& tx,
                                                    const std::vector<WaitingRow>& rows) {
  std::vector<Uuid> ids;
  std::vector<Uuid> items;
  for (const WaitingRow& row : rows) {
    ids.push_back(row.record_id);
    if (row.item_id.has_value()) items.push_back(*row.item_id);
  }
  std::map<Uuid, std::string> owners;
  ASSIGN_OR_RETURN(const db::Result owned,
                   tx.Exec("SELECT DISTINCT item_id, account_id FROM item_terms WHERE item_id = "
                           "ANY($1)",
                           items));
  for (int i = 0; i < owned.size(); ++i) {
    owners[owned.Get<Uuid>(i, 0)] = owned.Get<Uuid>(i, 1).ToText("acc");
  }
  std::multimap<Uuid, WaitingChangeRow> changes;
  ASSIGN_OR_RETURN(const std::vector<WaitingChangeRow> made,
                   db::Select<WaitingChangeRow>(
                       tx, "WHERE record_id = ANY($1) ORDER BY record_id, change_id", ids));
  for (const WaitingChangeRow& row : made) changes.emplace(row.record_id, row);
  std::vector<pb::WaitingRecord> out;
  for (const WaitingRow& row : rows) {
    out.push_back(ToProto(row));
    if (row.item_id.has_value()) out.back().set_account_id(owners[*row.item_id]);
    const auto [begin, end] = changes.equal_range(row.record_id);
    for (auto it = begin; it != end; ++it) {
      Change* change = out.back().add_changes();
      *change->mutable_time() = convert::ToProto(it->second.at);
      change->set_changed_by(it->second.changed_by);
      change->set_action(static_cast<Change::Action>(it->second.action));
      change->set_note(it->second.note);
      change->set_content_before(it->second.before);
    }
  }
  return out;
}

// Puts down what somebody does with these records, as they were before.
absl::Status Note(db::Tx& tx, absl::Time now, const rpc::Context& context, Change::Action action,
                  const std::string& note, const std::vector<WaitingRow>& rows) {
  std::vector<WaitingChangeRow> out;
  for (const WaitingRow& row : rows) {
    out.push_back({Uuid::Make(now), row.record_id, now, context.principal.id,
                   static_cast<int16_t>(action), note, ContentOf(row)});
  }
  return db::Copy(tx, out);
}

void RequireNote(const std::string& note, Violations& violations) {
  violations.Require(!note.empty() && note.size() <= 1000 && csv::IsText(note), "note",
                     "must be 1 to 1,000 characters");
}

template <class Ids>
std::vector<Uuid> ReadIds(const Ids& texts, Violations& violations) {
  std::vector<Uuid> out;
  violations.Require(texts.size() <= kIdsMost, "record_ids", "must be at most 10,000");
  if (texts.size() > kIdsMost) return out;
  for (int i = 0; i < texts.size(); ++i) {
    out.push_back(
        convert::ReadId("rec", texts.Get(i), absl::StrCat("record_ids[", i, "]"), violations));
  }
  return out;
}

// The fields of a request that a kind of record has no use for.
absl::Status RefuseFields(const Request& request, int16_t kind) {
  if (kind == kWaitingPacket) {
    return FailedPreconditionError("INVALID_STATE",
                                   "a packet cannot be corrected: dismiss it, and bring what it "
                                   "should say as an event or in a file");
  }
  Violations violations;
  const bool sample = kind == kWaitingSample;
  const bool call = kind == kWaitingCall;
  const bool event = kind == kWaitingEvent;
  const bool row = kind == kWaitingMalformed;
  const auto only = [&](bool given, bool fits, const char* field, const char* what) {
    violations.Require(!given || fits, field, absl::StrCat("is only for ", what));
  };
  only(request.has_subject(), !row, "subject", "records that could be read");
  only(request.has_calling_number(), call, "calling_number", "calls");
  only(request.has_called_number(), call, "called_number", "calls");
  only(request.has_time(), !row, "time", "records that could be read");
  only(request.has_seconds(), call || sample, "seconds", "calls and readings");
  only(request.has_bytes(), event, "bytes", "events");
  only(request.has_bytes_in(), sample, "bytes_in", "readings");
  only(request.has_bytes_out(), sample, "bytes_out", "readings");
  only(request.has_row_text(), row, "row_text", "rows that cannot be read");
  violations.Require(!row || request.has_row_text(), "row_text", "is required: the corrected row");
  violations.Require(!request.has_time() || IsRecordTime(convert::FromProto(request.time())),
                     "time", "must lie between 1970 and 9999");
  violations.Require(!call || !request.has_seconds() || request.seconds() > 0, "seconds",
                     "must be 1 or more");
  for (const auto& [value, field] :
       {std::pair(request.seconds(), "seconds"), std::pair(request.bytes(), "bytes"),
        std::pair(request.bytes_in(), "bytes_in"), std::pair(request.bytes_out(), "bytes_out")}) {
    violations.Require(value >= 0, field, "must be 0 or more");
  }
  for (const auto& [text, field] : {std::pair(&request.subject(), "subject"),
                                    std::pair(&request.calling_number(), "calling_number"),
                                    std::pair(&request.called_number(), "called_number")}) {
    violations.Require(csv::IsText(*text) && text->size() <= 200, field,
                       "must be at most 200 characters");
  }
  return violations.ToStatus();
}

// The record's stored form with the request's fields in it.
std::string Corrected(const WaitingRow& row, const Request& request) {
  if (row.kind == kWaitingSample) {
    RadiusRecord record = UnpackSample(row.raw.data);
    if (request.has_subject()) record.user_name = request.subject();
    if (request.has_time()) record.sample.at = convert::FromProto(request.time());
    if (request.has_seconds()) record.sample.session_seconds = request.seconds();
    if (request.has_bytes_in()) {
      record.sample.in_octets = static_cast<uint64_t>(request.bytes_in());
    }
    if (request.has_bytes_out()) {
      record.sample.out_octets = static_cast<uint64_t>(request.bytes_out());
    }
    return Pack(record);
  }
  if (row.kind == kWaitingCall) {
    std::string country;
    CallRecord record = UnpackCall(row.raw.data, country);
    if (request.has_subject()) record.account_code = request.subject();
    if (request.has_calling_number()) record.calling = request.calling_number();
    if (request.has_called_number()) record.called = request.called_number();
    if (request.has_time()) record.answered = convert::FromProto(request.time());
    if (request.has_seconds()) record.seconds = request.seconds();
    return Pack(record, country);
  }
  UsageEventRecord record = UnpackEvent(row.raw.data);
  if (request.has_subject()) record.subject = request.subject();
  if (request.has_time()) record.at = convert::FromProto(request.time());
  if (request.has_bytes()) record.octets = request.bytes();
  return Pack(record);
}

Outcome::Outcome OutcomeOf(const IngestCounts& counts) {
  if (counts.waiting > 0 || !counts.conflicts.empty()) return Outcome::WAITS;
  return counts.applied > 0 ? Outcome::RATED : Outcome::DUPLICATE;
}

}  // namespace

absl::StatusOr<pb::ListWaitingRecordsResponse> WaitingQueue::ListWaitingRecords(
    const rpc::Context&, const pb::ListWaitingRecordsRequest& request) {
  ASSIGN_OR_RETURN(const Page page, ReadPage(request));
  Uuid after;
  if (!page.after.empty()) {
    ASSIGN_OR_RETURN(after, Uuid::FromHex(page.after));
  }
  Violations violations;
  const auto account =
      convert::ReadOptionalId("acc", request.account_id(), "account_id", violations);
  const auto import = convert::ReadOptionalId("imp", request.import_id(), "import_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  const std::vector<std::string> reasons(request.reasons().begin(), request.reasons().end());
  const auto state = request.state() == pb::WaitingRecord::STATE_UNSPECIFIED
                         ? kStateWaits
                         : static_cast<int16_t>(request.state());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(
      std::vector<WaitingRow> rows,
      db::Select<WaitingRow>(tx,
                             "WHERE (cardinality($1) = 0 OR reason = ANY($1)) AND record_id > $2 "
                             "AND state = $3 AND ($4::uuid IS NULL OR import_id = $4) AND "
                             "($5::uuid IS NULL OR item_id IN (SELECT item_id FROM item_terms "
                             "WHERE account_id = $5)) ORDER BY record_id LIMIT $6",
                             reasons, after, state, import, account, int64_t{page.size} + 1));
  pb::ListWaitingRecordsResponse response;
  if (CutMore(rows, page.size)) {
    response.set_next_page_token(convert::MakePageToken(rows.back().record_id.ToHex()));
  }
  ASSIGN_OR_RETURN(const std::vector<pb::WaitingRecord> records, Load(tx, rows));
  response.mutable_records()->Add(records.begin(), records.end());
  ASSIGN_OR_RETURN(const db::Result counts,
                   tx.Exec("SELECT reason, count(*) FROM waiting WHERE state = $1 GROUP BY reason "
                           "ORDER BY reason",
                           state));
  for (int i = 0; i < counts.size(); ++i) {
    pb::WaitingCount* out = response.add_counts();
    out->set_reason(counts.Get<std::string>(i, 0));
    out->set_count(counts.Get<int64_t>(i, 1));
  }
  return response;
}

absl::StatusOr<pb::RetryWaitingRecordsResponse> WaitingQueue::RetryWaitingRecords(
    const rpc::Context& context, const pb::RetryWaitingRecordsRequest& request) {
  return convert::Write<pb::RetryWaitingRecordsResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::RetryWaitingRecordsResponse> {
        Ingest ingest(tx, clock_.Now(), "retry");
        RETURN_IF_ERROR(ingest.Retry({request.reasons().begin(), request.reasons().end()}, {}));
        pb::RetryWaitingRecordsResponse response;
        response.set_rated(ingest.counts().applied);
        response.set_waiting(ingest.counts().waiting);
        return response;
      });
}

absl::StatusOr<pb::DismissWaitingRecordsResponse> WaitingQueue::DismissWaitingRecords(
    const rpc::Context& context, const pb::DismissWaitingRecordsRequest& request) {
  Violations violations;
  RequireNote(request.note(), violations);
  const std::vector<Uuid> ids = ReadIds(request.record_ids(), violations);
  const auto import = convert::ReadOptionalId("imp", request.import_id(), "import_id", violations);
  const std::vector<std::string> reasons(request.reasons().begin(), request.reasons().end());
  const std::vector<std::string> subjects(request.subjects().begin(), request.subjects().end());
  const bool filtered = !reasons.empty() || !subjects.empty() || import.has_value();
  violations.Require(ids.empty() == filtered, "record_ids",
                     "give either ids or filters, and at least one");
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::DismissWaitingRecordsResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::DismissWaitingRecordsResponse> {
        ASSIGN_OR_RETURN(const db::Result result,
                         tx.Exec("UPDATE waiting SET state = 2 WHERE state = 1 AND "
                                 "(cardinality($1) = 0 OR record_id = ANY($1)) AND "
                                 "(cardinality($2) = 0 OR reason = ANY($2)) AND "
                                 "(cardinality($3) = 0 OR subject = ANY($3)) AND "
                                 "($4::uuid IS NULL OR import_id = $4) RETURNING " +
                                     db::ColumnList<WaitingRow>(),
                                 ids, reasons, subjects, import));
        const auto rows = db::ReadRows<WaitingRow>(result);
        if (rows.size() < ids.size()) {
          return NotFoundError("RECORD_NOT_FOUND", "some of the records do not wait");
        }
        RETURN_IF_ERROR(Note(tx, clock_.Now(), context, Change::DISMISS, request.note(), rows));
        pb::DismissWaitingRecordsResponse response;
        response.set_dismissed(static_cast<int64_t>(rows.size()));
        return response;
      });
}

absl::StatusOr<pb::RestoreWaitingRecordsResponse> WaitingQueue::RestoreWaitingRecords(
    const rpc::Context& context, const pb::RestoreWaitingRecordsRequest& request) {
  Violations violations;
  RequireNote(request.note(), violations);
  const std::vector<Uuid> ids = ReadIds(request.record_ids(), violations);
  violations.Require(!ids.empty(), "record_ids", "must be at least one");
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::RestoreWaitingRecordsResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::RestoreWaitingRecordsResponse> {
        ASSIGN_OR_RETURN(const db::Result result,
                         tx.Exec("UPDATE waiting SET state = 1 WHERE state = 2 AND record_id = "
                                 "ANY($1) RETURNING " +
                                     db::ColumnList<WaitingRow>(),
                                 ids));
        const auto rows = db::ReadRows<WaitingRow>(result);
        if (rows.size() < ids.size()) {
          return NotFoundError("RECORD_NOT_FOUND", "some of the records are not dismissed");
        }
        RETURN_IF_ERROR(Note(tx, clock_.Now(), context, Change::RESTORE, request.note(), rows));
        pb::RestoreWaitingRecordsResponse response;
        response.set_restored(static_cast<int64_t>(rows.size()));
        return response;
      });
}

absl::StatusOr<Outcome::Outcome> WaitingQueue::RateCorrected(db::Tx& tx, const WaitingRow& row) {
  Ingest ingest(tx, clock_.Now(), row.source_name, row.import_id);
  Outcome::Outcome outcome = Outcome::NOT_BILLABLE;
  if (row.kind == kWaitingMalformed) {
    const MalformedRow kept = UnpackMalformed(row.raw.data);
    absl::TimeZone zone = absl::UTCTimeZone();
    if (!kept.time_zone.empty()) {
      ASSIGN_OR_RETURN(zone, LoadZone(kept.time_zone));
    }
    std::optional<Recipe> recipe;
    if (!kept.recipe.empty()) {
      pb::ImportRecipe stored;
      stored.ParseFromString(kept.recipe);
      ASSIGN_OR_RETURN(recipe, ReadRecipe(stored, ""));
    }
    ASSIGN_OR_RETURN(FileRecords file,
                     ReadFile(static_cast<Layout>(kept.layout), kept.header + kept.text + "\n",
                              zone, recipe.has_value() ? &*recipe : nullptr));
    if (!file.errors.empty()) {
      return InvalidField("row_text", absl::StrCat("cannot be read: ", file.errors.front().column,
                                                   " ", file.errors.front().message));
    }
    if (file.read != 1) return InvalidField("row_text", "must be one row");
    for (RadiusRecord& record : file.samples) record.line = row.source_line;
    for (UsageEventRecord& record : file.events) record.line = row.source_line;
    for (CallRecord& record : file.calls) record.line = row.source_line;
    RETURN_IF_ERROR(ingest.AddRestarts(file.restarts));
    if (!file.samples.empty()) RETURN_IF_ERROR(ingest.AddSamples(file.samples));
    if (!file.events.empty()) RETURN_IF_ERROR(ingest.AddEvents(file.events));
    if (!file.calls.empty()) RETURN_IF_ERROR(ingest.AddCalls(file.calls, kept.country));
    if (!ingest.counts().conflicts.empty()) {
      return AbortedError("USAGE_CONFLICT",
                          "an event with this source and id is there with other content");
    }
    if (file.skipped == 0) outcome = OutcomeOf(ingest.counts());
  } else {
    RETURN_IF_ERROR(ingest.RetryRows({row}));
    outcome = OutcomeOf(ingest.counts());
    if (outcome == Outcome::WAITS) return outcome;
  }
  WaitingRow done = row;
  done.state = kStateCorrected;
  RETURN_IF_ERROR(db::InsertOne(tx, done).status());
  return outcome;
}

absl::StatusOr<pb::CorrectWaitingRecordResponse> WaitingQueue::CorrectWaitingRecord(
    const rpc::Context& context, const pb::CorrectWaitingRecordRequest& request) {
  Violations violations;
  RequireNote(request.note(), violations);
  const Uuid id = convert::ReadId("rec", request.record_id(), "record_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::CorrectWaitingRecordResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::CorrectWaitingRecordResponse> {
        ASSIGN_OR_RETURN(const db::Result result,
                         tx.Exec("DELETE FROM waiting WHERE record_id = $1 AND state = 1 "
                                 "RETURNING " +
                                     db::ColumnList<WaitingRow>(),
                                 id));
        if (result.empty()) {
          return NotFoundError("RECORD_NOT_FOUND", "no record with this id waits");
        }
        WaitingRow row = db::ReadRow<WaitingRow>(result, 0);
        RETURN_IF_ERROR(RefuseFields(request, row.kind));
        RETURN_IF_ERROR(Note(tx, clock_.Now(), context, Change::CORRECT, request.note(), {row}));
        if (row.kind == kWaitingMalformed) {
          MalformedRow kept = UnpackMalformed(row.raw.data);
          kept.text = request.row_text();
          row.raw.data = Pack(kept);
        } else {
          row.raw.data = Corrected(row, request);
        }
        pb::CorrectWaitingRecordResponse response;
        ASSIGN_OR_RETURN(const Outcome::Outcome outcome, RateCorrected(tx, row));
        response.set_outcome(outcome);
        ASSIGN_OR_RETURN(const std::vector<WaitingRow> now,
                         db::Select<WaitingRow>(tx, "WHERE record_id = $1", id));
        ASSIGN_OR_RETURN(const std::vector<pb::WaitingRecord> records, Load(tx, now));
        if (!records.empty()) *response.mutable_record() = records.front();
        return response;
      });
}

}  // namespace broadbill::rating
