#pragma once

// Records that wait: listing, trying again, dismissing, correcting.

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/rating/v1/waiting.pb.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "libs/rpc/context.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

namespace pb = broadbill::rating::v1;

class WaitingQueue {
 public:
  WaitingQueue(std::shared_ptr<db::Pool> pool, const Clock& clock)
      : pool_(std::move(pool)), clock_(clock) {}

  absl::StatusOr<pb::ListWaitingRecordsResponse> ListWaitingRecords(
      const rpc::Context&, const pb::ListWaitingRecordsRequest&);
  absl::StatusOr<pb::RetryWaitingRecordsResponse> RetryWaitingRecords(
      const rpc::Context&, const pb::RetryWaitingRecordsRequest&);
  absl::StatusOr<pb::DismissWaitingRecordsResponse> DismissWaitingRecords(
      const rpc::Context&, const pb::DismissWaitingRecordsRequest&);
  absl::StatusOr<pb::RestoreWaitingRecordsResponse> RestoreWaitingRecords(
      const rpc::Context&, const pb::RestoreWaitingRecordsRequest&);
  absl::StatusOr<pb::CorrectWaitingRecordResponse> CorrectWaitingRecord(
      const rpc::Context&, const pb::CorrectWaitingRecordRequest&);

 private:
  // Tries a record again that was changed and taken out of the queue; keeps its first form known.
  absl::StatusOr<pb::CorrectWaitingRecordResponse::Outcome> RateCorrected(db::Tx& tx,
                                                                          const WaitingRow& row);

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
};

}  // namespace broadbill::rating
