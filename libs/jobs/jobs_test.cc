#include "libs/jobs/jobs.h"

#include <catch2/catch.hpp>

#include "absl/time/clock.h"
#include "libs/status/error.h"
#include "libs/testing/test_database.h"

namespace broadbill::jobs {

TEST_CASE("chunks are claimed once, leases expire, a lost lease changes nothing") {
  testing::TestDatabase database;
  const auto pool = *db::OpenPool(database.url(), "work", {});
  const Uuid job = Uuid::Make(absl::FromUnixSeconds(1775001600));
  REQUIRE(db::RunTx(*pool, [&](db::Tx& tx) {
            return Create(tx, job, "test", "spec", 2, absl::FromUnixSeconds(1775001600));
          }).ok());
  const auto first = *Take(*pool, "test", absl::ZeroDuration() - absl::Seconds(1));
  REQUIRE(first.has_value());
  CHECK(first->chunk == 0);
  CHECK(first->spec == "spec");
  const auto again = *Take(*pool, "test", absl::Seconds(30));
  REQUIRE(again.has_value());
  CHECK(again->chunk == 0);
  CHECK(again->fence == first->fence + 1);
  const auto second = *Take(*pool, "test", absl::Seconds(30));
  REQUIRE(second.has_value());
  CHECK(second->chunk == 1);
  CHECK_FALSE(Take(*pool, "test", absl::Seconds(30))->has_value());
  // The first holder comes back too late.
  CHECK(ReasonOf(db::RunTx(*pool, [&](db::Tx& tx) { return Fence(tx, *first); })) == "LEASE_LOST");
  CHECK(ReasonOf(Renew(*pool, *first, absl::Seconds(30))) == "LEASE_LOST");
  for (const Claim& claim : {*again, *second}) {
    CHECK(db::RunTx(*pool, [&](db::Tx& tx) {
            absl::Status status = Fence(tx, claim);
            return status.ok() ? Done(tx, claim) : status;
          }).ok());
  }
  auto tx = pool->Begin();
  CHECK(GetProgress(*tx, job)->done == 2);
  CHECK(SetState(*tx, job, "finished").ok());
  CHECK(ReasonOf(SetState(*tx, job, "paused")) == "JOB_ENDED");
}

TEST_CASE("a paused job gives no chunks") {
  testing::TestDatabase database;
  const auto pool = *db::OpenPool(database.url(), "work", {});
  const Uuid job = Uuid::Make(absl::FromUnixSeconds(1775001600));
  REQUIRE(db::RunTx(*pool, [&](db::Tx& tx) {
            absl::Status status = Create(tx, job, "test", "", 1, absl::FromUnixSeconds(1775001600));
            return status.ok() ? SetState(tx, job, "paused") : status;
          }).ok());
  CHECK_FALSE(Take(*pool, "test", absl::Seconds(30))->has_value());
}

TEST_CASE("a held lease does not run out, a given back chunk is anybody's") {
  testing::TestDatabase database;
  const auto pool = *db::OpenPool(database.url(), "work", {});
  const Uuid job = Uuid::Make(absl::FromUnixSeconds(1775001600));
  REQUIRE(db::RunTx(*pool, [&](db::Tx& tx) {
            return Create(tx, job, "test", "", 2, absl::FromUnixSeconds(1775001600));
          }).ok());
  Leases leases(pool, absl::Seconds(30));
  const auto first = *Take(*pool, "test", absl::Milliseconds(1));
  REQUIRE(first.has_value());
  {
    const Leases::Held held(&leases, *first);
    leases.Renew();
    const auto second = *Take(*pool, "test", absl::Seconds(30));
    REQUIRE(second.has_value());
    CHECK(second->chunk == 1);
    CHECK_FALSE(Take(*pool, "test", absl::Seconds(30))->has_value());
  }
  CHECK(*ReleaseAll(*pool, "other") == 0);
  CHECK(*ReleaseAll(*pool, "test") == 2);
  const auto again = *Take(*pool, "test", absl::Seconds(30));
  REQUIRE(again.has_value());
  CHECK(again->chunk == 0);
  CHECK(again->fence == first->fence + 1);
  CHECK(ReasonOf(db::RunTx(*pool, [&](db::Tx& tx) { return Fence(tx, *first); })) == "LEASE_LOST");
}

}  // namespace broadbill::jobs
