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

Octets OctetsAt(const db::Result& rows, int row, int column) {
  return {static_cast<uint64_t>(rows.Get<int64_t>(row, column)),
          static_cast<uint64_t>(rows.Get<int64_t>(row, column + 1))};
}

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

absl::StatusOr<std::vector<EventOctets>> EventsWithin(db::Tx& tx, const ItemKeys& items,
                                                      absl::Time start, absl::Time end) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec(std::string("SELECT item_id, at, in_octets, out_octets FROM "
                                       "usage_event ") +
                               kOfItems + "at < $4",
                           items.account_ids, items.item_ids, start, end));
  std::vector<EventOctets> out;
  out.reserve(static_cast<size_t>(rows.size()));
  for (int i = 0; i < rows.size(); ++i) {
    out.push_back({rows.Get<Uuid>(i, 0), rows.Get<absl::Time>(i, 1), OctetsAt(rows, i, 2)});
  }
  return out;
}

absl::StatusOr<std::vector<EventOctets>> EventsOfRanges(db::Tx& tx,
                                                        const std::vector<UsageRange>& ranges) {
  std::vector<EventOctets> out;
  if (ranges.empty()) return out;
  ItemKeys items;
  std::vector<absl::Time> from, to;
  for (const UsageRange& range : ranges) {
    items.Add(range.account_id, range.item_id);
    from.push_back(range.from);
    to.push_back(range.to);
  }
  // OFFSET keeps the look into the index apart, so that no plan reads whole months; the outer
  // bounds leave out months at once.
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT q.n, e.at, e.in_octets, e.out_octets FROM unnest($1::uuid[], $2::uuid[], "
              "$3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY q (account_id, item_id, "
              "from_at, to_at, n), LATERAL (SELECT at, in_octets, out_octets FROM usage_event u "
              "WHERE u.account_id = q.account_id AND u.item_id = q.item_id AND u.at >= q.from_at "
              "AND u.at < q.to_at AND u.at >= $5 AND u.at < $6 OFFSET 0) e",
              items.account_ids, items.item_ids, from, to,
              *std::min_element(from.begin(), from.end()),
              *std::max_element(to.begin(), to.end())));
  out.reserve(static_cast<size_t>(rows.size()));
  for (int i = 0; i < rows.size(); ++i) {
    const UsageRange& range = ranges[static_cast<size_t>(rows.Get<int64_t>(i, 0)) - 1];
    out.push_back({range.item_id, rows.Get<absl::Time>(i, 1), OctetsAt(rows, i, 2)});
  }
  return out;
}

}  // namespace broadbill::rating
