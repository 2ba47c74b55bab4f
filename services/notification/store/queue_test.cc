#include "services/notification/store/queue.h"

#include <catch2/catch.hpp>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/status/macros.h"
#include "libs/testing/test_database.h"
#include "services/notification/migrations.h"

namespace broadbill::notification {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1775001600);

struct Fixture {
  Fixture() : pool(*db::OpenPool(database.url(), "notification", Migrations())) {}

  // Messages 0 … count − 1, due one second after another.
  void Queue(int count) {
    std::vector<MessageRow> rows;
    for (int i = 0; i < count; ++i) {
      MessageRow row;
      row.account_id = Uuid::Make(kNow);
      row.message_id = Uuid::Make(kNow);
      row.event_id = Uuid::Make(kNow);
      row.contact_id = Uuid::Make(kNow);
      row.template_code = "receipt";
      row.recipient = absl::StrCat("a", i, "@customer.example");
      row.currency = "USD";
      row.created_at = kNow;
      row.due_at = kNow + absl::Seconds(i);
      rows.push_back(std::move(row));
    }
    REQUIRE(db::RunTx(*pool, [&](db::Tx& tx) { return db::Insert(tx, rows).status(); }).ok());
  }
  std::vector<MessageRow> Claim(int limit, absl::Time now,
                                absl::Duration lease = absl::Seconds(10)) {
    auto rows = ClaimDue(*pool, limit, now, now + lease);
    INFO(rows.status());
    REQUIRE(rows.ok());
    return *std::move(rows);
  }
  bool Record(const MessageRow& claimed, int16_t state) {
    MessageRow after = claimed;
    after.state = state;
    after.subject = "Receipt";
    if (state == kDelivered) after.delivered_at = kNow;
    DeliveryRow delivery;
    delivery.at = kNow;
    delivery.ok = state == kDelivered;
    delivery.smtp_code = 250;
    bool ours = false;
    const absl::Status status = db::RunTx(*pool, [&](db::Tx& tx) -> absl::Status {
      ASSIGN_OR_RETURN(ours, RecordTry(tx, claimed, after, delivery));
      return absl::OkStatus();
    });
    INFO(status);
    REQUIRE(status.ok());
    return ours;
  }
  int64_t Count(const std::string& what) {
    return pool->Exec("SELECT count(*) FROM " + what)->Get<int64_t>(0, 0);
  }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
};

}  // namespace

TEST_CASE("claims take what is due, the longest due first, and no message twice") {
  Fixture f;
  f.Queue(10);
  const auto first = f.Claim(3, kNow + absl::Seconds(4));
  REQUIRE(first.size() == 3);
  CHECK(first[0].recipient == "a0@customer.example");
  const auto second = f.Claim(10, kNow + absl::Seconds(4));
  REQUIRE(second.size() == 2);
  CHECK(second[1].recipient == "a4@customer.example");
  CHECK(f.Claim(10, kNow + absl::Seconds(4)).empty());
}

TEST_CASE("two workers at once share the queue") {
  Fixture f;
  f.Queue(20);
  const absl::Time now = kNow + absl::Minutes(1);
  auto one = f.pool->Begin();
  REQUIRE(one.ok());
  // Locks of a claim in flight.
  const auto locked = one->Exec(
      "SELECT message_id FROM message WHERE state = 1 ORDER BY due_at LIMIT 8 FOR UPDATE SKIP "
      "LOCKED");
  REQUIRE(locked->size() == 8);
  std::set<Uuid> taken;
  for (int i = 0; i < locked->size(); ++i) taken.insert(locked->Get<Uuid>(i, 0));
  for (const MessageRow& row : f.Claim(20, now)) CHECK(taken.insert(row.message_id).second);
  CHECK(taken.size() == 20);
}

TEST_CASE("a worker that lost its lease records nothing") {
  Fixture f;
  f.Queue(1);
  const auto dead = f.Claim(1, kNow);
  REQUIRE(dead.size() == 1);
  CHECK(f.Claim(1, kNow + absl::Seconds(9)).empty());
  const auto heir = f.Claim(1, kNow + absl::Seconds(10));
  REQUIRE(heir.size() == 1);
  CHECK(heir[0].message_id == dead[0].message_id);
  CHECK(heir[0].fence > dead[0].fence);
  CHECK_FALSE(f.Record(dead[0], kFailed));
  CHECK(f.Count("delivery") == 0);
  CHECK(f.Record(heir[0], kDelivered));
  CHECK_FALSE(f.Record(heir[0], kDelivered));
  CHECK(f.Count("delivery") == 1);
  CHECK(f.Count("message WHERE state = 2 AND tries = 1 AND NOT leased") == 1);
  CHECK(f.Claim(1, kNow + absl::Hours(1)).empty());
}

TEST_CASE("what is given back is due again and has not been tried") {
  Fixture f;
  f.Queue(3);
  const auto rows = f.Claim(3, kNow + absl::Seconds(5));
  REQUIRE(rows.size() == 3);
  REQUIRE(f.Record(rows[0], kDelivered));
  REQUIRE(GiveBack(*f.pool, rows, kNow + absl::Seconds(7), "no answer").ok());
  CHECK(f.Claim(3, kNow + absl::Seconds(6)).empty());
  const auto again = f.Claim(3, kNow + absl::Seconds(7));
  REQUIRE(again.size() == 2);
  CHECK(again[0].error == "no answer");
  CHECK(again[0].tries == 0);
}

}  // namespace broadbill::notification
