#include <catch2/catch.hpp>
#include <random>

#include "services/invoicing/domain/test_ledger.h"

namespace broadbill::invoicing {

TEST_CASE("a discount that holds for a part of the days names that part") {
  Item item = Open("2026-03-01", Price("31.00"));
  item.discounts = {Off("Ten", "10%", "2026-03-11", D("2026-03-21"))};
  TestLedger ledger;
  CHECK(ledger.Run(item, "2026-03-01") ==
        "2026-03-01..2026-04-01 3100\n  Ten 2026-03-11..2026-03-21 -100\n");
  CHECK(ledger.lines[1].derivation == "31 × 10 % × 10 ÷ 31 days → -1.00");
  // Cancelled inside it: the part of the discount goes back with the days.
  const Item ended = [&] {
    Item out = item;
    out.segments[0].days.end = D("2026-03-16");
    return out;
  }();
  CHECK(ledger.Run(ended, "2026-03-16") ==
        "2026-03-16..2026-04-01 -1600\n  Ten 2026-03-16..2026-03-21 50\n");
  CHECK(ledger.total == 1500 - 50);
}

TEST_CASE("a discount that comes or goes later is one line on the days it holds") {
  Item item = Open("2026-03-01", Price("31.00"));
  TestLedger ledger;
  ledger.Run(item, "2026-03-01");
  item.discounts = {Off("Ten", "10%", "2026-03-11", D("2026-03-21"))};
  CHECK(ledger.Run(item, "2026-03-15") == "  Ten 2026-03-11..2026-03-21 -100\n");
  CHECK_FALSE(ledger.lines[0].corrects_line.IsNil());
  item.discounts.clear();
  CHECK(ledger.Run(item, "2026-03-16") == "  Ten 2026-03-11..2026-03-21 100\n");
  CHECK(ledger.total == 3100);
}

TEST_CASE("discounts never take more than is left, to the cent") {
  Item item = Open("2026-03-01", Price("10.01"));
  item.discounts = {Off("Half", "50%"), Off("Much", "99")};
  TestLedger ledger;
  CHECK(ledger.Run(item, "2026-03-01") ==
        "2026-03-01..2026-04-01 1001\n  Half 2026-03-01..2026-04-01 -501\n"
        "  Much 2026-03-01..2026-04-01 -500\n");
  CHECK(ledger.total == 0);
  Item all = Open("2026-03-10", Price("49.99"));
  all.discounts = {Off("Third", "33.33%"), Off("All", "100%")};
  TestLedger nothing;
  nothing.Run(all, "2026-03-10");
  CHECK(nothing.total == 0);
}

TEST_CASE("an amount off the account is shared out over its lines") {
  TestLedger ledger({kDay1, {Off("Loyal", "5.00")}});
  const Item large = Open("2026-03-01", Price("49.99"), 1);
  const Item small = Open("2026-03-01", Price("10.00"), 2);
  CHECK(ledger.Run({large, small}, "2026-03-01") ==
        "2026-03-01..2026-04-01 4999\n  Loyal 2026-03-01..2026-04-01 -417\n"
        "2026-03-01..2026-04-01 1000\n  Loyal 2026-03-01..2026-04-01 -83\n");
  CHECK(ledger.lines[1].derivation == "share of 5 → -0.83");
  // One ends: the other bears what is left of the amount from there on, in all 5.00 stays.
  Item ended = small;
  ended.segments[0].days.end = D("2026-03-16");
  ledger.Run({large, ended}, "2026-03-16");
  CHECK(ledger.total == 4999 + 484 - 500);
  TestLedger straight({kDay1, {Off("Loyal", "5.00")}});
  straight.Run({large, ended}, "2026-03-16");
  CHECK(straight.total == ledger.total);
}

TEST_CASE("an amount off the account prorates with its lines and never goes below zero") {
  TestLedger stub({kDay1, {Off("Loyal", "5.00")}});
  stub.Run(Open("2026-03-10", Price("49.99")), "2026-03-10");
  CHECK(stub.total == 3548 - 355);
  TestLedger little({kDay1, {Off("Loyal", "5.00")}});
  little.Run({Open("2026-03-01", Price("2.00"), 1), Open("2026-03-01", Price("1.00"), 2)},
             "2026-03-01");
  CHECK(little.total == 0);
}

TEST_CASE("percent and amount off the account apply in order, after the items' own") {
  Item item = Open("2026-03-01", Price("100.00"));
  item.discounts = {Off("Own", "10%")};
  TestLedger first({kDay1, {Off("Amount", "40.00"), Off("Percent", "10%")}});
  first.Run(item, "2026-03-01");
  CHECK(first.total == 10000 - 1000 - 4000 - 500);
  TestLedger second({kDay1, {Off("Percent", "10%"), Off("Amount", "40.00")}});
  second.Run(item, "2026-03-01");
  CHECK(second.total == 10000 - 1000 - 900 - 4000);
}

TEST_CASE("with a year and a month side by side the month takes the amount off the account") {
  Terms year = Price("365.00");
  year.recurrence = {12, 0};
  TestLedger ledger({kDay1, {Off("Loyal", "5.00")}});
  const std::vector<Item> items = {Open("2026-01-01", year, 1),
                                   Open("2026-01-01", Price("10.00"), 2)};
  ledger.Run(items, "2026-01-01");
  CHECK(ledger.total == 36500 + 1000 - 500);
  ledger.Run(items, "2026-02-01");
  CHECK(ledger.total == 36500 + 2000 - 1000);
}

TEST_CASE("amounts off the account: whatever the order of runs, the end is the same") {
  std::mt19937 random(23);
  const char* const prices[] = {"49.99", "79.99", "10.01", "0.37"};
  for (int round = 0; round < 300; ++round) {
    std::vector<Item> items;
    const size_t count = 1 + random() % 3;
    for (size_t i = 0; i < count; ++i) {
      Terms terms = Price(prices[random() % 4]);
      terms.arrears = random() % 4 == 0;
      const CivilDay from = CivilDay(2026, 1, 1) + static_cast<int>(random() % 60);
      const CivilDay to = random() % 2 == 0 ? from + 20 + static_cast<int>(random() % 90) : kOpen;
      items.push_back(
          Make({{{from, to}, Cause::kStart, false, terms}}, static_cast<uint8_t>(i + 1)));
      if (random() % 3 == 0) items.back().discounts = {Off("Own", "12.5%")};
    }
    const AccountTerms terms{
        kDay1,
        {Off("Shared", "5.00", "2026-01-20"), Off("Percent", "7%", "2026-02-10", D("2026-04-04"))}};
    const CivilDay last = CivilDay(2026, 7, 1);
    TestLedger straight(terms);
    straight.Run(items, last);
    TestLedger winding(terms);
    for (CivilDay run = CivilDay(2026, 1, 1); run < last;
         run += 1 + static_cast<int>(random() % 40)) {
      std::vector<Item> known = items;
      for (Item& item : known) {
        if (item.segments[0].days.end > run) item.segments[0].days.end = kOpen;
      }
      winding.Run(known, run);
    }
    winding.Run(items, last);
    CHECK(winding.total == straight.total);
  }
}

}  // namespace broadbill::invoicing
