#include "services/rating/app/call_limits.h"

#include "libs/convert/convert.h"
#include "libs/convert/write.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/app/decks.h"

namespace broadbill::rating {
namespace {

namespace pb = broadbill::rating::v1;

constexpr size_t kNoteBytesMax = 500;
const Uuid kAll{};  // the row that holds for all without one

bool HasAny(const CallLimitRow& row) {
  return row.hour_micros.has_value() || row.day_micros.has_value() || row.hour_calls.has_value();
}

std::optional<int64_t> ReadMicros(bool set, const broadbill::common::v1::Decimal& in,
                                  const std::string& field, Violations& violations) {
  if (!set) return std::nullopt;
  const Decimal value = convert::ReadDecimal(in, field, violations);
  const bool fits = !value.IsNegative() && value <= Decimal::FromInt(1000000000) &&
                    value.scaled() % (Decimal::kScale / 1000000) == 0;
  violations.Require(fits, field, "must be an amount of 0 or more with at most 6 decimals");
  return fits ? static_cast<int64_t>(value.scaled() / (Decimal::kScale / 1000000)) : 0;
}

pb::CallLimits ToProto(const CallLimitRow& row) {
  pb::CallLimits out;
  if (row.account_id != kAll) out.set_account_id(row.account_id.ToText("acc"));
  if (row.hour_micros.has_value()) *out.mutable_hourly_spend() = FromMicros(*row.hour_micros);
  if (row.day_micros.has_value()) *out.mutable_daily_spend() = FromMicros(*row.day_micros);
  if (row.hour_calls.has_value()) out.set_hourly_calls(*row.hour_calls);
  out.set_international_only(row.international_only);
  return out;
}

}  // namespace

pb::CallAlarm ToProto(const CallAlarmRow& row) {
  pb::CallAlarm out;
  out.set_alarm_id(row.alarm_id.ToText("alm"));
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_kind(static_cast<pb::CallAlarm::Kind>(row.kind));
  *out.mutable_window_start_time() = convert::ToProto(row.window_start);
  *out.mutable_window_end_time() = convert::ToProto(row.window_end);
  *out.mutable_exceeded_time() = convert::ToProto(row.exceeded_at);
  out.set_call_count(row.calls);
  *out.mutable_spend() = FromMicros(row.micros);
  *out.mutable_limit() = row.kind == pb::CallAlarm::HOURLY_CALLS
                             ? convert::ToProto(Decimal::FromInt(row.limit_value))
                             : FromMicros(row.limit_value);
  out.set_currency_code(row.currency);
  *out.mutable_raised_time() = convert::ToProto(row.raised_at);
  if (row.acknowledged_at.has_value()) {
    *out.mutable_acknowledged_time() = convert::ToProto(*row.acknowledged_at);
  }
  out.set_acknowledged_by(row.acknowledged_by);
  out.set_note(row.note);
  return out;
}

absl::StatusOr<std::map<Uuid, CallLimitRow>> LimitsOf(db::Tx& tx,
                                                      const std::vector<Uuid>& accounts) {
  std::vector<Uuid> asked = accounts;
  asked.push_back(kAll);
  ASSIGN_OR_RETURN(const std::vector<CallLimitRow> rows,
                   db::Select<CallLimitRow>(tx, "WHERE account_id = ANY($1)", asked));
  std::map<Uuid, CallLimitRow> found;
  for (const CallLimitRow& row : rows) found[row.account_id] = row;
  std::map<Uuid, CallLimitRow> out;
  if (found.empty()) return out;
  for (const Uuid& account : accounts) {
    auto own = found.find(account);
    if (own == found.end()) own = found.find(kAll);
    if (own != found.end() && HasAny(own->second)) out[account] = own->second;
  }
  return out;
}

absl::Status TouchCalls(db::Tx& tx, absl::Time now, const CallSpans& spans) {
  if (spans.empty()) return absl::OkStatus();
  std::vector<Uuid> accounts;
  for (const auto& [account, span] : spans) accounts.push_back(account);
  ASSIGN_OR_RETURN(const auto limits, LimitsOf(tx, accounts));
  std::vector<CallTouchedRow> rows;
  for (const auto& [account, span] : spans) {
    if (limits.count(account) == 0) continue;
    rows.push_back({Uuid::Make(now), account, span.first, span.second});
  }
  return rows.empty() ? absl::OkStatus() : db::Copy(tx, rows);
}

absl::StatusOr<pb::CallLimits> CallLimitsApp::SetCallLimits(
    const rpc::Context& context, const pb::SetCallLimitsRequest& request) {
  const pb::CallLimits& in = request.limits();
  Violations violations;
  CallLimitRow row;
  row.account_id = convert::ReadOptionalId("acc", in.account_id(), "limits.account_id", violations)
                       .value_or(kAll);
  row.hour_micros =
      ReadMicros(in.has_hourly_spend(), in.hourly_spend(), "limits.hourly_spend", violations);
  row.day_micros =
      ReadMicros(in.has_daily_spend(), in.daily_spend(), "limits.daily_spend", violations);
  if (in.has_hourly_calls()) row.hour_calls = in.hourly_calls();
  violations.Require(in.hourly_calls() >= 0, "limits.hourly_calls", "must be 0 or more");
  row.international_only = in.international_only();
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::CallLimits>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::CallLimits> {
        RETURN_IF_ERROR(
            db::InsertOne(tx, row,
                          "ON CONFLICT (account_id) DO UPDATE SET hour_micros = "
                          "excluded.hour_micros, day_micros = excluded.day_micros, hour_calls = "
                          "excluded.hour_calls, international_only = excluded.international_only")
                .status());
        // Calls of the last day may be beyond the new limits already.
        const absl::Time now = clock_.Now();
        const absl::Time from = now - absl::Hours(24);
        ASSIGN_OR_RETURN(const db::Result recent,
                         tx.Exec("SELECT DISTINCT account_id FROM item_terms t WHERE ($1 = $2 OR "
                                 "account_id = $1) AND EXISTS (SELECT 1 FROM call c WHERE "
                                 "c.item_id = t.item_id AND c.answered_at >= $3)",
                                 row.account_id, kAll, from));
        CallSpans spans;
        for (int i = 0; i < recent.size(); ++i) spans[recent.Get<Uuid>(i, 0)] = {from, now};
        RETURN_IF_ERROR(TouchCalls(tx, now, spans));
        return ToProto(row);
      });
}

absl::StatusOr<pb::CallLimits> CallLimitsApp::GetCallLimits(
    const rpc::Context&, const pb::GetCallLimitsRequest& request) {
  Violations violations;
  const Uuid account =
      convert::ReadOptionalId("acc", request.account_id(), "account_id", violations).value_or(kAll);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(
      const std::vector<CallLimitRow> rows,
      db::Select<CallLimitRow>(tx, "WHERE account_id IN ($1, $2) ORDER BY account_id DESC LIMIT 1",
                               account, kAll));
  return rows.empty() ? pb::CallLimits() : ToProto(rows.front());
}

absl::StatusOr<pb::ListCallLimitsResponse> CallLimitsApp::ListCallLimits(
    const rpc::Context&, const pb::ListCallLimitsRequest& request) {
  Violations violations;
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  std::optional<Uuid> after;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(after, Uuid::Parse("acc", token));
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(std::vector<CallLimitRow> rows,
                   db::Select<CallLimitRow>(tx,
                                            "WHERE ($1::uuid IS NULL OR account_id > $1) ORDER BY "
                                            "account_id LIMIT $2",
                                            after, int64_t{size} + 1));
  pb::ListCallLimitsResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.pop_back();
    response.set_next_page_token(convert::MakePageToken(rows.back().account_id.ToText("acc")));
  }
  for (const CallLimitRow& row : rows) *response.add_limits() = ToProto(row);
  return response;
}

absl::StatusOr<pb::ListCallAlarmsResponse> CallLimitsApp::ListCallAlarms(
    const rpc::Context&, const pb::ListCallAlarmsRequest& request) {
  Violations violations;
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  const auto account =
      convert::ReadOptionalId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  std::optional<Uuid> before;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(before, Uuid::Parse("alm", token));
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  // Ids are made when alarms are raised, in order of time.
  ASSIGN_OR_RETURN(
      std::vector<CallAlarmRow> rows,
      db::Select<CallAlarmRow>(tx,
                               "WHERE ($1::uuid IS NULL OR account_id = $1) AND (NOT $2 OR "
                               "acknowledged_at IS NULL) AND ($3::uuid IS NULL OR alarm_id < $3) "
                               "ORDER BY alarm_id DESC LIMIT $4",
                               account, request.open_only(), before, int64_t{size} + 1));
  pb::ListCallAlarmsResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.pop_back();
    response.set_next_page_token(convert::MakePageToken(rows.back().alarm_id.ToText("alm")));
  }
  for (const CallAlarmRow& row : rows) *response.add_alarms() = ToProto(row);
  return response;
}

absl::StatusOr<pb::CallAlarm> CallLimitsApp::AcknowledgeCallAlarm(
    const rpc::Context& context, const pb::AcknowledgeCallAlarmRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("alm", request.alarm_id(), "alarm_id", violations);
  violations.Require(request.note().size() <= kNoteBytesMax, "note", "must be at most 500 bytes");
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::CallAlarm>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::CallAlarm> {
        RETURN_IF_ERROR(tx.Exec("UPDATE call_alarm SET acknowledged_at = $2, acknowledged_by = $3, "
                                "note = $4 WHERE alarm_id = $1 AND acknowledged_at IS NULL",
                                id, clock_.Now(), context.principal.id, request.note())
                            .status());
        ASSIGN_OR_RETURN(const std::vector<CallAlarmRow> rows,
                         db::Select<CallAlarmRow>(tx, "WHERE alarm_id = $1", id));
        if (rows.empty()) return NotFoundError("ALARM_NOT_FOUND", "there is no such alarm");
        return ToProto(rows.front());
      });
}

}  // namespace broadbill::rating
