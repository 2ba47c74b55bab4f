#include "services/rating/app/period_usage.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/rating/app/period_calls.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/app/settlement.h"
#include "services/rating/app/terms.h"
#include "services/rating/app/usage_octets.h"

namespace broadbill::rating {
namespace {

constexpr int kEarlierPeriods = 1200;
constexpr size_t kEarlierBatch = 2000;  // stretches whose samples are in memory at one time

using Query = ItemDays;

absl::StatusOr<Query> ReadQuery(const pb::PeriodUsageQuery& in, const std::string& field) {
  Violations violations;
  Query out;
  out.account_id = convert::ReadId("acc", in.account_id(), field + "account_id", violations);
  out.item_id = convert::ReadId("sub", in.item_id(), field + "item_id", violations);
  out.days.start =
      convert::ReadDate(in.period().start_date(), field + "period.start_date", violations);
  out.days.end = convert::ReadDate(in.period().end_date(), field + "period.end_date", violations);
  out.full = out.days;
  if (in.has_full_period()) {
    out.full.start = convert::ReadDate(in.full_period().start_date(),
                                       field + "full_period.start_date", violations);
    out.full.end =
        convert::ReadDate(in.full_period().end_date(), field + "full_period.end_date", violations);
  }
  const auto zone = LoadZone(in.time_zone().empty() ? "UTC" : in.time_zone());
  violations.Check(zone.status(), field + "time_zone");
  RETURN_IF_ERROR(violations.ToStatus());
  out.zone = *zone;
  out.start = StartOfDay(out.days.start, *zone);
  out.end = StartOfDay(out.days.end, *zone);
  return out;
}

// Calls and waiting records of the items.
struct Records {
  std::multimap<Uuid, CallRow> calls;
  std::multimap<Uuid, absl::Time> waiting;
};

absl::StatusOr<Records> LoadRecords(db::Tx& tx, const std::vector<Query>& queries) {
  std::vector<Uuid> items;
  absl::Time start = absl::InfiniteFuture();
  absl::Time end = absl::InfinitePast();
  for (const Query& query : queries) {
    items.push_back(query.item_id);
    start = std::min(start, query.start);
    end = std::max(end, query.end);
  }
  Records out;
  ASSIGN_OR_RETURN(const std::vector<CallRow> calls,
                   db::Select<CallRow>(tx,
                                       "WHERE item_id = ANY($1) AND answered_at >= $2 AND "
                                       "answered_at < $3",
                                       items, start, end));
  for (const CallRow& row : calls) out.calls.emplace(row.item_id, row);
  ASSIGN_OR_RETURN(
      const db::Result waiting,
      tx.Exec("SELECT item_id, at FROM waiting WHERE item_id = ANY($1) AND state = 1", items));
  for (int i = 0; i < waiting.size(); ++i) {
    out.waiting.emplace(waiting.Get<Uuid>(i, 0), waiting.Get<absl::Time>(i, 1));
  }
  return out;
}

// Counts the octets of stretches as their terms do.
absl::Status Count(db::Tx& tx, const std::vector<Stretch*>& stretches, UsageSums* sums) {
  std::vector<UsageStretches> cuts;
  std::vector<ItemOctets> octets;
  for (const Stretch* stretch : stretches) {
    const Query& query = stretch->of;
    cuts.push_back(StretchesOf(stretch->terms, query.start, query.end, query.zone));
    octets.push_back({query.account_id, query.item_id, cuts.back().boundaries});
    octets.back().octets.resize(cuts.back().free.size());
  }
  std::vector<ItemOctets*> wanted;
  for (ItemOctets& one : octets) wanted.push_back(&one);
  if (sums != nullptr) {
    RETURN_IF_ERROR(sums->Count(wanted));
  } else {
    RETURN_IF_ERROR(AddEvents(tx, wanted));
    RETURN_IF_ERROR(AddSessions(tx, wanted));
  }
  for (size_t i = 0; i < stretches.size(); ++i) {
    stretches[i]->octets = CountOctets(stretches[i]->terms, cuts[i], octets[i].octets);
    stretches[i]->revision = octets[i].revision;
  }
  return absl::OkStatus();
}

absl::Status AddTopUps(const Settlement& settlement, const Query& query, int exponent,
                       pb::DataUsage& data) {
  for (const auto& [code, rows] : settlement.BoughtIn(query)) {
    pb::PeriodTopUp* out = data.add_top_ups();
    out->set_code(code);
    out->set_description(rows.back()->description);
    out->set_count(static_cast<int64_t>(rows.size()));
    // The same offer can have had several prices.
    std::map<std::string, int64_t> prices;
    for (const TopUpRow* row : rows) {
      out->set_bytes(out->bytes() + row->bytes);
      ASSIGN_OR_RETURN(const int64_t amount, Fraction::MinorUnits(row->price, exponent).Round());
      out->set_amount_minor(out->amount_minor() + amount);
      ++prices[absl::StrCat(row->units.ToString(), " ", row->unit_name, " at ",
                            FormatMinor(amount, exponent))];
    }
    for (const auto& [text, count] : prices) {
      absl::StrAppend(out->mutable_derivation(), out->derivation().empty() ? "" : " + ", count,
                      " × ", text);
    }
  }
  return absl::OkStatus();
}

absl::Status AnswerData(const pb::PeriodUsageQuery& in, const Query& query,
                        const Settlement& settlement, pb::PeriodUsage& out) {
  ASSIGN_OR_RETURN(const int exponent,
                   CurrencyExponent(in.currency_code().empty() ? "USD" : in.currency_code()));
  const Stretch& stretch = settlement.Of(query);
  const PeriodOctets& counted = stretch.octets;
  const ItemBalance& balance = stretch.balance;
  ASSIGN_OR_RETURN(const DataCharge charge,
                   PriceCounted(stretch.terms, static_cast<int64_t>(counted.counted),
                                query.days.days(), query.full.days(), exponent, stretch.covered()));
  pb::DataUsage* data = out.mutable_data();
  data->set_meter(in.usage().meter().empty() ? "data" : in.usage().meter());
  data->set_bytes_in(static_cast<int64_t>(counted.total.in));
  data->set_bytes_out(static_cast<int64_t>(counted.total.out));
  data->set_counted_bytes(charge.counted_bytes);
  data->set_free_bytes(static_cast<int64_t>(counted.free.in + counted.free.out));
  data->set_allowance_bytes(charge.allowance_bytes);
  data->set_overage_bytes(charge.overage_bytes);
  data->set_overage_blocks(charge.blocks);
  data->set_amount_minor(charge.amount_minor);
  data->set_derivation(charge.derivation);
  if (!stretch.terms.unlimited) {
    data->set_rolled_over_bytes(balance.had.rolled_over);
    data->set_top_up_bytes(balance.had.bought);
    data->set_pool_bytes(balance.taken + balance.others - balance.given.total());
    data->set_included_bytes(charge.allowance_bytes + data->rolled_over_bytes() +
                             data->top_up_bytes() + data->pool_bytes());
    data->set_used_rolled_over_bytes(balance.used.rolled_over);
    data->set_used_top_up_bytes(balance.used.bought);
    data->set_used_pool_bytes(balance.taken);
    data->set_rolls_over_bytes(balance.goes_on);
  }
  RETURN_IF_ERROR(AddTopUps(settlement, query, exponent, *data));
  out.set_revision(out.revision() + settlement.RevisionOf(query));
  return absl::OkStatus();
}

// The stretches of a query's item that data usage is asked of, and those before.
absl::Status AddStretches(const pb::PeriodUsageQuery& in, const std::string& field,
                          const Query& query, Settlement& out) {
  ASSIGN_OR_RETURN(const DataTerms terms, ReadTerms(in.usage(), field + "usage."));
  RETURN_IF_ERROR(out.Add(query, terms, /*asked=*/true, field + "period"));
  if (in.earlier_periods_size() > kEarlierPeriods) {
    return InvalidField(field + "earlier_periods", "must be at most 1,200");
  }
  for (int i = 0; i < in.earlier_periods_size(); ++i) {
    const pb::EarlierPeriod& earlier = in.earlier_periods(i);
    const std::string at = absl::StrCat(field, "earlier_periods[", i, "].");
    pb::PeriodUsageQuery whole;
    whole.set_account_id(in.account_id());
    whole.set_item_id(in.item_id());
    whole.set_time_zone(in.time_zone());
    *whole.mutable_period() = earlier.period();
    if (earlier.has_full_period()) *whole.mutable_full_period() = earlier.full_period();
    ASSIGN_OR_RETURN(const Query days, ReadQuery(whole, at));
    DataTerms of = terms;
    if (earlier.has_usage()) {
      ASSIGN_OR_RETURN(of, ReadTerms(earlier.usage(), at + "usage."));
    }
    RETURN_IF_ERROR(out.Add(days, of, /*asked=*/false, at + "period"));
  }
  return absl::OkStatus();
}

// What was bought, and all usage that counts.
absl::Status SettleAll(db::Tx& tx, const std::vector<Query>& queries, UsageSums* sums,
                       Settlement& settlement) {
  std::vector<Uuid> items;
  for (const Query& query : queries) items.push_back(query.item_id);
  ASSIGN_OR_RETURN(
      const std::vector<TopUpRow> bought,
      db::Select<TopUpRow>(tx, "WHERE item_id = ANY($1) ORDER BY bought_at, top_up_id", items));
  settlement.Bought(bought);
  settlement.Trim();
  RETURN_IF_ERROR(Count(tx, settlement.asked(), sums));
  std::vector<Stretch*> part;
  const std::vector<Stretch*> earlier = settlement.earlier();
  for (size_t i = 0; i < earlier.size(); ++i) {
    if (earlier[i]->terms.measure == Measure::kTotal) part.push_back(earlier[i]);
    if (part.size() < kEarlierBatch && i + 1 < earlier.size()) continue;
    RETURN_IF_ERROR(Count(tx, part, sums));
    part.clear();
  }
  return settlement.Settle();
}

// The calls that a query asks for.
PeriodCalls CallsOf(const pb::PeriodUsageQuery& in, const std::string& field, const Query& query,
                    const Records& usage, pb::PeriodUsage& answer) {
  PeriodCalls out{&in, field, query.zone, {}, &answer};
  const auto [begin, end] = usage.calls.equal_range(query.item_id);
  for (auto it = begin; it != end; ++it) {
    const CallRow& call = it->second;
    if (call.answered_at >= query.start && call.answered_at < query.end) out.calls.push_back(&call);
  }
  return out;
}

}  // namespace

absl::StatusOr<pb::BatchGetPeriodUsageResponse> AnswerPeriodUsage(
    db::Tx& tx, const pb::BatchGetPeriodUsageRequest& request, UsageSums* sums) {
  std::vector<Query> queries;
  for (int i = 0; i < request.queries_size(); ++i) {
    ASSIGN_OR_RETURN(Query query, ReadQuery(request.queries(i), absl::StrCat("queries[", i, "].")));
    queries.push_back(query);
  }
  pb::BatchGetPeriodUsageResponse response;
  if (queries.empty()) return response;
  Settlement settlement;
  for (int i = 0; i < request.queries_size(); ++i) {
    if (!request.queries(i).has_usage()) continue;
    RETURN_IF_ERROR(AddStretches(request.queries(i), absl::StrCat("queries[", i, "]."),
                                 queries[static_cast<size_t>(i)], settlement));
  }
  RETURN_IF_ERROR(SettleAll(tx, queries, sums, settlement));
  Records usage;
  if (sums == nullptr) {
    ASSIGN_OR_RETURN(usage, LoadRecords(tx, queries));
  }
  std::vector<PeriodCalls> calls;
  for (int i = 0; i < request.queries_size(); ++i) {
    const pb::PeriodUsageQuery& in = request.queries(i);
    const Query& query = queries[static_cast<size_t>(i)];
    pb::PeriodUsage* out = response.add_usages();
    out->set_account_id(in.account_id());
    out->set_item_id(in.item_id());
    *out->mutable_period() = in.period();
    const std::string field = absl::StrCat("queries[", i, "].");
    if (in.has_usage()) RETURN_IF_ERROR(AnswerData(in, query, settlement, *out));
    if (in.has_voice()) calls.push_back(CallsOf(in, field, query, usage, *out));
    const auto [begin, end] = usage.waiting.equal_range(query.item_id);
    out->set_unrated_count(std::count_if(begin, end, [&](const auto& entry) {
      return entry.second >= query.start && entry.second < query.end;
    }));
  }
  RETURN_IF_ERROR(AnswerCalls(tx, calls));
  return response;
}

absl::StatusOr<pb::BatchGetPeriodUsageResponse> RatingApp::BatchGetPeriodUsage(
    const rpc::Context&, const pb::BatchGetPeriodUsageRequest& request) {
  if (request.queries_size() > 20000) return InvalidField("queries", "must be at most 20,000");
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  return AnswerPeriodUsage(tx, request, nullptr);
}

}  // namespace broadbill::rating
