// Periods and stubs as other billing systems have them.

#include <catch2/catch.hpp>
#include <regex>

#include "absl/strings/str_cat.h"
#include "libs/calendar/period.h"
#include "libs/money/fraction.h"
#include "libs/money/money.h"
#include "services/invoicing/domain/bill.h"
#include "tests/conformance/inputs.h"

namespace broadbill::conformance {
namespace {

CivilDay Day(const std::string& text) {
  const auto day = ParseDate(text.substr(0, 10));
  INFO(text);
  REQUIRE(day.ok());
  return *day;
}

Recurrence RecurrenceOf(const std::string& period) {
  static const std::map<std::string, Recurrence> kPeriods = {
      {"ANNUAL", {12, 0}},          {"QUARTERLY", {3, 0}},   {"MONTHLY", {1, 0}},
      {"BIANNUAL", {6, 0}},         {"BIMESTRIAL", {2, 0}},  {"WEEKLY", {0, 7}},
      {"BIWEEKLY", {0, 14}},        {"DAILY", {0, 1}},       {"THIRTY_DAYS", {0, 30}},
      {"THIRTY_ONE_DAYS", {0, 31}}, {"SIXTY_DAYS", {0, 60}}, {"NINETY_DAYS", {0, 90}},
      {"BIENNIAL", {24, 0}},        {"TRIENNIAL", {36, 0}},  {"Monthly", {1, 0}},
      {"Quarterly", {3, 0}},        {"Semiannual", {6, 0}},  {"Annual", {12, 0}},
      {"monthly", {1, 0}},          {"quarterly", {3, 0}},   {"semiannual", {6, 0}},
      {"yearly", {12, 0}},          {"weekly", {0, 7}}};
  INFO(period);
  REQUIRE(kPeriods.count(period) == 1);
  return kPeriods.at(period);
}

// "key=value; key=value".
Row Fields(const std::string& text) {
  Row out;
  for (std::string part : Split(text, ';')) {
    while (!part.empty() && part.front() == ' ') part.erase(0, 1);
    const size_t equals = part.find('=');
    if (equals != std::string::npos) out[part.substr(0, equals)] = part.substr(equals + 1);
  }
  return out;
}

// The share of a period that [from, to) is, to nine decimals as their tests print it.
std::string Share(const DateInterval& period, CivilDay from, CivilDay to, Proration method) {
  const Position begin = PositionIn(period, from, method);
  const Position end = PositionIn(period, to, method);
  const auto value = Fraction::Ratio(end.at - begin.at, end.length).ToDecimal(9);
  REQUIRE(value.ok());
  std::string out = value->ToString();
  if (out.find('.') != std::string::npos) out.append(11 - std::min<size_t>(11, out.size()), '0');
  return out;
}

// An item billed monthly or so from a start day, as invoicing would.
invoicing::Item MakeItem(CivilDay start, CivilDay end, Recurrence recurrence, bool arrears) {
  invoicing::Item item;
  invoicing::Segment segment;
  segment.days = {start, end};
  segment.terms.recurrence = recurrence;
  segment.terms.price = Decimal::FromInt(100);
  segment.terms.arrears = arrears;
  item.segments.push_back(segment);
  return item;
}

std::string Intervals(const std::vector<DateInterval>& intervals) {
  std::string out;
  for (const DateInterval& days : intervals) {
    absl::StrAppend(&out, out.empty() ? "" : "; ", "[", FormatDate(days.start), ",",
                    FormatDate(days.end), ")");
  }
  return out.empty() ? "none" : out;
}

std::vector<DateInterval> Billed(const invoicing::Item& item, int cycle_day, CivilDay as_of) {
  invoicing::Schedules schedules;
  schedules.cycle_days.push_back({CivilDay(1970, 1, 1), cycle_day});
  const auto bill = invoicing::BillItem(item, schedules, {}, as_of, 0, 2);
  REQUIRE(bill.ok());
  std::vector<DateInterval> out;
  for (const invoicing::Line& line : bill->lines) out.push_back(line.days);
  return out;
}

// A plan changed inside its billed period of 30 days from 2025-01-01, as Meteroid's tests say it.
std::string Change(CivilDay day, const std::string& from, const std::string& to) {
  const DateInterval period{CivilDay(2025, 1, 1), CivilDay(2025, 1, 31)};
  invoicing::Item item = MakeItem(period.start, CivilDay::max(), Recurrence{0, 30}, false);
  item.segments[0].terms.price = *Decimal::Parse(from);
  invoicing::Schedules schedules;
  schedules.cycle_days.push_back({CivilDay(1970, 1, 1), 1});
  const auto before = invoicing::BillItem(item, schedules, {}, period.start, 0, 2);
  REQUIRE(before.ok());
  invoicing::Segment changed = item.segments[0];
  changed.days.start = day;
  changed.cause = invoicing::Cause::kPlan;
  changed.terms.price = *Decimal::Parse(to);
  if (day > period.start) {
    item.segments[0].days.end = day;
    item.segments.push_back(changed);
  } else {
    item.segments[0] = changed;
  }
  const auto after = invoicing::BillItem(item, schedules, before->pieces, day, 0, 2);
  REQUIRE(after.ok());
  int64_t credit = 0;
  int64_t charge = 0;
  for (const invoicing::Line& line : after->lines) {
    if (line.days.Intersect(period).empty()) continue;  // the next period's own charge
    (line.amount < 0 ? credit : charge) += line.amount;
  }
  if (credit == 0 && charge == 0) return "";
  return absl::StrCat("credit ", FormatMinor(credit, 2), "; charge +", FormatMinor(charge, 2),
                      "; net +", FormatMinor(credit + charge, 2));
}

}  // namespace

TEST_CASE("stub fractions of Kill Bill") {
  if (!HaveShared()) return;
  Tally tally("recurring/killbill_proration_fraction.csv");
  for (const Row& row : Table(SharedFile("oracle/recurring/killbill_proration_fraction.csv"))) {
    const std::string& operation = row.at("operation");
    const int fixed = std::stoi(row.at("fixed_days_in_month(0=actual)"));
    const CivilDay from = Day(row.at("from_date"));
    INFO(row.at("case_id"));
    const size_t colon = operation.find(':');
    if (colon != std::string::npos) {
      const std::string word = operation.substr(0, colon);
      const std::string rest = operation.substr(colon + 1);
      const Recurrence recurrence = RecurrenceOf(rest.substr(0, rest.find(' ')));
      const Schedule schedule(from, from.day(), recurrence);
      if (word == "whole_periods") {
        CHECK(tally.Count(schedule.IndexOf(Day(row.at("to_date"))) ==
                          std::stoll(row.at("expected"))));
      } else {
        const int64_t count = std::stoll(rest.substr(rest.find('x') + 1));
        const int64_t n = word == "recedeByNPeriods" ? -count : count;
        CHECK(tally.Count(FormatDate(schedule.Boundary(n)) == row.at("expected")));
      }
      continue;
    }
    if (fixed != 0 && fixed != 30) {
      tally.Skip("months of a fixed length other than 30 days are no method of ours");
      continue;
    }
    const CivilDay to = Day(row.at("to_date"));
    if (operation == "days_fixed") {
      CHECK(tally.Count(Days360(from, to) == std::stoll(row.at("expected"))));
      continue;
    }
    const DateInterval period{Day(row.at("period_start")), Day(row.at("period_end"))};
    if (from < period.start || to > period.end) {
      tally.Skip("a stub longer than its period: ours never is, it lies in several periods");
      continue;
    }
    CHECK(tally.Count(
        Share(period, from, to, fixed == 30 ? Proration::kThirtyDay : Proration::kActual) ==
        row.at("expected")));
  }
}

TEST_CASE("periods of items of Kill Bill") {
  if (!HaveShared()) return;
  Tally tally("recurring/killbill_recurring_periods.csv");
  for (const Row& row : Table(SharedFile("oracle/recurring/killbill_recurring_periods.csv"))) {
    const CivilDay end = row.at("end_date").empty() ? CivilDay::max() : Day(row.at("end_date"));
    const invoicing::Item item =
        MakeItem(Day(row.at("start_date")), end, RecurrenceOf(row.at("billing_period")),
                 row.at("billing_mode") == "IN_ARREAR");
    const auto billed =
        Billed(item, std::stoi(row.at("bill_cycle_day")), Day(row.at("target_date")));
    INFO(row.at("case_id"));
    CHECK(Intervals(billed) == row.at("expected_item_periods"));
    CHECK(tally.Count(Intervals(billed) == row.at("expected_item_periods")));
  }
}

TEST_CASE("cycle dates of Kill Bill") {
  if (!HaveShared()) return;
  Tally tally("recurring/killbill_billing_intervals.csv");
  for (const Row& row : Table(SharedFile("oracle/recurring/killbill_billing_intervals.csv"))) {
    const CivilDay start = Day(row.at("start_date"));
    const Schedule schedule = Schedule::For(start, std::stoi(row.at("bill_cycle_day")),
                                            RecurrenceOf(row.at("billing_period")));
    const bool arrears = row.at("billing_mode") == "IN_ARREAR";
    INFO(row.at("case_id"));
    bool compared = false;
    bool same = true;
    if (!row.at("exp_first_billing_cycle_date").empty()) {
      compared = true;
      same = same && FormatDate(schedule.anchor()) == row.at("exp_first_billing_cycle_date");
    }
    if (!row.at("target_date").empty()) {
      const CivilDay target = Day(row.at("target_date"));
      const CivilDay end = row.at("end_date").empty() ? CivilDay::max() : Day(row.at("end_date"));
      const invoicing::Item item =
          MakeItem(start, end, RecurrenceOf(row.at("billing_period")), arrears);
      const auto billed = Billed(item, std::stoi(row.at("bill_cycle_day")), target);
      if (!row.at("exp_has_something_to_bill").empty()) {
        compared = true;
        same = same && billed.empty() == (row.at("exp_has_something_to_bill") == "False");
      }
      if (!row.at("exp_effective_end_date").empty()) {
        if (row.at("in_arrear_mode") == "GREEDY" &&
            (billed.empty() || FormatDate(billed.back().end) != row.at("exp_effective_end_date"))) {
          tally.Skip("greedy arrears bill an item's end before its period is over");
          continue;
        }
        compared = true;
        same = same && !billed.empty() &&
               FormatDate(billed.back().end) == row.at("exp_effective_end_date");
      }
      if (!row.at("exp_next_billing_cycle_date").empty()) {
        compared = true;
        // The cycle date after the one the run covers.
        const CivilDay next = std::max(schedule.anchor(), schedule.PeriodContaining(target).end);
        same = same && FormatDate(target < schedule.anchor() ? schedule.anchor() : next) ==
                           row.at("exp_next_billing_cycle_date");
      }
      if (!row.at("exp_last_billing_cycle_date").empty()) {
        compared = true;
        const CivilDay last = std::max(schedule.anchor(), end == CivilDay::max() ? target : end);
        same = same && FormatDate(schedule.PeriodContaining(last).start) ==
                           row.at("exp_last_billing_cycle_date");
      }
    }
    if (!compared) {
      tally.Skip("the row expects nothing");
      continue;
    }
    CHECK(tally.Count(same));
  }
}

TEST_CASE("periods and changes of Meteroid") {
  if (!HaveShared()) return;
  Tally tally("recurring/meteroid_periods_proration.csv");
  for (const Row& row : Table(SharedFile("oracle/recurring/meteroid_periods_proration.csv"))) {
    const std::string name = row.at("case_id").substr(0, row.at("case_id").find('#'));
    const Row in = Fields(row.at("inputs"));
    const Row out = Fields(row.at("expected"));
    INFO(row.at("case_id"));
    if (name.rfind("plan_change", 0) == 0) {
      static const std::regex kChange(R"(.*change (\S+), (\d+) -> (\d+))");
      std::smatch match;
      const std::string& inputs = row.at("inputs");
      if (!std::regex_match(inputs, match, kChange)) {
        tally.Skip("usage, one-time and several items in words");
        continue;
      }
      CHECK(tally.Count(Change(Day(match[1]), match[2], match[3]) ==
                            row.at("expected").substr(0, row.at("expected").find(" (")) ||
                        (row.at("expected") == "no lines; net 0" &&
                         Change(Day(match[1]), match[2], match[3]).empty())));
      continue;
    }
    if (name == "test_elapsed_and_period_consistency") {
      tally.Skip("the row expects nothing");
      continue;
    }
    const Recurrence recurrence = RecurrenceOf(in.at("billing_period"));
    const int cycle_day = std::stoi(in.at("billing_day"));
    const auto get = [&](const char* field) {
      const auto found = in.find(field);
      return found == in.end() ? std::string() : found->second;
    };
    const std::string begin =
        !get("billing_start").empty() ? get("billing_start") : get("billing_start_or_resume_date");
    const CivilDay start = begin.empty() ? Day(in.at("invoice_date")) : Day(begin);
    // Its longer periods begin with the month of the start: our setting START_MONTH.
    const Schedule schedule =
        Schedule::For(start, cycle_day, recurrence, AnchorRule::kCycleDayInStartMonth);
    if (name == "test_calculate_elapsed_cycles") {
      // Boundaries after the start, up to the target.
      const int64_t passed = schedule.IndexOf(Day(in.at("target"))) - schedule.IndexOf(start);
      const size_t equals = row.at("expected").find('=');
      CHECK(tally.Count(passed == std::stoll(row.at("expected").substr(equals + 1))));
      continue;
    }
    DateInterval period;
    std::string from = "expected_start", to = "expected_end";
    if (name == "test_find_period_containing_date") {
      period = schedule.PeriodContaining(Day(in.at("target")));
    } else if (name == "test_calculate_advance_period_range") {
      period = schedule.PeriodContaining(start);
      from = "expected_period_start";
      to = "expected_period_end";
    } else {
      period = schedule.PeriodContaining(Day(in.at("invoice_date")) - 1);
      from = "expected_period_start";
      to = "expected_period_end";
    }
    period.start = std::max(period.start, start);
    CHECK(tally.Count(FormatDate(period.start) == out.at(from) &&
                      FormatDate(period.end) == out.at(to)));
  }
}

TEST_CASE("billing boundaries of Lago") {
  if (!HaveShared()) return;
  Tally tally("recurring/lago_billing_boundaries.csv");
  for (const Row& row : Table(SharedFile("oracle/recurring/lago_billing_boundaries.csv"))) {
    const CivilDay start = Day(row.at("subscription_start"));
    const CivilDay run = Day(row.at("billing_run_at"));
    const AnchorRule rule = row.at("billing_time") == "calendar" ? AnchorRule::kCycleDayInStartMonth
                                                                 : AnchorRule::kAnniversary;
    const Recurrence recurrence = RecurrenceOf(row.at("plan_interval"));
    const auto interval = [&](Recurrence of, bool advance) {
      const Schedule schedule = Schedule::For(start, 1, of, rule);
      DateInterval days = schedule.PeriodContaining(advance ? run : run - 1);
      days.start = std::max(days.start, start);
      return days;
    };
    const auto check = [&](const char* from, const char* to, Recurrence of, bool advance) {
      if (row.at(from).empty() || row.at(to).empty()) return;
      const DateInterval days = interval(of, advance);
      // Theirs ends in the last second, and begins at the moment of subscription.
      CHECK(tally.Count(days.start == Day(row.at(from)) && days.end - 1 == Day(row.at(to))));
    };
    INFO(row.at("case_id"));
    const bool advance = row.at("pay_in_advance") == "true";
    const bool fixed_monthly = row.at("fixed_charges_monthly") == "true";
    const bool charges_monthly = row.at("charges_monthly") == "true";
    // Where only the monthly charges of a longer plan are billed its own columns mean nothing.
    const Schedule own = Schedule::For(start, 1, recurrence, rule);
    const bool own_due = own.Boundary(own.IndexOf(run)) == run;
    if (own_due) {
      check("from", "to", recurrence, advance);
    } else {
      tally.Skip("from and to where the plan itself is not billed");
    }
    const bool first = run == start;
    if (first) continue;  // charges are in arrears: nothing yet
    check("charges_from", "charges_to", charges_monthly ? Recurrence{1, 0} : recurrence, false);
    check("fixed_charges_from", "fixed_charges_to", fixed_monthly ? Recurrence{1, 0} : recurrence,
          false);
  }
}

}  // namespace broadbill::conformance
