#include <catch2/catch.hpp>
#include <thread>

#include "absl/time/clock.h"
#include "libs/db/command.h"
#include "libs/db/pool.h"
#include "libs/db/rows.h"
#include "libs/status/error.h"
#include "libs/testing/test_database.h"

namespace broadbill::db {
namespace {

constexpr char kSchema[] = R"SQL(
CREATE TABLE thing (
  thing_id uuid PRIMARY KEY, name text NOT NULL, count int4 NOT NULL CHECK (count >= 0),
  total int8 NOT NULL, price numeric NOT NULL, day date NOT NULL, at timestamptz NOT NULL,
  note text, tags text[] NOT NULL, raw bytea NOT NULL, ok bool NOT NULL);
CREATE TABLE mark (
  thing_id uuid PRIMARY KEY, day date, text text, amount int8 NOT NULL, ok bool NOT NULL);
)SQL";
constexpr std::array<Migration, 1> kMigrations{{{"001_thing", kSchema}}};

struct Thing {
  Uuid thing_id;
  std::string name;
  int32_t count = 0;
  int64_t total = 0;
  Decimal price;
  CivilDay day;
  absl::Time at;
  std::optional<std::string> note;
  std::vector<std::string> tags;
  Bytes raw;
  bool ok = false;
  bool operator==(const Thing&) const = default;

  static constexpr char kTable[] = "thing";
  static constexpr auto Columns() {
    return std::make_tuple(
        Col("thing_id", &Thing::thing_id), Col("name", &Thing::name), Col("count", &Thing::count),
        Col("total", &Thing::total), Col("price", &Thing::price), Col("day", &Thing::day),
        Col("at", &Thing::at), Col("note", &Thing::note), Col("tags", &Thing::tags),
        Col("raw", &Thing::raw), Col("ok", &Thing::ok));
  }
};

struct Mark {
  Uuid thing_id;
  std::optional<CivilDay> day;
  std::optional<std::string> text;
  int64_t amount = 0;
  bool ok = false;
  bool operator==(const Mark&) const = default;

  static constexpr char kTable[] = "mark";
  static constexpr auto Columns() {
    return std::make_tuple(Col("thing_id", &Mark::thing_id), Col("day", &Mark::day),
                           Col("text", &Mark::text), Col("amount", &Mark::amount),
                           Col("ok", &Mark::ok));
  }
};

Thing Sample(int i) {
  static const char* const kPrices[] = {"0",     "49.99",  "-0.000000000001", "123456789012.5",
                                        "10000", "0.0001", "-12345.6789"};
  Thing out;
  out.thing_id = Uuid::Make(absl::FromUnixSeconds(1775001600));
  out.name = "thing " + std::to_string(i) + " å";
  out.count = i;
  out.total = -9000000000LL * i;
  out.price = *Decimal::Parse(kPrices[i % 7]);
  out.day = CivilDay(2026, 1, 1) + i - 20;
  out.at = absl::FromUnixMicros(1775001600123456 + i);
  if (i % 2 == 0) out.note = "n" + std::to_string(i);
  if (i % 3 != 0) out.tags = {"a", "b,\"c\""};
  out.raw = {std::string("\0\xff", 2)};
  out.ok = i % 2 == 1;
  return out;
}

std::shared_ptr<Pool> Open(const testing::TestDatabase& database) {
  auto pool = OpenPool(database.url(), "things", kMigrations);
  INFO(pool.status());
  REQUIRE(pool.ok());
  return *pool;
}

}  // namespace

TEST_CASE("rows come back as they were written, by INSERT and by COPY") {
  testing::TestDatabase database;
  const auto pool = Open(database);
  for (const bool copy : {false, true}) {
    std::vector<Thing> things;
    for (int i = 0; i < 600; ++i) things.push_back(Sample(i));
    auto tx = pool->Begin();
    REQUIRE(tx.ok());
    if (copy) {
      REQUIRE(Copy(*tx, things).ok());
    } else {
      REQUIRE(Insert(*tx, things).value() == 600);
    }
    const auto back = Select<Thing>(*tx, "ORDER BY thing_id");
    REQUIRE(back.ok());
    CHECK(*back == things);
    std::vector<Uuid> ids = {things[5].thing_id, things[7].thing_id};
    CHECK(Select<Thing>(*tx, "WHERE thing_id = ANY($1)", ids)->size() == 2);
  }
}

TEST_CASE("rows go in as arrays, NULLs too, and what was new comes back") {
  testing::TestDatabase database;
  const auto pool = Open(database);
  std::vector<Mark> marks;
  for (int i = 0; i < 700; ++i) {
    Mark mark{Uuid::Make(absl::FromUnixSeconds(1775001600)), std::nullopt, std::nullopt, -i,
              i % 3 == 0};
    if (i % 2 == 0) mark.day = CivilDay(1999, 12, 31) + i;
    if (i % 5 == 0) mark.text = "t" + std::to_string(i);
    marks.push_back(mark);
  }
  auto tx = pool->Begin();
  REQUIRE(tx.ok());
  CHECK(InsertArrays<Mark>(*tx, {})->affected() == 0);
  REQUIRE(InsertArrays(*tx, std::vector<Mark>(marks.begin(), marks.begin() + 10)).ok());
  const auto fresh = InsertArrays(*tx, marks, "ON CONFLICT DO NOTHING RETURNING thing_id");
  REQUIRE(fresh.ok());
  REQUIRE(fresh->size() == 690);
  CHECK(fresh->Get<Uuid>(0, 0) == marks[10].thing_id);
  CHECK(*Select<Mark>(*tx, "ORDER BY thing_id") == marks);
}

TEST_CASE("errors say what kind they are") {
  testing::TestDatabase database;
  const auto pool = Open(database);
  const Thing one = Sample(1);
  const auto insert = [&](const Thing& thing) {
    return RunTx(*pool, [&](Tx& tx) { return InsertOne(tx, thing).status(); });
  };
  CHECK(insert(one).ok());
  CHECK(ReasonOf(insert(one)) == "UNIQUE_VIOLATION");
  Thing negative = Sample(2);
  negative.count = -1;
  CHECK(ReasonOf(insert(negative)) == "CHECK_VIOLATION");
  CHECK(ReasonOf(pool->Exec("SELECT nonsense").status()) == "DATABASE_ERROR");
}

TEST_CASE("a commit after a passed-over error says that nothing was kept") {
  testing::TestDatabase database;
  const auto pool = Open(database);
  auto tx = pool->Begin();
  REQUIRE(tx.ok());
  REQUIRE(tx->Exec("CREATE TABLE kept (n int4)").ok());
  CHECK_FALSE(tx->Exec("SELECT 1 / 0").ok());
  CHECK(ReasonOf(tx->Commit()) == "TRANSACTION_FAILED");
  CHECK(*pool->Exec("SELECT to_regclass('kept') IS NULL")->GetOptional<bool>(0, 0));
}

TEST_CASE("the pool survives broken connections") {
  testing::TestDatabase database;
  const auto pool = Open(database);
  REQUIRE(pool->Exec("SELECT 1").ok());
  database.BreakConnections();
  CHECK(pool->Exec("SELECT 1").ok());
}

TEST_CASE("a changed or unknown migration is refused") {
  testing::TestDatabase database;
  Open(database);
  const std::array<Migration, 1> changed{{{"001_thing", "SELECT 1"}}};
  CHECK(ReasonOf(OpenPool(database.url(), "things", changed).status()) == "MIGRATION_CHANGED");
  CHECK(ReasonOf(OpenPool(database.url(), "things", {}).status()) == "SCHEMA_UNKNOWN");
}

TEST_CASE("a command runs once per request id") {
  testing::TestDatabase database;
  const auto pool = Open(database);
  CommandInput input{"tester", "Make", "r1", "body", false, absl::FromUnixSeconds(1775001600)};
  int runs = 0;
  const auto run = [&](Tx& tx) -> absl::StatusOr<CommandOutput> {
    ++runs;
    absl::Status status = InsertOne(tx, Sample(runs)).status();
    if (!status.ok()) return status;
    return CommandOutput{"answer " + std::to_string(runs), {{"t", Uuid::Make(input.now), "x"}}};
  };
  CHECK(RunCommand(*pool, input, run)->answer == "answer 1");
  const auto again = RunCommand(*pool, input, run);
  CHECK(again->answer == "answer 1");
  CHECK(again->replayed);
  CHECK(runs == 1);
  input.request = "other body";
  CHECK(ReasonOf(RunCommand(*pool, input, run).status()) == "REQUEST_ID_REUSED");
  input.request_id = "r2";
  input.validate_only = true;
  CHECK(RunCommand(*pool, input, run)->answer == "answer 2");
  CHECK(pool->Exec("SELECT count(*) FROM thing")->Get<int64_t>(0, 0) == 1);
  CHECK(pool->Exec("SELECT sum(pos)::int8 FROM feed_head")->Get<int64_t>(0, 0) == 1);
}

TEST_CASE("two callers with one request id at the same time: one effect, one answer") {
  testing::TestDatabase database;
  const auto pool = Open(database);
  const CommandInput input{"tester", "Make", "same",
                           "body",   false,  absl::FromUnixSeconds(1775001600)};
  std::vector<std::string> answers(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < answers.size(); ++i) {
    threads.emplace_back([&, i] {
      const auto result = RunCommand(*pool, input, [&](Tx& tx) -> absl::StatusOr<CommandOutput> {
        absl::Status status = InsertOne(tx, Sample(static_cast<int>(i))).status();
        if (!status.ok()) return status;
        absl::SleepFor(absl::Milliseconds(20));
        return CommandOutput{"by " + std::to_string(i), {}};
      });
      if (result.ok()) answers[i] = result->answer;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& answer : answers) CHECK(answer == answers[0]);
  CHECK_FALSE(answers[0].empty());
  CHECK(pool->Exec("SELECT count(*) FROM thing")->Get<int64_t>(0, 0) == 1);
}

}  // namespace broadbill::db
