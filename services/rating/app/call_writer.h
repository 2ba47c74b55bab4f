#pragma once

// Rated calls on their way into the table, each once.

#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "libs/db/pool.h"
#include "libs/db/rows.h"
#include "services/rating/app/call_limits.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

// Rows as COPY takes them.
class CallBatch {
 public:
  // Of those with one key the first by `order` counts. `watched`: limits of the account may say
  // something.
  void Add(const CallRow& row, size_t order, bool watched);
  // After the last: in order of key, as the table's index has them.
  void Sort();
  void Clear();
  size_t size() const { return calls_.size(); }

 private:
  friend class CallWriter;
  struct Call {
    Uuid key, account_id;
    absl::Time answered_at;
    size_t order = 0;
    size_t place = 0;  // as they were added
    bool watched = false;
  };
  // The bytes of all calls, in order.
  std::string Bytes() const;

  std::vector<Call> calls_;
  db::CopyBuffer<CallRow> rows_;  // as they were added
  std::vector<size_t> ends_;      // of each row in `rows_`
  int64_t repeated_ = 0;
};

// Writes batches, each while the next is made.
class CallWriter {
 public:
  explicit CallWriter(db::Tx& tx) : tx_(tx) {}

  // The batch and the transaction are the writer's until Wait, or until the next Write has
  // returned. `ahead`: whether to return before the rows are written.
  absl::Status Write(CallBatch& batch, bool ahead);
  absl::Status Wait();

  // After Wait.
  int64_t kept() const { return kept_; }
  int64_t duplicates() const { return duplicates_; }
  CallSpans spans() const { return {spans_.begin(), spans_.end()}; }

 private:
  absl::Status Keep(CallBatch& batch);
  absl::StatusOr<bool> Copy(const CallBatch& batch);
  absl::Status DropKnown(CallBatch& batch);

  db::Tx& tx_;
  bool ask_first_ = false;  // what comes was here before, as it seems
  int64_t kept_ = 0, duplicates_ = 0;
  absl::flat_hash_map<Uuid, std::pair<absl::Time, absl::Time>> spans_;  // of accounts' new calls
  std::future<absl::Status> written_;                                   // ends before what it uses
};

}  // namespace broadbill::rating
