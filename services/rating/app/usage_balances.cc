#include "services/rating/app/usage_balances.h"

#include <algorithm>

#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/app/live_usage.h"
#include "services/rating/app/terms.h"
#include "services/rating/domain/live.h"

namespace broadbill::rating {
namespace {

namespace common = broadbill::common::v1;
namespace pb = broadbill::rating::v1;

constexpr int kForecastDays = 7;

// Octets of the last whole days and today, as the running terms count them.
struct Pace {
  int64_t counted = 0;
  absl::Duration span;
};

absl::StatusOr<Pace> PaceOf(db::Tx& tx, const LiveStretch& stretch, CivilDay first_day,
                            absl::Time now) {
  LiveStretch recent = stretch;
  const CivilDay today = DateIn(now, stretch.zone);
  recent.days = {std::max(first_day, today - kForecastDays), today + 1};
  recent.full = recent.days;
  std::vector<LiveStretch> one = {recent};
  UsageSums sums(tx);
  RETURN_IF_ERROR(FillUsage(tx, one, sums));
  return Pace{one.front().counted(), now - StartOfDay(recent.days.start, stretch.zone)};
}

absl::Status SetForecast(const LiveStretch& stretch, const Pace& pace, absl::Time now,
                         pb::UsageBalance& out) {
  pb::UsageBalance::Forecast* forecast = out.mutable_forecast();
  forecast->set_counted_bytes(
      Forecast(stretch.counted(), pace.counted, pace.span, stretch.end - now));
  ASSIGN_OR_RETURN(const DataTerms terms, ReadTerms(stretch.terms, "usage."));
  ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(stretch.currency));
  // What is included besides the allowance; negative where others of a pool used of it.
  const int64_t allowance = stretch.usage.allowance_bytes();
  Covered covered;
  covered.pool = std::min(stretch.included() - allowance,
                          std::max<int64_t>(0, forecast->counted_bytes() - allowance));
  ASSIGN_OR_RETURN(const DataCharge charge,
                   PriceCounted(terms, forecast->counted_bytes(), stretch.days.days(),
                                stretch.full.days(), exponent, covered));
  forecast->set_overage_minor(charge.amount_minor);
  const bool gets_there = !out.unlimited() && !out.used_up() && pace.counted > 0 &&
                          forecast->counted_bytes() >= out.included_bytes();
  if (!gets_there) return absl::OkStatus();
  const Int128 left = Int128{out.left_bytes()} * absl::ToInt64Seconds(pace.span);
  const auto seconds = static_cast<int64_t>((left + pace.counted - 1) / pace.counted);
  *forecast->mutable_used_up_at() = convert::ToProto(now + absl::Seconds(seconds));
  return absl::OkStatus();
}

void SetUsage(const LiveStretch& stretch, pb::UsageBalance& out) {
  const pb::DataUsage& usage = stretch.usage;
  out.set_bytes_in(usage.bytes_in());
  out.set_bytes_out(usage.bytes_out());
  out.set_counted_bytes(usage.counted_bytes());
  out.set_free_bytes(usage.free_bytes());
  out.set_unlimited(stretch.terms.unlimited());
  out.set_overage_bytes(usage.overage_bytes());
  out.set_overage_minor(usage.amount_minor());
  out.set_currency_code(stretch.currency);
  out.set_derivation(usage.derivation());
  out.set_action(common::UsageTerms::CHARGE);
  if (out.unlimited()) return;
  out.set_included_bytes(stretch.included());
  out.set_allowance_bytes(usage.allowance_bytes());
  out.set_rolled_over_bytes(usage.rolled_over_bytes());
  out.set_top_up_bytes(usage.top_up_bytes());
  out.set_pool_bytes(usage.pool_bytes());
  out.set_left_bytes(std::max<int64_t>(0, stretch.included() - stretch.counted()));
  out.set_percent(PercentUsed(stretch.counted(), stretch.included()));
  out.set_used_up(IsUsedUp(stretch.counted(), stretch.included()));
  if (out.used_up() && stretch.terms.cap_action() != common::UsageTerms::CAP_ACTION_UNSPECIFIED) {
    out.set_action(stretch.terms.cap_action());
  }
}

absl::Status SetThresholds(db::Tx& tx, const LiveStretch& stretch, pb::UsageBalance& out) {
  ASSIGN_OR_RETURN(
      const std::vector<UsageThresholdRow> rows,
      db::Select<UsageThresholdRow>(
          tx, "WHERE account_id = $1 AND item_id = $2 AND period_start = $3 ORDER BY percent",
          stretch.account_id, stretch.item_id, stretch.days.start));
  for (const UsageThresholdRow& row : rows) {
    pb::UsageBalance::Threshold* threshold = out.add_thresholds();
    threshold->set_percent(row.percent);
    *threshold->mutable_reached_at() = convert::ToProto(row.reached_at);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<pb::UsageBalance> UsageBalances::GetUsageBalance(
    const rpc::Context&, const pb::GetUsageBalanceRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const Uuid item = convert::ReadId("sub", request.item_id(), "item_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  const absl::Time now = clock_.Now();
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(const auto items, LoadLiveItems(tx, {item}, /*lock=*/false));
  const auto found = items.find(item);
  if (found == items.end() || found->second.cycle.account_id != account) {
    return NotFoundError("ITEM_NOT_FOUND", "the account has no such subscription");
  }
  const auto running = StretchAt(found->second, now);
  if (!running.has_value()) {
    return FailedPreconditionError("NO_USAGE_TERMS",
                                   "no period with terms of data usage is running");
  }
  std::vector<LiveStretch> one = {*running};
  UsageSums sums(tx);
  RETURN_IF_ERROR(FillUsage(tx, one, sums));
  const LiveStretch& stretch = one.front();
  pb::UsageBalance out;
  out.set_account_id(request.account_id());
  out.set_item_id(request.item_id());
  *out.mutable_period() = convert::ToProto(stretch.days);
  out.set_time_zone(stretch.time_zone);
  *out.mutable_at() = convert::ToProto(now);
  *out.mutable_ends_at() = convert::ToProto(stretch.end);
  SetUsage(stretch, out);
  RETURN_IF_ERROR(SetThresholds(tx, stretch, out));
  const bool total = stretch.terms.measure() != common::UsageTerms::PERCENTILE &&
                     stretch.terms.measure() != common::UsageTerms::PEAK;
  if (total) {
    ASSIGN_OR_RETURN(const Pace pace, PaceOf(tx, stretch, found->second.cycle.start_date, now));
    RETURN_IF_ERROR(SetForecast(stretch, pace, now, out));
  }
  counters_.Write(one, now);
  return out;
}

}  // namespace broadbill::rating
