#include "services/rating/app/file_imports.h"

#include <algorithm>
#include <future>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/convert/import.h"
#include "libs/convert/write.h"
#include "libs/status/macros.h"
#include "services/rating/app/live_usage.h"
#include "services/rating/app/page.h"
#include "services/rating/app/recipes.h"
#include "services/rating/app/stored_record.h"
#include "services/rating/store/event_keys.h"
#include "services/rating/store/rows.h"
#include "services/rating/store/usage_keys.h"

namespace broadbill::rating {
namespace {

constexpr size_t kUnreadableMost = 10000;  // of a file
constexpr size_t kPreviewed = 10;          // records
constexpr size_t kLarge = 1 << 20;         // bytes of a file

absl::StatusOr<absl::TimeZone> ZoneOf(const std::string& name) {
  return name.empty() ? absl::UTCTimeZone() : LoadZone(name);
}

void Report(const FileRecords& file, const IngestCounts& counts, ImportResult& out) {
  out.set_rows_read(file.read);
  out.set_rows_applied(counts.applied);
  out.set_rows_skipped(file.skipped + counts.duplicates);
  convert::AddCount("duplicates", counts.duplicates, out);
  convert::AddCount("waiting", counts.waiting, out);
  convert::AddCount("not_billable", file.skipped, out);
  convert::AddCount("conflicts", static_cast<int64_t>(counts.conflicts.size()), out);
  convert::AddCount("unreadable rows that wait", counts.malformed, out);
  convert::SetErrors(file.errors, out);
}

// The first records as they were understood, for whoever tries a recipe.
void Preview(const FileRecords& file, ImportResult& out) {
  const auto say = [&](const auto& records) {
    for (size_t i = 0; i < std::min(records.size(), kPreviewed); ++i) {
      out.add_differences(
          absl::StrCat("line ", records[i].line, ": ", csv::Printable(Describe(records[i]), 1000)));
    }
  };
  say(file.events);
  say(file.calls);
}

// Items whose usage went: the watcher looks at those that have anything to watch.
absl::Status TouchWatched(db::Tx& tx, absl::Time now, const std::set<Uuid>& items) {
  const std::vector<Uuid> ids(items.begin(), items.end());
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT DISTINCT item_id FROM item_terms WHERE item_id = ANY($1) AND "
                           "watched ORDER BY item_id",
                           ids));
  std::vector<Uuid> watched;
  for (int i = 0; i < rows.size(); ++i) watched.push_back(rows.Get<Uuid>(i, 0));
  return TouchUsage(tx, now, watched);
}

// Deletes a file's rows of a table; their number, and whose they were into `items`.
absl::StatusOr<int64_t> DeleteRows(db::Tx& tx, const std::string& table, const Uuid& import_id,
                                   std::set<Uuid>& items) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("WITH gone AS (DELETE FROM " + table +
                               " WHERE import_id = $1 RETURNING item_id) "
                               "SELECT item_id, count(*) FROM gone GROUP BY item_id",
                           import_id));
  int64_t count = 0;
  for (int i = 0; i < rows.size(); ++i) {
    if (!rows.IsNull(i, 0)) items.insert(rows.Get<Uuid>(i, 0));
    count += rows.Get<int64_t>(i, 1);
  }
  return count;
}

// Deletes what waits of a file and gives the ids of its events back; answers how many waited. First
// of all: a retry that has taken rows and not committed leaves them to be seen here, is waited for
// by the DELETE, and what it kept is there for the statements that follow.
absl::StatusOr<int64_t> DeleteWaiting(db::Tx& tx, const Uuid& import_id) {
  int64_t count = 0;
  while (true) {
    ASSIGN_OR_RETURN(const db::Result seen,
                     tx.Exec("SELECT 1 FROM waiting WHERE import_id = $1 LIMIT 1", import_id));
    if (seen.empty()) return count;
    ASSIGN_OR_RETURN(
        const db::Result rows,
        tx.Exec("DELETE FROM waiting WHERE import_id = $1 RETURNING kind, raw", import_id));
    count += rows.size();
    std::vector<Uuid> keys;
    for (int i = 0; i < rows.size(); ++i) {
      if (rows.Get<int16_t>(i, 0) != kWaitingEvent) continue;
      const UsageEventRecord record = UnpackEvent(rows.Get<db::Bytes>(i, 1).data);
      keys.push_back(EventKeyOf(record.source, record.id));
    }
    RETURN_IF_ERROR(ReleaseEventKeys(tx, keys));
  }
}

// The same for its events; their quarters of an hour are to be counted again.
absl::StatusOr<int64_t> DeleteEvents(db::Tx& tx, absl::Time now, const Uuid& import_id,
                                     std::set<Uuid>& items) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("DELETE FROM usage_event WHERE import_id = $1 RETURNING event_key, "
                           "item_id, floor(extract(epoch FROM at) / 900)::int4",
                           import_id));
  std::vector<Uuid> keys;
  std::vector<ChangedQuarter> changed;
  for (int i = 0; i < rows.size(); ++i) {
    keys.push_back(rows.Get<Uuid>(i, 0));
    changed.emplace_back(rows.Get<Uuid>(i, 1), rows.Get<int32_t>(i, 2));
    items.insert(changed.back().first);
  }
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  RETURN_IF_ERROR(ReleaseEventKeys(tx, keys));
  RETURN_IF_ERROR(TouchQuarters(tx, now, changed));
  return rows.size();
}

pb::Import ToProto(const ImportRow& row) {
  pb::Import out;
  out.set_import_id(row.import_id.ToText("imp"));
  out.set_kind(row.kind == kImportCalls ? pb::Import::CALLS : pb::Import::USAGE);
  out.set_source_name(row.source_name);
  *out.mutable_receive_time() = convert::ToProto(row.received_at);
  out.set_received_by(row.received_by);
  out.set_rows_read(row.read);
  out.set_rows_applied(row.applied);
  out.set_rows_duplicate(row.duplicate);
  out.set_rows_waiting(row.waiting);
  out.set_rows_conflicting(row.conflicting);
  out.set_rows_malformed(row.malformed);
  if (row.undone_at.has_value()) *out.mutable_undo_time() = convert::ToProto(*row.undone_at);
  out.set_undone_by(row.undone_by);
  out.set_note(row.note);
  return out;
}

}  // namespace

template <class Request>
absl::Status FileImports::TakeRecipe(const Request& request, bool calls, File& file) {
  if (request.has_recipe() != request.recipe_code().empty()) {
    return InvalidField("recipe_code", "give either it or recipe");
  }
  if (request.has_recipe()) {
    file.recipe = request.recipe();
  } else {
    ASSIGN_OR_RETURN(file.recipe, LoadRecipe(*pool_, request.recipe_code()));
  }
  if (file.recipe->has_calls() != calls) {
    return InvalidField("recipe_code", calls ? "is no recipe of calls" : "is no recipe of usage");
  }
  file.recipe->clear_update_time();  // no part of what makes a row the row it is
  if (!file.recipe->time_zone().empty()) file.time_zone = file.recipe->time_zone();
  return absl::OkStatus();
}

std::vector<WaitingRow> FileImports::Malformed(const File& file, const std::string& header,
                                               const std::vector<UnreadableRow>& rows) {
  const std::string recipe = file.recipe.has_value() ? file.recipe->SerializeAsString() : "";
  std::vector<WaitingRow> out;
  for (const UnreadableRow& row : rows) {
    const MalformedRow kept{
        static_cast<int16_t>(file.layout), file.time_zone, file.country, recipe, header, row.text};
    WaitingRow waiting;
    waiting.raw.data = Pack(kept);
    waiting.record_key =
        WaitingKey(kWaitingMalformed, absl::StrCat(row.ordinal, "|", waiting.raw.data));
    waiting.reason = row.reason;
    waiting.message = row.message;
    waiting.source_line = row.line;
    out.push_back(std::move(waiting));
  }
  return out;
}

template <class Request>
absl::StatusOr<ImportResult> FileImports::Import(const rpc::Context& context,
                                                 const Request& request, const File& file) {
  ASSIGN_OR_RETURN(const absl::TimeZone zone, ZoneOf(file.time_zone));
  std::optional<Recipe> recipe;
  if (file.recipe.has_value()) {
    ASSIGN_OR_RETURN(recipe, ReadRecipe(*file.recipe, "recipe."));
  }
  const Recipe* mapped = recipe.has_value() ? &*recipe : nullptr;
  // While a large file is read.
  std::future<db::Bytes> hashed =
      std::async(request.content().size() < kLarge ? std::launch::deferred : std::launch::async,
                 [&] { return Hash(request.content()); });
  ASSIGN_OR_RETURN(const FileRecords records,
                   ReadFile(file.layout, request.content(), zone, mapped));
  const std::vector<UnreadableRow> unreadable =
      UnreadableRows(file.layout, request.content(), records.errors, mapped);
  if (unreadable.size() > kUnreadableMost) {
    return InvalidArgumentError(
        "MALFORMED_FILE",
        absl::StrCat(unreadable.size(), " rows cannot be read, and at most ", kUnreadableMost,
                     " of a file are kept: nothing of it was loaded; the first is line ",
                     unreadable.front().line, ": ", unreadable.front().message));
  }
  const std::vector<WaitingRow> malformed =
      Malformed(file, HeaderOf(file.layout, request.content(), mapped), unreadable);
  const absl::Time now = clock_.Now();
  const db::Bytes content_hash = hashed.get();
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<ImportResult> {
        ImportRow row;
        row.import_id = Uuid::Make(now);
        Ingest ingest(tx, now, request.source_name(), row.import_id, decks_, caches_);
        RETURN_IF_ERROR(ingest.AddRestarts(records.restarts));
        if (!records.samples.empty()) RETURN_IF_ERROR(ingest.AddSamples(records.samples));
        if (!records.events.empty()) RETURN_IF_ERROR(ingest.AddEvents(records.events));
        if (!records.calls.empty()) {
          RETURN_IF_ERROR(ingest.AddCalls(records.calls, file.country));
        }
        RETURN_IF_ERROR(ingest.KeepMalformed(malformed));
        const IngestCounts& counts = ingest.counts();
        row.kind = file.kind;
        row.source_name = request.source_name();
        row.content_hash = content_hash;
        row.received_at = now;
        row.received_by = context.principal.id;
        row.read = records.read;
        row.applied = counts.applied;
        row.duplicate = counts.duplicates;
        row.waiting = counts.waiting;
        row.conflicting = static_cast<int64_t>(counts.conflicts.size());
        row.malformed = counts.malformed;
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        ImportResult result;
        if (!request.validate_only()) result.set_import_id(row.import_id.ToText("imp"));
        Report(records, counts, result);
        if (request.validate_only() && mapped != nullptr) Preview(records, result);
        return result;
      });
}

absl::StatusOr<ImportResult> FileImports::ImportUsage(const rpc::Context& context,
                                                      const pb::ImportUsageRequest& request) {
  File file{kImportUsage, Layout::kDetail, request.time_zone(), ""};
  switch (request.format()) {
    case pb::ImportUsageRequest::RADIUS_DETAIL:
      break;
    case pb::ImportUsageRequest::RADACCT_CSV:
      file.layout = Layout::kRadacct;
      break;
    case pb::ImportUsageRequest::EVENTS_CSV:
      file.layout = Layout::kEventsCsv;
      break;
    case pb::ImportUsageRequest::MAPPED_CSV:
      file.layout = Layout::kMappedUsage;
      RETURN_IF_ERROR(TakeRecipe(request, false, file));
      break;
    default:
      return InvalidField("format",
                          "is required: RADIUS_DETAIL, RADACCT_CSV, EVENTS_CSV or MAPPED_CSV");
  }
  return Import(context, request, file);
}

absl::StatusOr<ImportResult> FileImports::ImportCalls(const rpc::Context& context,
                                                      const pb::ImportCallsRequest& request) {
  File file{kImportCalls, Layout::kAsterisk, request.time_zone(), request.country_code()};
  switch (request.format()) {
    case pb::ImportCallsRequest::ASTERISK_CDR_CSV:
      break;
    case pb::ImportCallsRequest::FREESWITCH_CDR_CSV:
      file.layout = Layout::kFreeswitchCsv;
      break;
    case pb::ImportCallsRequest::FREESWITCH_JSON:
      file.layout = Layout::kFreeswitchJson;
      break;
    case pb::ImportCallsRequest::MAPPED_CSV:
      file.layout = Layout::kMappedCalls;
      RETURN_IF_ERROR(TakeRecipe(request, true, file));
      break;
    default:
      return InvalidField("format",
                          "is required: ASTERISK_CDR_CSV, FREESWITCH_CDR_CSV, FREESWITCH_JSON or "
                          "MAPPED_CSV");
  }
  return Import(context, request, file);
}

absl::StatusOr<pb::ListImportsResponse> FileImports::ListImports(
    const rpc::Context&, const pb::ListImportsRequest& request) {
  ASSIGN_OR_RETURN(const Page page, ReadPage(request));
  std::optional<Uuid> before;
  if (!page.after.empty()) {
    ASSIGN_OR_RETURN(before, Uuid::FromHex(page.after));
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(std::vector<ImportRow> rows,
                   db::Select<ImportRow>(tx,
                                         "WHERE ($1 = '' OR source_name = $1) AND ($2::uuid IS "
                                         "NULL OR import_id < $2) ORDER BY import_id DESC LIMIT $3",
                                         request.source_name(), before, int64_t{page.size} + 1));
  pb::ListImportsResponse response;
  if (CutMore(rows, page.size)) {
    response.set_next_page_token(convert::MakePageToken(rows.back().import_id.ToHex()));
  }
  for (const ImportRow& row : rows) *response.add_imports() = ToProto(row);
  return response;
}

absl::StatusOr<pb::UndoImportResponse> FileImports::UndoImport(
    const rpc::Context& context, const pb::UndoImportRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("imp", request.import_id(), "import_id", violations);
  violations.Require(!request.note().empty() && request.note().size() <= 1000, "note",
                     "must be 1 to 1,000 characters");
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::UndoImportResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::UndoImportResponse> {
        ASSIGN_OR_RETURN(const std::vector<ImportRow> rows,
                         db::Select<ImportRow>(tx, "WHERE import_id = $1 FOR UPDATE", id));
        if (rows.empty()) {
          return NotFoundError(
              "NOT_FOUND", "no file of usage or calls has the import id " + request.import_id());
        }
        if (rows.front().undone_at.has_value()) {
          return FailedPreconditionError("INVALID_STATE", "the import was undone already");
        }
        std::set<Uuid> items;
        std::set<Uuid> others;
        pb::UndoImportResponse response;
        ASSIGN_OR_RETURN(const int64_t waiting, DeleteWaiting(tx, id));
        ASSIGN_OR_RETURN(const int64_t samples, DeleteRows(tx, "usage_sample", id, items));
        ASSIGN_OR_RETURN(const int64_t events, DeleteEvents(tx, clock_.Now(), id, items));
        ASSIGN_OR_RETURN(const int64_t calls, DeleteRows(tx, "call", id, others));
        response.set_samples(samples);
        response.set_events(events);
        response.set_calls(calls);
        response.set_waiting(waiting);
        RETURN_IF_ERROR(TouchWatched(tx, clock_.Now(), items));
        RETURN_IF_ERROR(tx.Exec("UPDATE import SET undone_at = $2, undone_by = $3, note = $4 "
                                "WHERE import_id = $1",
                                id, clock_.Now(), context.principal.id, request.note())
                            .status());
        return response;
      });
}

}  // namespace broadbill::rating
