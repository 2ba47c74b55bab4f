#include "services/rating/app/live_usage.h"

#include <algorithm>

#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/rating/app/period_usage.h"

namespace broadbill::rating {
namespace {

namespace common = broadbill::common::v1;
namespace pb = broadbill::rating::v1;

constexpr size_t kBatch = 500;  // stretches whose samples are in memory at one time

UsageCycle ToCycle(const UsageCycleRow& row) {
  UsageCycle out;
  out.start = row.start_date;
  out.end = row.end_date;
  for (size_t i = 0; i < row.cycle_days.size(); ++i) {
    out.cycle_days.push_back({row.cycle_days[i], row.cycle_day_values[i]});
  }
  out.rule = static_cast<AnchorRule>(row.anchor_rule);
  out.anchor = row.anchor_date;
  out.full_first = row.full_first;
  return out;
}

bool IsPositive(bool set, const common::Decimal& value) {
  const auto number = Decimal::Parse(value.value());
  return set && number.ok() && *number > Decimal();
}

}  // namespace

bool CanBeUsedUp(const common::UsageTerms& terms) {
  const bool total = terms.measure() != common::UsageTerms::PERCENTILE &&
                     terms.measure() != common::UsageTerms::PEAK;
  if (!total || terms.unlimited()) return false;
  return IsPositive(terms.has_allowance(), terms.allowance()) || terms.top_ups_size() > 0 ||
         !terms.pool().empty() || terms.cap_action() == common::UsageTerms::THROTTLE ||
         terms.cap_action() == common::UsageTerms::BLOCK;
}

absl::Status TouchUsage(db::Tx& tx, absl::Time now, const std::vector<Uuid>& items) {
  if (items.empty()) return absl::OkStatus();
  return db::InsertOne(tx, UsageTouchedRow{Uuid::Make(now), now, items}).status();
}

absl::StatusOr<std::map<Uuid, LiveItem>> LoadLiveItems(db::Tx& tx, const std::vector<Uuid>& items,
                                                       bool lock) {
  std::map<Uuid, LiveItem> out;
  ASSIGN_OR_RETURN(
      std::vector<UsageCycleRow> cycles,
      db::Select<UsageCycleRow>(
          tx, std::string("WHERE item_id = ANY($1) ORDER BY item_id") + (lock ? " FOR UPDATE" : ""),
          items));
  for (UsageCycleRow& row : cycles) {
    const Uuid id = row.item_id;
    out[id].cycle = std::move(row);
  }
  ASSIGN_OR_RETURN(std::vector<ItemTermsRow> terms,
                   db::Select<ItemTermsRow>(tx, "WHERE item_id = ANY($1)", items));
  for (ItemTermsRow& row : terms) {
    const auto found = out.find(row.item_id);
    if (found != out.end()) found->second.terms.push_back(std::move(row));
  }
  return out;
}

std::optional<LiveStretch> StretchAt(const LiveItem& item, absl::Time at) {
  for (const ItemTermsRow& row : item.terms) {
    const auto zone = LoadZone(row.time_zone);
    if (!zone.ok() || row.usage.data.empty()) continue;
    const CivilDay day = DateIn(at, *zone);
    const DateInterval span{row.valid_from, row.valid_to};
    if (!span.Contains(day)) continue;
    const auto period = UsagePeriodOn(ToCycle(item.cycle), day);
    if (!period.has_value()) return std::nullopt;
    LiveStretch out;
    out.account_id = row.account_id;
    out.item_id = row.item_id;
    out.days = period->days.Intersect(span);
    out.full = period->full;
    out.start = StartOfDay(out.days.start, *zone);
    out.end = StartOfDay(out.days.end, *zone);
    out.zone = *zone;
    out.time_zone = row.time_zone;
    out.currency = row.currency;
    out.service = row.service;
    if (!out.terms.ParseFromString(row.usage.data)) return std::nullopt;
    return out;
  }
  return std::nullopt;
}

absl::Status FillUsage(db::Tx& tx, std::vector<LiveStretch>& stretches) {
  for (size_t begin = 0; begin < stretches.size(); begin += kBatch) {
    const size_t end = std::min(stretches.size(), begin + kBatch);
    pb::BatchGetPeriodUsageRequest request;
    for (size_t i = begin; i < end; ++i) {
      const LiveStretch& one = stretches[i];
      pb::PeriodUsageQuery* query = request.add_queries();
      query->set_account_id(one.account_id.ToText("acc"));
      query->set_item_id(one.item_id.ToText("sub"));
      *query->mutable_period() = convert::ToProto(one.days);
      *query->mutable_full_period() = convert::ToProto(one.full);
      query->set_time_zone(one.time_zone);
      query->set_currency_code(one.currency);
      *query->mutable_usage() = one.terms;
    }
    ASSIGN_OR_RETURN(auto response, AnswerPeriodUsage(tx, request));
    for (size_t i = begin; i < end; ++i) {
      stretches[i].usage =
          std::move(*response.mutable_usages(static_cast<int>(i - begin))->mutable_data());
    }
  }
  return absl::OkStatus();
}

}  // namespace broadbill::rating
