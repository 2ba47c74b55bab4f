#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "absl/time/clock.h"
#include "libs/db/command.h"
#include "libs/feed/consumer.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "libs/testing/test_database.h"

namespace broadbill::feed {
namespace {

constexpr std::array<db::Migration, 1> kSink{
    {{"001_sink", "CREATE TABLE seen (account_id uuid, n int8, PRIMARY KEY (account_id, n));"}}};

std::string Body(const Uuid& account, const std::string& tail) {
  const std::string id = account.ToText("acc");
  return std::string("\x0a") + static_cast<char>(id.size()) + id + tail;
}

struct Fixture {
  Fixture()
      : source(*db::OpenPool(database.url(), "source", {})),
        sink(*db::OpenPool(database.url(), "sink", kSink)) {}

  void Append(const std::vector<db::FeedEvent>& events) {
    REQUIRE(db::RunTx(*source, [&](db::Tx& tx) {
              return db::AppendFeed(tx, events, absl::FromUnixSeconds(1775001600));
            }).ok());
  }
  int64_t Seen() { return sink->Exec("SELECT count(*) FROM seen")->Get<int64_t>(0, 0); }
  Consumer Make(const Handler& handler) {
    return Consumer(
        "source", sink,
        [this](const auto& after, int rows) { return ReadRows(*source, after, rows); }, handler);
  }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> source;
  std::shared_ptr<db::Pool> sink;
};

absl::Status Note(db::Tx& tx, const std::vector<Event>& events) {
  for (const Event& event : events) {
    RETURN_IF_ERROR(tx.Exec("INSERT INTO seen VALUES ($1, $2)", event.account_id,
                            event.pos * 1000 + event.number)
                        .status());
  }
  return absl::OkStatus();
}

}  // namespace

TEST_CASE("every event is applied once, however often the handler fails midway") {
  Fixture f;
  std::vector<db::FeedEvent> events;
  for (int i = 0; i < 2000; ++i) {
    const Uuid account = Uuid::Make(absl::FromUnixMillis(1775001600000 + i));
    events.push_back({"t", account, Body(account, std::to_string(i))});
  }
  f.Append(events);
  int calls = 0;
  Consumer consumer = f.Make([&](db::Tx& tx, const std::vector<Event>& batch) -> absl::Status {
    RETURN_IF_ERROR(Note(tx, batch));
    if (++calls % 3 == 0) return UnavailableError("TRY_LATER", "the power went");
    if (calls % 5 == 0) f.database.BreakConnections();
    return absl::OkStatus();
  });
  REQUIRE(consumer.CatchUp().ok());
  CHECK(f.Seen() == 2000);
}

TEST_CASE("an event that cannot be applied parks its account only, and is retried in order") {
  Fixture f;
  const Uuid good = Uuid::Make(absl::FromUnixMillis(1775001600000));
  const Uuid bad = Uuid::Make(absl::FromUnixMillis(1775001600001));
  f.Append({{"t", good, Body(good, "1")}, {"t", bad, Body(bad, "poison")}});
  f.Append({{"t", bad, Body(bad, "2")}, {"t", good, Body(good, "2")}});
  bool cured = false;
  Consumer consumer = f.Make([&](db::Tx& tx, const std::vector<Event>& batch) -> absl::Status {
    for (const Event& event : batch) {
      if (!cured && event.body.find("poison") != std::string::npos) {
        return FailedPreconditionError("POISON", "cannot be applied");
      }
    }
    return Note(tx, batch);
  });
  REQUIRE(consumer.CatchUp().ok());
  CHECK(f.Seen() == 2);
  CHECK(f.sink->Exec("SELECT count(*) FROM feed_parked")->Get<int64_t>(0, 0) == 2);
  CHECK(*consumer.RetryParked() == 0);
  cured = true;
  CHECK(*consumer.RetryParked() == 2);
  CHECK(f.Seen() == 4);
}

TEST_CASE("positions count the events of a partition; a row stands at its last event") {
  Fixture f;
  const Uuid account = Uuid::Make(absl::FromUnixMillis(1775001600000));
  std::vector<db::FeedEvent> many(600, db::FeedEvent{"t", account, Body(account, "x")});
  f.Append(many);
  f.Append({many[0]});
  const auto heads = ReadHeads(*f.source);
  REQUIRE(heads.ok());
  CHECK(heads->at(Bucket(account)) == 601);
  const auto rows = ReadRows(*f.source, {{Bucket(account), 256}}, 10);
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 3);
  CHECK((*rows)[0].pos == 512);
  CHECK((*rows)[1].pos == 600);
  CHECK((*rows)[2].pos == 601);
}

TEST_CASE("a row that cannot be read stops its reader; what stands behind is not taken for all") {
  Fixture f;
  const Uuid account = Uuid::Make(absl::FromUnixMillis(1775001600000));
  const db::FeedEvent event{"t", account, Body(account, "x")};
  f.Append({event});
  f.Append({event});
  const std::string good = db::EncodeFeedPayload(&event, 1);
  REQUIRE(db::DecodeFeedPayload(good).size() == 1);
  std::string huge = good;
  huge[1] = '\xff';  // a size that nothing unpacks to
  for (const std::string& damaged : {huge, good.substr(0, good.size() - 1), good.substr(0, 5)}) {
    CHECK(db::DecodeFeedPayload(damaged).empty());
    REQUIRE(f.source->Exec("UPDATE feed SET payload = $1 WHERE pos = 1", db::Bytes{damaged}).ok());
    Consumer consumer = f.Make(Note);
    CHECK(ReasonOf(consumer.CatchUp()) == "FEED_DAMAGED");
    CHECK(f.Seen() == 0);
  }
  REQUIRE(f.source->Exec("UPDATE feed SET payload = $1 WHERE pos = 1", db::Bytes{good}).ok());
  REQUIRE(f.Make(Note).CatchUp().ok());
  CHECK(f.Seen() == 2);
}

TEST_CASE("held consumers wait, and go on when they are released or the hold is over") {
  Fixture f;
  const Uuid account = Uuid::Make(absl::FromUnixMillis(1775001600000));
  f.Append({{"t", account, Body(account, "x")}});
  for (const bool released : {true, false}) {
    db::HoldConsumers("source", released ? absl::Seconds(60) : absl::Milliseconds(600));
    CHECK(db::ConsumersHeld("source"));
    CHECK_FALSE(db::ConsumersHeld("another"));
    std::atomic<bool> stop = false;
    Consumer consumer = f.Make(Note);
    std::thread thread([&] { consumer.Run([&] { return stop.load(); }); });
    absl::SleepFor(absl::Milliseconds(300));
    CHECK(f.Seen() == 0);
    if (released) db::ReleaseConsumers("source");
    for (int i = 0; i < 1000 && f.Seen() == 0; ++i) absl::SleepFor(absl::Milliseconds(10));
    CHECK(f.Seen() == 1);
    stop = true;
    thread.join();
    REQUIRE(f.sink->Exec("DELETE FROM seen").ok());
    REQUIRE(f.sink->Exec("UPDATE feed_cursor SET pos = 0").ok());
  }
}

}  // namespace broadbill::feed
