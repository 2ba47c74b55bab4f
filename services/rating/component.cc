#include "services/rating/component.h"

#include <fstream>
#include <sstream>

#include "libs/feedrpc/feedrpc.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/app/call_limits.h"
#include "services/rating/app/call_watcher.h"
#include "services/rating/app/event_stream.h"
#include "services/rating/app/file_imports.h"
#include "services/rating/app/key_holder.h"
#include "services/rating/app/radius_listener.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/app/recipes.h"
#include "services/rating/app/usage_balances.h"
#include "services/rating/app/usage_watcher.h"
#include "services/rating/app/waiting_queue.h"
#include "services/rating/migrations.h"

namespace broadbill::rating {
namespace {

absl::Status ListenToRadius(rpc::Host& host, const std::shared_ptr<db::Pool>& pool) {
  const std::string listen = host.Setting("radius-listen");
  if (listen.empty()) return absl::OkStatus();
  std::ifstream file(host.Setting("radius-clients"));
  if (!file) {
    return InvalidField("--radius-clients", "must name a readable file of 'address secret' lines");
  }
  std::stringstream text;
  text << file.rdbuf();
  ASSIGN_OR_RETURN(std::vector<RadiusClient> clients, ParseRadiusClients(text.str()));
  ASSIGN_OR_RETURN(auto opened, RadiusListener::Open(listen, std::move(clients), pool, host.clock(),
                                                     host.metrics()));
  RadiusListener* listener = host.Own(std::move(opened));
  host.AddBackground("radius",
                     [listener](rpc::Background& background) { listener->Run(background); });
  return absl::OkStatus();
}

}  // namespace

absl::Status Register(rpc::Host& host) {
  ASSIGN_OR_RETURN(auto pool, db::OpenPool(host.DatabaseUrl("rating"), "rating", Migrations()));
  RatingApp* app = host.Own(std::make_unique<RatingApp>(pool, host.clock()));
  LiveCounters* counters = host.Own(std::make_unique<LiveCounters>(host.options().redis_url));
  UsageBalances* balances =
      host.Own(std::make_unique<UsageBalances>(pool, host.clock(), *counters));
  CallLimitsApp* limits = host.Own(std::make_unique<CallLimitsApp>(pool, host.clock()));
  FileImports* files =
      host.Own(std::make_unique<FileImports>(pool, host.clock(), &app->decks(), &app->caches()));
  EventStream* stream = host.Own(std::make_unique<EventStream>(pool, host.clock(), app->caches()));
  Recipes* recipes = host.Own(std::make_unique<Recipes>(pool, host.clock()));
  WaitingQueue* queue = host.Own(std::make_unique<WaitingQueue>(pool, host.clock()));
  rpc::Service service("broadbill.rating.v1.Rating");
  service.Unary("ImportUsage", files, &FileImports::ImportUsage)
      .Unary("ImportCalls", files, &FileImports::ImportCalls)
      .Unary("ListImports", files, &FileImports::ListImports)
      .Unary("UndoImport", files, &FileImports::UndoImport)
      .Unary("CreateImportRecipe", recipes, &Recipes::CreateImportRecipe)
      .Unary("ListImportRecipes", recipes, &Recipes::ListImportRecipes)
      .Unary("ImportDeck", app, &RatingApp::ImportDeck)
      .Unary("IngestEvents", app, &RatingApp::IngestEvents)
      .Exchange("StreamEvents", stream, &EventStream::StreamEvents)
      .Unary("IngestCloudEvents", stream, &EventStream::IngestCloudEvents)
      .Unary("RetryWaitingRecords", queue, &WaitingQueue::RetryWaitingRecords)
      .Unary("DismissWaitingRecords", queue, &WaitingQueue::DismissWaitingRecords)
      .Unary("RestoreWaitingRecords", queue, &WaitingQueue::RestoreWaitingRecords)
      .Unary("CorrectWaitingRecord", queue, &WaitingQueue::CorrectWaitingRecord)
      .Unary("RerateCalls", app, &RatingApp::RerateCalls)
      .Unary("ListDecks", app, &RatingApp::ListDecks)
      .Unary("ListRates", app, &RatingApp::ListRates)
      .Unary("QuoteCall", app, &RatingApp::QuoteCall)
      .Unary("SimulateUsage", app, &RatingApp::SimulateUsage)
      .Unary("SimulateCall", app, &RatingApp::SimulateCall)
      .Unary("ListUsage", app, &RatingApp::ListUsage)
      .Unary("GetUsageBalance", balances, &UsageBalances::GetUsageBalance)
      .Unary("BuyTopUp", app, &RatingApp::BuyTopUp)
      .Unary("ListTopUps", app, &RatingApp::ListTopUps)
      .Unary("ListCalls", app, &RatingApp::ListCalls)
      .Unary("SetCallLimits", limits, &CallLimitsApp::SetCallLimits)
      .Unary("GetCallLimits", limits, &CallLimitsApp::GetCallLimits)
      .Unary("ListCallLimits", limits, &CallLimitsApp::ListCallLimits)
      .Unary("ListCallAlarms", limits, &CallLimitsApp::ListCallAlarms)
      .Unary("AcknowledgeCallAlarm", limits, &CallLimitsApp::AcknowledgeCallAlarm)
      .Unary("ListMargins", app, &RatingApp::ListMargins)
      .Unary("ListWaitingRecords", queue, &WaitingQueue::ListWaitingRecords)
      .Unary("BatchGetPeriodUsage", app, &RatingApp::BatchGetPeriodUsage);
  host.Add(std::move(service));
  feedrpc::Serve(host, "rating", pool);
  feedrpc::Follow(host, "rating", "accounts", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnAccountsEvents(tx, events);
                  });
  UsageWatcher* watcher =
      host.Own(std::make_unique<UsageWatcher>(pool, host.clock(), *counters, host.metrics()));
  host.AddBackground("usage watcher",
                     [watcher](rpc::Background& background) { watcher->Run(background); });
  feedrpc::AlsoWaitFor(host, [watcher] { return watcher->IsDone(); });
  CallWatcher* calls = host.Own(std::make_unique<CallWatcher>(pool, host.clock()));
  host.AddBackground("call watcher",
                     [calls](rpc::Background& background) { calls->Run(background); });
  feedrpc::AlsoWaitFor(host, [calls] { return calls->IsDone(); });
  KeyHolder* keys = host.Own(std::make_unique<KeyHolder>(pool, host.metrics()));
  host.AddBackground("event keys", [keys](rpc::Background& background) { keys->Run(background); });
  return ListenToRadius(host, pool);
}

}  // namespace broadbill::rating
