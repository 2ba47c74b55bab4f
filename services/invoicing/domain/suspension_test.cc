#include <catch2/catch.hpp>
#include <random>

#include "services/invoicing/domain/test_ledger.h"

namespace broadbill::invoicing {
namespace {

// 31.00 a month from Jan 1, suspended and resumed; amounts are easy to read in March: 1.00 a day.
struct Case {
  const char* name;
  SuspensionMode mode;
  Proration method;
  bool arrears;
  const char* suspended;
  const char* resumed;   // "": still suspended
  int64_t march, april;  // what stays of each month in the end
};

Item History(const Case& one, bool known) {
  Terms terms = Price("31.00");
  terms.suspension = one.mode;
  terms.hold_price = Dec("6.20");
  terms.suspend = one.method;
  terms.arrears = one.arrears;
  if (!known) return Open("2026-03-01", terms);
  std::vector<Segment> out = {{{D("2026-03-01"), D(one.suspended)}, Cause::kStart, false, terms}};
  const bool open = std::string(one.resumed).empty();
  out.push_back({{D(one.suspended), open ? kOpen : D(one.resumed)}, Cause::kSuspend, true, terms});
  if (!open) out.push_back({{D(one.resumed), kOpen}, Cause::kResume, false, terms});
  return Make(out);
}

const Case kCases[] = {
    // The whole time is billed; the setting for suspensions has nothing to say.
    {"keep", SuspensionMode::kKeep, Proration::kActual, false, "2026-03-11", "2026-03-21", 3100,
     3100},
    {"keep, full", SuspensionMode::kKeep, Proration::kFull, false, "2026-03-11", "2026-03-21", 3100,
     3100},
    {"keep, none", SuspensionMode::kKeep, Proration::kNone, false, "2026-03-11", "2026-03-21", 3100,
     3100},
    // Days are given back.
    {"stop", SuspensionMode::kStop, Proration::kActual, false, "2026-03-11", "2026-03-21", 2100,
     3100},
    {"stop, by months of 30 days", SuspensionMode::kStop, Proration::kThirtyDay, false,
     "2026-03-11", "2026-03-21", 2066, 3100},
    // Full: no credit, and the days after it in the same period are paid already.
    {"stop, full", SuspensionMode::kStop, Proration::kFull, false, "2026-03-11", "2026-03-21", 3100,
     3100},
    // None: no credit, nothing until the boundary.
    {"stop, none", SuspensionMode::kStop, Proration::kNone, false, "2026-03-11", "2026-03-21", 3100,
     3100},
    {"stop over the boundary", SuspensionMode::kStop, Proration::kActual, false, "2026-03-11",
     "2026-04-16", 1000, 1550},
    {"stop, full, over the boundary", SuspensionMode::kStop, Proration::kFull, false, "2026-03-11",
     "2026-04-16", 3100, 3100},
    {"stop, none, over the boundary", SuspensionMode::kStop, Proration::kNone, false, "2026-03-11",
     "2026-04-16", 3100, 0},
    {"stop for good", SuspensionMode::kStop, Proration::kActual, false, "2026-03-11", "", 1000, 0},
    // The hold price is 6.20 a month: 0.20 a day in March.
    {"hold", SuspensionMode::kHold, Proration::kActual, false, "2026-03-11", "2026-03-21",
     2100 + 200, 3100},
    {"hold over the boundary", SuspensionMode::kHold, Proration::kActual, false, "2026-03-11",
     "2026-04-16", 1000 + 420, 310 + 1550},
    {"hold, full", SuspensionMode::kHold, Proration::kFull, false, "2026-03-11", "2026-03-21",
     3100 + 620, 3100},
    {"stop in arrears", SuspensionMode::kStop, Proration::kActual, true, "2026-03-11", "2026-03-21",
     2100, 3100},
    {"stop in arrears over the boundary", SuspensionMode::kStop, Proration::kActual, true,
     "2026-03-11", "2026-04-16", 1000, 1550},
    {"hold in arrears", SuspensionMode::kHold, Proration::kActual, true, "2026-03-11", "2026-03-21",
     2300, 3100},
};

int64_t Month(const std::vector<Piece>& pieces, int month) {
  int64_t sum = 0;
  for (const Piece& piece : pieces) sum += piece.base.start.month() == month ? piece.value : 0;
  return sum;
}

}  // namespace

TEST_CASE("suspensions: known before, during or long after, the same stays") {
  for (const Case& one : kCases) {
    INFO(one.name);
    TestLedger before;
    before.Run(History(one, true), "2026-03-01");
    before.Run(History(one, true), "2026-05-01");
    CHECK(Month(before.pieces[0], 3) == one.march);
    CHECK(Month(before.pieces[0], 4) == one.april);
    TestLedger back_dated;
    back_dated.Run(History(one, false), "2026-03-01");
    back_dated.Run(History(one, false), "2026-04-01");
    back_dated.Run(History(one, true), "2026-04-20");
    back_dated.Run(History(one, true), "2026-05-01");
    CHECK(back_dated.total == before.total);
    // Suspended first, and the end of it only known when it comes.
    TestLedger during;
    Case open = one;
    open.resumed = "";
    during.Run(History(one, false), "2026-03-01");
    during.Run(History(open, true), "2026-03-12");
    if (std::string(one.resumed) > "2026-04-01") during.Run(History(open, true), "2026-04-01");
    during.Run(History(one, true), "2026-04-30");
    during.Run(History(one, true), "2026-05-01");
    CHECK(during.total == before.total);
  }
}

TEST_CASE("a resume never back-bills: only days from it on are charged") {
  const Case one{
      "", SuspensionMode::kStop, Proration::kActual, false, "2026-03-11", "2026-04-16", 0, 0};
  Case open = one;
  open.resumed = "";
  TestLedger ledger;
  ledger.Run(History(one, false), "2026-03-01");
  CHECK(ledger.Run(History(open, true), "2026-03-11") == "2026-03-11..2026-04-01 -2100\n");
  CHECK(ledger.Run(History(open, true), "2026-04-01").empty());
  CHECK(ledger.Run(History(one, true), "2026-04-16") == "2026-04-16..2026-05-01 1550\n");
}

TEST_CASE("a suspension that is withdrawn, and a cancellation after it, name the right lines") {
  Terms terms = Price("31.00");
  terms.suspension = SuspensionMode::kStop;
  const Item whole = Open("2026-03-01", terms);
  const Item stopped = Make({{{D("2026-03-01"), D("2026-03-11")}, Cause::kStart, false, terms},
                             {{D("2026-03-11"), D("2026-03-21")}, Cause::kSuspend, true, terms},
                             {{D("2026-03-21"), kOpen}, Cause::kResume, false, terms}});
  TestLedger ledger;
  ledger.Run(whole, "2026-03-01");
  CHECK(ledger.Run(stopped, "2026-03-11") == "2026-03-11..2026-03-21 -1000\n");
  CHECK(ledger.Run(whole, "2026-03-12") == "2026-03-11..2026-03-21 1000\n");
  // Three pieces of two lines: the credit is split by the line that charged the days, so that no
  // line falls below its credits.
  const Item ended = Make({{{D("2026-03-01"), D("2026-03-05")}, Cause::kStart, false, terms}});
  CHECK(ledger.Run(ended, "2026-03-13") ==
        "2026-03-05..2026-03-11 -600\n2026-03-11..2026-03-21 -1000\n2026-03-21..2026-04-01 "
        "-1100\n");
  CHECK(ledger.total == 400);
}

TEST_CASE("a move splits the days by location and leaves their value") {
  for (const Proration method :
       {Proration::kActual, Proration::kThirtyDay, Proration::kFull, Proration::kNone}) {
    Terms terms = Price("49.99");
    terms.change = method;
    Uuid here;
    here.bytes[0] = 7;
    Uuid there;
    there.bytes[0] = 8;
    const Item stays = Make({{{D("2026-03-01"), kOpen}, Cause::kStart, false, terms, here}});
    const Item moved =
        Make({{{D("2026-03-01"), D("2026-03-10")}, Cause::kStart, false, terms, here},
              {{D("2026-03-10"), kOpen}, Cause::kMove, false, terms, there}});
    TestLedger late;
    late.Run(stays, "2026-03-01");
    late.Run(moved, "2026-03-20");
    CHECK(late.total == 4999);
    REQUIRE(late.lines.size() == 2);
    CHECK(late.lines[0].location_id == here);
    CHECK(late.lines[0].days.ToString() == "2026-03-10..2026-04-01");
    CHECK(late.lines[0].amount == -late.lines[1].amount);
    CHECK(late.lines[1].location_id == there);
    TestLedger known;
    known.Run(moved, "2026-03-01");
    CHECK(known.total == 4999);
    REQUIRE(known.lines.size() == 2);
    CHECK(known.lines[0].location_id == here);
    CHECK(known.lines[0].days.ToString() == "2026-03-01..2026-03-10");
  }
}

}  // namespace broadbill::invoicing
