#include "services/rating/store/usage_rows.h"

#include <algorithm>

#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

constexpr char kOfItems[] =
    "WHERE (account_id, item_id) IN (SELECT * FROM unnest($1, $2)) AND at >= $3 AND ";
// Readings of one session differ in the start they tell of by seconds.
constexpr absl::Duration kSlack = absl::Minutes(1);

}  // namespace

absl::StatusOr<std::vector<SampleRow>> SamplesTouching(db::Tx& tx, const ItemKeys& items,
                                                       absl::Time start, absl::Time end) {
  ASSIGN_OR_RETURN(
      std::vector<SampleRow> out,
      db::Select<SampleRow>(
          tx, std::string(kOfItems) + "at - make_interval(secs => session_seconds) < $4",
          items.account_ids, items.item_ids, start, end));
  absl::Time first = start;
  for (const SampleRow& row : out) {
    // Without a session time nothing tells when it began.
    if (row.session_seconds == 0 && row.in_octets + row.out_octets > 0) first = absl::UnixEpoch();
    first = std::min(first, row.at - absl::Seconds(row.session_seconds) - kSlack);
  }
  if (first == start) return out;
  ASSIGN_OR_RETURN(const std::vector<SampleRow> before,
                   db::Select<SampleRow>(tx, std::string(kOfItems) + "at < $4", items.account_ids,
                                         items.item_ids, first, start));
  out.insert(out.end(), before.begin(), before.end());
  return out;
}

absl::StatusOr<std::vector<EventRow>> EventsWithin(db::Tx& tx, const ItemKeys& items,
                                                   absl::Time start, absl::Time end) {
  return db::Select<EventRow>(tx, std::string(kOfItems) + "at < $4", items.account_ids,
                              items.item_ids, start, end);
}

}  // namespace broadbill::rating
