#include "services/rating/store/event_keys.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

// The fewest ids for which COPY is worth its savepoint.
constexpr size_t kCopyFrom = 64;
// The fewest for which the filters are worth their questions.
constexpr size_t kFilterFrom = 64;

// Ids that somebody has, with their contents.
using Known = absl::flat_hash_map<Uuid, int64_t>;

absl::Status Add(const absl::StatusOr<db::Result>& rows, Known& known) {
  RETURN_IF_ERROR(rows.status());
  for (int i = 0; i < rows->size(); ++i) known[rows->Get<Uuid>(i, 0)] = rows->Get<int64_t>(i, 1);
  return absl::OkStatus();
}

// Reading event_key_held locks it against HoldEventKeys until the transaction ends, so that no id
// goes over behind these questions.
absl::Status Find(db::Tx& tx, const std::vector<Uuid>& ids, KeyFilters* filters, Known& known) {
  const std::string from_new = "SELECT event_key, content FROM event_key WHERE event_key = ANY($1)";
  const std::string from_held =
      "SELECT event_key, content FROM event_key_held WHERE event_key = ANY($1)";
  if (filters == nullptr || ids.size() < kFilterFrom) {
    return Add(tx.Exec(from_held + " UNION ALL " + from_new, ids), known);
  }
  ASSIGN_OR_RETURN(const std::vector<Uuid> held, filters->MayBeHeld(tx, ids));
  if (!held.empty()) RETURN_IF_ERROR(Add(tx.Exec(from_held, held), known));
  return Add(tx.Exec(from_new, ids), known);
}

std::vector<EventKeyRow> Unknown(const std::vector<EventKeyRow>& keys, const Known& known) {
  std::vector<EventKeyRow> out;
  out.reserve(keys.size());
  for (const EventKeyRow& row : keys) {
    if (!known.contains(row.event_key)) out.push_back(row);
  }
  return out;
}

// Writes ids of which none was there a moment ago, as fast as they can be written; false when
// somebody took one of them since, and nothing is written.
absl::StatusOr<bool> CopyAll(db::Tx& tx, const std::vector<EventKeyRow>& keys) {
  if (keys.size() < kCopyFrom) return false;
  RETURN_IF_ERROR(tx.ExecScript("SAVEPOINT event_keys"));
  const absl::Status copied = db::Copy(tx, keys);
  if (copied.ok()) {
    RETURN_IF_ERROR(tx.ExecScript("RELEASE event_keys"));
    return true;
  }
  if (!absl::IsAlreadyExists(copied)) return copied;
  RETURN_IF_ERROR(tx.ExecScript("ROLLBACK TO event_keys"));
  return false;
}

// Writes those that nobody took in the meantime; the others become known. Who took one of them may
// have given it back again since.
absl::Status InsertEach(db::Tx& tx, std::vector<EventKeyRow> keys, Known& known) {
  while (!keys.empty()) {
    ASSIGN_OR_RETURN(const db::Result taken,
                     db::InsertArrays(tx, keys, "ON CONFLICT DO NOTHING RETURNING event_key"));
    if (static_cast<size_t>(taken.size()) == keys.size()) return absl::OkStatus();
    absl::flat_hash_set<Uuid> ours;
    for (int i = 0; i < taken.size(); ++i) ours.insert(taken.Get<Uuid>(i, 0));
    std::vector<Uuid> others;
    for (const EventKeyRow& row : keys) {
      if (!ours.contains(row.event_key)) others.push_back(row.event_key);
    }
    RETURN_IF_ERROR(
        Add(tx.Exec("SELECT event_key, content FROM event_key WHERE event_key = ANY($1)", others),
            known));
    keys.erase(std::remove_if(keys.begin(), keys.end(),
                              [&](const EventKeyRow& row) {
                                return ours.contains(row.event_key) ||
                                       known.contains(row.event_key);
                              }),
               keys.end());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Claimed>> ClaimEventKeys(db::Tx& tx,
                                                    const std::vector<EventKeyRow>& keys,
                                                    KeyFilters* filters) {
  std::vector<Uuid> ids;
  ids.reserve(keys.size());
  for (const EventKeyRow& row : keys) ids.push_back(row.event_key);
  Known known;
  RETURN_IF_ERROR(Find(tx, ids, filters, known));
  const std::vector<EventKeyRow> rest = Unknown(keys, known);
  ASSIGN_OR_RETURN(const bool copied, CopyAll(tx, rest));
  if (!copied) RETURN_IF_ERROR(InsertEach(tx, rest, known));
  std::vector<Claimed> out;
  out.reserve(keys.size());
  for (const EventKeyRow& row : keys) {
    const auto found = known.find(row.event_key);
    if (found == known.end()) {
      out.push_back(Claimed::kNew);
    } else {
      const int64_t content = found->second;
      out.push_back(content == 0 || content == row.content ? Claimed::kSame : Claimed::kOther);
    }
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
                           "content) SELECT event_key, content FROM gone ORDER BY event_key "
                           "RETURNING event_key",
                           from, to));
  std::vector<Uuid> keys;
  keys.reserve(static_cast<size_t>(moved.size()));
  for (int i = 0; i < moved.size(); ++i) keys.push_back(moved.Get<Uuid>(i, 0));
  RETURN_IF_ERROR(AddToFilters(tx, slice, keys));
  RETURN_IF_ERROR(tx.Commit());
  return moved.size();
}

}  // namespace broadbill::rating
