#include "services/rating/store/usage_sums.h"

#include "libs/status/macros.h"

namespace broadbill::rating {

absl::StatusOr<std::vector<DaySum>> SumsOfDays(db::Tx& tx, const std::vector<SumQuery>& queries) {
  std::vector<DaySum> out;
  if (queries.empty()) return out;
  std::vector<Uuid> accounts, items;
  std::vector<CivilDay> first, last;
  std::vector<int16_t> all;
  for (const SumQuery& query : queries) {
    accounts.push_back(query.account_id);
    items.push_back(query.item_id);
    first.push_back(query.first);
    last.push_back(query.last);
    all.push_back(query.fine ? 1 : 0);
  }
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT q.n, s.day, s.in_octets, s.out_octets, CASE WHEN q.fine = 1 OR s.day = "
              "q.first OR s.day = q.last THEN s.quarters ELSE '' END FROM unnest($1::uuid[], "
              "$2::uuid[], $3::date[], $4::date[], $5::int2[]) WITH ORDINALITY q (account_id, "
              "item_id, first, last, fine, n), LATERAL (SELECT * FROM usage_sum u WHERE "
              "u.account_id = q.account_id AND u.item_id = q.item_id AND u.day >= q.first AND "
              "u.day <= q.last OFFSET 0) s",
              accounts, items, first, last, all));
  out.reserve(static_cast<size_t>(rows.size()));
  for (int i = 0; i < rows.size(); ++i) {
    const auto day = rows.Get<CivilDay>(i, 1);
    out.push_back({static_cast<size_t>(rows.Get<int64_t>(i, 0)) - 1,
                   day,
                   {static_cast<uint64_t>(rows.Get<int64_t>(i, 2)),
                    static_cast<uint64_t>(rows.Get<int64_t>(i, 3))},
                   UnpackQuarters(day, rows.Raw(i, 4))});
  }
  return out;
}

absl::Status SaveSums(db::Tx& tx, const std::vector<NewSum>& sums) {
  std::vector<UsageSumRow> rows;
  rows.reserve(sums.size());
  for (const NewSum& sum : sums) {
    Octets total;
    for (const auto& [quarter, octets] : sum.quarters) {
      total.in += octets.in;
      total.out += octets.out;
    }
    rows.push_back({sum.account_id,
                    sum.item_id,
                    sum.day,
                    static_cast<int64_t>(total.in),
                    static_cast<int64_t>(total.out),
                    {PackQuarters(sum.day, sum.quarters)}});
  }
  return db::InsertArrays(tx, rows,
                          "ON CONFLICT (account_id, item_id, day) DO UPDATE SET in_octets = "
                          "excluded.in_octets, out_octets = excluded.out_octets, quarters = "
                          "excluded.quarters")
      .status();
}

absl::StatusOr<std::map<Uuid, UsageSummedRow>> SummedItems(db::Tx& tx,
                                                           const std::vector<Uuid>& items) {
  ASSIGN_OR_RETURN(const std::vector<UsageSummedRow> rows,
                   db::Select<UsageSummedRow>(tx, "WHERE item_id = ANY($1)", items));
  std::map<Uuid, UsageSummedRow> out;
  for (const UsageSummedRow& row : rows) out[row.item_id] = row;
  return out;
}

absl::Status ForgetSums(db::Tx& tx, const std::vector<Uuid>& items) {
  if (items.empty()) return absl::OkStatus();
  return tx.Exec("DELETE FROM usage_summed WHERE item_id = ANY($1)", items).status();
}

absl::StatusOr<std::map<Uuid, std::set<int32_t>>> ChangedQuarters(db::Tx& tx,
                                                                  const std::vector<Uuid>& items) {
  std::map<Uuid, std::set<int32_t>> out;
  if (items.empty()) return out;
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT c.item_id, c.quarter FROM usage_touched t, unnest(t.items, "
                           "t.quarters) c (item_id, quarter) WHERE t.quarters <> '{}' AND "
                           "c.item_id = ANY($1)",
                           items));
  for (int i = 0; i < rows.size(); ++i) out[rows.Get<Uuid>(i, 0)].insert(rows.Get<int32_t>(i, 1));
  return out;
}

}  // namespace broadbill::rating
