#include "services/rating/app/usage_octets.h"

#include <algorithm>
#include <map>
#include <string>

#include "libs/status/macros.h"
#include "services/rating/app/restarts.h"
#include "services/rating/store/usage_rows.h"

namespace broadbill::rating {
namespace {

struct Span {
  ItemKeys items;
  absl::Time start = absl::InfiniteFuture(), end = absl::InfinitePast();
};

Span SpanOf(const std::vector<ItemOctets*>& wanted) {
  Span out;
  for (const ItemOctets* one : wanted) {
    out.items.Add(one->account_id, one->item_id);
    out.start = std::min(out.start, one->start());
    out.end = std::max(out.end, one->end());
  }
  return out;
}

}  // namespace

void ItemOctets::AddAt(absl::Time at, const Octets& more) {
  const auto after = std::upper_bound(boundaries.begin(), boundaries.end(), at);
  Add(static_cast<size_t>(after - boundaries.begin()) - 1, more);
}

absl::Status AddSessions(db::Tx& tx, const std::vector<ItemOctets*>& wanted) {
  if (wanted.empty()) return absl::OkStatus();
  const Span span = SpanOf(wanted);
  ASSIGN_OR_RETURN(const std::vector<SampleRow> rows,
                   SamplesTouching(tx, span.items, span.start, span.end));
  std::map<Uuid, std::map<std::string, std::vector<UsageSample>>> sessions;
  std::vector<std::string> ids;
  for (const SampleRow& row : rows) {
    sessions[row.item_id][row.session_id].push_back(
        {row.at, row.session_seconds, static_cast<uint64_t>(row.in_octets),
         static_cast<uint64_t>(row.out_octets), row.wide});
    ids.push_back(row.session_id);
  }
  ASSIGN_OR_RETURN(const Restarts restarts, Restarts::Load(tx, ids));
  for (ItemOctets* one : wanted) {
    const auto item = sessions.find(one->item_id);
    if (item == sessions.end()) continue;
    for (const auto& [session, samples] : item->second) {
      one->revision += static_cast<int64_t>(samples.size());
      for (const SessionGeneration& generation : Generations(samples, restarts.Of(session))) {
        const std::vector<Octets> parts = SplitOctets(generation, one->boundaries);
        for (size_t i = 0; i < parts.size(); ++i) one->Add(i, parts[i]);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status AddEvents(db::Tx& tx, const std::vector<ItemOctets*>& wanted) {
  if (wanted.empty()) return absl::OkStatus();
  const Span span = SpanOf(wanted);
  ASSIGN_OR_RETURN(const std::vector<EventOctets> rows,
                   EventsWithin(tx, span.items, span.start, span.end));
  std::multimap<Uuid, const EventOctets*> events;
  for (const EventOctets& row : rows) events.emplace(row.item_id, &row);
  for (ItemOctets* one : wanted) {
    const auto [begin, end] = events.equal_range(one->item_id);
    for (auto it = begin; it != end; ++it) {
      if (it->second->at < one->start() || it->second->at >= one->end()) continue;
      ++one->revision;
      one->AddAt(it->second->at, it->second->octets);
    }
  }
  return absl::OkStatus();
}

}  // namespace broadbill::rating
