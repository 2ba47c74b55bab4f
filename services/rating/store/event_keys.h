#pragma once

// Who has a source's id, for ever. New ids go to a small table that is written at random places;
// from time to time its ids go over to the large one in order of key, so that each page of the
// large index is written once for many of them. An id stands in one of the two.

#include <cstdint>
#include <vector>

#include "libs/db/rows.h"
#include "services/rating/store/key_filter.h"

namespace broadbill::rating {

struct EventKeyRow {
  Uuid event_key;
  int64_t content = 0;  // 0: not known, as good as any
  static constexpr char kTable[] = "event_key";
  static constexpr auto Columns() {
    return std::make_tuple(db::Col("event_key", &EventKeyRow::event_key),
                           db::Col("content", &EventKeyRow::content));
  }
};

enum class Claimed { kNew, kSame, kOther };  // other: the id was used with other content

// Takes ids that nobody has, once and for all when `tx` commits. `keys` ascend and are distinct, so
// that two at one time wait for each other and never both ways. One answer per key. `filters` spare
// most looks into the large table.
absl::StatusOr<std::vector<Claimed>> ClaimEventKeys(db::Tx& tx,
                                                    const std::vector<EventKeyRow>& keys,
                                                    KeyFilters* filters = nullptr);

// Gives ids back, so that they can be taken again.
absl::Status ReleaseEventKeys(db::Tx& tx, const std::vector<Uuid>& keys);

// New ids go over slice by slice, a transaction each. Moves slice `slice`, 0 to kKeySlices − 1;
// answers how many ids it had. Fails when those who read the large table do not let go of it for
// 300 ms: to be tried again.
absl::StatusOr<int64_t> HoldEventKeys(db::Pool& pool, int slice);

}  // namespace broadbill::rating
