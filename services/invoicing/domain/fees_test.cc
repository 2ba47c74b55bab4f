#include "services/invoicing/domain/fees.h"

#include <catch2/catch.hpp>

#include "services/invoicing/domain/test_ledger.h"

namespace broadbill::invoicing {
namespace {

Item Contract(EarlyTermination kind, const char* amount, const char* end) {
  Terms terms = Price("49.99");
  Item item = Make({{{D("2026-03-10"), D(end)}, Cause::kStart, false, terms}});
  item.early_end =
      EarlyEnd{{D("2026-03-10"), D("2027-03-10")}, kind, {Dec(amount), "Leaving", "", ""}};
  return item;
}

std::string Text(const Item& item, const char* as_of, const std::vector<Piece>& pieces = {}) {
  const auto fees = FeesOf(item, pieces, D(as_of), 0, 2);
  Must(fees.ok(), "it has fees");
  std::string out;
  for (const Fee& fee : *fees) {
    out += fee.source + " " + fee.quantity.ToString() + " × " + fee.unit_price.ToString() + "\n";
  }
  return out;
}

}  // namespace

TEST_CASE("the setup fee is due with the first period") {
  Item item = Open("2026-03-10", Price("49.99"));
  item.setup_fee = OneTimeFee{Dec("99"), "Setup", "", ""};
  CHECK(Text(item, "2026-03-09").empty());
  CHECK(Text(item, "2026-03-10") == "setup 1 × 99\n");
  // Never started: nothing to set up.
  item.segments[0].days.end = D("2026-03-10");
  CHECK(Text(item, "2026-03-10").empty());
}

TEST_CASE("months to the end of the term, a started one counts whole") {
  CHECK(StartedMonths(D("2026-06-20"), D("2027-03-10")) == 9);
  CHECK(StartedMonths(D("2026-06-10"), D("2027-03-10")) == 9);
  CHECK(StartedMonths(D("2027-03-09"), D("2027-03-10")) == 1);
  CHECK(StartedMonths(D("2027-01-31"), D("2027-02-28")) == 1);
  CHECK(StartedMonths(D("2027-01-31"), D("2027-03-01")) == 2);
  CHECK(StartedMonths(D("2027-03-10"), D("2027-03-10")) == 0);
}

TEST_CASE("leaving early: fixed, by remaining months, not before the end and not after the term") {
  const Item fixed = Contract(EarlyTermination::kFixed, "150", "2026-06-20");
  CHECK(Text(fixed, "2026-06-19").empty());
  CHECK(Text(fixed, "2026-06-20") == "early_termination 1 × 150\n");
  CHECK(Text(Contract(EarlyTermination::kRemainingMonths, "10", "2026-06-20"), "2026-07-01") ==
        "early_termination 9 × 10\n");
  CHECK(Text(Contract(EarlyTermination::kFixed, "150", "2027-03-10"), "2027-04-01").empty());
  CHECK(Text(Contract(EarlyTermination::kNoFee, "150", "2026-06-20"), "2026-07-01").empty());
}

TEST_CASE("a claw-back is the sum of what the term gave, as it was billed") {
  Terms terms = Price("50.00");
  terms.term_discount_percent = Dec("10");
  Item open = Open("2026-03-01", terms);
  Discount free = Off("Free period", "100%", "2026-03-01", D("2026-04-01"));
  open.discounts = {free, Off("Promotion", "5.00")};
  TestLedger ledger;
  ledger.Run(open, "2026-03-01");
  ledger.Run(open, "2026-04-01");
  ledger.Run(open, "2026-05-01");
  Item ended = open;
  ended.segments[0].days.end = D("2026-05-16");
  ended.early_end = EarlyEnd{{D("2026-03-01"), D("2027-03-01")},
                             EarlyTermination::kClawBack,
                             {Decimal(), "Leaving", "", ""}};
  ledger.Run(ended, "2026-05-16");
  // March: 5.00 and the rest of 45.00 free; April 5.00; half of May: 2.42. The promotion stays.
  CHECK(Text(ended, "2026-05-16", ledger.pieces[0]) == "early_termination 1 × 57.42\n");
  // Nothing given, nothing to take back.
  CHECK(Text(Contract(EarlyTermination::kClawBack, "0", "2026-06-20"), "2026-07-01").empty());
}

}  // namespace broadbill::invoicing
