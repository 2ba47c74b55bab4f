#include "services/rating/component.h"

#include "libs/feedrpc/feedrpc.h"
#include "libs/status/macros.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/migrations.h"

namespace broadbill::rating {

absl::Status Register(rpc::Host& host) {
  ASSIGN_OR_RETURN(auto pool, db::OpenPool(host.DatabaseUrl("rating"), "rating", Migrations()));
  RatingApp* app = host.Own(std::make_unique<RatingApp>(pool, host.clock()));
  rpc::Service service("broadbill.rating.v1.Rating");
  service.Unary("ImportUsage", app, &RatingApp::ImportUsage)
      .Unary("ImportCalls", app, &RatingApp::ImportCalls)
      .Unary("ImportDeck", app, &RatingApp::ImportDeck)
      .Unary("IngestEvents", app, &RatingApp::IngestEvents)
      .Unary("RetryWaitingRecords", app, &RatingApp::RetryWaitingRecords)
      .Unary("RerateCalls", app, &RatingApp::RerateCalls)
      .Unary("ListDecks", app, &RatingApp::ListDecks)
      .Unary("ListRates", app, &RatingApp::ListRates)
      .Unary("QuoteCall", app, &RatingApp::QuoteCall)
      .Unary("SimulateUsage", app, &RatingApp::SimulateUsage)
      .Unary("SimulateCall", app, &RatingApp::SimulateCall)
      .Unary("ListUsage", app, &RatingApp::ListUsage)
      .Unary("ListCalls", app, &RatingApp::ListCalls)
      .Unary("ListWaitingRecords", app, &RatingApp::ListWaitingRecords)
      .Unary("BatchGetPeriodUsage", app, &RatingApp::BatchGetPeriodUsage);
  host.Add(std::move(service));
  feedrpc::Serve(host, "rating", pool);
  feedrpc::Follow(host, "rating", "accounts", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnAccountsEvents(tx, events);
                  });
  return absl::OkStatus();
}

}  // namespace broadbill::rating
