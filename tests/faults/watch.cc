// Kills `broadbill serve` between the acknowledgement of usage and what has to come of it:
// thresholds and caps are told once, and what the network should do is right, whenever it dies.
//
//   broadbill_watch_faults --program build/dev/bin/broadbill [--items 8]

#include <google/protobuf/io/coded_stream.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/accounts/v1/events.pb.h"
#include "broadbill/accounts/v1/plan.pb.h"
#include "broadbill/accounts/v1/subscription.pb.h"
#include "broadbill/common/v1/feed.pb.h"
#include "broadbill/rating/v1/events.pb.h"
#include "broadbill/rating/v1/usage.pb.h"
#include "libs/convert/convert.h"
#include "libs/db/pool.h"
#include "libs/rpc/host.h"
#include "libs/serve/args.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/suite.h"
#include "tests/faults/process.h"

namespace broadbill::faults {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace common = broadbill::common::v1;
namespace rating = broadbill::rating::v1;

constexpr const char* kPoints[] = {
    "IngestEvents.written",
    "IngestEvents.commit_sent",
    "IngestEvents.committed",
    "watch.taken",
    "watch.written",
    "watch.commit_sent",
    "watch.committed",
    "accounts_follows_rating.read",
    "accounts_follows_rating.written",
    "accounts_follows_rating.commit_sent",
    "accounts_follows_rating.committed",
};
constexpr absl::Duration kPatience = absl::Seconds(60);

rpc::Context Caller() {
  rpc::Context out;
  out.principal = {"user:faults", {"*"}, ""};
  out.deadline = absl::Now() + absl::Minutes(1);
  return out;
}

// What feeds say about each item: "80" → 1, "capped" → 1, "state RESTRICTED" → 1.
using Told = std::map<std::string, std::map<std::string, int>>;

class Watch {
 public:
  Watch(std::string program, std::string data_dir, int items)
      : program_(std::move(program)), data_dir_(std::move(data_dir)), items_(items) {
    std::filesystem::create_directories(data_dir_);
    chmod(data_dir_.c_str(), 0755);  // PostgreSQL may run as another user
  }
  ~Watch() {
    process_.Kill();
    Start("").IgnoreError();
    process_.Stop();
  }

  bool Run() {
    const absl::Status status = All();
    if (!status.ok()) std::printf("FAILED: %s\n", std::string(status.message()).c_str());
    return status.ok();
  }

 private:
  absl::Status All() {
    RETURN_IF_ERROR(Start(""));
    RETURN_IF_ERROR(CreatePlan());
    std::printf("%-40s %s\n", "killed at", "result");
    for (const char* point : kPoints) {
      RETURN_IF_ERROR(Annotate(At(point), point));
      std::printf("%-40s each threshold, cap and state told once\n", point);
      std::fflush(stdout);
    }
    return NextPeriod();
  }

  absl::Status Start(const std::string& point) {
    process_.Kill();
    Process::Options options;
    options.program = program_;
    options.data_dir = data_dir_;
    options.clock = clock_;
    options.fault_kill = point.empty() ? "" : absl::StrCat(point, ":1");
    RETURN_IF_ERROR(Process::Start(options, process_));
    const auto address = program::RunningAddress(data_dir_);
    const auto key = program::InternalKey(data_dir_);
    if (address.ok() && key.ok()) channel_ = rpc::Dial(*address, *key);
    // One that dies at a point of its start is found dead by the first call.
    return point.empty() ? address.status() : absl::OkStatus();
  }

  template <class Response, class Request>
  absl::StatusOr<Response> Call(const std::string& method, const Request& request) {
    return channel_->Call<Response>(method, request, Caller());
  }

  absl::Status CreatePlan() {
    accounts::CreatePlanRequest request;
    accounts::Plan* plan = request.mutable_plan();
    plan->set_code("capped");
    plan->set_name("Capped");
    plan->set_tax_class("internet_access");
    plan->set_account_code("4000");
    plan->add_prices()->mutable_amount()->set_value("10");
    auto* usage = plan->mutable_usage();
    usage->mutable_allowance()->set_value("10");
    for (const int percent : {50, 80, 100}) usage->add_thresholds(percent);
    usage->set_cap_action(common::UsageTerms::THROTTLE);
    usage->set_throttle_download_kbps(2000);
    usage->set_throttle_upload_kbps(1000);
    return Call<accounts::Plan>("broadbill.accounts.v1.Accounts/CreatePlan", request).status();
  }

  // Customers of their own for each kill: their subscriptions by user name.
  absl::StatusOr<std::map<std::string, std::string>> CreateItems(const std::string& point) {
    std::map<std::string, std::string> out;
    for (int i = 0; i < items_; ++i) {
      const std::string name = absl::StrCat(point, "-", i);
      accounts::CreateAccountRequest account;
      account.mutable_account()->set_name(name);
      account.mutable_account()->set_account_number(name);
      account.mutable_account()->set_cycle_day(1);
      account.add_locations()->mutable_address()->set_country_code("US");
      ASSIGN_OR_RETURN(
          const auto made,
          Call<accounts::Account>("broadbill.accounts.v1.Accounts/CreateAccount", account));
      accounts::CreateSubscriptionRequest request;
      request.set_account_id(made.account_id());
      accounts::Subscription* subscription = request.mutable_subscription();
      subscription->set_plan_id("capped");
      *subscription->mutable_start_date() = convert::ToProto(CivilDay(2026, 3, 1));
      auto* identifier = subscription->add_identifiers();
      identifier->set_kind(accounts::Identifier::METER_SUBJECT);
      identifier->set_value(name);
      ASSIGN_OR_RETURN(const auto subscribed,
                       Call<accounts::Subscription>(
                           "broadbill.accounts.v1.Accounts/CreateSubscription", request));
      out[name] = subscribed.subscription_id();
    }
    return out;
  }

  // Sends until it is acknowledged, as a collector does.
  absl::Status Send(const rating::IngestEventsRequest& request, bool& died) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      const auto sent =
          Call<rating::IngestEventsResponse>("broadbill.rating.v1.Rating/IngestEvents", request);
      // Of subjects that rating does not know yet it waits there, and goes on by itself.
      if (sent.ok()) return absl::OkStatus();
      RETURN_IF_ERROR(ComeBack(died));
    }
    return DeadlineExceededError("SEND", "the usage is not taken in time");
  }

  // Starts it again when it was killed.
  absl::Status ComeBack(bool& died) {
    absl::SleepFor(absl::Milliseconds(20));
    if (process_.alive()) return absl::OkStatus();
    died = true;
    return Start("");
  }

  rating::IngestEventsRequest Usage(const std::map<std::string, std::string>& items,
                                    const std::string& id, int64_t octets) {
    rating::IngestEventsRequest request;
    for (const auto& [name, subscription] : items) {
      rating::UsageEvent* event = request.add_events();
      event->set_id(absl::StrCat(name, "-", id));
      event->set_source("gw");
      event->set_subject(name);
      *event->mutable_time() =
          convert::ToProto(absl::FromCivil(absl::CivilHour(2026, 3, 9, 12), absl::UTCTimeZone()));
      event->set_type("data.in");
      event->mutable_quantity()->set_value(absl::StrCat(octets));
    }
    return request;
  }

  absl::StatusOr<bool> AllAre(const std::map<std::string, std::string>& items,
                              accounts::ServiceState::State state) {
    for (const auto& [name, id] : items) {
      accounts::GetSubscriptionRequest request;
      request.set_subscription_id(id);
      ASSIGN_OR_RETURN(
          const auto found,
          Call<accounts::Subscription>("broadbill.accounts.v1.Accounts/GetSubscription", request));
      if (found.service_state().desired() != state) return false;
    }
    return true;
  }

  absl::Status WaitFor(const std::map<std::string, std::string>& items,
                       accounts::ServiceState::State state, bool& died) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      const auto all = AllAre(items, state);
      if (all.ok() && *all) {
        // What is told twice would come now.
        absl::SleepFor(absl::Milliseconds(500));
        if (process_.alive()) return absl::OkStatus();
      }
      RETURN_IF_ERROR(ComeBack(died));
    }
    return DeadlineExceededError("STATE", "what the network should do is not right in time");
  }

  // Rating knows the items, and has looked at them.
  absl::Status WaitQuiet() {
    db::Pool pool({.url = absl::StrCat("host=", data_dir_, "/run user=broadbill dbname=broadbill"),
                   .schema = "rating",
                   .application = "faults"});
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      ASSIGN_OR_RETURN(const db::Result rows,
                       pool.Exec("SELECT (SELECT count(*) FROM usage_touched) + (SELECT count(*) "
                                 "FROM accounts.subscription s WHERE NOT EXISTS (SELECT 1 FROM "
                                 "usage_cycle c WHERE c.item_id = s.subscription_id))"));
      if (rows.Get<int64_t>(0, 0) == 0) return absl::OkStatus();
      absl::SleepFor(absl::Milliseconds(10));
    }
    return DeadlineExceededError("QUIET", "the items are not looked at in time");
  }

  absl::StatusOr<std::vector<std::string>> ReadAll(const std::string& source) {
    std::map<int, int64_t> after;
    std::vector<std::string> out;
    while (true) {
      common::ReadFeedRequest request;
      request.set_source(source);
      for (int i = 0; i < kBuckets; ++i) {
        request.add_cursors()->set_partition(i);
        request.mutable_cursors(i)->set_pos(after[i]);
      }
      ASSIGN_OR_RETURN(const auto page, Call<common::ReadFeedResponse>(
                                            "broadbill.common.v1.Feed/ReadFeed", request));
      if (page.rows().empty()) return out;
      for (const common::FeedRow& row : page.rows()) {
        after[row.partition()] = row.pos();
        google::protobuf::io::CodedInputStream in(
            reinterpret_cast<const uint8_t*>(row.payload().data()),
            static_cast<int>(row.payload().size()));
        uint32_t size = 0;
        std::string body;
        while (in.ReadVarint32(&size) && in.ReadString(&body, static_cast<int>(size))) {
          out.push_back(body);
        }
      }
    }
  }

  absl::StatusOr<Told> ReadTold() {
    Told out;
    ASSIGN_OR_RETURN(const auto usage, ReadAll("rating"));
    for (const std::string& body : usage) {
      rating::Event event;
      event.ParseFromString(body);
      const auto& threshold = event.usage_threshold_reached();
      if (event.has_usage_threshold_reached()) {
        ++out[threshold.item_id()][absl::StrCat(threshold.percent())];
      }
      if (event.has_usage_cap_reached()) ++out[event.usage_cap_reached().item_id()]["capped"];
      if (event.has_usage_cap_lifted()) ++out[event.usage_cap_lifted().item_id()]["lifted"];
    }
    ASSIGN_OR_RETURN(const auto states, ReadAll("accounts"));
    for (const std::string& body : states) {
      accounts::Event event;
      event.ParseFromString(body);
      if (!event.has_service_state_changed()) continue;
      const auto& state = event.service_state_changed().service_state();
      ++out[state.subscription_id()]
           ["state " + accounts::ServiceState::State_Name(state.desired())];
    }
    return out;
  }

  absl::Status Expect(const std::map<std::string, std::string>& items,
                      const std::map<std::string, int>& expected) {
    ASSIGN_OR_RETURN(Told told, ReadTold());
    for (const auto& [name, id] : items) {
      if (told[id] == expected) continue;
      std::string was;
      for (const auto& [what, count] : told[id]) absl::StrAppend(&was, " ", what, "×", count);
      return InternalError("TOLD", absl::StrCat(name, " was told", was));
    }
    return absl::OkStatus();
  }

  absl::Status At(const std::string& point) {
    RETURN_IF_ERROR(Start(""));
    ASSIGN_OR_RETURN(const auto items, CreateItems(point));
    RETURN_IF_ERROR(WaitQuiet());
    RETURN_IF_ERROR(Start(point));
    bool died = false;
    // 60, 90 and 120 percent.
    RETURN_IF_ERROR(Send(Usage(items, "a", 6000000000), died));
    RETURN_IF_ERROR(Send(Usage(items, "b", 3000000000), died));
    RETURN_IF_ERROR(Send(Usage(items, "c", 3000000000), died));
    RETURN_IF_ERROR(WaitFor(items, accounts::ServiceState::RESTRICTED, died));
    if (!died) return InternalError("POINT", "it did not die there");
    all_.insert(items.begin(), items.end());
    return Expect(items,
                  {{"50", 1}, {"80", 1}, {"100", 1}, {"capped", 1}, {"state RESTRICTED", 1}});
  }

  // All caps end with the period, once, without any usage; killed in the middle of it.
  absl::Status NextPeriod() {
    clock_ = "2026-04-01";
    RETURN_IF_ERROR(Start("watch.written"));
    bool died = false;
    RETURN_IF_ERROR(WaitFor(all_, accounts::ServiceState::ACTIVE, died));
    if (!died) return InternalError("POINT", "it did not die there");
    RETURN_IF_ERROR(Expect(all_, {{"50", 1},
                                  {"80", 1},
                                  {"100", 1},
                                  {"capped", 1},
                                  {"state RESTRICTED", 1},
                                  {"lifted", 1},
                                  {"state ACTIVE", 1}}));
    std::printf("%-40s all %zu caps lifted once\n", "the next period, at watch.written",
                all_.size());
    return absl::OkStatus();
  }

  const std::string program_, data_dir_;
  const int items_;
  std::string clock_ = "2026-03-10";
  Process process_;
  std::shared_ptr<rpc::Channel> channel_;
  std::map<std::string, std::string> all_;
};

int Main(const serve::Args& args) {
  const bool own = !args.Has("data");
  const std::string data = args.Get("data", absl::StrCat("/tmp/broadbill-watch-", getpid()));
  bool ok = false;
  {
    Watch watch(args.Get("program", "build/dev/bin/broadbill"), data,
                static_cast<int>(args.GetInt("items", 8)));
    ok = watch.Run();
  }
  std::error_code ec;
  if (ok && own) std::filesystem::remove_all(data, ec);
  if (!ok) std::printf("what is left lies in %s\n", data.c_str());
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace broadbill::faults

int main(int argc, char** argv) {
  broadbill::rpc::BlockSignals();
  return broadbill::faults::Main(broadbill::serve::ParseArgs(argc, argv, {}));
}
