#include "libs/feed/consumer.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/fault/fault.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::feed {
namespace {

constexpr int kRowsPerFetch = 64;
constexpr absl::Duration kPoll = absl::Milliseconds(100);
constexpr absl::Duration kHeldPause = absl::Seconds(30);  // between batches while held
constexpr absl::Duration kHeldPoll = absl::Milliseconds(20);
constexpr absl::Duration kBackoff = absl::Milliseconds(500);

bool IsTransient(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kAborted ||
         status.code() == absl::StatusCode::kDeadlineExceeded ||
         status.code() == absl::StatusCode::kResourceExhausted;
}

// Every service's Event begins with `string account_id = 1`.
Uuid AccountOf(const std::string& body) {
  if (body.size() < 2 || body[0] != '\x0a') return Uuid();
  const auto size = static_cast<size_t>(static_cast<unsigned char>(body[1]));
  if (size > 127 || body.size() < 2 + size) return Uuid();
  const auto id = Uuid::Parse("acc", std::string_view(body).substr(2, size));
  return id.ok() ? *id : Uuid();
}

}  // namespace

absl::StatusOr<std::vector<Row>> ReadRows(db::Pool& pool, const std::map<int, int64_t>& after,
                                          int rows_max) {
  std::vector<int16_t> partitions;
  std::vector<int64_t> positions;
  for (const auto& [partition, pos] : after) {
    partitions.push_back(static_cast<int16_t>(partition));
    positions.push_back(pos);
  }
  ASSIGN_OR_RETURN(
      const db::Result result,
      pool.Exec("SELECT f.partition, f.pos, f.at, f.payload FROM unnest($1, $2) AS c(p, after), "
                "LATERAL (SELECT * FROM feed WHERE partition = c.p AND pos > c.after "
                "ORDER BY pos LIMIT $3) f LIMIT $3",
                partitions, positions, int64_t{rows_max}));
  std::vector<Row> out;
  for (int i = 0; i < result.size(); ++i) {
    Row row;
    row.partition = result.Get<int16_t>(i, 0);
    row.pos = result.Get<int64_t>(i, 1);
    row.at = result.Get<absl::Time>(i, 2);
    for (db::FeedEvent& event : db::DecodeFeedPayload(result.Get<db::Bytes>(i, 3).data)) {
      row.bodies.push_back(std::move(event.body));
    }
    // No row was written without events; passing it over would lose what others must know.
    if (row.bodies.empty()) {
      return InternalError("FEED_DAMAGED",
                           absl::StrCat("the feed's row ", row.pos, " of partition ", row.partition,
                                        " cannot be read"));
    }
    out.push_back(std::move(row));
  }
  return out;
}

absl::StatusOr<std::map<int, int64_t>> ReadHeads(db::Pool& pool) {
  ASSIGN_OR_RETURN(const db::Result result, pool.Exec("SELECT partition, pos FROM feed_head"));
  std::map<int, int64_t> out;
  for (int i = 0; i < result.size(); ++i) {
    out[result.Get<int16_t>(i, 0)] = result.Get<int64_t>(i, 1);
  }
  return out;
}

Consumer::Consumer(std::string source, std::shared_ptr<db::Pool> pool, Fetch fetch, Handler handler)
    : source_(std::move(source)),
      pool_(std::move(pool)),
      fetch_(std::move(fetch)),
      handler_(std::move(handler)) {}

absl::Status Consumer::LoadCursors() {
  RETURN_IF_ERROR(pool_
                      ->Exec("INSERT INTO feed_cursor (source, partition, pos) "
                             "SELECT $1, p, 0 FROM generate_series(0, 63) p ON CONFLICT DO NOTHING",
                             source_)
                      .status());
  ASSIGN_OR_RETURN(
      const db::Result result,
      pool_->Exec("SELECT partition, pos FROM feed_cursor WHERE source = $1", source_));
  cursors_.clear();
  for (int i = 0; i < result.size(); ++i) {
    cursors_[result.Get<int16_t>(i, 0)] = result.Get<int64_t>(i, 1);
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> Consumer::Step() {
  if (cursors_.empty()) RETURN_IF_ERROR(LoadCursors());
  ASSIGN_OR_RETURN(const std::vector<Row> rows, fetch_(cursors_, kRowsPerFetch));
  std::map<int, std::vector<Event>> events;
  std::map<int, int64_t> last;
  int64_t count = 0;
  for (const Row& row : rows) {
    int32_t number = 0;
    for (const std::string& body : row.bodies) {
      events[row.partition].push_back(
          {row.partition, row.pos, number++, AccountOf(body), body, row.at});
      ++count;
    }
    last[row.partition] = row.pos;
  }
  for (const auto& [partition, part] : events) {
    absl::Status status = Apply(partition, part, last[partition]);
    if (!status.ok() && !IsTransient(status))
      status = ApplyOneByOne(partition, part, last[partition]);
    if (!status.ok()) {
      cursors_.clear();
      return status;
    }
  }
  return count;
}

// False when another process moved the cursor: its effect stands, ours is dropped.
absl::StatusOr<bool> Consumer::MoveCursor(db::Tx& tx, int partition, int64_t last_pos) {
  ASSIGN_OR_RETURN(
      const db::Result moved,
      tx.Exec("UPDATE feed_cursor SET pos = $4 "
              "WHERE source = $1 AND partition = $2 AND pos = $3",
              source_, static_cast<int16_t>(partition), cursors_[partition], last_pos));
  return moved.affected() == 1;
}

absl::Status Consumer::Apply(int partition, const std::vector<Event>& events, int64_t last_pos) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const bool ours, MoveCursor(tx, partition, last_pos));
  if (!ours) return AbortedError("FEED_CURSOR_MOVED", "another consumer moved the cursor");
  const std::string name = pool_->schema() + "_follows_" + source_;
  fault::Point(name, "read");
  ASSIGN_OR_RETURN(const std::vector<Event> open, WithoutParked(tx, events));
  if (!open.empty()) RETURN_IF_ERROR(handler_(tx, open));
  RETURN_IF_ERROR(tx.Commit(name));
  cursors_[partition] = last_pos;
  return absl::OkStatus();
}

// Events of accounts that are parked already wait behind them.
absl::StatusOr<std::vector<Event>> Consumer::WithoutParked(db::Tx& tx,
                                                           const std::vector<Event>& events) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT DISTINCT account_id FROM feed_parked WHERE source = $1", source_));
  if (rows.empty()) return events;
  std::set<Uuid> parked;
  for (int i = 0; i < rows.size(); ++i) parked.insert(rows.Get<Uuid>(i, 0));
  std::vector<Event> open;
  for (const Event& event : events) {
    if (parked.count(event.account_id) == 0) {
      open.push_back(event);
    } else {
      RETURN_IF_ERROR(Park(tx, event, "BEHIND_PARKED"));
    }
  }
  return open;
}

absl::Status Consumer::Park(db::Tx& tx, const Event& event, const std::string& reason) {
  return tx
      .Exec(
          "INSERT INTO feed_parked (source, partition, pos, number, account_id, type, body, "
          "at, reason) VALUES ($1, $2, $3, $4, $5, '', $6, $7, $8) ON CONFLICT DO NOTHING",
          source_, static_cast<int16_t>(event.partition), event.pos, event.number, event.account_id,
          db::Bytes{event.body}, event.at, reason)
      .status();
}

absl::Status Consumer::ApplyOneByOne(int partition, const std::vector<Event>& events,
                                     int64_t last_pos) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const bool ours, MoveCursor(tx, partition, last_pos));
  if (!ours) return AbortedError("FEED_CURSOR_MOVED", "another consumer moved the cursor");
  for (const Event& event : events) {
    ASSIGN_OR_RETURN(const std::vector<Event> open, WithoutParked(tx, {event}));
    if (open.empty()) continue;
    RETURN_IF_ERROR(tx.ExecScript("SAVEPOINT one"));
    const absl::Status status = handler_(tx, open);
    if (IsTransient(status)) return status;
    if (status.ok()) {
      RETURN_IF_ERROR(tx.ExecScript("RELEASE SAVEPOINT one"));
      continue;
    }
    RETURN_IF_ERROR(tx.ExecScript("ROLLBACK TO SAVEPOINT one"));
    RETURN_IF_ERROR(Park(tx, event, ReasonOf(status) + ": " + std::string(status.message())));
  }
  RETURN_IF_ERROR(tx.Commit());
  cursors_[partition] = last_pos;
  return absl::OkStatus();
}

absl::Status Consumer::CatchUp() {
  while (true) {
    const auto count = Step();
    if (!count.ok() && !IsTransient(count.status())) return count.status();
    if (count.ok() && *count == 0) return absl::OkStatus();
  }
}

absl::StatusOr<int64_t> Consumer::RetryParked() {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      pool_->Exec("SELECT partition, pos, number, account_id, body, at FROM feed_parked "
                  "WHERE source = $1 ORDER BY partition, pos, number",
                  source_));
  int64_t applied = 0;
  std::set<Uuid> still;
  for (int i = 0; i < rows.size(); ++i) {
    const Event event{rows.Get<int16_t>(i, 0),        rows.Get<int64_t>(i, 1),
                      rows.Get<int32_t>(i, 2),        rows.Get<Uuid>(i, 3),
                      rows.Get<db::Bytes>(i, 4).data, rows.Get<absl::Time>(i, 5)};
    if (still.count(event.account_id) > 0) continue;
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(
        const db::Result taken,
        tx.Exec("DELETE FROM feed_parked WHERE source = $1 AND partition = $2 "
                "AND pos = $3 AND number = $4",
                source_, static_cast<int16_t>(event.partition), event.pos, event.number));
    if (taken.affected() == 0) continue;
    absl::Status status = handler_(tx, {event});
    if (status.ok()) status = tx.Commit();
    if (status.ok()) {
      ++applied;
    } else {
      still.insert(event.account_id);
    }
  }
  return applied;
}

void Consumer::Run(const std::function<bool()>& stopping) {
  while (!stopping()) {
    const absl::Time resume = absl::Now() + kHeldPause;
    while (db::ConsumersHeld(source_) && absl::Now() < resume && !stopping()) {
      absl::SleepFor(kHeldPoll);
    }
    const int64_t seen = db::FeedSignals(source_);
    const auto count = Step();
    if (!count.ok()) {
      absl::SleepFor(kBackoff);
    } else if (*count == 0) {
      db::WaitFeedSignal(source_, seen, kPoll);
    }
  }
}

}  // namespace broadbill::feed
