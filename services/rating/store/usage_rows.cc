#include "services/rating/store/usage_rows.h"

#include <algorithm>
#include <set>

#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

constexpr char kOfItems[] =
    "WHERE (account_id, item_id) IN (SELECT * FROM unnest($1, $2)) AND at >= $3 AND ";
// Readings of one session differ in the start they tell of by seconds.
constexpr absl::Duration kSlack = absl::Minutes(1);

// Readings without session time do not tell where their session began: of one that has octets in
// such a reading, or no other, all readings are needed.
absl::Status CompleteUntimed(db::Tx& tx, const ItemKeys& items, std::vector<SampleRow>& rows) {
  std::set<std::string> timed;
  for (const SampleRow& row : rows) {
    if (row.session_seconds > 0) timed.insert(row.session_id);
  }
  std::set<std::string> whole;
  for (const SampleRow& row : rows) {
    const bool counts = row.in_octets > 0 || row.out_octets > 0;
    if (row.session_seconds > 0 || (!counts && timed.count(row.session_id) > 0)) continue;
    whole.insert(row.session_id);
  }
  if (whole.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const std::vector<SampleRow> all,
      db::Select<SampleRow>(tx,
                            "WHERE (account_id, item_id) IN (SELECT * FROM unnest($1, $2)) AND "
                            "session_id = ANY($3)",
                            items.account_ids, items.item_ids,
                            std::vector<std::string>(whole.begin(), whole.end())));
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [&](const SampleRow& row) { return whole.count(row.session_id) > 0; }),
             rows.end());
  rows.insert(rows.end(), all.begin(), all.end());
  return absl::OkStatus();
}

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
    first = std::min(first, row.at - absl::Seconds(row.session_seconds) - kSlack);
  }
  if (first < start) {
    ASSIGN_OR_RETURN(const std::vector<SampleRow> before,
                     db::Select<SampleRow>(tx, std::string(kOfItems) + "at < $4", items.account_ids,
                                           items.item_ids, first, start));
    out.insert(out.end(), before.begin(), before.end());
  }
  RETURN_IF_ERROR(CompleteUntimed(tx, items, out));
  return out;
}

absl::StatusOr<std::vector<EventRow>> EventsWithin(db::Tx& tx, const ItemKeys& items,
                                                   absl::Time start, absl::Time end) {
  return db::Select<EventRow>(tx, std::string(kOfItems) + "at < $4", items.account_ids,
                              items.item_ids, start, end);
}

}  // namespace broadbill::rating
