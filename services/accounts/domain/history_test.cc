#include "services/accounts/domain/history.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

namespace broadbill::accounts {
namespace {

Uuid Plan(uint8_t n) {
  Uuid out;
  out.bytes[15] = n;
  return out;
}
Decimal Dec(const char* text) { return *Decimal::Parse(text); }
CivilDay March(int day) { return CivilDay(2026, 3, day); }

PriceBook Prices(const Uuid& plan) {
  if (plan == Plan(1)) return {{March(1), Dec("49.99")}, {CivilDay(2026, 5, 1), Dec("54.99")}};
  return {{March(1), Dec("79.99")}};
}

std::string Text(const std::vector<Segment>& segments) {
  std::string out;
  for (const Segment& s : segments) {
    out += (s.days.end == CivilDay::max() ? FormatDate(s.days.start) + ".." : s.days.ToString()) +
           " " + s.price.ToString() + "x" + s.quantity.ToString() +
           (s.suspended ? " suspended" : "") + " " + std::to_string(static_cast<int>(s.cause)) +
           "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("history becomes segments") {
  History history;
  history.start = March(10);
  history.plan_id = Plan(1);
  CHECK(Text(Segments(history, Prices)) ==
        "2026-03-10..2026-05-01 49.99x1 1\n2026-05-01.. 54.99x1 4\n");
  history.changes = {
      {March(20), 1, ChangeKind::kPlan, Plan(2), false, {}},
      {March(25), 2, ChangeKind::kQuantity, {}, false, Dec("3")},
      {March(28), 3, ChangeKind::kSuspend, {}, false, {}},
      {March(30), 4, ChangeKind::kResume, {}, false, {}},
      {CivilDay(2026, 4, 5), 5, ChangeKind::kCancel, {}, false, {}},
  };
  const std::string expected =
      "2026-03-10..2026-03-20 49.99x1 1\n2026-03-20..2026-03-25 79.99x1 2\n"
      "2026-03-25..2026-03-28 79.99x3 3\n2026-03-28..2026-03-30 79.99x3 suspended 5\n"
      "2026-03-30..2026-04-05 79.99x3 6\n";
  CHECK(Text(Segments(history, Prices)) == expected);
  std::mt19937 random(5);
  for (int i = 0; i < 20; ++i) {
    std::shuffle(history.changes.begin(), history.changes.end(), random);
    CHECK(Text(Segments(history, Prices)) == expected);
  }
}

TEST_CASE("overrides, changes before the start, ends before the start") {
  History history;
  history.start = March(10);
  history.plan_id = Plan(1);
  history.price_override = Dec("40");
  history.changes = {{March(1), 1, ChangeKind::kQuantity, {}, false, Dec("2")},
                     {March(15), 2, ChangeKind::kPlan, Plan(2), true, {}},
                     {March(16), 3, ChangeKind::kClearPrice, {}, false, {}}};
  CHECK(Text(Segments(history, Prices)) ==
        "2026-03-10..2026-03-15 40x2 1\n2026-03-15..2026-03-16 40x2 2\n2026-03-16.. 79.99x2 4\n");
  history.end = March(10);
  CHECK(Segments(history, Prices).empty());
}

}  // namespace broadbill::accounts
