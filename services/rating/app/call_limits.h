#pragma once

// Limits on what calls come to, and what was raised because of them.

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/rating/v1/call_limits.pb.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "libs/rpc/context.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

class CallLimitsApp {
 public:
  CallLimitsApp(std::shared_ptr<db::Pool> pool, const Clock& clock)
      : pool_(std::move(pool)), clock_(clock) {}

  absl::StatusOr<broadbill::rating::v1::CallLimits> SetCallLimits(
      const rpc::Context&, const broadbill::rating::v1::SetCallLimitsRequest&);
  absl::StatusOr<broadbill::rating::v1::CallLimits> GetCallLimits(
      const rpc::Context&, const broadbill::rating::v1::GetCallLimitsRequest&);
  absl::StatusOr<broadbill::rating::v1::ListCallLimitsResponse> ListCallLimits(
      const rpc::Context&, const broadbill::rating::v1::ListCallLimitsRequest&);
  absl::StatusOr<broadbill::rating::v1::ListCallAlarmsResponse> ListCallAlarms(
      const rpc::Context&, const broadbill::rating::v1::ListCallAlarmsRequest&);
  absl::StatusOr<broadbill::rating::v1::CallAlarm> AcknowledgeCallAlarm(
      const rpc::Context&, const broadbill::rating::v1::AcknowledgeCallAlarmRequest&);

 private:
  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
};

// When the calls of accounts were answered: first and last.
using CallSpans = std::map<Uuid, std::pair<absl::Time, absl::Time>>;
// The watcher looks at those that have limits, after the transaction.
absl::Status TouchCalls(db::Tx& tx, absl::Time now, const CallSpans& spans);

// What holds for each of the accounts; those without any limit are left out.
absl::StatusOr<std::map<Uuid, CallLimitRow>> LimitsOf(db::Tx& tx,
                                                      const std::vector<Uuid>& accounts);

broadbill::rating::v1::CallAlarm ToProto(const CallAlarmRow& row);

}  // namespace broadbill::rating
