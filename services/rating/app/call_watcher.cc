#include "services/rating/app/call_watcher.h"

#include <algorithm>
#include <set>

#include "absl/time/clock.h"
#include "broadbill/rating/v1/events.pb.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/fault/fault.h"
#include "libs/rpc/log.h"
#include "libs/status/macros.h"
#include "services/rating/domain/call_guard.h"

namespace broadbill::rating {
namespace {

namespace pb = broadbill::rating::v1;

constexpr int64_t kRowsPerStep = 500;
constexpr absl::Duration kPoll = absl::Milliseconds(200);
constexpr absl::Duration kBackoff = absl::Seconds(1);

// What the account's lines say of the place it calls from.
struct Place {
  absl::TimeZone zone = absl::UTCTimeZone();
  const DialPlan* plan = FindDialPlan("US");
};

absl::StatusOr<Place> PlaceOf(db::Tx& tx, const Uuid& account) {
  ASSIGN_OR_RETURN(
      const std::vector<ItemTermsRow> rows,
      db::Select<ItemTermsRow>(
          tx, "WHERE account_id = $1 ORDER BY valid_from DESC, item_id LIMIT 1", account));
  Place out;
  if (rows.empty()) return out;
  const auto zone = LoadZone(rows.front().time_zone);
  if (zone.ok()) out.zone = *zone;
  const DialPlan* plan = FindDialPlan(rows.front().country);
  if (plan != nullptr) out.plan = plan;
  return out;
}

db::FeedEvent EventOf(const CallAlarmRow& alarm) {
  pb::Event event;
  event.set_account_id(alarm.account_id.ToText("acc"));
  event.set_event_id(Uuid::Make(alarm.raised_at).ToText("evt"));
  *event.mutable_at() = convert::ToProto(alarm.raised_at);
  *event.mutable_call_limit_exceeded()->mutable_alarm() = ToProto(alarm);
  return {event.GetTypeName(), alarm.account_id, event.SerializeAsString()};
}

}  // namespace

absl::Status CallWatcher::Judge(db::Tx& tx, const Uuid& account, const CallLimitRow& limits,
                                std::pair<absl::Time, absl::Time> span,
                                std::vector<CallAlarmRow>& alarms) const {
  ASSIGN_OR_RETURN(const Place place, PlaceOf(tx, account));
  // All that is in the sixty minutes or the day of a call that changed.
  const absl::Time begin =
      std::min(span.first - absl::Hours(1), StartOfDay(DateIn(span.first, place.zone), place.zone));
  const absl::Time end = std::max(span.second + absl::Hours(1),
                                  StartOfDay(DateIn(span.second, place.zone) + 1, place.zone));
  // What no deck rated is emergency, toll-free, on-net or inbound.
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT answered_at, cost_micros, currency, called FROM call WHERE item_id IN "
              "(SELECT item_id FROM item_terms WHERE account_id = $1) AND account_id = $1 AND "
              "answered_at >= $2 AND answered_at < $3 AND deck <> '' AND NOT inbound",
              account, begin, end));
  std::vector<GuardedCall> calls;
  std::string currency;
  for (int i = 0; i < rows.size(); ++i) {
    if (limits.international_only && !IsAbroad(rows.Raw(i, 3), *place.plan)) continue;
    calls.push_back({rows.Get<absl::Time>(i, 0), rows.Get<int64_t>(i, 1)});
    currency = rows.Get<std::string>(i, 2);
  }
  const CallLimits check{limits.hour_micros, limits.day_micros, limits.hour_calls,
                         limits.international_only};
  for (const LimitExceeded& found : CheckLimits(check, std::move(calls), place.zone)) {
    CallAlarmRow row;
    row.account_id = account;
    row.kind = static_cast<int16_t>(found.kind);
    row.window_start = found.window_start;
    row.alarm_id = Uuid::Make(clock_.Now());
    row.window_end = found.window_end;
    row.exceeded_at = found.exceeded_at;
    row.calls = found.calls;
    row.micros = found.micros;
    row.limit_value = found.limit;
    row.currency = currency;
    row.raised_at = clock_.Now();
    alarms.push_back(std::move(row));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> CallWatcher::Step() {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const std::vector<CallTouchedRow> touched,
                   db::Select<CallTouchedRow>(
                       tx, "ORDER BY touch_id LIMIT $1 FOR UPDATE SKIP LOCKED", kRowsPerStep));
  if (touched.empty()) return 0;
  fault::Point("calls", "taken");
  CallSpans spans;
  std::vector<Uuid> taken;
  std::vector<Uuid> accounts;
  for (const CallTouchedRow& row : touched) {
    taken.push_back(row.touch_id);
    const auto [at, fresh] = spans.emplace(row.account_id, std::pair(row.first_at, row.last_at));
    at->second.first = std::min(at->second.first, row.first_at);
    at->second.second = std::max(at->second.second, row.last_at);
    if (fresh) accounts.push_back(row.account_id);
  }
  ASSIGN_OR_RETURN(const auto limits, LimitsOf(tx, accounts));
  std::vector<CallAlarmRow> alarms;
  for (const auto& [account, row] : limits) {
    RETURN_IF_ERROR(Judge(tx, account, row, spans.at(account), alarms));
  }
  std::vector<db::FeedEvent> events;
  std::set<Uuid> fresh;
  if (!alarms.empty()) {
    // Who is first tells; the row is there for ever.
    ASSIGN_OR_RETURN(const db::Result kept,
                     db::InsertArrays(tx, alarms, "ON CONFLICT DO NOTHING RETURNING alarm_id"));
    for (int i = 0; i < kept.size(); ++i) fresh.insert(kept.Get<Uuid>(i, 0));
  }
  for (const CallAlarmRow& alarm : alarms) {
    if (fresh.count(alarm.alarm_id) > 0) events.push_back(EventOf(alarm));
  }
  RETURN_IF_ERROR(tx.Exec("DELETE FROM call_touched WHERE touch_id = ANY($1)", taken).status());
  if (!events.empty()) RETURN_IF_ERROR(db::AppendFeed(tx, events, clock_.Now()));
  RETURN_IF_ERROR(tx.Commit("calls"));
  if (!events.empty()) db::SignalFeed("rating");
  return static_cast<int64_t>(accounts.size());
}

absl::StatusOr<bool> CallWatcher::IsDone() const {
  ASSIGN_OR_RETURN(const db::Result some, pool_->Exec("SELECT 1 FROM call_touched LIMIT 1"));
  return some.empty();
}

void CallWatcher::Run(rpc::Background& background) {
  while (!background.stopping()) {
    const auto looked = Step();
    if (!looked.ok()) {
      rpc::Log(rpc::LogLevel::kWarning, "calls are watched again in a moment",
               {{"detail", std::string(looked.status().message())}});
      background.WaitFor(kBackoff);
    } else if (*looked == 0) {
      background.WaitFor(kPoll);
    }
  }
}

}  // namespace broadbill::rating
