#include "services/rating/app/ingest.h"

#include <catch2/catch.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/status/macros.h"
#include "libs/testing/test_database.h"
#include "services/rating/migrations.h"

namespace broadbill::rating {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1775001600);

struct Fixture {
  Fixture() : pool(*db::OpenPool(database.url(), "rating", Migrations())) {}

  void Own(const std::string& subject) {
    const Uuid account = Uuid::Make(kNow);
    const Uuid item = Uuid::Make(kNow);
    const CivilDay first(2020, 1, 1);
    const std::vector<SubjectRow> subjects = {
        {kMeterSubject, subject, account, item, first, CivilDay::max()}};
    const std::vector<ItemTermsRow> terms = {
        {account, item, first, CivilDay::max(), "UTC", "US", "USD", {}}};
    const absl::Status saved = db::RunTx(*pool, [&](db::Tx& tx) {
      const absl::Status done = db::Copy(tx, subjects);
      return done.ok() ? db::Copy(tx, terms) : done;
    });
    REQUIRE(saved.ok());
  }
  IngestCounts Add(const std::vector<UsageEventRecord>& events) {
    auto tx = pool->Begin();
    Ingest ingest(*tx, kNow, "test");
    const absl::Status status = ingest.AddEvents(events);
    INFO(status);
    REQUIRE(status.ok());
    REQUIRE(tx->Commit().ok());
    return ingest.counts();
  }
  IngestCounts Retry() {
    auto tx = pool->Begin();
    Ingest ingest(*tx, kNow, "retry");
    REQUIRE(ingest.Retry({}, {}).ok());
    REQUIRE(tx->Commit().ok());
    return ingest.counts();
  }
  int64_t Octets() {
    return pool->Exec("SELECT coalesce(sum(in_octets), 0)::int8 FROM usage_event")
        ->Get<int64_t>(0, 0);
  }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
};

UsageEventRecord Event(const std::string& source, const std::string& id, const std::string& subject,
                       int64_t octets) {
  return {id, source, subject, kNow, "data", octets, 1};
}

// "applied duplicates waiting conflicts"
std::string Text(const IngestCounts& counts) {
  return absl::StrCat(counts.applied, " ", counts.duplicates, " ", counts.waiting, " ",
                      counts.conflicts.size());
}

}  // namespace

TEST_CASE("an event counts once; other content under its id is a conflict and is not kept") {
  Fixture f;
  f.Own("meter");
  CHECK(Text(f.Add({Event("s", "1", "meter", 5), Event("s", "1", "meter", 5)})) == "1 1 0 0");
  CHECK(Text(f.Add({Event("s", "1", "meter", 5)})) == "0 1 0 0");
  const IngestCounts other = f.Add({Event("s", "1", "meter", 6), Event("s", "2", "meter", 7)});
  CHECK(Text(other) == "1 0 0 1");
  CHECK(other.conflicts == std::vector<std::string>{"s\x1f"
                                                    "1"});
  CHECK(Text(f.Add({Event("s", "3", "meter", 1), Event("s", "3", "meter", 2)})) == "1 0 0 1");
  CHECK(f.Octets() == 5 + 7 + 1);
}

TEST_CASE("an event that waits has taken its id as well") {
  Fixture f;
  f.Own("meter");
  CHECK(Text(f.Add({Event("s", "1", "nobody", 5)})) == "0 0 1 0");
  CHECK(Text(f.Add({Event("s", "1", "nobody", 5)})) == "0 1 0 0");
  CHECK(Text(f.Add({Event("s", "1", "nobody", 6)})) == "0 0 0 1");
  CHECK(Text(f.Add({Event("s", "1", "meter", 5)})) == "0 0 0 1");
  CHECK(f.Octets() == 0);
  f.Own("nobody");
  CHECK(Text(f.Retry()) == "1 0 0 0");
  CHECK(f.Octets() == 5);
}

TEST_CASE("waiting events are told apart by source and id, whatever characters these have") {
  Fixture f;
  CHECK(Text(f.Add({Event("a|b", "c", "nobody", 1), Event("a", "b|c", "nobody", 2)})) == "0 0 2 0");
  f.Own("nobody");
  CHECK(Text(f.Retry()) == "2 0 0 0");
  CHECK(f.Octets() == 3);
}

TEST_CASE("an event that is kept does not wait when its subject is nobody's any more") {
  Fixture f;
  f.Own("meter");
  CHECK(Text(f.Add({Event("s", "1", "meter", 5)})) == "1 0 0 0");
  REQUIRE(f.pool->Exec("DELETE FROM subject").ok());
  CHECK(Text(f.Add({Event("s", "1", "meter", 5)})) == "0 1 0 0");
  CHECK(Text(f.Add({Event("s", "1", "meter", 6)})) == "0 0 0 1");
}

TEST_CASE("two batches at once with the same ids: one keeps them, the other finds what differs") {
  Fixture f;
  f.Own("meter");
  auto first = f.pool->Begin();
  Ingest ingest(*first, kNow, "test");
  REQUIRE(ingest.AddEvents({Event("s", "1", "meter", 5), Event("s", "2", "meter", 5)}).ok());
  IngestCounts second;
  std::thread other([&] {
    second = f.Add({Event("s", "1", "meter", 5), Event("s", "2", "meter", 6)});
  });
  // The other waits for the keys that the first holds.
  const auto waits = [&] {
    return !f.pool
                ->Exec(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND "
                    "wait_event_type = 'Lock'")
                ->empty();
  };
  for (int i = 0; i < 500 && !waits(); ++i) absl::SleepFor(absl::Milliseconds(10));
  CHECK(waits());
  REQUIRE(first->Commit().ok());
  other.join();
  CHECK(Text(second) == "0 1 0 1");
  CHECK(f.Octets() == 10);
}

TEST_CASE("a subject that becomes known while its usage arrives leaves nothing waiting") {
  const auto make_known = [](db::Tx& tx) -> absl::Status {
    RETURN_IF_ERROR(LockSubjects(tx));
    const Uuid account = Uuid::Make(kNow);
    const SubjectRow row{kMeterSubject,        "ann",          account, Uuid::Make(kNow),
                         CivilDay(2020, 1, 1), CivilDay::max()};
    RETURN_IF_ERROR(db::InsertOne(tx, row).status());
    Ingest ingest(tx, kNow, "retry");
    RETURN_IF_ERROR(ingest.Retry({"UNKNOWN_SUBJECT"}, {"ann"}));
    return tx.Commit();
  };
  SECTION("the usage is first and commits last") {
    Fixture f;
    auto usage = f.pool->Begin();
    Ingest ingest(*usage, kNow, "test");
    REQUIRE(ingest.AddEvents({Event("gw", "1", "ann", 5)}).ok());
    CHECK(ingest.counts().waiting == 1);
    auto subject = f.pool->Begin();
    absl::Status known;
    std::thread other([&] { known = make_known(*subject); });
    absl::SleepFor(absl::Milliseconds(100));
    REQUIRE(usage->Commit().ok());
    other.join();
    CHECK(known.ok());
    CHECK(f.Octets() == 5);
  }
  SECTION("the subject is first") {
    Fixture f;
    auto subject = f.pool->Begin();
    REQUIRE(LockSubjects(*subject).ok());
    auto usage = f.pool->Begin();
    Ingest ingest(*usage, kNow, "test");
    absl::Status added;
    std::thread other([&] { added = ingest.AddEvents({Event("gw", "1", "ann", 5)}); });
    absl::SleepFor(absl::Milliseconds(100));
    REQUIRE(make_known(*subject).ok());
    other.join();
    REQUIRE(added.ok());
    REQUIRE(usage->Commit().ok());
    CHECK(ingest.counts().waiting == 0);
    CHECK(ingest.counts().applied == 1);
    CHECK(f.Octets() == 5);
  }
}

}  // namespace broadbill::rating
