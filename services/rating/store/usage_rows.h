#pragma once

#include <vector>

#include "services/rating/domain/usage.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

// Items with their accounts, which lead the keys.
struct ItemKeys {
  std::vector<Uuid> account_ids, item_ids;
  void Add(const Uuid& account_id, const Uuid& item_id) {
    account_ids.push_back(account_id);
    item_ids.push_back(item_id);
  }
};

// Readings of sessions that touch [start, end): such a session has one at or after `start`; its
// readings before are needed to split it.
absl::StatusOr<std::vector<SampleRow>> SamplesTouching(db::Tx& tx, const ItemKeys& items,
                                                       absl::Time start, absl::Time end);

// What counts of an event.
struct EventOctets {
  Uuid item_id;
  absl::Time at;
  Octets octets;
};
absl::StatusOr<std::vector<EventOctets>> EventsWithin(db::Tx& tx, const ItemKeys& items,
                                                      absl::Time start, absl::Time end);
// Of short stretches of time, a look into the index for each.
struct UsageRange {
  Uuid account_id, item_id;
  absl::Time from, to;
};
absl::StatusOr<std::vector<EventOctets>> EventsOfRanges(db::Tx& tx,
                                                        const std::vector<UsageRange>& ranges);

}  // namespace broadbill::rating
