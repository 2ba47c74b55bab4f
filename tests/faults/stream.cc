// Kills `broadbill serve` while several senders stream usage to it: all that was acknowledged is
// there, once, and so is all that was sent again because no answer came.
//
//   broadbill_stream_faults --program build/dev/bin/broadbill [--batches 400] [--kills 4]

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/accounts/v1/plan.pb.h"
#include "broadbill/accounts/v1/subscription.pb.h"
#include "broadbill/rating/v1/stream.pb.h"
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
namespace rating = broadbill::rating::v1;

constexpr int kSenders = 3;
constexpr int kEvents = 200;    // of a batch
constexpr int kUnanswered = 8;  // batches on their way
constexpr absl::Duration kPatience = absl::Minutes(3);

rpc::Context Caller() {
  rpc::Context out;
  out.principal = {"user:faults", {"*"}, ""};
  out.deadline = absl::Now() + kPatience;
  return out;
}

class Streams {
 public:
  Streams(std::string program, std::string data_dir, int batches, int kills)
      : program_(std::move(program)),
        data_dir_(std::move(data_dir)),
        batches_(batches),
        kills_(kills) {
    std::filesystem::create_directories(data_dir_);
    chmod(data_dir_.c_str(), 0755);  // PostgreSQL may run as another user
  }
  ~Streams() {
    process_.Kill();
    Start().IgnoreError();
    process_.Stop();
  }

  absl::Status Run() {
    RETURN_IF_ERROR(Start());
    RETURN_IF_ERROR(CreateItem());
    std::vector<std::thread> senders;
    for (int sender = 0; sender < kSenders; ++sender) {
      senders.emplace_back([this, sender] { Send(sender); });
    }
    const absl::Status killed = KillAtRandom();
    for (std::thread& sender : senders) sender.join();
    RETURN_IF_ERROR(killed);
    {
      absl::MutexLock lock(&mutex_);
      RETURN_IF_ERROR(failure_);
    }
    return Verify();
  }

 private:
  absl::Status Start() {
    process_.Kill();
    Process::Options options;
    options.program = program_;
    options.data_dir = data_dir_;
    options.clock = "2026-03-10";
    RETURN_IF_ERROR(Process::Start(options, process_));
    ASSIGN_OR_RETURN(const std::string address, program::RunningAddress(data_dir_));
    ASSIGN_OR_RETURN(const rpc::TokenKey key, program::InternalKey(data_dir_));
    absl::MutexLock lock(&mutex_);
    channel_ = rpc::Dial(address, key);
    return absl::OkStatus();
  }

  std::shared_ptr<rpc::Channel> Channel() {
    absl::MutexLock lock(&mutex_);
    return channel_;
  }

  template <class Response, class Request>
  absl::StatusOr<Response> Call(const std::string& method, const Request& request) {
    return Channel()->Call<Response>("broadbill.accounts.v1.Accounts/" + method, request, Caller());
  }

  absl::Status CreateItem() {
    accounts::CreatePlanRequest plan;
    plan.mutable_plan()->set_code("data");
    plan.mutable_plan()->set_name("Data");
    plan.mutable_plan()->set_tax_class("internet_access");
    plan.mutable_plan()->set_account_code("4000");
    plan.mutable_plan()->add_prices()->mutable_amount()->set_value("10");
    RETURN_IF_ERROR(Call<accounts::Plan>("CreatePlan", plan).status());
    accounts::CreateAccountRequest account;
    account.mutable_account()->set_name("Metered");
    account.mutable_account()->set_cycle_day(1);
    account.add_locations()->mutable_address()->set_country_code("US");
    ASSIGN_OR_RETURN(const auto made, Call<accounts::Account>("CreateAccount", account));
    accounts::CreateSubscriptionRequest request;
    request.set_account_id(made.account_id());
    request.mutable_subscription()->set_plan_id("data");
    *request.mutable_subscription()->mutable_start_date() = convert::ToProto(CivilDay(2026, 3, 1));
    auto* identifier = request.mutable_subscription()->add_identifiers();
    identifier->set_kind(accounts::Identifier::METER_SUBJECT);
    identifier->set_value("meter");
    return Call<accounts::Subscription>("CreateSubscription", request).status();
  }

  static void Fill(int sender, int batch, rating::StreamEventsRequest& out) {
    out.Clear();
    out.set_batch(batch);
    for (int i = 0; i < kEvents; ++i) {
      rating::UsageEvent* event = out.add_events();
      event->set_id(absl::StrCat(batch, "-", i));
      event->set_source(absl::StrCat("gw-", sender));
      event->set_subject("meter");
      *event->mutable_time() =
          convert::ToProto(absl::FromCivil(absl::CivilHour(2026, 3, 9, 12), absl::UTCTimeZone()));
      event->set_type("data.in");
      event->mutable_quantity()->set_value("1000");
    }
  }

  // Streams what was not answered, again and again, until all is.
  void Send(int sender) {
    std::set<int> open;
    for (int batch = 0; batch < batches_; ++batch) open.insert(batch);
    const absl::Time deadline = absl::Now() + kPatience;
    rating::StreamEventsRequest request;
    rating::StreamEventsResponse response;
    while (!open.empty() && absl::Now() < deadline) {
      const std::vector<int> batches(open.begin(), open.end());
      size_t next = 0;
      Channel()
          ->Exchange(
              "broadbill.rating.v1.Rating/StreamEvents", request, response, kUnanswered, Caller(),
              [&] {
                if (next == batches.size()) return false;
                Fill(sender, batches[next++], request);
                return true;
              },
              [&] {
                open.erase(static_cast<int>(response.batch()));
                absl::MutexLock lock(&mutex_);
                ++answered_;
                kept_ += response.accepted() + response.waiting();
                duplicates_ += response.duplicates();
                if (response.conflicts_size() + response.refusals_size() > 0) {
                  failure_ = InternalError("STREAM", response.ShortDebugString());
                }
                return true;
              })
          .IgnoreError();
      absl::SleepFor(absl::Milliseconds(20));
    }
    absl::MutexLock lock(&mutex_);
    if (!open.empty()) failure_ = DeadlineExceededError("STREAM", "not all was answered in time");
  }

  // Each time when another part of the batches is answered.
  absl::Status KillAtRandom() {
    std::mt19937 random(7);
    for (int kill = 1; kill <= kills_; ++kill) {
      const int64_t until = int64_t{batches_} * kSenders * kill / (kills_ + 1);
      const absl::Time deadline = absl::Now() + kPatience;
      while (Answered() < until && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
      absl::SleepFor(absl::Milliseconds(random() % 20));
      const int64_t answered = Answered();
      process_.Kill();
      std::printf("killed when %lld batches were answered\n", static_cast<long long>(answered));
      RETURN_IF_ERROR(Start());
    }
    return absl::OkStatus();
  }

  int64_t Answered() {
    absl::MutexLock lock(&mutex_);
    return answered_;
  }

  absl::Status Verify() {
    db::Pool pool({.url = absl::StrCat("host=", data_dir_, "/run user=broadbill dbname=broadbill"),
                   .schema = "rating",
                   .application = "stream faults",
                   .size_max = 1});
    // What came before rating knew the subject waited, and was rated by itself.
    const absl::Time deadline = absl::Now() + kPatience;
    const int64_t all = int64_t{batches_} * kSenders * kEvents;
    int64_t rows = 0;
    int64_t octets = 0;
    while (rows < all && absl::Now() < deadline) {
      ASSIGN_OR_RETURN(const db::Result found,
                       pool.Exec("SELECT count(*), coalesce(sum(in_octets), 0)::int8 FROM "
                                 "usage_event"));
      rows = found.Get<int64_t>(0, 0);
      octets = found.Get<int64_t>(0, 1);
      if (rows < all) absl::SleepFor(absl::Milliseconds(200));
    }
    absl::MutexLock lock(&mutex_);
    std::printf("%lld events sent, %lld rows of %lld octets; %lld kept and %lld duplicates told\n",
                static_cast<long long>(all), static_cast<long long>(rows),
                static_cast<long long>(octets), static_cast<long long>(kept_),
                static_cast<long long>(duplicates_));
    // A kept batch whose answer was lost is told as duplicates later: together they are all.
    const bool right = rows == all && octets == all * 1000 && kept_ + duplicates_ >= all;
    return right ? absl::OkStatus() : InternalError("STREAM", "the usage is not what was sent");
  }

  const std::string program_, data_dir_;
  const int batches_, kills_;
  Process process_;
  absl::Mutex mutex_;
  std::shared_ptr<rpc::Channel> channel_ ABSL_GUARDED_BY(mutex_);
  int64_t answered_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t kept_ ABSL_GUARDED_BY(mutex_) = 0, duplicates_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

int Main(const serve::Args& args) {
  const bool own = !args.Has("data");
  const std::string data = args.Get("data", absl::StrCat("/tmp/broadbill-stream-", getpid()));
  absl::Status status;
  {
    Streams streams(args.Get("program", "build/dev/bin/broadbill"), data,
                    static_cast<int>(args.GetInt("batches", 400)),
                    static_cast<int>(args.GetInt("kills", 4)));
    status = streams.Run();
  }
  std::error_code ec;
  if (status.ok() && own) std::filesystem::remove_all(data, ec);
  if (!status.ok()) {
    std::printf("FAILED: %s\nwhat is left lies in %s\n", std::string(status.message()).c_str(),
                data.c_str());
  }
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace broadbill::faults

int main(int argc, char** argv) {
  broadbill::rpc::BlockSignals();
  return broadbill::faults::Main(broadbill::serve::ParseArgs(argc, argv, {}));
}
