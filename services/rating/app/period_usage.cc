#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/domain/overage.h"
#include "services/rating/domain/usage.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {
namespace {

namespace common = broadbill::common::v1;

// A query with its instants.
struct Query {
  Uuid account_id, item_id;
  DateInterval days, full;
  absl::Time start, end;
};

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
  out.start = StartOfDay(out.days.start, *zone);
  out.end = StartOfDay(out.days.end, *zone);
  return out;
}

DataTerms FromProto(const common::UsageTerms& in) {
  DataTerms out;
  out.direction = in.direction() == common::UsageTerms::IN    ? Direction::kIn
                  : in.direction() == common::UsageTerms::OUT ? Direction::kOut
                                                              : Direction::kBoth;
  static const std::map<int, std::pair<int64_t, const char*>> kUnits = {
      {common::UsageTerms::GB, {1000000000, "GB"}},
      {common::UsageTerms::GIB, {int64_t{1} << 30, "GiB"}},
      {common::UsageTerms::MB, {1000000, "MB"}},
      {common::UsageTerms::MIB, {int64_t{1} << 20, "MiB"}},
      {common::UsageTerms::TB, {1000000000000, "TB"}},
      {common::UsageTerms::TIB, {int64_t{1} << 40, "TiB"}}};
  const auto unit = kUnits.find(in.unit());
  if (unit != kUnits.end()) {
    out.unit_bytes = unit->second.first;
    out.unit_name = unit->second.second;
  }
  const auto read = [](const common::Decimal& value, Decimal& to) {
    const auto parsed = Decimal::Parse(value.value());
    if (parsed.ok()) to = *parsed;
  };
  read(in.allowance(), out.allowance);
  out.unlimited = in.unlimited();
  out.prorate_allowance = in.prorate_allowance();
  read(in.block_size(), out.block_size);
  read(in.block_price(), out.block_price);
  if (in.has_maximum_charge()) {
    out.maximum_charge = Decimal();
    read(in.maximum_charge(), *out.maximum_charge);
  }
  return out;
}

struct Usage {
  std::map<Uuid, std::map<std::string, std::vector<UsageSample>>> sessions;  // by item
  std::multimap<Uuid, EventRow> events;
  std::multimap<Uuid, CallRow> calls;
  std::multimap<Uuid, absl::Time> waiting;
};

// Everything that can touch the queries, in four statements.
absl::StatusOr<Usage> Load(db::Tx& tx, const std::vector<Query>& queries) {
  std::vector<Uuid> items;
  absl::Time start = absl::InfiniteFuture();
  absl::Time end = absl::InfinitePast();
  for (const Query& query : queries) {
    items.push_back(query.item_id);
    start = std::min(start, query.start);
    end = std::max(end, query.end);
  }
  Usage out;
  // A session that touches the time has a reading at or after its start; its readings before are
  // needed to split it.
  ASSIGN_OR_RETURN(
      const std::vector<SampleRow> samples,
      db::Select<SampleRow>(tx,
                            "WHERE item_id = ANY($1) AND (item_id, session_id) IN (SELECT item_id, "
                            "session_id FROM usage_sample WHERE item_id = ANY($1) AND at >= $2 AND "
                            "at - make_interval(secs => session_seconds) < $3)",
                            items, start, end));
  for (const SampleRow& row : samples) {
    out.sessions[row.item_id][row.session_id].push_back(
        {row.at, row.session_seconds, static_cast<uint64_t>(row.in_octets),
         static_cast<uint64_t>(row.out_octets), row.wide});
  }
  ASSIGN_OR_RETURN(const std::vector<EventRow> events,
                   db::Select<EventRow>(tx, "WHERE item_id = ANY($1) AND at >= $2 AND at < $3",
                                        items, start, end));
  for (const EventRow& row : events) out.events.emplace(row.item_id, row);
  ASSIGN_OR_RETURN(const std::vector<CallRow> calls,
                   db::Select<CallRow>(tx,
                                       "WHERE item_id = ANY($1) AND answered_at >= $2 AND "
                                       "answered_at < $3",
                                       items, start, end));
  for (const CallRow& row : calls) out.calls.emplace(row.item_id, row);
  ASSIGN_OR_RETURN(const db::Result waiting,
                   tx.Exec("SELECT item_id, at FROM waiting WHERE item_id = ANY($1)", items));
  for (int i = 0; i < waiting.size(); ++i) {
    out.waiting.emplace(waiting.Get<Uuid>(i, 0), waiting.Get<absl::Time>(i, 1));
  }
  return out;
}

absl::Status AnswerData(const pb::PeriodUsageQuery& in, const Query& query, const Usage& usage,
                        pb::PeriodUsage& out) {
  Octets total;
  int64_t revision = 0;
  if (const auto item = usage.sessions.find(query.item_id); item != usage.sessions.end()) {
    for (const auto& [session, samples] : item->second) {
      revision += static_cast<int64_t>(samples.size());
      for (const SessionGeneration& generation : Generations(samples)) {
        const Octets part = SplitOctets(generation, {query.start, query.end})[0];
        total.in += part.in;
        total.out += part.out;
      }
    }
  }
  const auto [begin, end] = usage.events.equal_range(query.item_id);
  for (auto it = begin; it != end; ++it) {
    if (it->second.at < query.start || it->second.at >= query.end) continue;
    ++revision;
    total.in += static_cast<uint64_t>(it->second.in_octets);
    total.out += static_cast<uint64_t>(it->second.out_octets);
  }
  ASSIGN_OR_RETURN(const int exponent,
                   CurrencyExponent(in.currency_code().empty() ? "USD" : in.currency_code()));
  ASSIGN_OR_RETURN(
      const DataCharge charge,
      PriceData(FromProto(in.usage()), static_cast<int64_t>(total.in),
                static_cast<int64_t>(total.out), query.days.days(), query.full.days(), exponent));
  pb::DataUsage* data = out.mutable_data();
  data->set_meter(in.usage().meter().empty() ? "data" : in.usage().meter());
  data->set_bytes_in(static_cast<int64_t>(total.in));
  data->set_bytes_out(static_cast<int64_t>(total.out));
  data->set_counted_bytes(charge.counted_bytes);
  data->set_allowance_bytes(charge.allowance_bytes);
  data->set_overage_bytes(charge.overage_bytes);
  data->set_overage_blocks(charge.blocks);
  data->set_amount_minor(charge.amount_minor);
  data->set_derivation(charge.derivation);
  out.set_revision(out.revision() + revision);
  return absl::OkStatus();
}

void AnswerVoice(const Query& query, const Usage& usage, pb::PeriodUsage& out) {
  struct Group {
    int64_t calls = 0, seconds = 0, micros = 0;
  };
  std::map<std::string, Group> groups;
  const auto [begin, end] = usage.calls.equal_range(query.item_id);
  for (auto it = begin; it != end; ++it) {
    const CallRow& call = it->second;
    if (call.answered_at < query.start || call.answered_at >= query.end) continue;
    Group& group = groups[call.destination];
    ++group.calls;
    group.seconds += call.billed_seconds;
    group.micros += call.cost_micros;
    out.set_revision(out.revision() + 1);
  }
  for (const auto& [destination, group] : groups) {
    pb::VoiceGroup* voice = out.add_voice_groups();
    voice->set_destination(destination);
    voice->set_calls(group.calls);
    voice->set_billed_seconds(group.seconds);
    voice->mutable_amount()->set_value(
        Decimal::FromScaled(Int128{group.micros} * (Decimal::kScale / 1000000)).ToString());
  }
}

}  // namespace

absl::StatusOr<pb::BatchGetPeriodUsageResponse> RatingApp::BatchGetPeriodUsage(
    const rpc::Context&, const pb::BatchGetPeriodUsageRequest& request) {
  if (request.queries_size() > 3000) return InvalidField("queries", "must be at most 3,000");
  std::vector<Query> queries;
  for (int i = 0; i < request.queries_size(); ++i) {
    ASSIGN_OR_RETURN(Query query, ReadQuery(request.queries(i), absl::StrCat("queries[", i, "].")));
    queries.push_back(query);
  }
  pb::BatchGetPeriodUsageResponse response;
  if (queries.empty()) return response;
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(const Usage usage, Load(tx, queries));
  for (int i = 0; i < request.queries_size(); ++i) {
    const pb::PeriodUsageQuery& in = request.queries(i);
    const Query& query = queries[static_cast<size_t>(i)];
    pb::PeriodUsage* out = response.add_usages();
    out->set_account_id(in.account_id());
    out->set_item_id(in.item_id());
    *out->mutable_period() = in.period();
    if (in.has_usage()) RETURN_IF_ERROR(AnswerData(in, query, usage, *out));
    if (in.has_voice()) AnswerVoice(query, usage, *out);
    const auto [begin, end] = usage.waiting.equal_range(query.item_id);
    out->set_unrated_count(std::count_if(begin, end, [&](const auto& entry) {
      return entry.second >= query.start && entry.second < query.end;
    }));
  }
  return response;
}

}  // namespace broadbill::rating
