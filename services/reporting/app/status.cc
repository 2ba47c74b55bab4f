#include "broadbill/common/v1/feed.pb.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/reporting/app/reporting_app.h"
#include "services/reporting/store/reports.h"

namespace broadbill::reporting {

namespace common = broadbill::common::v1;

// Positions count events, so what lies between head and cursor is what is left to apply.
absl::StatusOr<pb::Status> ReportingApp::GetStatus(const rpc::Context&,
                                                   const pb::GetStatusRequest&) {
  pb::Status out;
  out.set_caught_up(true);
  for (const auto& [source, channel] : sources_) {
    // Heads first: what is applied meanwhile is no lag.
    common::GetFeedHeadsRequest request;
    request.set_source(source);
    ASSIGN_OR_RETURN(const auto heads, channel->Call<common::GetFeedHeadsResponse>(
                                           "broadbill.common.v1.Feed/GetFeedHeads", request,
                                           rpc::BackgroundContext("reporting")));
    ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
    ASSIGN_OR_RETURN(const FeedState state, ReadFeedState(tx, source));
    std::map<int, int64_t> cursors(state.cursors.begin(), state.cursors.end());
    int64_t applied = 0;
    int64_t lag = 0;
    for (const auto& [partition, pos] : cursors) applied += pos;
    for (const common::FeedCursor& head : heads.heads()) {
      lag += std::max<int64_t>(0, head.pos() - cursors[head.partition()]);
    }
    pb::FeedStatus* feed = out.add_feeds();
    feed->set_source(source);
    feed->set_applied_events(applied - state.parked);
    feed->set_lag_events(lag);
    feed->set_parked_events(state.parked);
    if (state.applied_at) *feed->mutable_applied_at() = convert::ToProto(*state.applied_at);
    out.set_caught_up(out.caught_up() && lag == 0);
  }
  return out;
}

}  // namespace broadbill::reporting
