#include "services/rating/app/usage_owners.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "libs/testing/test_database.h"
#include "services/rating/migrations.h"

namespace broadbill::rating {
namespace {

const absl::Time kNoon = absl::FromCivil(absl::CivilSecond(2026, 3, 10, 12), absl::UTCTimeZone());

struct Fixture {
  Fixture() : pool(*db::OpenPool(database.url(), "rating", Migrations())) {}

  // `value` is `item`'s from then on, and nobody else's.
  void Give(const std::string& value, const Uuid& item, int16_t kind = kMeterSubject,
            CivilDay to = CivilDay::max()) {
    REQUIRE(db::RunTx(*pool, [&](db::Tx& tx) {
              auto done = tx.Exec("DELETE FROM subject WHERE value = $1", value).status();
              if (done.ok()) {
                done =
                    db::InsertOne(tx, SubjectRow{kind, value, item, item, CivilDay(1970, 1, 1), to})
                        .status();
              }
              return done.ok() ? SubjectsChanged(tx) : done;
            }).ok());
  }
  // Whose each subject is; nil for nobody's.
  std::vector<Uuid> Items(SubjectCache* cache, const std::vector<std::string_view>& subjects,
                          const std::vector<int16_t>& kinds = {kMeterSubject},
                          absl::Time at = kNoon) {
    db::Tx tx = *pool->Begin();
    const auto owners = UsageOwners::Load(tx, cache, kinds, subjects);
    REQUIRE(owners.ok());
    std::vector<Uuid> out;
    for (size_t i = 0; i < subjects.size(); ++i) {
      const SubjectRow* row = owners->Find(i, at);
      out.push_back(row == nullptr ? Uuid() : row->item_id);
    }
    return out;
  }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
  const Uuid first = Uuid::Make(kNoon), second = Uuid::Make(kNoon);
};

}  // namespace

TEST_CASE("a process that knows a subject sees its change, and who began before sees what it saw") {
  Fixture f;
  SubjectCache cache;
  f.Give("m1", f.first);
  CHECK(f.Items(&cache, {"m1", "m2", "m1"}) == std::vector<Uuid>{f.first, Uuid(), f.first});
  db::Tx before = *f.pool->Begin();
  const auto owners = UsageOwners::Load(before, &cache, {kMeterSubject}, {"m1"});
  REQUIRE(owners.ok());
  f.Give("m1", f.second);
  f.Give("m2", f.first);
  CHECK(f.Items(&cache, {"m1", "m2"}) == std::vector<Uuid>{f.second, f.first});
  CHECK(owners->Find(0, kNoon)->item_id == f.first);
  CHECK(f.Items(nullptr, {"m1"}) == std::vector<Uuid>{f.second});
}

TEST_CASE("what is not changed is not read again") {
  Fixture f;
  SubjectCache cache;
  f.Give("m1", f.first);
  f.Items(&cache, {"m1"});
  REQUIRE(f.pool->Exec("DELETE FROM subject").ok());  // and tells nobody
  CHECK(f.Items(&cache, {"m1"}) == std::vector<Uuid>{f.first});
  CHECK(f.Items(nullptr, {"m1"}) == std::vector<Uuid>{Uuid()});
}

TEST_CASE("a subject is of its kind and has its days") {
  Fixture f;
  SubjectCache cache;
  f.Give("m1", f.first, kRadiusUser, CivilDay(2026, 3, 10));
  const absl::Time day_before = kNoon - absl::Hours(24);
  CHECK(f.Items(&cache, {"m1"}, {kMeterSubject}, day_before) == std::vector<Uuid>{Uuid()});
  CHECK(f.Items(&cache, {"m1"}, {kRadiusUser}, day_before) == std::vector<Uuid>{f.first});
  CHECK(f.Items(&cache, {"m1"}, {kRadiusUser}, kNoon) == std::vector<Uuid>{Uuid()});
}

TEST_CASE("a full cache begins anew") {
  Fixture f;
  SubjectCache cache(2);
  f.Give("m1", f.first);
  for (int round = 0; round < 3; ++round) {
    CHECK(f.Items(&cache, {"m1", "a", "b", "c"})[0] == f.first);
    CHECK(f.Items(&cache, {"d", "m1"})[1] == f.first);
  }
}

TEST_CASE("threads that load and a change beside them agree with the database") {
  Fixture f;
  SubjectCache cache;
  f.Give("m0", f.first);
  std::atomic<bool> ended = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> readers;
  for (int thread = 0; thread < 3; ++thread) {
    readers.emplace_back([&] {
      while (!ended) {
        db::Tx tx = *f.pool->Begin();
        // Nothing changes while this lock is held.
        if (!tx.ExecScript("LOCK TABLE subject_version IN SHARE MODE").ok()) ++wrong;
        const auto cached = UsageOwners::Load(tx, &cache, {kMeterSubject}, {"m0", "m1"});
        const auto read = UsageOwners::Load(tx, nullptr, {kMeterSubject}, {"m0", "m1"});
        for (size_t i = 0; i < 2 && cached.ok() && read.ok(); ++i) {
          const SubjectRow *a = cached->Find(i, kNoon), *b = read->Find(i, kNoon);
          if ((a == nullptr) != (b == nullptr) || (a != nullptr && !(*a == *b))) ++wrong;
        }
      }
    });
  }
  for (int i = 0; i < 60; ++i) {
    f.Give(i % 2 == 0 ? "m0" : "m1", i % 3 == 0 ? f.first : f.second);
  }
  ended = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
}

}  // namespace broadbill::rating
