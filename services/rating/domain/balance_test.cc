#include "services/rating/domain/balance.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

namespace broadbill::rating {
namespace {

CivilDay Month(int n) { return CivilDay(absl::CivilMonth(2026, 1) + n); }

Uuid Id(uint8_t n) {
  Uuid out;
  out.bytes.back() = n;
  return out;
}

ItemUse Use(uint8_t item, int month, int64_t used, int64_t allowance, Rollover rollover = {},
            const std::string& pool = "") {
  const DateInterval days{Month(month), Month(month + 1)};
  return {Id(item), days, days, used, allowance, rollover, pool};
}

std::vector<int64_t> Overages(const std::vector<ItemBalance>& balances) {
  std::vector<int64_t> out;
  for (const ItemBalance& one : balances) out.push_back(one.overage);
  return out;
}

}  // namespace

TEST_CASE("unused units are used first in later periods, until they end") {
  const Rollover two{2, std::nullopt};
  // 60 left of January, 100 of February, usable to the end of March and of April.
  const auto out = Settle({Use(1, 0, 40, 100, two), Use(1, 1, 0, 100, two), Use(1, 2, 50, 100, two),
                           Use(1, 3, 250, 100, two)},
                          {});
  CHECK(out[1].had.rolled_over == 60);
  CHECK(out[2].had.rolled_over == 160);
  CHECK(out[2].used.rolled_over == 50);
  CHECK(out[2].lapsed == 10);
  CHECK(out[3].had.rolled_over == 200);
  CHECK(out[3].used.rolled_over == 200);
  CHECK(out[3].used.allowance == 50);
  CHECK(out[3].overage == 0);
  CHECK(out[3].goes_on == 50);
}

TEST_CASE("a period begins with no more than the maximum, and the oldest lapse") {
  const Rollover terms{2, 80};
  const auto out = Settle({Use(1, 0, 50, 100, terms), Use(1, 1, 30, 100, terms),
                           Use(1, 2, 0, 100, terms), Use(1, 3, 200, 100, terms)},
                          {});
  // 50 of January; February uses 30 of them, and 20 + 100 is cut to 80 of its own.
  CHECK(out[1].had.rolled_over == 50);
  CHECK(out[1].lapsed == 40);
  CHECK(out[2].had.rolled_over == 80);
  // February's 80 would be usable in April too, but March's own fill the maximum.
  CHECK(out[2].lapsed == 100);
  CHECK(out[3].had.rolled_over == 80);
  CHECK(out[3].overage == 20);
}

TEST_CASE("units roll over a change of plan, not over a gap or into a plan without rollover") {
  const Rollover one{1, std::nullopt};
  CHECK(Overages(Settle({Use(1, 0, 0, 50, one), Use(1, 1, 120, 100, one)}, {}))[1] == 0);
  CHECK(Overages(Settle({Use(1, 0, 0, 50, one), Use(1, 2, 120, 100, one)}, {}))[1] == 20);
  CHECK(Overages(Settle({Use(1, 0, 0, 50, one), Use(1, 1, 120, 100)}, {}))[1] == 20);
  // Two plans in one month: what is left of both goes on into the next.
  ItemUse first = Use(1, 0, 10, 50, one);
  ItemUse second = Use(1, 0, 120, 100, one);
  first.days.end = second.days.start = CivilDay(2026, 1, 15);
  const auto out = Settle({first, second, Use(1, 1, 0, 100, one)}, {});
  CHECK(out[1].overage == 20);
  CHECK(out[2].had.rolled_over == 40);
}

TEST_CASE("bought units are used after the allowance, the first to end first, on their own days") {
  const std::map<Uuid, std::vector<BoughtUnits>> bought = {
      {Id(1),
       {{"late", CivilDay(2026, 1, 20), CivilDay(2026, 3, 1), 50},
        {"soon", CivilDay(2026, 1, 25), CivilDay(2026, 2, 1), 10}}}};
  const auto out = Settle({Use(1, 0, 130, 100), Use(1, 1, 125, 100), Use(1, 2, 105, 100)}, bought);
  // January: 10 that end with it, then 20 of the others; 30 are left in February, none in March.
  CHECK(out[0].used.bought == 30);
  CHECK(out[1].had.bought == 30);
  CHECK(out[1].used.bought == 25);
  CHECK(out[2].had.bought == 0);
  CHECK(Overages(out) == std::vector<int64_t>{0, 0, 5});
}

TEST_CASE("a pool shares what is left, the overage stays where it arose") {
  const auto out = Settle({Use(3, 0, 10, 100, {}, "family"), Use(1, 0, 180, 50, {}, "family"),
                           Use(2, 0, 130, 100, {}, "family"), Use(4, 0, 200, 100)},
                          {});
  // The first by id gets the 90 that are left; the second gets none.
  CHECK(Overages(out) == std::vector<int64_t>{0, 40, 30, 100});
  CHECK(out[0].given.allowance == 90);
  CHECK(out[1].taken == 90);
  CHECK(out[0].included() == 10);
  CHECK(out[1].included() == 140);
  // While something is left, each could use it.
  const auto half = Settle({Use(1, 0, 60, 50, {}, "family"), Use(2, 0, 0, 100, {}, "family")}, {});
  CHECK(half[0].included() == 150);
  CHECK(half[1].included() == 90);
}

TEST_CASE("what others of a pool used does not roll over") {
  const Rollover one{1, std::nullopt};
  const auto out = Settle({Use(1, 0, 20, 100, one, "p"), Use(2, 0, 150, 100, one, "p"),
                           Use(1, 1, 0, 100, one, "p"), Use(2, 1, 0, 100, one, "p")},
                          {});
  CHECK(out[2].had.rolled_over == 30);
  CHECK(out[3].had.rolled_over == 0);
}

TEST_CASE("nothing is used twice and nothing vanishes, in whatever order it is told") {
  std::mt19937 random(20261125);
  const auto below = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(n));
  };
  for (int round = 0; round < 500; ++round) {
    std::vector<ItemUse> uses;
    std::map<Uuid, std::vector<BoughtUnits>> bought;
    const Rollover rollover{static_cast<int>(below(4)),
                            below(2) == 0 ? std::nullopt : std::optional<int64_t>(below(120))};
    const int months = 1 + static_cast<int>(below(7));
    for (uint8_t item = 1; item <= 3; ++item) {
      const std::string pool = below(3) == 0 ? "" : "p";
      for (int month = 0; month < months; ++month) {
        uses.push_back(Use(item, month, below(220), 100, rollover, pool));
      }
      for (int64_t n = below(4); n > 0; --n) {
        const CivilDay from = Month(0) + below(months * 30);
        bought[Id(item)].push_back({std::to_string(n), from, from + 1 + below(60), below(80)});
      }
    }
    const auto out = Settle(uses, bought);
    int64_t granted = 0, drawn = 0, lapsed = 0, goes_on = 0, given = 0, taken = 0;
    std::map<std::pair<std::string, CivilDay>, std::vector<size_t>> pools;
    std::map<Uuid, int64_t> drawn_of_bought;
    for (size_t i = 0; i < uses.size(); ++i) {
      const ItemBalance& one = out[i];
      granted += uses[i].allowance;
      drawn +=
          one.used.rolled_over + one.used.allowance + one.given.rolled_over + one.given.allowance;
      lapsed += one.lapsed;
      if (uses[i].days.start == Month(months - 1)) goes_on += one.goes_on;
      given += one.given.total();
      taken += one.taken;
      drawn_of_bought[uses[i].item] += one.used.bought + one.given.bought;
      CHECK(one.used.total() + one.taken + one.overage == uses[i].used);
      CHECK(one.had.rolled_over <= rollover.maximum.value_or(1000000));
      CHECK(one.had.bought >= one.used.bought + one.given.bought);
      pools[{uses[i].pool.empty() ? uses[i].item.ToText("sub") : uses[i].pool, uses[i].days.start}]
          .push_back(i);
    }
    CHECK(granted == drawn + lapsed + goes_on);
    CHECK(given == taken);
    for (const auto& [item, units] : bought) {
      int64_t sum = 0;
      for (const BoughtUnits& one : units) sum += one.bytes;
      CHECK(drawn_of_bought[item] <= sum);
    }
    for (const auto& [name, members] : pools) {
      int64_t used = 0, had = 0, overage = 0;
      for (const size_t i : members) {
        used += uses[i].used;
        had += out[i].had.total();
        overage += out[i].overage;
        CHECK(out[i].included() >= uses[i].used - out[i].overage);
      }
      CHECK(overage == std::max<int64_t>(0, used - had));
    }
    std::vector<size_t> order(uses.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    std::vector<ItemUse> shuffled;
    for (const size_t i : order) shuffled.push_back(uses[i]);
    for (auto& [item, units] : bought) std::shuffle(units.begin(), units.end(), random);
    const auto again = Settle(shuffled, bought);
    for (size_t i = 0; i < order.size(); ++i) {
      CHECK(again[i].overage == out[order[i]].overage);
      CHECK(again[i].goes_on == out[order[i]].goes_on);
    }
  }
}

}  // namespace broadbill::rating
