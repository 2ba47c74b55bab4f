#pragma once

// Events that come in batches over a stream, and as CloudEvents.

#include <memory>

#include "absl/status/statusor.h"
#include "broadbill/rating/v1/cloud_events.pb.h"
#include "broadbill/rating/v1/stream.pb.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "libs/rpc/context.h"
#include "services/rating/app/ingest.h"

namespace broadbill::rating {

class EventStream {
 public:
  EventStream(std::shared_ptr<db::Pool> pool, const Clock& clock, UsageCaches& caches)
      : pool_(std::move(pool)), clock_(clock), caches_(caches) {}

  // One batch in one transaction; the answer leaves after its commit.
  absl::StatusOr<broadbill::rating::v1::StreamEventsResponse> StreamEvents(
      const rpc::Context&, const broadbill::rating::v1::StreamEventsRequest&);

  // Good events are kept in one transaction, whatever the others say; then the answer tells of
  // those.
  absl::StatusOr<broadbill::rating::v1::IngestCloudEventsResponse> IngestCloudEvents(
      const rpc::Context&, const broadbill::rating::v1::IngestCloudEventsRequest&);

 private:
  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  UsageCaches& caches_;
};

}  // namespace broadbill::rating
