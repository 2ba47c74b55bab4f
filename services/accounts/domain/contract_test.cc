#include "services/accounts/domain/contract.h"

#include <catch2/catch.hpp>

namespace broadbill::accounts {
namespace {

constexpr uint8_t kNone = 0, kYear = 1, kRenewing = 2;

Uuid Plan(uint8_t n) {
  Uuid out;
  out.bytes[15] = n;
  return out;
}
CivilDay Date(const char* text) { return *ParseDate(text); }

// 12 months open after; 12 months renewing by 6 with 30 days of notice.
std::optional<ContractDates> Contracts(const Uuid& plan) {
  if (plan == Plan(kYear)) return ContractDates{12, 0, 0};
  if (plan == Plan(kRenewing)) return ContractDates{12, 6, 30};
  return std::nullopt;
}

std::string Text(const std::optional<Term>& term) {
  if (!term.has_value()) return "none";
  return FormatDate(term->start) + ".." + FormatDate(term->end) +
         (term->notice_by ? " notice by " + FormatDate(*term->notice_by) : "");
}

}  // namespace

TEST_CASE("the term that binds") {
  struct Case {
    std::vector<PlanFrom> plans;
    const char* today;
    const char* expected;
  };
  const CivilDay start = Date("2026-01-31");
  const std::vector<PlanFrom> year = {{start, Plan(kYear)}};
  const std::vector<PlanFrom> renewing = {{start, Plan(kRenewing)}};
  const std::vector<PlanFrom> upgraded = {{start, Plan(kYear)},
                                          {Date("2026-06-10"), Plan(kRenewing)}};
  const std::vector<PlanFrom> left = {{start, Plan(kRenewing)}, {Date("2026-06-10"), Plan(kNone)}};
  const Case cases[] = {
      {year, "2026-01-31", "2026-01-31..2027-01-31"},
      {year, "2027-01-30", "2026-01-31..2027-01-31"},
      {year, "2027-01-31", "none"},  // open after the term
      {renewing, "2026-12-31", "2026-01-31..2027-01-31 notice by 2026-12-31"},
      // The notice day is over: it has renewed.
      {renewing, "2027-01-01", "2026-01-31..2027-07-31 notice by 2027-06-30"},
      {renewing, "2027-07-01", "2026-01-31..2028-01-31 notice by 2027-12-31"},
      // A change to a plan with a contract starts a new term.
      {upgraded, "2026-06-09", "2026-01-31..2027-01-31"},
      {upgraded, "2026-06-10", "2026-06-10..2027-06-10 notice by 2027-05-10"},
      // One to a plan without keeps the term, which does not renew any more.
      {left, "2026-06-10", "2026-01-31..2027-01-31"},
      {left, "2027-01-31", "none"},
  };
  for (const Case& c : cases) {
    INFO(c.today);
    CHECK(Text(TermOn(c.plans, Contracts, Date(c.today), Date(c.today))) == c.expected);
  }
  // Cancelled in time: no renewal whatever the day.
  CHECK(Text(TermOn(renewing, Contracts, Date("2027-01-15"), Date("2026-12-31"))) ==
        "2026-01-31..2027-01-31 notice by 2026-12-31");
  CHECK(Text(TermOn(renewing, Contracts, Date("2027-02-15"), Date("2026-12-31"))) == "none");
}

TEST_CASE("leaving early") {
  struct Case {
    std::vector<PlanFrom> plans;
    const char* end;
    const char* recorded;
    const char* expected;
  };
  const CivilDay start = Date("2026-01-01");
  const std::vector<PlanFrom> year = {{start, Plan(kYear)}};
  const std::vector<PlanFrom> renewing = {{start, Plan(kRenewing)}};
  const std::vector<PlanFrom> left = {{start, Plan(kYear)}, {Date("2026-06-01"), Plan(kNone)}};
  const Case cases[] = {
      {year, "2026-12-31", "2026-03-01", "2026-01-01..2027-01-01"},
      {year, "2027-01-01", "2026-03-01", "none"},
      {year, "2027-05-01", "2027-04-01", "none"},
      // Recorded by the notice day: it ends with the term.
      {renewing, "2027-01-01", "2026-12-01", "none"},
      // A day later the term has renewed to July 1.
      {renewing, "2027-01-01", "2026-12-02", "2027-01-01..2027-07-01"},
      {renewing, "2026-12-20", "2026-12-02", "2026-01-01..2027-07-01"},
      {renewing, "2027-07-01", "2026-12-02", "none"},
      {renewing, "2027-03-01", "2027-02-20", "2027-01-01..2027-07-01"},
      // Recorded in time for an end after the term: free.
      {renewing, "2027-03-01", "2026-11-15", "none"},
      // Of the past: as if recorded on its date.
      {renewing, "2026-03-01", "2027-06-01", "2026-01-01..2027-01-01"},
      // A plan without a contract does not free from the term.
      {left, "2026-08-01", "2026-07-01", "2026-01-01..2027-01-01"},
      {left, "2027-01-01", "2026-07-01", "none"},
  };
  for (const Case& c : cases) {
    INFO(c.end << " recorded " << c.recorded);
    CHECK(Text(LeftEarly(c.plans, Contracts, Date(c.end), Date(c.recorded))) == c.expected);
  }
  CHECK_FALSE(LeftEarly({{start, Plan(kNone)}}, Contracts, Date("2026-02-01"), start).has_value());
}

}  // namespace broadbill::accounts
