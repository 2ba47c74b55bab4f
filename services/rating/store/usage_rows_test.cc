#include "services/rating/store/usage_rows.h"

#include <catch2/catch.hpp>
#include <set>

#include "libs/testing/test_database.h"
#include "services/rating/migrations.h"

namespace broadbill::rating {
namespace {

const absl::Time kMidnight = absl::FromUnixSeconds(1775001600);

// Sessions and session time of the readings that touch the hours [from, to) around midnight.
std::multiset<std::string> Touching(db::Pool& pool, const ItemKeys& items, int from, int to) {
  db::Tx tx = *pool.Begin();
  const auto rows =
      SamplesTouching(tx, items, kMidnight + absl::Hours(from), kMidnight + absl::Hours(to));
  REQUIRE(rows.ok());
  std::multiset<std::string> out;
  for (const SampleRow& row : *rows) {
    out.insert(row.session_id + " " + std::to_string(row.in_octets));
  }
  return out;
}

}  // namespace

TEST_CASE("of a session without session time all readings are there, of others what touches") {
  testing::TestDatabase database;
  const auto pool = *db::OpenPool(database.url(), "rating", Migrations());
  const Uuid account = Uuid::Make(kMidnight);
  const Uuid item = Uuid::Make(kMidnight);
  std::vector<SampleRow> rows;
  const auto add = [&](const char* session, int minutes, int64_t seconds, int64_t octets) {
    SampleRow row;
    row.account_id = account;
    row.item_id = item;
    row.at = kMidnight + absl::Minutes(minutes);
    row.sample_key = Uuid::Make(kMidnight);
    row.session_id = session;
    row.session_seconds = seconds;
    row.in_octets = octets;
    rows.push_back(row);
  };
  add("bare", -120, 0, 0);
  add("bare", -30, 0, 100);
  add("bare", 30, 0, 200);
  add("timed", -120, 0, 0);
  add("timed", -60, 3600, 100);
  add("over", -110, 600, 100);
  REQUIRE(db::RunTx(*pool, [&](db::Tx& tx) { return db::Copy(tx, rows); }).ok());
  ItemKeys items;
  items.Add(account, item);
  const std::multiset<std::string> bare = {"bare 0", "bare 100", "bare 200"};
  // The first half hour of the day: what was counted before it must be known.
  CHECK(Touching(*pool, items, 0, 1) == bare);
  // The last hour before it: what was counted behind it must be known, too.
  std::multiset<std::string> before = bare;
  before.insert({"timed 100", "timed 0"});
  std::multiset<std::string> told = Touching(*pool, items, -1, 0);
  told.erase("over 100");  // it may come along
  CHECK(told == before);
  CHECK(Touching(*pool, items, 1, 2).empty());
}

}  // namespace broadbill::rating
