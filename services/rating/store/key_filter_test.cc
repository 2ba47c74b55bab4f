#include "services/rating/store/key_filter.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "libs/testing/test_database.h"
#include "services/rating/migrations.h"
#include "services/rating/store/event_keys.h"

namespace broadbill::rating {
namespace {

std::vector<Uuid> RandomKeys(std::mt19937_64& random, size_t count) {
  std::vector<Uuid> out(count);
  for (Uuid& key : out) {
    for (uint8_t& byte : key.bytes) byte = static_cast<uint8_t>(random());
  }
  std::sort(out.begin(), out.end());
  return out;
}

struct Fixture {
  Fixture() : pool(*db::OpenPool(database.url(), "rating", Migrations())) {}

  std::vector<Claimed> Claim(const std::vector<Uuid>& keys, KeyFilters* filters) {
    std::vector<EventKeyRow> rows;
    for (const Uuid& key : keys) rows.push_back({key, 1});
    std::vector<Claimed> out;
    REQUIRE(db::RunTx(*pool, [&](db::Tx& tx) {
              const auto claimed = ClaimEventKeys(tx, rows, filters);
              if (claimed.ok()) out = *claimed;
              return claimed.status();
            }).ok());
    return out;
  }
  size_t MayBeHeld(const std::vector<Uuid>& keys, KeyFilters& filters) {
    db::Tx tx = *pool->Begin();
    return filters.MayBeHeld(tx, keys)->size();
  }
  void HoldAll() {
    for (int slice = 0; slice < kKeySlices; ++slice) REQUIRE(HoldEventKeys(*pool, slice).ok());
  }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
  std::mt19937_64 random{7};
};

}  // namespace

TEST_CASE("a full filter has all its keys and few others") {
  std::mt19937_64 random(1);
  const int32_t most = KeyFilter::KeysMax(2);
  const auto in = RandomKeys(random, static_cast<size_t>(most));
  const auto out = RandomKeys(random, 100000);
  KeyFilter filter(most);
  for (const Uuid& key : in) filter.Add(key);
  const KeyFilter copy(filter.bits());
  const auto may = [&](const Uuid& key) { return copy.MayHave(key); };
  CHECK(std::all_of(in.begin(), in.end(), may));
  CHECK(std::count_if(out.begin(), out.end(), may) < 1000);
}

TEST_CASE("what went over may be held, in every process, and what did not is not") {
  Fixture f;
  KeyFilters first, second;
  const auto old = RandomKeys(f.random, 3000), fresh = RandomKeys(f.random, 3000);
  f.Claim(old, &first);
  CHECK(f.MayBeHeld(old, first) == 0);
  f.HoldAll();
  CHECK(f.MayBeHeld(old, first) == 3000);
  CHECK(f.MayBeHeld(old, second) == 3000);
  CHECK(f.MayBeHeld(fresh, second) < 30);
  f.Claim(fresh, &second);
  f.HoldAll();
  CHECK(f.MayBeHeld(old, second) == 3000);
  CHECK(f.MayBeHeld(fresh, first) == 3000);
  CHECK(f.Claim(old, &first) == std::vector<Claimed>(3000, Claimed::kSame));
}

TEST_CASE("slices whose filters do not know all are asked for, until ids go over again") {
  Fixture f;
  const auto old = RandomKeys(f.random, 2000);
  f.Claim(old, nullptr);
  f.HoldAll();
  REQUIRE(f.pool->Exec("UPDATE event_key_slice SET covered = false, version = 0").ok());
  REQUIRE(f.pool->Exec("DELETE FROM event_key_filter").ok());
  KeyFilters filters;
  CHECK(f.MayBeHeld(RandomKeys(f.random, 500), filters) == 500);
  CHECK(f.Claim(old, &filters) == std::vector<Claimed>(2000, Claimed::kSame));
  f.HoldAll();
  CHECK(f.MayBeHeld(RandomKeys(f.random, 500), filters) < 20);
  CHECK(f.MayBeHeld(old, filters) == 2000);
}

TEST_CASE("filters that do not fit into their memory are done without") {
  Fixture f;
  const auto old = RandomKeys(f.random, 2000);
  f.Claim(old, nullptr);
  f.HoldAll();
  KeyFilters filters(KeyFilter::KeysMax(0) / 8 * 12 * 10);  // of ten slices
  const auto fresh = RandomKeys(f.random, 2000);
  const size_t asked = f.MayBeHeld(fresh, filters);
  CHECK(asked > 1800);
  CHECK(asked < 2000);
  CHECK(f.MayBeHeld(old, filters) == 2000);
}

TEST_CASE("a filter that is full is followed by another") {
  Fixture f;
  std::vector<Uuid> keys = RandomKeys(f.random, 1 << 14 | 5);
  for (Uuid& key : keys) key.bytes[0] = 3;
  KeyFilters filters;
  const auto add = [&](std::vector<Uuid> some) {
    REQUIRE(db::RunTx(*f.pool, [&](db::Tx& tx) { return AddToFilters(tx, 3, some); }).ok());
  };
  add({keys.begin(), keys.begin() + 10});
  CHECK(f.MayBeHeld(keys, filters) < 1000);
  add({keys.begin() + 10, keys.end() - 2});
  add({keys.end() - 2, keys.end()});
  CHECK(f.MayBeHeld(keys, filters) == keys.size());
  const auto parts = f.pool->Exec("SELECT part, keys FROM event_key_filter ORDER BY part");
  REQUIRE(parts->size() == 2);
  CHECK(parts->Get<int32_t>(0, 1) == 1 << 14);
  CHECK(parts->Get<int32_t>(1, 1) == 5);
}

}  // namespace broadbill::rating
