#pragma once

// Octets of items by intervals of time, from readings and events.

#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/db/pool.h"
#include "libs/ids/uuid.h"
#include "services/rating/domain/usage.h"

namespace broadbill::rating {

// One item's, in each interval [boundaries[i], boundaries[i+1]).
struct ItemOctets {
  Uuid account_id, item_id;
  std::vector<absl::Time> boundaries;
  std::vector<Octets> octets = {};
  int64_t revision = 0;  // rows that were looked at

  absl::Time start() const { return boundaries.front(); }
  absl::Time end() const { return boundaries.back(); }
  void Add(size_t interval, const Octets& more) {
    octets[interval].in += more.in;
    octets[interval].out += more.out;
  }
  // At a moment that lies in one of them.
  void AddAt(absl::Time at, const Octets& more);
};

// Those of sessions and those of events are added to what is there. All rows between the first
// start and the last end are in memory at one time.
absl::Status AddSessions(db::Tx& tx, const std::vector<ItemOctets*>& wanted);
absl::Status AddEvents(db::Tx& tx, const std::vector<ItemOctets*>& wanted);

}  // namespace broadbill::rating
