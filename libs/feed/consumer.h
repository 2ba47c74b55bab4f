#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/db/feed_event.h"
#include "libs/db/pool.h"

namespace broadbill::feed {

struct Event {
  int partition = 0;
  int64_t pos = 0;     // of its row
  int32_t number = 0;  // within its row
  Uuid account_id;     // nil: a fact of no account
  std::string body;    // the serialized broadbill.<source>.v1.Event
  absl::Time at;
};

struct Row {
  int partition = 0;
  int64_t pos = 0;
  absl::Time at;
  std::vector<std::string> bodies;
};

// Rows after the given positions (by partition), at most `rows_max`, in order of position within a
// partition.
using Fetch = std::function<absl::StatusOr<std::vector<Row>>(const std::map<int, int64_t>& after,
                                                             int rows_max)>;

// Applies events of one partition, in order, in the given transaction. UNAVAILABLE, ABORTED and
// DEADLINE_EXCEEDED mean: try again later. Any other error: the events are given again one by one,
// and what fails alone is parked.
using Handler = std::function<absl::Status(db::Tx&, const std::vector<Event>&)>;

// Reads this database's own feed: what a service serves.
absl::StatusOr<std::vector<Row>> ReadRows(db::Pool& pool, const std::map<int, int64_t>& after,
                                          int rows_max);
absl::StatusOr<std::map<int, int64_t>> ReadHeads(db::Pool& pool);

class Consumer {
 public:
  // `source` is the feed's service ("invoicing"); cursors live in `pool`'s schema.
  Consumer(std::string source, std::shared_ptr<db::Pool> pool, Fetch fetch, Handler handler);

  // Applies what is there, up to one fetch; returns the number of events (0: caught up).
  absl::StatusOr<int64_t> Step();
  // Steps until nothing is left.
  absl::Status CatchUp();
  // Tries parked events again, by account in order; returns how many were applied.
  absl::StatusOr<int64_t> RetryParked();
  // Loops Step until `stopping` says so; sleeps on the source's signal or 100 ms between.
  void Run(const std::function<bool()>& stopping);

  const std::string& source() const { return source_; }

 private:
  absl::Status LoadCursors();
  absl::Status Apply(int partition, const std::vector<Event>& events, int64_t last_pos);
  absl::Status ApplyOneByOne(int partition, const std::vector<Event>& events, int64_t last_pos);
  absl::StatusOr<bool> MoveCursor(db::Tx& tx, int partition, int64_t last_pos);
  absl::Status Park(db::Tx& tx, const Event& event, const std::string& reason);
  absl::StatusOr<std::vector<Event>> WithoutParked(db::Tx& tx, const std::vector<Event>& events);

  const std::string source_;
  const std::shared_ptr<db::Pool> pool_;
  const Fetch fetch_;
  const Handler handler_;
  std::map<int, int64_t> cursors_;
};

}  // namespace broadbill::feed
