#include "services/invoicing/domain/bill.h"

#include <catch2/catch.hpp>
#include <random>

namespace broadbill::invoicing {
namespace {

CivilDay D(const char* text) { return *ParseDate(text); }
Decimal Dec(const char* text) { return *Decimal::Parse(text); }

Terms Price(const char* price) {
  Terms terms;
  terms.plan_code = std::string("plan_") + price;
  terms.description = terms.plan_code;
  terms.price = Dec(price);
  return terms;
}

Item Make(std::vector<Segment> segments) {
  Item item;
  item.item_id.bytes[0] = 1;
  item.segments = std::move(segments);
  return item;
}

const CivilDay kOpen = CivilDay::max();
const Schedules kDay1{{{CivilDay(1970, 1, 1), 1}}, AnchorRule::kCycleDayOnOrAfterStart};

// Bills in order, carrying the coverage; returns every line as "start..end amount".
struct Ledger {
  std::vector<Piece> pieces;
  int64_t total = 0;

  std::string Run(const Item& item, const char* as_of, const Schedules& schedules = kDay1) {
    return Run(item, D(as_of), schedules);
  }
  std::string Run(const Item& item, CivilDay as_of, const Schedules& schedules = kDay1) {
    const auto bill = BillItem(item, schedules, pieces, as_of, 0, 2);
    REQUIRE(bill.ok());
    std::string out;
    int n = 0;
    for (const Line& line : bill->lines) {
      out += (line.kind == LineKind::kDiscount ? "  discount " : "") + line.days.ToString() + " " +
             std::to_string(line.amount) + "\n";
      total += line.amount;
    }
    std::vector<Piece> next = bill->pieces;
    for (Piece& piece : next) {
      if (piece.line_id.IsNil()) piece.line_id.bytes[15] = static_cast<uint8_t>(++n);
    }
    // Coverage never overlaps.
    int64_t days = 0;
    for (const Piece& piece : next) days += piece.days.days();
    CHECK(CoveredDays(next).days() == days);
    pieces = next;
    const auto again = BillItem(item, schedules, pieces, as_of, 0, 2);
    REQUIRE(again.ok());
    CHECK(again->lines.empty());
    CHECK_FALSE(again->changed);
    return out;
  }
};

}  // namespace

TEST_CASE("first invoice in the middle of a period") {
  Ledger ledger;
  const Item item = Make({{{D("2026-03-10"), kOpen}, Cause::kStart, false, Price("49.99")}});
  CHECK(ledger.Run(item, "2026-03-09").empty());
  CHECK(ledger.Run(item, "2026-03-10") == "2026-03-10..2026-04-01 3548\n");
  CHECK(ledger.Run(item, "2026-04-01") == "2026-04-01..2026-05-01 4999\n");
}

TEST_CASE("thirty-day proration, full and none at the start") {
  const auto first = [](Proration method) {
    Terms terms = Price("49.99");
    terms.start = method;
    Ledger ledger;
    return ledger.Run(Make({{{D("2026-03-10"), kOpen}, Cause::kStart, false, terms}}),
                      "2026-03-10");
  };
  CHECK(first(Proration::kThirtyDay) == "2026-03-10..2026-04-01 3499\n");
  CHECK(first(Proration::kFull) == "2026-03-10..2026-04-01 4999\n");
  CHECK(first(Proration::kNone) == "2026-03-10..2026-04-01 0\n");
}

TEST_CASE("suspended and cancelled: 22.57 stays, whether billed in full first or not") {
  Terms terms = Price("49.99");
  terms.suspension = SuspensionMode::kStop;
  const Item full = Make({{{D("2026-03-01"), kOpen}, Cause::kStart, false, terms}});
  const Item ended = Make({{{D("2026-03-01"), D("2026-03-10")}, Cause::kStart, false, terms},
                           {{D("2026-03-10"), D("2026-03-20")}, Cause::kSuspend, true, terms},
                           {{D("2026-03-20"), D("2026-03-25")}, Cause::kResume, false, terms}});
  Ledger first;
  CHECK(first.Run(full, "2026-03-01") == "2026-03-01..2026-04-01 4999\n");
  CHECK(first.Run(ended, "2026-04-01") ==
        "2026-03-10..2026-03-20 -1613\n2026-03-25..2026-04-01 -1129\n");
  CHECK(first.total == 2257);
  Ledger late;
  CHECK(late.Run(ended, "2026-04-01") ==
        "2026-03-01..2026-03-10 1451\n2026-03-20..2026-03-25 806\n");
}

TEST_CASE("change of plan inside a billed period") {
  const auto change = [](Proration old_method, Proration new_method) {
    Terms old_terms = Price("49.99");
    old_terms.change = old_method;
    Terms new_terms = Price("79.99");
    new_terms.change = new_method;
    Ledger ledger;
    ledger.Run(Make({{{D("2026-03-01"), kOpen}, Cause::kStart, false, old_terms}}), "2026-03-01");
    ledger.Run(Make({{{D("2026-03-01"), D("2026-03-10")}, Cause::kStart, false, old_terms},
                     {{D("2026-03-10"), kOpen}, Cause::kPlan, false, new_terms}}),
               "2026-03-10");
    return ledger.total - 4999;
  };
  CHECK(change(Proration::kActual, Proration::kActual) == 2129);
  CHECK(change(Proration::kFull, Proration::kFull) == 7999);
  CHECK(change(Proration::kNone, Proration::kNone) == 0);
}

TEST_CASE("change of quantity: 1 to 3") {
  Terms three = Price("49.99");
  three.quantity = Decimal::FromInt(3);
  Ledger ledger;
  ledger.Run(Make({{{D("2026-03-01"), kOpen}, Cause::kStart, false, Price("49.99")}}),
             "2026-03-01");
  ledger.Run(Make({{{D("2026-03-01"), D("2026-03-10")}, Cause::kStart, false, Price("49.99")},
                   {{D("2026-03-10"), kOpen}, Cause::kQuantity, false, three}}),
             "2026-03-10");
  CHECK(ledger.total - 4999 == 7095);
}

TEST_CASE("discounts are lines of day values on what earlier ones left") {
  Item item = Make({{{D("2026-03-10"), kOpen}, Cause::kStart, false, Price("79.99")}});
  Discount twenty;
  twenty.id.bytes[0] = 1;
  twenty.label = "20 %";
  twenty.percent = Dec("20");
  twenty.days = {D("2026-03-01"), kOpen};
  item.discounts = {twenty};
  Ledger ledger;
  CHECK(ledger.Run(item, "2026-03-10") ==
        "2026-03-10..2026-04-01 5677\n  discount 2026-03-10..2026-04-01 -1136\n");
  Item two = Make({{{D("2026-03-01"), kOpen}, Cause::kStart, false, Price("49.99")}});
  Discount ten = twenty;
  ten.percent = Dec("10");
  Discount five;
  five.id.bytes[0] = 2;
  five.label = "5 off";
  five.amount = Dec("5");
  five.days = twenty.days;
  two.discounts = {ten, five};
  Ledger both;
  both.Run(two, "2026-03-01");
  CHECK(both.total == 3999);
  Item part = Make({{{D("2026-03-10"), kOpen}, Cause::kStart, false, Price("49.99")}});
  part.discounts = {five};
  Ledger prorated;
  prorated.Run(part, "2026-03-10");
  CHECK(prorated.total == 3548 - 355);
}

TEST_CASE("a year with a term discount, cancelled: 198.21 stays") {
  Terms terms = Price("599.88");
  terms.recurrence = {12, 0};
  terms.term_discount_percent = Dec("10");
  Ledger ledger;
  ledger.Run(Make({{{D("2026-01-01"), kOpen}, Cause::kStart, false, terms}}), "2026-01-01");
  CHECK(ledger.total == 53989);
  ledger.Run(Make({{{D("2026-01-01"), D("2026-05-15")}, Cause::kStart, false, terms}}),
             "2026-05-15");
  CHECK(ledger.total == 19821);
  Item kept = Make({{{D("2026-01-01"), D("2026-05-15")}, Cause::kStart, false, terms}});
  kept.no_refund = true;
  Ledger no_refund;
  no_refund.Run(Make({{{D("2026-01-01"), kOpen}, Cause::kStart, false, terms}}), "2026-01-01");
  no_refund.Run(kept, "2026-05-15");
  CHECK(no_refund.total == 53989);
}

TEST_CASE("change of cycle day: the stub is prorated in its own anchor's period") {
  const Item item = Make({{{D("2026-05-01"), kOpen}, Cause::kStart, false, Price("249.95")}});
  const Schedules moved{{{CivilDay(1970, 1, 1), 1}, {D("2026-06-15"), 15}},
                        AnchorRule::kCycleDayOnOrAfterStart};
  Ledger ledger;
  CHECK(ledger.Run(item, "2026-06-01", moved) ==
        "2026-05-01..2026-06-01 24995\n2026-06-01..2026-06-15 11664\n");
  CHECK(ledger.Run(item, "2026-06-15", moved) == "2026-06-15..2026-07-15 24995\n");
}

TEST_CASE("arrears bill when the period has ended, the last stub included") {
  Terms terms = Price("30");
  terms.arrears = true;
  const Item item = Make({{{D("2026-03-10"), D("2026-04-11")}, Cause::kStart, false, terms}});
  Ledger ledger;
  CHECK(ledger.Run(item, "2026-03-31").empty());
  CHECK(ledger.Run(item, "2026-04-01") == "2026-03-10..2026-04-01 2129\n");
  CHECK(ledger.Run(item, "2026-04-11") == "2026-04-01..2026-04-11 1000\n");
}

TEST_CASE("whatever the order of runs and changes, the end is the price of the days served") {
  std::mt19937 random(17);
  const char* const prices[] = {"49.99", "79.99", "10.01", "0.07"};
  for (int round = 0; round < 400; ++round) {
    // A final history of random segments, and earlier versions of it.
    std::vector<Segment> segments;
    CivilDay at = CivilDay(2026, 1, 1) + static_cast<int>(random() % 40);
    const int count = 1 + static_cast<int>(random() % 5);
    for (int i = 0; i < count; ++i) {
      Terms terms = Price(prices[random() % 4]);
      terms.suspension = SuspensionMode::kStop;
      terms.quantity = Decimal::FromInt(1 + static_cast<int64_t>(random() % 3));
      const bool suspended = i > 0 && random() % 4 == 0;
      const CivilDay to = at + 1 + static_cast<int>(random() % 50);
      segments.push_back({{at, to}, i == 0 ? Cause::kStart : Cause::kPlan, suspended, terms});
      at = to;
    }
    if (random() % 2 == 0) segments.back().days.end = kOpen;
    const Schedules schedules{{{CivilDay(1970, 1, 1), 1 + static_cast<int>(random() % 31)}},
                              AnchorRule::kCycleDayOnOrAfterStart};
    Item final_item = Make(segments);
    if (random() % 2 == 0) {
      Discount discount;
      discount.id.bytes[0] = 9;
      discount.label = "d";
      discount.percent = Dec("12.5");
      discount.days = {CivilDay(2026, 1, 1), kOpen};
      final_item.discounts = {discount};
    }
    const CivilDay last = CivilDay(2026, 8, 1);
    Ledger straight;
    straight.Run(final_item, last, schedules);
    Ledger winding;
    for (CivilDay run = CivilDay(2026, 1, 1); run < last;
         run += 1 + static_cast<int>(random() % 45)) {
      // The history as far as it was known then: later segments still unknown, the last one open.
      Item known = final_item;
      const size_t keep = 1 + random() % segments.size();
      known.segments.resize(keep);
      if (keep < segments.size()) known.segments.back().days.end = kOpen;
      winding.Run(known, run, schedules);
    }
    winding.Run(final_item, last, schedules);
    CHECK(winding.total == straight.total);
    CHECK(CoveredDays(winding.pieces) == CoveredDays(straight.pieces));
  }
}

}  // namespace broadbill::invoicing
