#include "services/rating/app/usage_watcher.h"

#include <hiredis/hiredis.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "broadbill/rating/v1/events.pb.h"
#include "libs/feed/consumer.h"
#include "libs/status/macros.h"
#include "libs/testing/test_database.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/app/usage_balances.h"
#include "services/rating/migrations.h"

namespace broadbill::rating {
namespace {

namespace common = broadbill::common::v1;
namespace pb = broadbill::rating::v1;

// Midday of March 10 in UTC, the zone of all items here.
const absl::Time kNow = absl::FromCivil(absl::CivilHour(2026, 3, 10, 12), absl::UTCTimeZone());
constexpr int64_t kGB = 1000000000;

// 10 GB a month, slowed down behind them.
common::UsageTerms Terms(const std::string& allowance = "10") {
  common::UsageTerms out;
  out.mutable_allowance()->set_value(allowance);
  out.set_cap_action(common::UsageTerms::THROTTLE);
  out.set_throttle_download_kbps(2000);
  out.set_throttle_upload_kbps(1000);
  return out;
}

struct Fixture {
  explicit Fixture(const std::string& redis = "")
      : pool(*db::OpenPool(database.url(), "rating", Migrations())),
        clock(kNow),
        counters(redis),
        watcher(pool, clock, counters, metrics) {}

  Uuid Item(const std::string& subject, const std::string& usage) {
    const Uuid account = Uuid::Make(kNow);
    const Uuid item = Uuid::Make(kNow);
    const CivilDay first(2026, 1, 1);
    const CivilDay open = CivilDay::max();
    const absl::Status saved = db::RunTx(*pool, [&](db::Tx& tx) -> absl::Status {
      RETURN_IF_ERROR(db::InsertOne(tx, SubjectRow{kMeterSubject, subject, account, item, first,
                                                   open, "UTC", true})
                          .status());
      ItemTermsRow terms{account, item, first, open, "UTC", "US", "USD", {}};
      terms.usage.data = usage;
      terms.watched = true;
      RETURN_IF_ERROR(db::InsertOne(tx, terms).status());
      UsageCycleRow cycle;
      cycle.account_id = account;
      cycle.item_id = item;
      cycle.start_date = first;
      cycle.end_date = open;
      cycle.cycle_days = {CivilDay(1970, 1, 1)};
      cycle.cycle_day_values = {1};
      return db::InsertOne(tx, cycle).status();
    });
    INFO(saved);
    REQUIRE(saved.ok());
    return item;
  }
  Uuid Item(const std::string& subject, const common::UsageTerms& terms = Terms()) {
    return Item(subject, terms.SerializeAsString());
  }
  void Use(const std::string& subject, int64_t octets) {
    const int64_t id = ++events;
    const absl::Status kept = db::RunTx(*pool, [&](db::Tx& tx) {
      return Ingest(tx, clock.Now(), "test")
          .AddEvents({{absl::StrCat(id), "gw", subject, clock.Now(), "data", octets, 1}});
    });
    INFO(kept);
    REQUIRE(kept.ok());
  }
  void Watch() {
    for (int i = 0; i < 1000; ++i) {
      const auto looked = watcher.Step();
      INFO(looked.status());
      REQUIRE(looked.ok());
      if (*looked == 0) return;
    }
    FAIL("the watcher finds no end");
  }
  // What was told about an item, in order: "80", "capped", "lifted PERIOD_OVER".
  std::vector<std::string> Told(const Uuid& item) {
    std::map<int, int64_t> after;
    for (int i = 0; i < kBuckets; ++i) after[i] = 0;
    const auto rows = feed::ReadRows(*pool, after, 4096);
    REQUIRE(rows.ok());
    std::vector<std::string> out;
    for (const feed::Row& row : *rows) {
      for (const std::string& body : row.bodies) {
        pb::Event event;
        REQUIRE(event.ParseFromString(body));
        const std::string id = item.ToText("sub");
        if (event.usage_threshold_reached().item_id() == id) {
          out.push_back(absl::StrCat(event.usage_threshold_reached().percent()));
        } else if (event.usage_cap_reached().item_id() == id) {
          out.push_back("capped");
        } else if (event.usage_cap_lifted().item_id() == id) {
          out.push_back("lifted " +
                        pb::UsageCapLifted::Reason_Name(event.usage_cap_lifted().reason()));
        }
      }
    }
    return out;
  }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
  FakeClock clock;
  LiveCounters counters;
  rpc::Metrics metrics;
  UsageWatcher watcher;
  std::atomic<int64_t> events = 0;
};

using Strings = std::vector<std::string>;

// A Redis of its own on a socket.
class Redis {
 public:
  Redis() {
    std::string folder = "/tmp/broadbill-redis-XXXXXX";
    REQUIRE(mkdtemp(folder.data()) != nullptr);
    folder_ = folder;
    const std::string path = folder + "/redis.sock";
    const char* argv[] = {"redis-server", "--port",    "0",   "--unixsocket",
                          path.c_str(),   "--save",    "",    "--dir",
                          folder.c_str(), "--logfile", "log", nullptr};
    REQUIRE(posix_spawnp(&pid_, argv[0], nullptr, nullptr, const_cast<char**>(argv), environ) == 0);
    for (int i = 0; i < 500 && context_ == nullptr; ++i) {
      context_ = redisConnectUnix(path.c_str());
      if (context_->err != 0) {
        redisFree(context_);
        context_ = nullptr;
        absl::SleepFor(absl::Milliseconds(10));
      }
    }
    REQUIRE(context_ != nullptr);
  }
  ~Redis() {
    redisFree(context_);
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    std::error_code ec;
    std::filesystem::remove_all(folder_, ec);
  }
  std::string url() const { return "unix:" + folder_ + "/redis.sock"; }
  // The fields of a hash in a row: "counted 5 …"; also any other reply's text.
  std::string Ask(const std::string& command) {
    auto* reply = static_cast<redisReply*>(redisCommand(context_, command.c_str()));
    REQUIRE(reply != nullptr);
    std::string out = reply->str == nullptr ? "" : reply->str;
    for (size_t i = 0; i < reply->elements; ++i) {
      absl::StrAppend(&out, out.empty() ? "" : " ", reply->element[i]->str);
    }
    freeReplyObject(reply);
    return out;
  }

 private:
  std::string folder_;
  pid_t pid_ = 0;
  redisContext* context_ = nullptr;
};

}  // namespace

TEST_CASE("thresholds are told once, a cap when it begins and when it ends") {
  Fixture f;
  const Uuid item = f.Item("ann");
  f.Use("ann", 8 * kGB - 1);
  f.Watch();
  CHECK(f.Told(item).empty());
  f.Use("ann", 1);
  f.Watch();
  CHECK(f.Told(item) == Strings{"80"});
  f.Use("ann", 2 * kGB);
  f.Watch();
  CHECK(f.Told(item) == Strings{"80", "100", "capped"});
  f.Use("ann", 2 * kGB);
  f.Watch();
  CHECK(f.Told(item).size() == 3);
  // The next period begins without any usage.
  f.clock.Set(absl::FromCivil(absl::CivilSecond(2026, 3, 31, 23, 59, 59), absl::UTCTimeZone()));
  CHECK(*f.watcher.IsDone());
  f.Watch();
  CHECK(f.Told(item).size() == 3);
  f.clock.Advance(absl::Seconds(1));
  CHECK_FALSE(*f.watcher.IsDone());
  f.Watch();
  CHECK(f.Told(item) == Strings{"80", "100", "capped", "lifted PERIOD_OVER"});
  CHECK(*f.watcher.IsDone());
  f.Use("ann", 9 * kGB);
  f.Watch();
  CHECK(f.Told(item).back() == "80");
}

TEST_CASE("more units lift a cap; thresholds are not told again") {
  Fixture f;
  const Uuid item = f.Item("ann");
  f.Use("ann", 12 * kGB);
  f.Watch();
  const auto allow = [&](const std::string& units) {
    const absl::Status done = db::RunTx(*f.pool, [&](db::Tx& tx) -> absl::Status {
      RETURN_IF_ERROR(tx.Exec("UPDATE item_terms SET usage = $2 WHERE item_id = $1", item,
                              db::Bytes{Terms(units).SerializeAsString()})
                          .status());
      return TouchUsage(tx, f.clock.Now(), {item});
    });
    REQUIRE(done.ok());
    f.Watch();
  };
  allow("20");
  CHECK(f.Told(item) == Strings{"80", "100", "capped", "lifted UNITS_LEFT"});
  allow("12");
  CHECK(f.Told(item) == Strings{"80", "100", "capped", "lifted UNITS_LEFT", "capped"});
}

TEST_CASE("usage of a period's last moment counts in it when it is looked at later") {
  Fixture f;
  const Uuid item = f.Item("ann");
  f.clock.Set(absl::FromCivil(absl::CivilSecond(2026, 3, 31, 23, 59, 59), absl::UTCTimeZone()));
  f.Use("ann", 9 * kGB);
  f.clock.Advance(absl::Seconds(5));
  f.Watch();
  CHECK(f.Told(item) == Strings{"80"});
  const auto row = f.pool->Exec("SELECT period_start::text FROM usage_threshold");
  CHECK(row->Get<std::string>(0, 0) == "2026-03-01");
}

TEST_CASE("an item that cannot be judged does not hold up the others") {
  Fixture f;
  common::UsageTerms broken = Terms();
  broken.mutable_block_price()->set_value("much");
  const Uuid bad = f.Item("bad", broken);
  const Uuid good = f.Item("good");
  f.Use("bad", 9 * kGB);
  f.Use("good", 9 * kGB);
  f.Watch();
  CHECK(f.Told(bad).empty());
  CHECK(f.Told(good) == Strings{"80"});
  CHECK(*f.watcher.IsDone());
}

TEST_CASE(
    "several watchers and senders at one time: every threshold once, the last word is right") {
  Fixture f;
  std::vector<Uuid> items;
  constexpr int kItems = 12;
  for (int i = 0; i < kItems; ++i) items.push_back(f.Item(absl::StrCat("user", i)));
  std::atomic<bool> sending = true;
  std::vector<std::thread> watchers;
  std::atomic<int> failures = 0;
  for (int i = 0; i < 3; ++i) {
    watchers.emplace_back([&] {
      UsageWatcher own(f.pool, f.clock, f.counters, f.metrics);
      while (sending) {
        if (!own.Step().ok()) ++failures;
      }
    });
  }
  std::vector<std::thread> senders;
  for (int s = 0; s < 2; ++s) {
    senders.emplace_back([&] {
      for (int n = 0; n < 6; ++n) {
        for (int i = 0; i < kItems; ++i) {
          const int64_t id = ++f.events;
          const absl::Status kept = db::RunTx(*f.pool, [&](db::Tx& tx) {
            return Ingest(tx, f.clock.Now(), "test")
                .AddEvents({{absl::StrCat(id), "gw", absl::StrCat("user", i), f.clock.Now(), "data",
                             kGB, 1}});
          });
          if (!kept.ok()) ++failures;
        }
      }
    });
  }
  for (std::thread& one : senders) one.join();
  sending = false;
  for (std::thread& one : watchers) one.join();
  f.Watch();
  CHECK(failures == 0);
  for (const Uuid& item : items) {
    Strings told = f.Told(item);
    CHECK(told == Strings{"80", "100", "capped"});
  }
}

TEST_CASE("units are bought by themselves, as many as lack and as a period may have") {
  Fixture f;
  common::UsageTerms terms = Terms();
  common::UsageTopUp* offer = terms.add_top_ups();
  offer->set_code("more");
  offer->mutable_units()->set_value("5");
  offer->set_automatic(true);
  offer->set_period_maximum(3);
  const Uuid item = f.Item("ann", terms);
  const auto bought = [&] {
    return f.pool->Exec("SELECT count(*) FROM top_up WHERE automatic")->Get<int64_t>(0, 0);
  };
  f.Use("ann", 10 * kGB - 1);
  f.Watch();
  CHECK(bought() == 0);
  f.Use("ann", 1);
  f.Watch();
  CHECK(bought() == 1);
  f.Use("ann", 10 * kGB - 1);  // one short of 20
  f.Watch();
  CHECK(bought() == 2);
  CHECK(f.Told(item) == Strings{"80", "100"});
  f.Use("ann", 6 * kGB);
  f.Watch();
  CHECK(bought() == 3);
  CHECK(f.Told(item) == Strings{"80", "100", "capped"});
  f.clock.Set(absl::FromCivil(absl::CivilDay(2026, 4, 1), absl::UTCTimeZone()));
  f.Use("ann", 22 * kGB);
  f.Watch();
  CHECK(bought() == 6);
}

TEST_CASE("usage of an item is shown to its own account only") {
  Fixture f;
  const Uuid item = f.Item("ann");
  f.Use("ann", 5);
  RatingApp app(f.pool, f.clock);
  UsageBalances balances(f.pool, f.clock, f.counters);
  const auto row = f.pool->Exec("SELECT account_id FROM usage_cycle WHERE item_id = $1", item);
  const auto octets = [&](const Uuid& account) {
    pb::ListUsageRequest request;
    request.set_account_id(account.ToText("acc"));
    request.set_item_id(item.ToText("sub"));
    request.mutable_start_time()->set_seconds(absl::ToUnixSeconds(kNow) - 86400);
    request.mutable_end_time()->set_seconds(absl::ToUnixSeconds(kNow) + 86400);
    const auto usage = app.ListUsage({}, request);
    REQUIRE(usage.ok());
    int64_t sum = 0;
    for (const pb::UsageBucket& bucket : usage->buckets()) sum += bucket.bytes_in();
    return sum;
  };
  const auto balance = [&](const Uuid& account) {
    pb::GetUsageBalanceRequest request;
    request.set_account_id(account.ToText("acc"));
    request.set_item_id(item.ToText("sub"));
    const auto found = balances.GetUsageBalance({}, request);
    return found.ok() ? found->counted_bytes() : -1;
  };
  const auto own = row->Get<Uuid>(0, 0);
  const Uuid other = Uuid::Make(kNow);
  CHECK(octets(own) == 5);
  CHECK(octets(other) == 0);
  CHECK(balance(own) == 5);
  CHECK(balance(other) == -1);
}

TEST_CASE("live counters are written, and written again into a Redis that lost them") {
  Redis redis;
  Fixture f(redis.url());
  const Uuid item = f.Item("ann");
  const std::string key = "usage:{" + item.ToText("sub") + "}:{2026-03-01}";
  f.Use("ann", 5 * kGB);
  f.Watch();
  const std::string written =
      absl::StrCat("in 5000000000 out 0 counted 5000000000 included 10000000000 percent 50 at ",
                   absl::ToUnixSeconds(kNow));
  CHECK(redis.Ask("HGETALL " + key) == written);
  CHECK(redis.Ask("TTL " + key).empty());  // an integer: it ends by itself
  CHECK(f.counters.TakeLost());
  CHECK_FALSE(f.counters.TakeLost());
  redis.Ask("FLUSHALL");
  REQUIRE(f.watcher.Refill().ok());
  f.Watch();
  CHECK(redis.Ask("HGETALL " + key) == written);
  CHECK_FALSE(f.counters.TakeLost());
}

TEST_CASE("without a Redis usage is watched all the same") {
  Fixture f("unix:/tmp/broadbill-no-such-redis.sock");
  const Uuid item = f.Item("ann");
  f.Use("ann", 9 * kGB);
  f.Watch();
  CHECK(f.Told(item) == Strings{"80"});
  CHECK_FALSE(f.counters.TakeLost());
}

}  // namespace broadbill::rating
