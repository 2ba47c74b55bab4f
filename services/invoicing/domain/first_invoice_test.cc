#include <catch2/catch.hpp>

#include "services/invoicing/domain/schedule.h"
#include "services/invoicing/domain/test_ledger.h"

namespace broadbill::invoicing {

TEST_CASE("prorate and next: the first whole period is due with the stub") {
  Terms terms = Price("49.99");
  terms.first_invoice = FirstInvoice::kProrateAndNext;
  TestLedger ledger;
  const Item item = Open("2026-03-10", terms);
  CHECK(ledger.Run(item, "2026-03-10") ==
        "2026-03-10..2026-04-01 3548\n2026-04-01..2026-05-01 4999\n");
  CHECK(ledger.Run(item, "2026-04-01").empty());
  CHECK(ledger.Run(item, "2026-05-01") == "2026-05-01..2026-06-01 4999\n");
}

TEST_CASE("prorate and next: a start on the cycle day has no stub") {
  Terms terms = Price("49.99");
  terms.first_invoice = FirstInvoice::kProrateAndNext;
  TestLedger ledger;
  CHECK(ledger.Run(Open("2026-03-01", terms), "2026-03-01") == "2026-03-01..2026-04-01 4999\n");
}

TEST_CASE("prorate and next: cancelled in the stub, the whole period is given back") {
  Terms terms = Price("49.99");
  terms.first_invoice = FirstInvoice::kProrateAndNext;
  TestLedger ledger;
  ledger.Run(Open("2026-03-10", terms), "2026-03-10");
  const Item ended = Make({{{D("2026-03-10"), D("2026-03-20")}, Cause::kStart, false, terms}});
  CHECK(ledger.Run(ended, "2026-03-20") ==
        "2026-03-20..2026-04-01 -1935\n2026-04-01..2026-05-01 -4999\n");
  CHECK(ledger.total == 1613);
}

TEST_CASE("full, then a stub: the example of the handbook") {
  Terms terms = Price("49.99");
  terms.first_invoice = FirstInvoice::kFullThenStub;
  TestLedger ledger;
  const Item item = Open("2026-03-10", terms);
  CHECK(ledger.Run(item, "2026-03-10") == "2026-03-10..2026-04-10 4999\n");
  CHECK(ledger.Run(item, "2026-04-09").empty());
  CHECK(ledger.Run(item, "2026-04-10") == "2026-04-10..2026-05-01 3499\n");
  CHECK(ledger.Run(item, "2026-05-01") == "2026-05-01..2026-06-01 4999\n");
}

TEST_CASE("full, then a stub: from the 31st, for a year, and on the cycle day") {
  Terms terms = Price("31.00");
  terms.first_invoice = FirstInvoice::kFullThenStub;
  TestLedger short_month;
  CHECK(short_month.Run(Open("2026-01-31", terms), "2026-03-01") ==
        "2026-01-31..2026-02-28 3100\n2026-02-28..2026-03-01 111\n2026-03-01..2026-04-01 3100\n");
  TestLedger on_day;
  CHECK(on_day.Run(Open("2026-03-01", terms), "2026-04-01") ==
        "2026-03-01..2026-04-01 3100\n2026-04-01..2026-05-01 3100\n");
  terms.recurrence = {12, 0};
  terms.price = Dec("365");
  TestLedger year;
  CHECK(year.Run(Open("2026-03-10", terms), "2027-04-01") ==
        "2026-03-10..2027-03-10 36500\n2027-03-10..2027-04-01 2200\n2027-04-01..2028-04-01 "
        "36500\n");
}

TEST_CASE("full, then a stub: a change of cycle day inside the first period cuts it") {
  Terms terms = Price("31.00");
  terms.first_invoice = FirstInvoice::kFullThenStub;
  TestLedger ledger(
      {{{{CivilDay(1970, 1, 1), 1}, {D("2026-03-25"), 25}}, AnchorRule::kCycleDayOnOrAfterStart}});
  CHECK(ledger.Run(Open("2026-03-10", terms), "2026-03-25") ==
        "2026-03-10..2026-03-25 1500\n2026-03-25..2026-04-25 3100\n");
}

TEST_CASE("a stub under a new schedule is a period of its own and does not wait") {
  Terms terms = Price("49.99");
  terms.first_invoice = FirstInvoice::kFullThenStub;
  const Item item = Open("2026-03-10", terms);
  TestLedger ledger;
  ledger.Run(item, "2026-03-10");
  const auto stub = BillItem(item, kDay1, ledger.pieces[0], D("2026-04-10"), 0, 2);
  REQUIRE(stub.ok());
  CHECK(stub->fresh);
  const Schedules moved{{{CivilDay(1970, 1, 1), 1}, {D("2026-06-20"), 15}},
                        AnchorRule::kCycleDayOnOrAfterStart};
  const Item monthly = Open("2026-05-01", Price("31"));
  TestLedger cycles({moved});
  cycles.Run(monthly, "2026-06-01");
  const auto next = BillItem(monthly, moved, cycles.pieces[0], D("2026-06-20"), 0, 2);
  REQUIRE(next.ok());
  CHECK(next->fresh);
  // A change inside a billed period is not.
  const Item changed =
      Make({{{D("2026-05-01"), D("2026-06-10")}, Cause::kStart, false, Price("31")},
            {{D("2026-06-10"), kOpen}, Cause::kPlan, false, Price("62")}});
  const auto change = BillItem(changed, moved, cycles.pieces[0], D("2026-06-10"), 0, 2);
  REQUIRE(change.ok());
  CHECK(change->changed);
  CHECK_FALSE(change->fresh);
}

TEST_CASE("an item that ends with another's periods") {
  // The other began on Feb 14 with an anchor of its own: boundaries on the 14th.
  Item item = Open("2026-03-01", Price("31.00"));
  item.anchor_date = D("2026-02-14");
  TestLedger ledger({{{{CivilDay(1970, 1, 1), 14}}, AnchorRule::kAnniversary}});
  CHECK(ledger.Run(item, "2026-03-14") ==
        "2026-03-01..2026-03-14 1439\n2026-03-14..2026-04-14 3100\n");
  // A year that ends with the other's year.
  Terms year = Price("365.00");
  year.recurrence = {12, 0};
  Item yearly = Open("2026-03-10", year);
  yearly.anchor_date = D("2026-01-01");
  TestLedger years;
  CHECK(years.Run(yearly, "2026-03-10") == "2026-03-10..2027-01-01 29700\n");
}

TEST_CASE("the next due day: cycle invoices that are still to come") {
  Terms terms = Price("49.99");
  const Item monthly = Open("2026-03-10", terms);
  CHECK(NextDue(monthly, kDay1, {}, D("2026-03-10"), 0, 31) == D("2026-04-01"));
  CHECK(NextDue(monthly, kDay1, {}, D("2026-03-10"), 10, 31) == D("2026-03-22"));
  // What is billed already does not come again.
  const DateSet covered({{D("2026-03-10"), D("2026-05-01")}});
  CHECK(NextDue(monthly, kDay1, covered, D("2026-03-10"), 0, 31) == std::nullopt);
  CHECK(NextDue(monthly, kDay1, covered, D("2026-03-10"), 0, 60) == D("2026-05-01"));
  const Item ended = Make({{{D("2026-03-10"), D("2026-03-20")}, Cause::kStart, false, terms}});
  CHECK(NextDue(ended, kDay1, {}, D("2026-03-10"), 0, 400) == std::nullopt);
  terms.arrears = true;
  const Item arrears = Make({{{D("2026-03-10"), D("2026-03-20")}, Cause::kStart, false, terms}});
  CHECK(NextDue(arrears, kDay1, {}, D("2026-03-10"), 0, 31) == D("2026-03-20"));
}

TEST_CASE("closed months of usage never share a day") {
  Item item = Open("2026-05-01", Price("10"));
  const Schedules moved{{{CivilDay(1970, 1, 1), 1}, {D("2026-06-15"), 15}},
                        AnchorRule::kCycleDayOnOrAfterStart};
  const auto months = ClosedUsagePeriods(item, moved, D("2026-08-01"), 9);
  REQUIRE(months.size() == 3);
  CHECK(months[1].days.ToString() == "2026-06-01..2026-06-15");
  CHECK(months[1].full.ToString() == "2026-06-01..2026-07-01");
  CHECK(months[2].days.ToString() == "2026-06-15..2026-07-15");
}

}  // namespace broadbill::invoicing
