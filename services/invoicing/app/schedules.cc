// Bill runs that start by themselves, each day's exactly once over all replicas: the run's id is
// made from the schedule and the day.

#include <google/protobuf/util/field_mask_util.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "broadbill/accounts/v1/company.pb.h"
#include "broadbill/invoicing/v1/schedule.pb.h"
#include "libs/calendar/run_day.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/rpc/log.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/invoicing_app.h"

namespace broadbill::invoicing {
namespace {

constexpr absl::Duration kZonesKept = absl::Minutes(1);  // machine clock

pb::BillSchedule ToProto(const ScheduleRow& row) {
  pb::BillSchedule out;
  out.ParseFromString(row.body.data);
  out.set_schedule_id(row.schedule_id.ToText("sch"));
  out.set_code(row.code);
  out.set_enabled(row.enabled);
  out.set_local_hour(row.local_hour);
  *out.mutable_done_through() = convert::ToProto(row.done_through);
  if (row.last_run_id) out.set_last_bill_run_id(row.last_run_id->ToText("run"));
  out.set_last_error(row.last_error);
  return out;
}

void CheckSchedule(const pb::BillSchedule& in, Violations& violations) {
  const bool snake = std::all_of(in.code().begin(), in.code().end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  violations.Require(snake && !in.code().empty() && in.code().size() <= 40, "schedule.code",
                     "is required: a to z, 0 to 9 and _, at most 40 characters");
  violations.Require(in.mode() == pb::BillRun::DRAFT || in.mode() == pb::BillRun::POST,
                     "schedule.mode", "must be DRAFT or POST");
  violations.Require(in.local_hour() >= 0 && in.local_hour() <= 23, "schedule.local_hour",
                     "must be 0 to 23");
  const pb::BillRunScope& scope = in.scope();
  convert::ReadOptionalId("co", scope.company_id(), "schedule.scope.company_id", violations);
  violations.Require(scope.account_ids_size() <= 1000, "schedule.scope.account_ids",
                     "must be at most 1,000");
  for (const std::string& id : scope.account_ids()) {
    convert::ReadId("acc", id, "schedule.scope.account_ids", violations);
  }
  for (const int32_t day : scope.cycle_days()) {
    violations.Require(day >= 1 && day <= 31, "schedule.scope.cycle_days", "must be 1 to 31");
  }
  const auto not_negative = [&](const broadbill::common::v1::Decimal& value, const char* field) {
    violations.Require(!convert::ReadDecimal(value, field, violations).IsNegative(), field,
                       "must not be negative");
  };
  if (in.has_approval_above()) not_negative(in.approval_above(), "schedule.approval_above");
  if (in.has_forecast_tolerance_percent()) {
    not_negative(in.forecast_tolerance_percent(), "schedule.forecast_tolerance_percent");
  }
}

// By id or code, locked.
absl::StatusOr<ScheduleRow> FindSchedule(db::Tx& tx, const std::string& id_or_code) {
  const auto id = Uuid::Parse("sch", id_or_code);
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<ScheduleRow>(tx, "WHERE schedule_id = $1 OR code = $2 FOR UPDATE",
                                           id.ok() ? *id : Uuid(), id_or_code));
  if (!rows.empty()) return rows.front();
  return NotFoundError("SCHEDULE_NOT_FOUND", "there is no bill schedule " + id_or_code);
}

}  // namespace

// The zone of a schedule's company, or of the first company.
absl::StatusOr<absl::TimeZone> InvoicingApp::ZoneOf(const std::string& company_id) {
  {
    absl::MutexLock lock(&zones_mutex_);
    const auto kept = zones_.find(company_id);
    if (kept != zones_.end() && absl::Now() - kept->second.second < kZonesKept) {
      return kept->second.first;
    }
  }
  accounts::ListCompaniesRequest request;
  request.set_page_size(1000);
  ASSIGN_OR_RETURN(const auto companies, peers_.accounts->Call<accounts::ListCompaniesResponse>(
                                             "broadbill.accounts.v1.Accounts/ListCompanies",
                                             request, rpc::BackgroundContext("invoicing")));
  for (const accounts::Company& company : companies.companies()) {
    if (!company_id.empty() && company.company_id() != company_id) continue;
    ASSIGN_OR_RETURN(const absl::TimeZone zone, LoadZone(company.time_zone()));
    absl::MutexLock lock(&zones_mutex_);
    zones_[company_id] = {zone, absl::Now()};
    return zone;
  }
  return NotFoundError("COMPANY_NOT_FOUND", "there is no such company");
}

absl::StatusOr<pb::BillSchedule> InvoicingApp::CreateBillSchedule(
    const rpc::Context& context, const pb::CreateBillScheduleRequest& request) {
  Violations violations;
  CheckSchedule(request.schedule(), violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const absl::TimeZone zone, ZoneOf(request.schedule().scope().company_id()));
  ScheduleRow row;
  row.schedule_id = Uuid::Make(clock_.Now());
  row.code = request.schedule().code();
  row.enabled = request.schedule().enabled();
  row.local_hour = request.schedule().local_hour();
  row.body.data = request.schedule().SerializeAsString();
  // The first run is that of the next day to begin.
  row.done_through = LatestRunDay(clock_.Now(), zone, row.local_hour);
  return convert::Write<pb::BillSchedule>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::BillSchedule> {
        ASSIGN_OR_RETURN(const int64_t fresh,
                         db::InsertOne(tx, row, "ON CONFLICT (code) DO NOTHING"));
        if (fresh == 0) {
          return AlreadyExistsError("SCHEDULE_EXISTS", "there is a bill schedule " + row.code);
        }
        return ToProto(row);
      });
}

absl::StatusOr<pb::ListBillSchedulesResponse> InvoicingApp::ListBillSchedules(
    const rpc::Context&, const pb::ListBillSchedulesRequest& request) {
  Violations violations;
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string after, convert::ReadPageToken(request.page_token()));
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(auto rows, db::Select<ScheduleRow>(tx, "WHERE code > $1 ORDER BY code LIMIT $2",
                                                      after, int64_t{size} + 1));
  pb::ListBillSchedulesResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().code));
  }
  for (const ScheduleRow& row : rows) *response.add_schedules() = ToProto(row);
  return response;
}

absl::StatusOr<pb::BillSchedule> InvoicingApp::UpdateBillSchedule(
    const rpc::Context& context, const pb::UpdateBillScheduleRequest& request) {
  using Mask = google::protobuf::util::FieldMaskUtil;
  ASSIGN_OR_RETURN(const auto zones,
                   ZonesOf(request.schedule().scope().company_id(), request.schedule_id()));
  return convert::Write<pb::BillSchedule>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::BillSchedule> {
        ASSIGN_OR_RETURN(ScheduleRow row, FindSchedule(tx, request.schedule_id()));
        pb::BillSchedule schedule = ToProto(row);
        if (request.update_mask().paths_size() == 0) {
          schedule.MergeFrom(request.schedule());
        } else {
          Mask::MergeOptions options;
          options.set_replace_message_fields(true);
          options.set_replace_repeated_fields(true);
          Mask::MergeMessageTo(request.schedule(), request.update_mask(), options, &schedule);
        }
        schedule.set_code(row.code);
        Violations violations;
        CheckSchedule(schedule, violations);
        RETURN_IF_ERROR(violations.ToStatus());
        const auto zone = zones.find(schedule.scope().company_id());
        if (zone == zones.end()) {
          return AbortedError("SCHEDULE_MOVED", "the schedule was changed meanwhile");
        }
        // Days that passed while it was off, or before the new hour, are not caught up.
        const CivilDay latest = LatestRunDay(clock_.Now(), zone->second, schedule.local_hour());
        const bool restarts =
            (schedule.enabled() && !row.enabled) || schedule.local_hour() != row.local_hour;
        if (restarts) row.done_through = std::max(row.done_through, latest);
        row.enabled = schedule.enabled();
        row.local_hour = schedule.local_hour();
        row.body.data = schedule.SerializeAsString();
        RETURN_IF_ERROR(
            tx.Exec("UPDATE bill_schedule SET enabled = $2, local_hour = $3, body = $4, "
                    "done_through = $5, last_error = '' WHERE schedule_id = $1",
                    row.schedule_id, row.enabled, row.local_hour, row.body, row.done_through)
                .status());
        row.last_error.clear();
        return ToProto(row);
      });
}

absl::StatusOr<pb::BillSchedule> InvoicingApp::DeleteBillSchedule(
    const rpc::Context& context, const pb::DeleteBillScheduleRequest& request) {
  return convert::Write<pb::BillSchedule>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::BillSchedule> {
        ASSIGN_OR_RETURN(const ScheduleRow row, FindSchedule(tx, request.schedule_id()));
        RETURN_IF_ERROR(
            tx.Exec("DELETE FROM bill_schedule WHERE schedule_id = $1", row.schedule_id).status());
        return ToProto(row);
      });
}

absl::StatusOr<std::map<std::string, absl::TimeZone>> InvoicingApp::ZonesOf(
    const std::string& company_id, const std::string& schedule) {
  std::string before;
  {
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(const ScheduleRow row, FindSchedule(tx, schedule));
    before = ToProto(row).scope().company_id();
  }
  std::map<std::string, absl::TimeZone> out;
  for (const std::string& company : {company_id, before}) {
    ASSIGN_OR_RETURN(out[company], ZoneOf(company));
  }
  return out;
}

// ---- the worker

void InvoicingApp::KeepSchedules(rpc::Background& background) {
  while (!background.WaitFor(absl::Seconds(1))) {
    const absl::Status status = StartScheduledRuns();
    if (status.ok()) continue;
    rpc::Log(rpc::LogLevel::kError, "bill schedules",
             {{"error", std::string(status.message())}, {"reason", ReasonOf(status)}});
  }
}

absl::Status InvoicingApp::StartScheduledRuns() {
  std::vector<ScheduleRow> rows;
  {
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(rows, db::Select<ScheduleRow>(tx, "WHERE enabled ORDER BY code"));
  }
  for (const ScheduleRow& row : rows) {
    const absl::Status status = StartScheduledRun(row);
    if (status.ok()) continue;
    // One schedule that cannot start does not hold up the others; it is tried again.
    RETURN_IF_ERROR(pool_
                        ->Exec("UPDATE bill_schedule SET last_error = $2 WHERE schedule_id = $1 "
                               "AND last_error <> $2",
                               row.schedule_id, std::string(status.message()))
                        .status());
  }
  return absl::OkStatus();
}

absl::Status InvoicingApp::StartScheduledRun(const ScheduleRow& row) {
  const pb::BillSchedule schedule = ToProto(row);
  ASSIGN_OR_RETURN(const absl::TimeZone zone, ZoneOf(schedule.scope().company_id()));
  const CivilDay day = LatestRunDay(clock_.Now(), zone, row.local_hour);
  if (day <= row.done_through) return absl::OkStatus();
  const Uuid run = Uuid::FromName(row.schedule_id, FormatDate(day));
  pb::CreateBillRunRequest request;
  request.set_bill_run_id(run.ToText("run"));
  *request.mutable_as_of() = convert::ToProto(day);
  request.set_mode(schedule.mode());
  *request.mutable_scope() = schedule.scope();
  if (schedule.has_approval_above()) {
    *request.mutable_approval_above() = schedule.approval_above();
  }
  if (schedule.has_forecast_tolerance_percent()) {
    *request.mutable_forecast_tolerance_percent() = schedule.forecast_tolerance_percent();
  }
  // The same run whoever asks for it, and however often: only the first makes it.
  RETURN_IF_ERROR(
      CreateBillRun(rpc::BackgroundContext(absl::StrCat("schedule/", row.code)), request).status());
  return pool_
      ->Exec(
          "UPDATE bill_schedule SET done_through = $2, last_run_id = $3, last_error = '' "
          "WHERE schedule_id = $1 AND done_through < $2",
          row.schedule_id, day, run)
      .status();
}

}  // namespace broadbill::invoicing
