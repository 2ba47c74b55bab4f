#include "services/rating/app/call_ingest.h"

#include <catch2/catch.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/testing/test_database.h"
#include "services/rating/app/call_watcher.h"
#include "services/rating/migrations.h"

namespace broadbill::rating {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1775001600);
const absl::Time kNoon = absl::FromCivil(absl::CivilHour(2026, 3, 10, 12), absl::UTCTimeZone());

struct Fixture {
  Fixture() : pool(*db::OpenPool(database.url(), "rating", Migrations())) {
    Run([](db::Tx& tx) {
      return tx
          .Exec(
              "INSERT INTO deck (code, name, currency, version, updated_at) VALUES ('retail', "
              "'Retail', 'USD', 1, $1)",
              kNow)
          .status();
    });
    Price("1", 60000);
  }

  void Run(const std::function<absl::Status(db::Tx&)>& fn) {
    const absl::Status status = db::RunTx(*pool, fn);
    INFO(status);
    REQUIRE(status.ok());
  }
  static absl::Status SetPrice(db::Tx& tx, const std::string& prefix, int64_t micros) {
    DeckRateRow rate;
    rate.deck = "retail";
    rate.prefix = prefix;
    rate.destination = "D" + prefix;
    rate.valid_from = CivilDay(1970, 1, 1);
    rate.valid_to = CivilDay::max();
    rate.per_minute_micros = micros;
    absl::Status status =
        tx.Exec("UPDATE deck SET version = version + 1 WHERE code = 'retail'").status();
    if (status.ok()) status = tx.Exec("DELETE FROM deck_rate WHERE prefix = $1", prefix).status();
    return status.ok() ? db::Copy(tx, std::vector<DeckRateRow>{rate}) : status;
  }
  void Price(const std::string& prefix, int64_t micros) {
    Run([&](db::Tx& tx) { return SetPrice(tx, prefix, micros); });
  }
  // A line with a number for some days; returns its account.
  Uuid Own(const std::string& number, CivilDay from = CivilDay(2020, 1, 1),
           CivilDay to = CivilDay::max()) {
    const Uuid account = Uuid::Make(kNow);
    const Uuid item = Uuid::Make(kNow);
    ItemTermsRow terms;
    terms.account_id = account;
    terms.item_id = item;
    terms.valid_from = CivilDay(2020, 1, 1);
    terms.valid_to = CivilDay::max();
    terms.time_zone = "UTC";
    terms.country = "US";
    terms.currency = "USD";
    terms.decks = {"retail"};
    Run([&](db::Tx& tx) {
      const absl::Status done =
          db::Copy(tx, std::vector<SubjectRow>{{kDid, number, account, item, from, to}});
      return done.ok() ? db::Copy(tx, std::vector<ItemTermsRow>{terms}) : done;
    });
    return account;
  }
  // "applied duplicates waiting"
  std::string Add(const std::vector<CallRecord>& records) {
    std::string out;
    Run([&](db::Tx& tx) {
      CallIngest calls(tx, kNow, cache);
      const absl::Status status = calls.Add(records, "US");
      out = absl::StrCat(calls.applied(), " ", calls.duplicates(), " ", calls.waiting().size());
      return status;
    });
    return out;
  }
  int64_t Number(const std::string& sql) { return pool->Exec(sql)->Get<int64_t>(0, 0); }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
  DeckCache cache;
};

CallRecord Call(const std::string& key, const std::string& from, const std::string& to,
                absl::Time answered = kNoon, int64_t seconds = 60) {
  return {key, "", from, to, answered, seconds, 1};
}

}  // namespace

TEST_CASE("a call counts once, in a file and over files, and what cannot be rated waits") {
  Fixture f;
  f.Own("16125550142");
  const CallRecord a = Call("a", "16125550142", "12025550100");
  const CallRecord b = Call("b", "16125550142", "12025550100");
  const CallRecord stranger = Call("c", "13125550100", "12025550100");
  CHECK(f.Add({a, a, b, stranger}) == "2 1 1");
  CHECK(f.Add({b, a, Call("d", "16125550142", "12025550100")}) == "1 2 0");
  CHECK(f.Add({Call("e", "16125550142", "+4930123456")}) == "0 0 1");
  CHECK(f.Number("SELECT count(*) FROM call") == 3);
  CHECK(f.Number("SELECT sum(cost_micros)::int8 FROM call") == 3 * 60000);
}

TEST_CASE("who owned a number when the call was answered pays for it") {
  Fixture f;
  const CivilDay day(2026, 3, 10);
  const Uuid before = f.Own("16125550142", CivilDay(2020, 1, 1), day);
  const Uuid after = f.Own("16125550142", day, CivilDay::max());
  CHECK(f.Add({Call("a", "16125550142", "12025550100", kNoon - absl::Hours(13)),
               Call("b", "16125550142", "12025550100", kNoon)}) == "2 0 0");
  const auto rows = f.pool->Exec("SELECT account_id FROM call ORDER BY answered_at");
  REQUIRE(rows->size() == 2);
  CHECK(rows->Get<Uuid>(0, 0) == before);
  CHECK(rows->Get<Uuid>(1, 0) == after);
}

TEST_CASE("a call that another transaction keeps at the same time counts once") {
  Fixture f;
  f.Own("16125550142");
  auto other = f.pool->Begin();
  CallIngest first(*other, kNow, f.cache);
  REQUIRE(first.Add({Call("a", "16125550142", "12025550100")}, "US").ok());
  std::string counts;
  std::thread second([&] {
    counts = f.Add({Call("a", "16125550142", "12025550100"), Call("b", "16125550142", "911")});
  });
  // The second sees nothing of the first, and waits for it at the key.
  while (f.Number("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                  "datname = current_database()") == 0) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  REQUIRE(other->Commit().ok());
  second.join();
  CHECK(counts == "1 1 0");
  CHECK(f.Number("SELECT count(*) FROM call") == 2);
}

TEST_CASE("a file of several batches: what is there already, or twice, counts once") {
  Fixture f;
  const Uuid account = f.Own("16125550142");
  CallLimitRow limit;
  limit.account_id = account;
  limit.hour_micros = 100000;
  f.Run([&](db::Tx& tx) { return db::Copy(tx, std::vector<CallLimitRow>{limit}); });
  const auto calls = [](int from, int to) {
    std::vector<CallRecord> out;
    for (int i = from; i < to; ++i) {
      out.push_back(
          Call(absl::StrCat("k", i), "16125550142", "12025550100", kNoon + absl::Seconds(i)));
    }
    return out;
  };
  CHECK(f.Add(calls(119990, 120010)) == "20 0 0");
  std::vector<CallRecord> file = calls(0, 120000);
  file.push_back(file.front());                             // in a batch before
  file.push_back(Call("w", "16125550199", "12025550100"));  // nobody's
  file.push_back(Call("v", "16125550142", "+4930123456"));  // no rate
  file.push_back(Call("a", "16125550142", "12025550100"));
  file.push_back(Call("a", "16125550142", "911"));  // the first of a key counts
  CHECK(f.Add(file) == "119991 12 2");
  CHECK(f.Add(file) == "0 120003 2");
  CHECK(f.Number("SELECT count(*) FROM call") == 120011);
  CHECK(f.Number("SELECT count(*) FROM call WHERE destination = 'Emergency'") == 0);
  // The watcher is told the whole span of the calls that were new.
  CHECK(f.Number("SELECT count(*) FROM call_touched") == 2);
  CHECK(
      f.Number("SELECT extract(epoch FROM max(last_at) - min(first_at))::int8 FROM call_touched") ==
      120009);
}

TEST_CASE("many calls of few lines: lines are known by date and by account code") {
  Fixture f;
  const CivilDay day(2026, 3, 10);
  const Uuid before = f.Own("16125550142", CivilDay(2020, 1, 1), day);
  const Uuid after = f.Own("16125550142", day, CivilDay::max());
  const Uuid trunk = f.Own("trunk-7");
  std::vector<CallRecord> file;
  for (int i = 0; i < 1500; ++i) {
    file.push_back(Call(absl::StrCat("k", i), "16125550142", "12025550100",
                        kNoon + absl::Hours(i < 500    ? -12 * 30
                                            : i < 1000 ? -13
                                                       : 0)));
  }
  CallRecord named = Call("n", "anonymous", "12025550100");
  named.account_code = "trunk-7";
  file.push_back(named);
  CHECK(f.Add(file) == "1501 0 0");
  const auto of = [&](const Uuid& account) {
    return f.pool->Exec("SELECT count(*) FROM call WHERE account_id = $1", account)
        ->Get<int64_t>(0, 0);
  };
  CHECK(of(before) == 1000);
  CHECK(of(after) == 500);
  CHECK(of(trunk) == 1);
  CHECK(f.pool->Exec("SELECT calling FROM call WHERE account_id = $1", trunk)
            ->Get<std::string>(0, 0) == "anonymous");
}

TEST_CASE("decks in memory are those that the transaction sees") {
  Fixture f;
  f.Own("16125550142");
  int64_t seconds = 0;
  const auto cost = [&](const char* key) {
    seconds += 60;
    f.Add({Call(key, "16125550142", "12025550100", kNoon + absl::Seconds(seconds))});
    return f.Number("SELECT cost_micros FROM call ORDER BY answered_at DESC LIMIT 1");
  };
  CHECK(cost("a") == 60000);
  f.Price("1", 70000);
  CHECK(cost("b") == 70000);
  // A change that is taken back was seen by its own transaction only, whatever its version said.
  {
    auto tx = f.pool->Begin();
    REQUIRE(Fixture::SetPrice(*tx, "1", 99000).ok());
    CallIngest calls(*tx, kNow, f.cache);
    REQUIRE(calls.Add({Call("x", "16125550142", "12025550100")}, "US").ok());
    CHECK(tx->Exec("SELECT max(cost_micros) FROM call")->Get<int64_t>(0, 0) == 99000);
    tx->Rollback();
  }
  CHECK(cost("c") == 70000);
  f.Price("1", 80000);
  CHECK(cost("d") == 80000);
}

TEST_CASE("alarms are raised once, also when looking is cut short") {
  Fixture f;
  const Uuid account = f.Own("16125550142");
  CallLimitRow limit;
  limit.account_id = account;
  limit.hour_micros = 100000;
  f.Run([&](db::Tx& tx) { return db::Copy(tx, std::vector<CallLimitRow>{limit}); });
  FakeClock clock(kNow);
  CallWatcher watcher(f.pool, clock);
  f.Add({Call("a", "16125550142", "12025550100")});
  REQUIRE(watcher.Step().ok());
  CHECK(f.Number("SELECT count(*) FROM call_alarm") == 0);
  f.Add({Call("b", "16125550142", "12025550100", kNoon - absl::Minutes(59))});
  CHECK(*watcher.IsDone() == false);
  CHECK(*watcher.Step() == 1);
  CHECK(*watcher.Step() == 0);
  CHECK(*watcher.IsDone());
  CHECK(f.Number("SELECT count(*) FROM call_alarm") == 1);
  CHECK(f.Number("SELECT micros FROM call_alarm") == 120000);
  CHECK(f.Number("SELECT count(*) FROM feed") == 1);
  // Two at a time find the same: one tells.
  f.Add({Call("c", "16125550142", "12025550100", kNoon + absl::Minutes(1))});
  f.Add({Call("d", "16125550142", "12025550100", kNoon + absl::Minutes(61))});
  CallWatcher another(f.pool, clock);
  bool done = false;
  std::thread beside([&] { done = another.Step().ok(); });
  const bool here = watcher.Step().ok();
  beside.join();
  CHECK(done);
  CHECK(here);
  CHECK(*watcher.IsDone());
  CHECK(f.Number("SELECT count(*) FROM call_alarm") == 1);
}

}  // namespace broadbill::rating
