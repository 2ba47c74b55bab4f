// Lives of an item that random histories (tests/properties) showed to break a rule.

#include <catch2/catch.hpp>

#include "services/invoicing/domain/test_ledger.h"

namespace broadbill::invoicing {
namespace {

Terms Every(const char* price, Recurrence recurrence, bool arrears = false) {
  Terms terms = Price(price);
  terms.recurrence = recurrence;
  terms.arrears = arrears;
  return terms;
}

Schedules Moved(int day, const char* from, int to) {
  return {{{CivilDay(1970, 1, 1), day}, {D(from), to}}, AnchorRule::kCycleDayOnOrAfterStart};
}

}  // namespace

TEST_CASE("periods of days keep their anchor when the account's cycle day changes") {
  TestLedger ledger({Moved(1, "2026-02-11", 18)});
  CHECK(ledger.Run(Open("2026-02-02", Every("7", {0, 7})), "2026-02-16") ==
        "2026-02-02..2026-02-09 700\n2026-02-09..2026-02-16 700\n2026-02-16..2026-02-23 700\n");
}

TEST_CASE("a new cycle day under periods that a later run had billed: no day twice") {
  TestLedger ledger;
  const Item item = Open("2026-01-01", Every("30", {3, 0}));
  ledger.Run(item, "2026-07-01");
  ledger.terms().schedules = Moved(1, "2026-01-17", 20);
  // The checks are the ledger's: days covered twice are refused.
  ledger.Run(item, "2026-03-03");
  ledger.Run(item, "2026-10-01");
  TestLedger straight({Moved(1, "2026-01-17", 20)});
  straight.Run(item, "2026-10-01");
  CHECK(ledger.total == straight.total);
}

TEST_CASE("a plan in arrears whose period begins with a billed one of the old plan") {
  const Terms monthly = Price("10");
  TestLedger ledger;
  ledger.Run(Open("2026-02-01", monthly), "2026-03-01");
  CHECK(ledger.total == 2000);
  // Back-dated: from Feb 15 a year in arrears; of the month only [Feb 1, Feb 15) was served.
  const Item changed =
      Make({{{D("2026-02-01"), D("2026-02-15")}, Cause::kStart, false, monthly},
            {{D("2026-02-15"), kOpen}, Cause::kPlan, false, Every("120", {12, 0}, true)}});
  ledger.Run(changed, "2026-03-02");
  TestLedger straight;
  straight.Run(changed, "2026-03-02");
  CHECK(ledger.total == straight.total);
}

TEST_CASE(
    "a final bill in arrears of a cancellation that was taken back: days not served come back") {
  Terms yearly = Every("365", {12, 0}, true);
  yearly.suspension = SuspensionMode::kStop;
  TestLedger ledger;
  ledger.Run(Make({{{D("2026-01-01"), D("2026-11-12")}, Cause::kStart, false, yearly}}),
             "2026-11-17");
  CHECK(ledger.total == 31500);
  // It goes on, but was suspended since June: the year is not due yet, what was billed too much is.
  const Item suspended = Make({{{D("2026-01-01"), D("2026-06-02")}, Cause::kStart, false, yearly},
                               {{D("2026-06-02"), kOpen}, Cause::kSuspend, true, yearly}});
  CHECK(ledger.Run(suspended, "2026-12-29") == "2026-06-02..2026-11-12 -16300\n");
  CHECK(ledger.Run(suspended, "2027-01-01").empty());
  CHECK(ledger.total == 15200);
}

TEST_CASE("what is left of days billed before they are due stays, once, until it is due") {
  Terms yearly = Every("365", {12, 0}, true);
  yearly.suspension = SuspensionMode::kStop;
  TestLedger ledger;
  ledger.Run(Make({{{D("2026-01-01"), D("2026-07-01")}, Cause::kStart, false, yearly}}),
             "2026-07-01");
  // Suspended from April to September, and not cancelled: April to June come back, January to March
  // stay; what follows September is billed when the year is due.
  const Item resumed = Make({{{D("2026-01-01"), D("2026-04-01")}, Cause::kStart, false, yearly},
                             {{D("2026-04-01"), D("2026-09-01")}, Cause::kSuspend, true, yearly},
                             {{D("2026-09-01"), kOpen}, Cause::kResume, false, yearly}});
  CHECK(ledger.Run(resumed, "2026-12-01") == "2026-04-01..2026-07-01 -9100\n");
  CHECK(ledger.Run(resumed, "2027-01-01") == "2026-09-01..2027-01-01 12200\n");
  CHECK(ledger.total == 36500 - 15300);
}

TEST_CASE("days counted in two ways at both ends are never worth less than nothing") {
  Terms terms = Price("599.88");
  terms.start = terms.quantity_change = Proration::kThirtyDay;
  Terms half = terms;
  half.quantity = Dec("0.5");
  Terms last = half;
  last.price = Dec("0.07");
  const Item item = Make({{{D("2026-03-01"), D("2026-03-03")}, Cause::kStart, false, terms},
                          {{D("2026-03-03"), D("2026-03-04")}, Cause::kQuantity, false, half},
                          {{D("2026-03-04"), kOpen}, Cause::kPlan, false, last}});
  TestLedger ledger({{{{CivilDay(1970, 1, 1), 27}}, AnchorRule::kCycleDayOnOrAfterStart}});
  ledger.Run(item, "2026-03-04");
  for (const Line& line : ledger.lines) CHECK(line.amount >= 0);
}

TEST_CASE("what one line cannot hold is credited and charged anew, so that later credits fit") {
  // A change was scheduled and only the days before it billed; then the item ends without a refund,
  // which leaves the whole year; then everything is corrected back.
  Terms year = Every("49.99", {12, 0});
  Terms cheap = Every("0.005", {12, 0});
  year.cancel = cheap.cancel = Proration::kNone;
  const Schedules own{{{CivilDay(1970, 1, 1), 2}}, AnchorRule::kAnniversary};
  TestLedger ledger({own});
  ledger.Run(Make({{{D("2026-01-12"), D("2026-07-17")}, Cause::kStart, false, year},
                   {{D("2026-07-17"), kOpen}, Cause::kPlan, false, cheap}}),
             "2026-03-29");
  ledger.Run(Make({{{D("2026-01-12"), D("2026-05-03")}, Cause::kStart, false, year}}),
             "2026-03-30");
  CHECK(ledger.total == 4999);
  const Item corrected = Make({{{D("2026-01-12"), D("2026-03-02")}, Cause::kStart, false, year},
                               {{D("2026-03-02"), D("2026-05-03")}, Cause::kPrice, false, cheap}});
  ledger.Run(corrected, "2026-12-04");
  TestLedger straight({own});
  straight.Run(corrected, "2026-12-04");
  CHECK(ledger.total == straight.total);
}

TEST_CASE("a suspension without credits, moved: no part of a line below zero") {
  Terms terms = Every("20", {12, 0});
  terms.suspension = SuspensionMode::kHold;
  terms.hold_price = Dec("0.07");
  terms.suspend = Proration::kFull;
  const auto life = [&](const char* resumed) {
    return Make({{{D("2026-01-02"), D("2026-01-21")}, Cause::kStart, false, terms},
                 {{D("2026-01-21"), D(resumed)}, Cause::kSuspend, true, terms},
                 {{D(resumed), kOpen}, Cause::kResume, false, terms}});
  };
  TestLedger ledger({{{{CivilDay(1970, 1, 1), 3}}, AnchorRule::kAnniversary}});
  ledger.Run(life("2026-04-13"), "2026-06-12");
  ledger.Run(life("2026-04-08"), "2026-11-12");
  for (const Piece& piece : ledger.pieces[0]) CHECK(piece.value >= 0);
}

}  // namespace broadbill::invoicing
