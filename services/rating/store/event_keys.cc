#include "services/rating/store/event_keys.h"

#include <map>
#include <set>

#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

std::vector<Uuid> KeysOf(const std::vector<EventKeyRow>& rows) {
  std::vector<Uuid> out;
  out.reserve(rows.size());
  for (const EventKeyRow& row : rows) out.push_back(row.event_key);
  return out;
}

absl::Status Find(db::Tx& tx, const std::string& table, const std::vector<Uuid>& keys,
                  std::map<Uuid, int64_t>& found) {
  if (keys.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT event_key, content FROM " + table + " WHERE event_key = ANY($1)", keys));
  for (int i = 0; i < rows.size(); ++i) found[rows.Get<Uuid>(i, 0)] = rows.Get<int64_t>(i, 1);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Claimed>> ClaimEventKeys(db::Tx& tx,
                                                    const std::vector<EventKeyRow>& keys) {
  // Reading event_key_held locks it against HoldEventKeys until the transaction ends, so that no id
  // goes over between this question and the next.
  std::map<Uuid, int64_t> known;
  RETURN_IF_ERROR(Find(tx, "event_key_held", KeysOf(keys), known));
  std::vector<EventKeyRow> rest;
  for (const EventKeyRow& row : keys) {
    if (known.count(row.event_key) == 0) rest.push_back(row);
  }
  ASSIGN_OR_RETURN(const db::Result taken,
                   db::InsertArrays(tx, rest, "ON CONFLICT DO NOTHING RETURNING event_key"));
  std::vector<bool> fresh(rest.size(), static_cast<size_t>(taken.size()) == rest.size());
  if (static_cast<size_t>(taken.size()) < rest.size()) {
    std::set<Uuid> ours;
    for (int i = 0; i < taken.size(); ++i) ours.insert(taken.Get<Uuid>(i, 0));
    std::vector<Uuid> others;
    for (size_t i = 0; i < rest.size(); ++i) {
      fresh[i] = ours.count(rest[i].event_key) > 0;
      if (!fresh[i]) others.push_back(rest[i].event_key);
    }
    RETURN_IF_ERROR(Find(tx, "event_key", others, known));
  }
  std::vector<Claimed> out;
  out.reserve(keys.size());
  size_t next = 0;
  for (const EventKeyRow& row : keys) {
    if (next < rest.size() && rest[next].event_key == row.event_key && fresh[next++]) {
      out.push_back(Claimed::kNew);
      continue;
    }
    const int64_t content = known[row.event_key];
    out.push_back(content == 0 || content == row.content ? Claimed::kSame : Claimed::kOther);
  }
  return out;
}

absl::Status ReleaseEventKeys(db::Tx& tx, const std::vector<Uuid>& keys) {
  if (keys.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(tx.Exec("DELETE FROM event_key_held WHERE event_key = ANY($1)", keys).status());
  return tx.Exec("DELETE FROM event_key WHERE event_key = ANY($1)", keys).status();
}

absl::StatusOr<int64_t> HoldEventKeys(db::Pool& pool, int slice) {
  Uuid from, to;
  from.bytes.fill(0);
  to.bytes.fill(0xff);
  from.bytes[0] = to.bytes[0] = static_cast<uint8_t>(slice);
  ASSIGN_OR_RETURN(db::Tx tx, pool.Begin());
  // Who waits for this lock waits behind us, so it is not waited for long: a file may be loading.
  RETURN_IF_ERROR(
      tx.ExecScript("SET LOCAL lock_timeout = '300ms'; "
                    "LOCK TABLE event_key_held IN ACCESS EXCLUSIVE MODE"));
  ASSIGN_OR_RETURN(const db::Result moved,
                   tx.Exec("WITH gone AS (DELETE FROM event_key WHERE event_key BETWEEN $1 AND $2 "
                           "RETURNING event_key, content) INSERT INTO event_key_held (event_key, "
                           "content) SELECT event_key, content FROM gone ORDER BY event_key",
                           from, to));
  RETURN_IF_ERROR(tx.Commit());
  return moved.affected();
}

}  // namespace broadbill::rating
