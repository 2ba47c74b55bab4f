#include "services/payments/domain/late_fees.h"

#include <catch2/catch.hpp>
#include <random>

namespace broadbill::payments {
namespace {

const CivilDay kMar15(2026, 3, 15);

Decimal Dec(const char* text) { return *Decimal::Parse(text); }

Uuid Id(uint8_t n) {
  Uuid out;
  out.bytes[15] = n;
  return out;
}

LateDocument Doc(int64_t total, CivilDay due = kMar15) {
  LateDocument out;
  out.document_id = Id(1);
  out.due_date = due;
  out.total = total;
  return out;
}

FeeStep Step(FeeTerms terms, int after_days = 5) {
  FeeStep out;
  out.name = "fee";
  out.after_days = after_days;
  out.terms = terms;
  return out;
}

FeeTerms Percent(const char* percent) {
  FeeTerms out;
  out.mode = FeeMode::kPercent;
  out.percent = Dec(percent);
  return out;
}

FeeTerms Flat(const char* flat) {
  FeeTerms out;
  out.flat = Dec(flat);
  return out;
}

FeePolicy Policy(FeeStep step) {
  FeePolicy out;
  out.steps.push_back(std::move(step));
  return out;
}

// "2026-03-20 131 of 8745", one a fee.
std::vector<std::string> Due(const FeePolicy& policy, const std::vector<LateDocument>& documents,
                             CivilDay as_of) {
  const auto fees = DueFees(policy, documents, as_of, 2);
  REQUIRE(fees.ok());
  std::vector<std::string> out;
  for (const AssessedFee& fee : *fees) {
    out.push_back(FormatDate(fee.day) + " " + std::to_string(fee.amount) + " of " +
                  std::to_string(fee.base));
  }
  return out;
}

using Fees = std::vector<std::string>;

}  // namespace

TEST_CASE("late fee of a base, by mode and bounds") {
  struct Row {
    FeeMode mode;
    const char *flat, *percent, *minimum, *maximum;
    int64_t base, fee;
  };
  const Row rows[] = {
      {FeeMode::kPercent, "0", "1.5", "", "", 8745, 131},    // 1.31175
      {FeeMode::kPercent, "0", "1.5", "", "", 4999, 75},     // 0.74985
      {FeeMode::kPercent, "0", "1.5", "", "", 100, 2},       // 0.015: half away from zero
      {FeeMode::kPercent, "0", "1.5", "", "", 0, 0},         // nothing open, no fee
      {FeeMode::kPercent, "0", "1.5", "2", "", 0, 0},        // not even the least one
      {FeeMode::kFlat, "10", "1.5", "", "", 8745, 1000},     //
      {FeeMode::kGreaterOf, "5", "1.5", "", "", 8745, 500},  //
      {FeeMode::kGreaterOf, "1", "1.5", "", "", 8745, 131},  //
      {FeeMode::kSum, "5", "1.5", "", "", 8745, 631},        //
      {FeeMode::kSum, "5", "1.5", "", "6", 8745, 600},       // at most
      {FeeMode::kPercent, "0", "1.5", "2", "", 100, 200},    // at least
      {FeeMode::kPercent, "0", "1.5", "2", "9", 100, 200},   // in between
      {FeeMode::kFlat, "0.005", "0", "", "", 8745, 1},       // rounded once, to the currency
  };
  for (const Row& row : rows) {
    FeeTerms terms;
    terms.mode = row.mode;
    terms.flat = Dec(row.flat);
    terms.percent = Dec(row.percent);
    if (*row.minimum != 0) terms.minimum = Dec(row.minimum);
    if (*row.maximum != 0) terms.maximum = Dec(row.maximum);
    INFO(static_cast<int>(row.mode) << " " << row.flat << " " << row.percent << " " << row.base);
    CHECK(*LateFee(terms, row.base, 2) == row.fee);
  }
  CHECK(*LateFee(Flat("500"), 8745, 0) == 500);     // yen
  CHECK(*LateFee(Percent("1.5"), 8745, 3) == 131);  // 8.745 dinars
  CHECK_FALSE(LateFee(Flat("1000000000000000000000"), 1, 3).ok());
}

TEST_CASE("the worked fees: 1.5 % once of 87.45 due Mar 15 and of 49.99 due Apr 15") {
  LateDocument second = Doc(4999, CivilDay(2026, 4, 15));
  second.document_id = Id(2);
  const FeePolicy policy = Policy(Step(Percent("1.5")));
  CHECK(Due(policy, {Doc(8745), second}, CivilDay(2026, 3, 19)).empty());
  CHECK(Due(policy, {Doc(8745), second}, CivilDay(2026, 3, 20)) == Fees{"2026-03-20 131 of 8745"});
  CHECK(Due(policy, {Doc(8745), second}, CivilDay(2026, 5, 1)) ==
        Fees{"2026-03-20 131 of 8745", "2026-04-20 75 of 4999"});
}

TEST_CASE("nobody is late on the due date or in the days of grace") {
  CHECK(StepDay(kMar15, 0, 0) == CivilDay(2026, 3, 16));
  CHECK(StepDay(kMar15, 0, 1) == CivilDay(2026, 3, 16));
  CHECK(StepDay(kMar15, 3, 0) == CivilDay(2026, 3, 19));
  CHECK(StepDay(kMar15, 3, 10) == CivilDay(2026, 3, 28));
  LateDocument paid_on_time = Doc(8745);
  paid_on_time.paid.push_back({kMar15, 8745});
  CHECK(Due(Policy(Step(Percent("1.5"), 0)), {paid_on_time}, CivilDay(2026, 4, 1)).empty());
}

TEST_CASE("the base: what was open when the day began, without fees and disputed amounts") {
  LateDocument document = Doc(10131);
  document.fees = 131;
  document.paid = {{CivilDay(2026, 3, 19), 2000}, {CivilDay(2026, 3, 20), 1000}};
  document.disputed = {{{CivilDay(2026, 3, 1), CivilDay(2026, 3, 21)}, 3000}};
  CHECK(OpenOn(document, CivilDay(2026, 3, 20)) == 8131);
  CHECK(FeeBaseOn(document, CivilDay(2026, 3, 19)) == 7000);
  CHECK(FeeBaseOn(document, CivilDay(2026, 3, 20)) == 5000);
  CHECK(FeeBaseOn(document, CivilDay(2026, 3, 21)) == 7000);  // the dispute is over
  document.paid.push_back({CivilDay(2026, 3, 21), 7000});     // only fees are left
  CHECK(OpenOn(document, CivilDay(2026, 3, 22)) == 131);
  CHECK(FeeBaseOn(document, CivilDay(2026, 3, 22)) == 0);
}

TEST_CASE("once, N times, each N days") {
  FeeStep step = Step(Flat("5"));
  step.every_days = 30;
  step.occurrences = 2;
  const CivilDay june(2026, 6, 30);
  CHECK(Due(Policy(step), {Doc(8745)}, june) ==
        Fees{"2026-03-20 500 of 8745", "2026-04-19 500 of 8745"});
  step.occurrences = 0;  // as long as it is open
  LateDocument document = Doc(8745);
  document.paid.push_back({CivilDay(2026, 5, 19), 8745});
  CHECK(Due(Policy(step), {document}, june) ==
        Fees{"2026-03-20 500 of 8745", "2026-04-19 500 of 8745", "2026-05-19 500 of 8745"});
  step.every_days = 0;
  CHECK(Due(Policy(step), {document}, june) == Fees{"2026-03-20 500 of 8745"});
}

TEST_CASE("missed fees are assessed each on the balance of its own day, and once") {
  FeeStep step = Step(Percent("1.5"));
  step.every_days = 30;
  LateDocument document = Doc(10000);
  document.paid = {{CivilDay(2026, 4, 1), 4000}};
  const FeePolicy policy = Policy(step);
  CHECK(Due(policy, {document}, CivilDay(2026, 4, 30)) ==
        Fees{"2026-03-20 150 of 10000", "2026-04-19 90 of 6000"});
  document.assessed = {{"fee", 1}};
  CHECK(Due(policy, {document}, CivilDay(2026, 4, 30)) == Fees{"2026-04-19 90 of 6000"});
  document.assessed = {{"fee", 1}, {"fee", 2}};
  CHECK(Due(policy, {document}, CivilDay(2026, 4, 30)).empty());
  // A payment recorded late counts from its value date.
  document.assessed.clear();
  document.paid.push_back({CivilDay(2026, 3, 19), 6000});
  CHECK(Due(policy, {document}, CivilDay(2026, 4, 30)) == Fees{"2026-03-20 60 of 4000"});
}

TEST_CASE("caps hold for all fees of a document; the fee that reaches one is cut") {
  FeeStep step = Step(Percent("10"));
  step.every_days = 30;
  step.cap_amount = Dec("25");
  const CivilDay december(2026, 12, 31);
  CHECK(Due(Policy(step), {Doc(10000)}, december) ==
        Fees{"2026-03-20 1000 of 10000", "2026-04-19 1000 of 10000", "2026-05-19 500 of 10000"});
  step.cap_percent = Dec("15");  // the lower one holds
  CHECK(Due(Policy(step), {Doc(10000)}, december) ==
        Fees{"2026-03-20 1000 of 10000", "2026-04-19 500 of 10000"});
  LateDocument document = Doc(10500);
  document.fees = 500;  // 15 % of 100.00, not of 105.00
  document.assessed = {{"fee", 1}};
  document.assessed_sum = 1400;
  CHECK(Due(Policy(step), {document}, december) == Fees{"2026-04-19 100 of 10000"});
}

TEST_CASE("threshold of the account, least base of a document, first day of a policy") {
  LateDocument small = Doc(1500);
  LateDocument other = Doc(1000, CivilDay(2026, 4, 10));
  other.document_id = Id(2);
  FeePolicy policy = Policy(Step(Flat("5")));
  policy.threshold = Dec("20");
  CHECK(Due(policy, {small}, CivilDay(2026, 4, 30)).empty());
  // Together they reach it, but only from the day on which both are past due.
  CHECK(Due(policy, {small, other}, CivilDay(2026, 4, 30)) == Fees{"2026-04-15 500 of 1000"});
  policy.threshold.reset();
  policy.steps[0].minimum_open = Dec("15");
  CHECK(Due(policy, {small, other}, CivilDay(2026, 4, 30)) == Fees{"2026-03-20 500 of 1500"});
  policy.steps[0].minimum_open.reset();
  policy.from_date = CivilDay(2026, 4, 1);
  CHECK(Due(policy, {small, other}, CivilDay(2026, 4, 30)) == Fees{"2026-04-15 500 of 1000"});
}

TEST_CASE("however the days of looking fall, the fees are the same") {
  std::mt19937 random(7);
  const auto pick = [&random](unsigned n) { return static_cast<int>(random() % n); };
  for (int round = 0; round < 500; ++round) {
    LateDocument document = Doc(1 + pick(20000));
    for (int i = pick(4); i > 0; --i) {
      document.paid.push_back({kMar15 + pick(120) - 10, 1 + pick(6000)});
    }
    FeeStep step = Step(Percent("2.5"), pick(20));
    step.occurrences = pick(5);
    step.every_days = 1 + pick(30);
    step.terms.minimum = Dec("0.10");
    if (pick(2) == 0) step.cap_amount = Dec("12");
    const FeePolicy policy = Policy(step);
    const CivilDay end = kMar15 + 150;
    const auto at_once = DueFees(policy, {document}, end, 2);
    std::vector<AssessedFee> stepwise;
    for (CivilDay day = kMar15; day <= end; day += 1 + pick(40)) {
      for (int last = 0; last < 2; ++last) {  // a rerun adds nothing
        const auto found = DueFees(policy, {document}, std::min(day, end), 2);
        CHECK((last == 0 || found->empty()));
        for (const AssessedFee& fee : *found) {
          stepwise.push_back(fee);
          document.assessed.insert({fee.step, fee.occurrence});
          document.assessed_sum += fee.amount;
        }
      }
    }
    const auto rest = DueFees(policy, {document}, end, 2);
    stepwise.insert(stepwise.end(), rest->begin(), rest->end());
    REQUIRE(stepwise.size() == at_once->size());
    for (size_t i = 0; i < stepwise.size(); ++i) {
      CHECK(stepwise[i].occurrence == (*at_once)[i].occurrence);
      CHECK(stepwise[i].day == (*at_once)[i].day);
      CHECK(stepwise[i].amount == (*at_once)[i].amount);
    }
  }
}

}  // namespace broadbill::payments
