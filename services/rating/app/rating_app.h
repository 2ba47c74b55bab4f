#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "broadbill/common/v1/import_result.pb.h"
#include "broadbill/rating/v1/call_margins.pb.h"
#include "broadbill/rating/v1/calls.pb.h"
#include "broadbill/rating/v1/period_usage.pb.h"
#include "broadbill/rating/v1/simulate.pb.h"
#include "broadbill/rating/v1/top_ups.pb.h"
#include "broadbill/rating/v1/usage.pb.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "libs/feed/consumer.h"
#include "libs/rpc/context.h"
#include "services/rating/app/decks.h"
#include "services/rating/app/ingest.h"

namespace broadbill::rating {

namespace pb = broadbill::rating::v1;
using ImportResult = broadbill::common::v1::ImportResult;

class RatingApp {
 public:
  RatingApp(std::shared_ptr<db::Pool> pool, const Clock& clock)
      : pool_(std::move(pool)), clock_(clock) {}

  // imports.cc
  absl::StatusOr<ImportResult> ImportDeck(const rpc::Context&, const pb::ImportDeckRequest&);
  absl::StatusOr<pb::IngestEventsResponse> IngestEvents(const rpc::Context&,
                                                        const pb::IngestEventsRequest&);

  // queries.cc
  absl::StatusOr<pb::ListDecksResponse> ListDecks(const rpc::Context&, const pb::ListDecksRequest&);
  absl::StatusOr<pb::ListRatesResponse> ListRates(const rpc::Context&, const pb::ListRatesRequest&);
  absl::StatusOr<pb::QuoteCallResponse> QuoteCall(const rpc::Context&, const pb::QuoteCallRequest&);
  absl::StatusOr<pb::ListUsageResponse> ListUsage(const rpc::Context&, const pb::ListUsageRequest&);
  absl::StatusOr<pb::ListCallsResponse> ListCalls(const rpc::Context&, const pb::ListCallsRequest&);

  // simulate.cc
  absl::StatusOr<pb::SimulateUsageResponse> SimulateUsage(const rpc::Context&,
                                                          const pb::SimulateUsageRequest&);
  absl::StatusOr<pb::SimulateCallResponse> SimulateCall(const rpc::Context&,
                                                        const pb::SimulateCallRequest&);

  // rerate.cc
  absl::StatusOr<pb::RerateCallsResponse> RerateCalls(const rpc::Context&,
                                                      const pb::RerateCallsRequest&);

  // call_margins.cc
  absl::StatusOr<pb::ListMarginsResponse> ListMargins(const rpc::Context&,
                                                      const pb::ListMarginsRequest&);

  // period_usage.cc
  absl::StatusOr<pb::BatchGetPeriodUsageResponse> BatchGetPeriodUsage(
      const rpc::Context&, const pb::BatchGetPeriodUsageRequest&);

  // top_ups.cc
  absl::StatusOr<pb::BuyTopUpResponse> BuyTopUp(const rpc::Context&, const pb::BuyTopUpRequest&);
  absl::StatusOr<pb::ListTopUpsResponse> ListTopUps(const rpc::Context&,
                                                    const pb::ListTopUpsRequest&);

  // subjects.cc: accounts' feed.
  absl::Status OnAccountsEvents(db::Tx& tx, const std::vector<feed::Event>& events);

  // What is loaded of decks, for all who rate in this process.
  DeckCache& decks() { return decks_; }
  // And of subjects and ids of events.
  UsageCaches& caches() { return caches_; }

 private:
  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  DeckCache decks_;
  UsageCaches caches_;
};

}  // namespace broadbill::rating
