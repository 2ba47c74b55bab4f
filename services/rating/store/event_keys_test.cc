#include "services/rating/store/event_keys.h"

#include <catch2/catch.hpp>
#include <thread>

#include "absl/time/clock.h"
#include "libs/testing/test_database.h"
#include "services/rating/migrations.h"
#include "services/rating/store/usage_keys.h"

namespace broadbill::rating {
namespace {

struct Fixture {
  Fixture() : pool(*db::OpenPool(database.url(), "rating", Migrations())) {}

  std::vector<Claimed> Claim(const std::vector<EventKeyRow>& keys) {
    db::Tx tx = *pool->Begin();
    const auto claimed = ClaimEventKeys(tx, keys);
    REQUIRE(claimed.ok());
    REQUIRE(tx.Commit().ok());
    return *claimed;
  }
  void HoldAll() {
    for (int slice = 0; slice < kKeySlices; ++slice) REQUIRE(HoldEventKeys(*pool, slice).ok());
  }
  int64_t Count(const char* table) {
    return pool->Exec(std::string("SELECT count(*) FROM ") + table)->Get<int64_t>(0, 0);
  }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
};

// Keys in order: the n-th has the first byte n.
EventKeyRow Key(int n, int64_t content) {
  EventKeyRow out;
  out.event_key.bytes.fill(static_cast<uint8_t>(n * 7));
  out.event_key.bytes[0] = static_cast<uint8_t>(n);
  out.content = content;
  return out;
}

const std::vector<Claimed> kMixed = {Claimed::kSame, Claimed::kOther, Claimed::kNew};

}  // namespace

TEST_CASE("an id is taken once, in whichever of the two tables it stands") {
  Fixture f;
  CHECK(f.Claim({Key(1, 5), Key(2, 5)}) == std::vector<Claimed>{Claimed::kNew, Claimed::kNew});
  CHECK(f.Claim({Key(1, 5), Key(2, 6), Key(3, 5)}) == kMixed);
  f.HoldAll();
  CHECK(f.Count("event_key") == 0);
  CHECK(f.Count("event_key_held") == 3);
  CHECK(f.Claim({Key(1, 5), Key(2, 6), Key(200, 5)}) == kMixed);
  CHECK(f.Count("event_key") == 1);
  f.HoldAll();
  CHECK(f.Count("event_key_held") == 4);
}

TEST_CASE("contents that are not known are as good as any") {
  Fixture f;
  f.Claim({Key(1, 0)});
  CHECK(f.Claim({Key(1, 5)}) == std::vector<Claimed>{Claimed::kSame});
}

TEST_CASE("ids that were given back can be taken again") {
  Fixture f;
  f.Claim({Key(1, 5)});
  f.HoldAll();
  f.Claim({Key(2, 5)});
  db::Tx tx = *f.pool->Begin();
  REQUIRE(ReleaseEventKeys(tx, {Key(1, 0).event_key, Key(2, 0).event_key}).ok());
  REQUIRE(tx.Commit().ok());
  CHECK(f.Claim({Key(1, 9), Key(2, 9)}) == std::vector<Claimed>{Claimed::kNew, Claimed::kNew});
}

TEST_CASE("who takes an id at the same time waits, and ids do not go over meanwhile") {
  Fixture f;
  db::Tx first = *f.pool->Begin();
  REQUIRE(ClaimEventKeys(first, {Key(1, 5), Key(2, 5)}).ok());
  CHECK_FALSE(HoldEventKeys(*f.pool, 1).ok());
  std::vector<Claimed> second;
  std::thread other([&] { second = f.Claim({Key(1, 5), Key(3, 5)}); });
  absl::SleepFor(absl::Milliseconds(50));
  REQUIRE(first.Commit().ok());
  other.join();
  CHECK(second == std::vector<Claimed>{Claimed::kSame, Claimed::kNew});
  CHECK(*HoldEventKeys(*f.pool, 1) == 1);
}

TEST_CASE("one of many ids is taken at the same time") {
  Fixture f;
  std::vector<EventKeyRow> keys;
  for (int n = 0; n < 200; ++n) keys.push_back(Key(n, 1));
  db::Tx first = *f.pool->Begin();
  REQUIRE(ClaimEventKeys(first, {Key(7, 5), Key(9, 1)}).ok());
  std::vector<Claimed> second;
  std::thread other([&] { second = f.Claim(keys); });
  absl::SleepFor(absl::Milliseconds(50));
  REQUIRE(first.Commit().ok());
  other.join();
  std::vector<Claimed> expected(200, Claimed::kNew);
  expected[7] = Claimed::kOther;
  expected[9] = Claimed::kSame;
  CHECK(second == expected);
  CHECK(f.Count("event_key") == 200);
}

TEST_CASE("ids are taken once while they go over") {
  Fixture f;
  int64_t taken = 0;
  std::thread holder([&] {
    for (int round = 0; round < 3; ++round) {
      for (int slice = 0; slice < 40; ++slice) HoldEventKeys(*f.pool, slice).status().IgnoreError();
    }
  });
  for (int round = 0; round < 20; ++round) {
    std::vector<EventKeyRow> keys;
    for (int n = round; n < round + 20; ++n) keys.push_back(Key(n, 1));
    for (const Claimed claimed : f.Claim(keys)) taken += claimed == Claimed::kNew ? 1 : 0;
  }
  holder.join();
  CHECK(taken == 39);
  CHECK(f.Count("event_key") + f.Count("event_key_held") == 39);
}

TEST_CASE("keys are what the database makes of the same") {
  Fixture f;
  const auto key = f.pool->Exec(
      "SELECT encode(substring(sha256(int4send(3) || 'gw1'::bytea || int4send(2) || 'é'::bytea) "
      "FOR 16), 'hex')::uuid");
  CHECK(key->Get<Uuid>(0, 0) == EventKeyOf("gw1", "é"));
  const auto sample = f.pool->Exec(
      "SELECT encode(substring(sha256(int4send(2) || 's1'::bytea || int8send(60) || int8send(5) || "
      "int8send(7)) FOR 16), 'hex')::uuid");
  CHECK(sample->Get<Uuid>(0, 0) == SampleKeyOf("s1", 60, 5, 7));
  CHECK(EventKeyOf("a", "bc") != EventKeyOf("ab", "c"));
}

}  // namespace broadbill::rating
