#include "services/payments/domain/receivables.h"

#include <catch2/catch.hpp>
#include <random>

namespace broadbill::payments {
namespace {

Uuid Id(uint8_t n) {
  Uuid out;
  out.bytes[15] = n;
  return out;
}

}  // namespace

TEST_CASE("oldest due date first, then the lower number; credits before payments") {
  const auto out = Allocate(
      {{Id(1), "INV-3", CivilDay(2026, 4, 15), 5000},
       {Id(2), "INV-2", CivilDay(2026, 3, 15), 3000},
       {Id(3), "INV-1", CivilDay(2026, 4, 15), 1000}},
      {{Id(8), true, CivilDay(2026, 4, 1), 4000}, {Id(9), false, CivilDay(2026, 4, 2), 500}});
  REQUIRE(out.size() == 4);
  CHECK(out[3].amount == 500);
  CHECK(out[0].credit_id == Id(9));
  CHECK(out[0].document_id == Id(2));
  CHECK(out[1].amount == 2500);
  CHECK(out[2].document_id == Id(3));
  CHECK(out[2].amount == 1000);
}

TEST_CASE("allocations never exceed either side") {
  std::mt19937 random(2);
  for (int round = 0; round < 300; ++round) {
    std::vector<OpenItem> items;
    std::vector<Credit> credits;
    int64_t open = 0;
    int64_t money = 0;
    for (uint8_t i = 0; i < random() % 6; ++i) {
      items.push_back({Id(i), std::to_string(i), CivilDay(2026, 1, 1) + random() % 9,
                       1 + static_cast<int64_t>(random() % 9000)});
      open += items.back().open;
    }
    for (uint8_t i = 0; i < random() % 6; ++i) {
      credits.push_back({Id(static_cast<uint8_t>(100 + i)), random() % 2 == 0,
                         CivilDay(2026, 1, 1) + random() % 9,
                         1 + static_cast<int64_t>(random() % 9000)});
      money += credits.back().unapplied;
    }
    int64_t sum = 0;
    for (const Allocation& allocation : Allocate(items, credits)) {
      CHECK(allocation.amount > 0);
      sum += allocation.amount;
    }
    CHECK(sum == std::min(open, money));
  }
}

TEST_CASE("a credit that has a document to pay first pays it, and with its rest the oldest") {
  const auto out = Allocate(
      {{Id(1), "INV-1", CivilDay(2026, 3, 15), 3000}, {Id(2), "INV-2", CivilDay(2026, 4, 15), 131}},
      {{Id(8), false, CivilDay(2026, 4, 20), 200, Id(2)}});
  REQUIRE(out.size() == 2);
  CHECK(out[0].document_id == Id(2));
  CHECK(out[0].amount == 131);
  CHECK(out[1].document_id == Id(1));
  CHECK(out[1].amount == 69);
}

TEST_CASE("retries on days 1, 3, 5 and 7 after the first attempt, never two on a day") {
  const CivilDay first(2026, 4, 1);
  CHECK(NextRetry(first, 1, first) == CivilDay(2026, 4, 2));
  CHECK(NextRetry(first, 4, CivilDay(2026, 4, 6)) == CivilDay(2026, 4, 8));
  CHECK_FALSE(NextRetry(first, 5, CivilDay(2026, 4, 8)).has_value());
  // After a downtime: the missed days are not made up for on one day.
  CHECK(NextRetry(first, 2, CivilDay(2026, 4, 20)) == CivilDay(2026, 4, 21));
}

}  // namespace broadbill::payments
