#include "services/rating/app/usage_sums.h"

#include <algorithm>
#include <utility>

#include "libs/status/macros.h"
#include "services/rating/store/usage_rows.h"

namespace broadbill::rating {
namespace {

// Days before what is asked that sums are made of: forecasts look back a week.
constexpr int kDaysBefore = 8;
constexpr size_t kMadeTogether = 200;  // items whose events are in memory at one time
const absl::Time kEndOfTime = absl::FromUnixSeconds(253402300800);  // the year 10000

CivilDay UtcDay(absl::Time at) { return DayOfQuarter(QuarterOf(at)); }

bool Reaches(const std::map<Uuid, UsageSummedRow>& summed, const ItemOctets& wanted) {
  const auto found = summed.find(wanted.item_id);
  return found != summed.end() && found->second.since <= UtcDay(wanted.start());
}

void Add(Octets& to, const Octets& more) {
  to.in += more.in;
  to.out += more.out;
}

// Neighbouring quarters of an item in one range.
void AddRanges(const Uuid& account, const Uuid& item, const std::set<int32_t>& quarters,
               std::vector<UsageRange>& out) {
  for (auto it = quarters.begin(); it != quarters.end();) {
    const int32_t first = *it;
    int32_t end = first;
    while (it != quarters.end() && *it == end) ++it, ++end;
    out.push_back({account, item, QuarterStart(first), QuarterStart(end)});
  }
}

}  // namespace

absl::Status UsageSums::Apply(const ChangedUsage& changed) {
  std::vector<Uuid> items;
  for (const auto& [item, quarters] : changed) {
    if (locked_.count(item) > 0) items.push_back(item);
  }
  ASSIGN_OR_RETURN(const Summed summed, SummedItems(tx_, items));
  std::vector<UsageRange> ranges;
  std::vector<SumQuery> days;  // one a day
  std::map<std::pair<Uuid, CivilDay>, NewSum> sums;
  for (const auto& [item, row] : summed) {
    std::set<int32_t> quarters;
    for (const int32_t quarter : changed.at(item)) {
      const CivilDay day = DayOfQuarter(quarter);
      if (day < row.since) continue;
      quarters.insert(quarter);
      const bool fresh =
          sums.emplace(std::pair(item, day), NewSum{row.account_id, item, day, {}}).second;
      if (fresh) days.push_back({row.account_id, item, day, day});
    }
    AddRanges(row.account_id, item, quarters, ranges);
  }
  ASSIGN_OR_RETURN(std::vector<DaySum> before, SumsOfDays(tx_, days));
  for (DaySum& sum : before) {
    const SumQuery& of = days[sum.query];
    NewSum& now = sums.at({of.item_id, of.first});
    now.quarters = std::move(sum.quarters);
    for (const int32_t quarter : changed.at(of.item_id)) now.quarters.erase(quarter);
  }
  ASSIGN_OR_RETURN(const std::vector<EventOctets> events, EventsOfRanges(tx_, ranges));
  for (const EventOctets& event : events) {
    const int32_t quarter = QuarterOf(event.at);
    Add(sums.at({event.item_id, DayOfQuarter(quarter)}).quarters[quarter], event.octets);
  }
  std::vector<NewSum> all;
  all.reserve(sums.size());
  for (auto& [key, sum] : sums) all.push_back(std::move(sum));
  return SaveSums(tx_, all);
}

absl::Status UsageSums::MakeOf(const std::vector<UsageSummedRow>& items) {
  ItemKeys keys;
  std::map<Uuid, const UsageSummedRow*> rows;
  CivilDay since = CivilDay::max();
  for (const UsageSummedRow& row : items) {
    keys.Add(row.account_id, row.item_id);
    rows[row.item_id] = &row;
    since = std::min(since, row.since);
  }
  RETURN_IF_ERROR(tx_.Exec("DELETE FROM usage_sum WHERE (account_id, item_id) IN (SELECT * FROM "
                           "unnest($1, $2))",
                           keys.account_ids, keys.item_ids)
                      .status());
  ASSIGN_OR_RETURN(const std::vector<EventOctets> events,
                   EventsWithin(tx_, keys, QuarterStart(FirstQuarterOf(since)), kEndOfTime));
  std::map<std::pair<Uuid, CivilDay>, NewSum> sums;
  for (const EventOctets& event : events) {
    const UsageSummedRow& row = *rows.at(event.item_id);
    const int32_t quarter = QuarterOf(event.at);
    const CivilDay day = DayOfQuarter(quarter);
    if (day < row.since) continue;
    NewSum& sum = sums[{row.item_id, day}];
    sum.account_id = row.account_id;
    sum.item_id = row.item_id;
    sum.day = day;
    Add(sum.quarters[quarter], event.octets);
  }
  std::vector<NewSum> all;
  all.reserve(sums.size());
  for (auto& [key, sum] : sums) all.push_back(std::move(sum));
  RETURN_IF_ERROR(SaveSums(tx_, all));
  return db::InsertArrays(tx_, items,
                          "ON CONFLICT (account_id, item_id) DO UPDATE SET since = excluded.since")
      .status();
}

absl::Status UsageSums::Make(const std::vector<ItemOctets*>& wanted, Summed& summed) {
  std::map<Uuid, UsageSummedRow> lacking;
  for (const ItemOctets* one : wanted) {
    if (locked_.count(one->item_id) == 0 || Reaches(summed, *one)) continue;
    const CivilDay since = UtcDay(one->start()) - kDaysBefore;
    const UsageSummedRow row{one->account_id, one->item_id, since};
    UsageSummedRow& made = lacking.emplace(one->item_id, row).first->second;
    made.since = std::min(made.since, since);
  }
  std::vector<UsageSummedRow> part;
  for (const auto& [item, row] : lacking) {
    part.push_back(row);
    if (part.size() < kMadeTogether && item != lacking.rbegin()->first) continue;
    RETURN_IF_ERROR(MakeOf(part));
    part.clear();
  }
  for (const auto& [item, row] : lacking) summed[item] = row;
  return absl::OkStatus();
}

absl::Status UsageSums::AddSums(const std::vector<ItemOctets*>& wanted,
                                const ChangedUsage& pending) {
  std::vector<SumQuery> queries;
  std::vector<std::set<int32_t>> by_rows(wanted.size());  // quarters
  for (size_t i = 0; i < wanted.size(); ++i) {
    const ItemOctets& one = *wanted[i];
    const auto changed = pending.find(one.item_id);
    if (changed != pending.end()) {
      for (const int32_t quarter : changed->second) {
        if (IntervalOf(one.boundaries, QuarterStart(quarter), QuarterStart(quarter + 1)) !=
            kOutside) {
          by_rows[i].insert(quarter);
        }
      }
    }
    queries.push_back({one.account_id, one.item_id, UtcDay(one.start()),
                       UtcDay(one.end() - absl::Nanoseconds(1)),
                       one.boundaries.size() > 2 || !by_rows[i].empty()});
  }
  ASSIGN_OR_RETURN(const std::vector<DaySum> sums, SumsOfDays(tx_, queries));
  for (const DaySum& sum : sums) {
    ItemOctets& one = *wanted[sum.query];
    const SumQuery& query = queries[sum.query];
    if (!query.fine && sum.day != query.first && sum.day != query.last) {
      one.Add(0, sum.total);
      continue;
    }
    for (const auto& [quarter, octets] : sum.quarters) {
      if (by_rows[sum.query].count(quarter) > 0) continue;
      const int interval =
          IntervalOf(one.boundaries, QuarterStart(quarter), QuarterStart(quarter + 1));
      if (interval >= 0) one.Add(static_cast<size_t>(interval), octets);
      if (interval == kCut) by_rows[sum.query].insert(quarter);
    }
  }
  return AddQuarters(wanted, by_rows);
}

absl::Status UsageSums::AddQuarters(const std::vector<ItemOctets*>& wanted,
                                    const std::vector<std::set<int32_t>>& quarters) {
  std::vector<UsageRange> ranges;
  std::multimap<Uuid, size_t> of;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!quarters[i].empty()) of.emplace(wanted[i]->item_id, i);
  }
  for (auto it = of.begin(); it != of.end();) {
    std::set<int32_t> all;
    const ItemOctets& one = *wanted[it->second];
    for (const auto end = of.upper_bound(one.item_id); it != end; ++it) {
      all.insert(quarters[it->second].begin(), quarters[it->second].end());
    }
    AddRanges(one.account_id, one.item_id, all, ranges);
  }
  ASSIGN_OR_RETURN(const std::vector<EventOctets> events, EventsOfRanges(tx_, ranges));
  for (const EventOctets& event : events) {
    const auto [begin, end] = of.equal_range(event.item_id);
    for (auto it = begin; it != end; ++it) {
      ItemOctets& one = *wanted[it->second];
      if (quarters[it->second].count(QuarterOf(event.at)) == 0) continue;
      if (event.at >= one.start() && event.at < one.end()) one.AddAt(event.at, event.octets);
    }
  }
  return absl::OkStatus();
}

absl::Status UsageSums::Count(const std::vector<ItemOctets*>& wanted) {
  if (wanted.empty()) return absl::OkStatus();
  std::vector<Uuid> items, others;
  for (const ItemOctets* one : wanted) {
    items.push_back(one->item_id);
    if (locked_.count(one->item_id) == 0) others.push_back(one->item_id);
  }
  // First: what is applied or forgotten by somebody else from here on is seen in the sums.
  ASSIGN_OR_RETURN(const ChangedUsage pending, ChangedQuarters(tx_, others));
  ASSIGN_OR_RETURN(Summed summed, SummedItems(tx_, items));
  RETURN_IF_ERROR(Make(wanted, summed));
  std::vector<ItemOctets*> by_sums, by_rows;
  for (ItemOctets* one : wanted) (Reaches(summed, *one) ? by_sums : by_rows).push_back(one);
  RETURN_IF_ERROR(AddSums(by_sums, pending));
  RETURN_IF_ERROR(AddEvents(tx_, by_rows));
  return AddSessions(tx_, wanted);
}

}  // namespace broadbill::rating
