#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "services/tax/domain/engine.h"
#include "services/tax/domain/sst.h"

namespace broadbill::tax {
namespace {

const DateInterval kAlways{CivilDay(1970, 1, 1), CivilDay::max()};

Rule Percent(const char* code, const char* rate, int level) {
  Rule rule;
  rule.rule_id = rule.jurisdiction_code = code;
  rule.rate = *Decimal::Parse(rate);
  rule.level = level;
  rule.valid = kAlways;
  return rule;
}

int64_t Total(const std::vector<TaxAmount>& amounts) {
  int64_t out = 0;
  for (const TaxAmount& amount : amounts) {
    int64_t shares = 0;
    for (const LineShare& share : amount.shares) shares += share.amount;
    CHECK(shares == amount.amount);
    out += amount.amount;
  }
  return out;
}

const Profile kProfile{"residential", CivilDay(2026, 3, 1), 2, nullptr};

}  // namespace

TEST_CASE("each jurisdiction's tax once per document, spread over the lines") {
  const Rule state = Percent("US-27", "6.875", 2);
  const Rule city = Percent("US-27-01-43000", "0.5", 4);
  const std::vector<const Rule*> rules = {&state, &city};
  const auto taxes =
      Calculate({{"voice", "", 2495, &rules}, {"equipment", "", 999, &rules}}, {}, kProfile);
  REQUIRE(taxes.ok());
  REQUIRE(taxes->size() == 2);
  // 34.94 × 6.875 % = 2.402125; × 0.5 % = 0.1747.
  CHECK(taxes->at(0).amount == 240);
  CHECK(taxes->at(1).amount == 17);
  CHECK(Total(*taxes) == 257);
}

TEST_CASE("one hundred lines of 1.00 at 20 % are 20.00") {
  const Rule vat = Percent("DE", "20", 1);
  const std::vector<const Rule*> rules = {&vat};
  const std::vector<TaxableLine> lines(100, TaxableLine{"other", "", 100, &rules});
  CHECK(Total(*Calculate(lines, {}, kProfile)) == 2000);
}

TEST_CASE("Quebec: 100.00 gives 5.00 and 9.98") {
  const Rule gst = Percent("CA", "5", 1);
  const Rule qst = Percent("CA-QC", "9.975", 2);
  const std::vector<const Rule*> rules = {&gst, &qst};
  const auto taxes = Calculate({{"other", "", 10000, &rules}}, {}, kProfile);
  CHECK(taxes->at(0).amount == 500);
  CHECK(taxes->at(1).amount == 998);
}

TEST_CASE("the federal USF line may not exceed its cap; percent of gross lies inside") {
  Rule usf = Percent("US", "37.6", 1);
  usf.base_factor = *Decimal::Parse("0.649");
  usf.rounding = Rounding::kDown;
  const std::vector<const Rule*> rules = {&usf};
  CHECK(Total(*Calculate({{"voice", "", 2999, &rules}}, {}, kProfile)) == 731);
  Rule gross = Percent("BR", "15", 1);
  gross.kind = RuleKind::kPercentOfGross;
  const std::vector<const Rule*> inside = {&gross};
  CHECK(Total(*Calculate({{"other", "", 10000, &inside}}, {}, kProfile)) == 1765);
}

TEST_CASE("internet access is not taxable; certificates exempt in part") {
  const Rule state = Percent("US-27", "6.875", 2);
  const std::vector<const Rule*> rules = {&state};
  const std::vector<Taxability> itfa = {{"US", "", "internet_access", "", false, "ITFA", kAlways}};
  const auto taxes = Calculate({{"internet_access", "", 7999, &rules}, {"voice", "", 1000, &rules}},
                               itfa, kProfile);
  REQUIRE(taxes->size() == 1);
  CHECK(taxes->at(0).base == 1000);
  CHECK(taxes->at(0).exempt == 7999);
  CHECK(taxes->at(0).exempt_reason == "ITFA");
  CHECK(taxes->at(0).amount == 69);
  Exemption half;
  half.percent = Decimal::FromInt(50);
  half.reason = "certificate 7";
  half.valid = kAlways;
  const std::vector<Exemption> exemptions = {half};
  Profile profile = kProfile;
  profile.exemptions = &exemptions;
  CHECK(Calculate({{"voice", "", 1000, &rules}}, itfa, profile)->at(0).amount == 34);
}

TEST_CASE("negative documents mirror positive ones, discounts lower the base") {
  const Rule state = Percent("US-27", "6.875", 2);
  const std::vector<const Rule*> rules = {&state};
  const int64_t positive =
      Total(*Calculate({{"voice", "", 2495, &rules}, {"voice", "", 333, &rules}}, {}, kProfile));
  const int64_t negative =
      Total(*Calculate({{"voice", "", -2495, &rules}, {"voice", "", -333, &rules}}, {}, kProfile));
  CHECK(positive == -negative);
  CHECK(Total(*Calculate({{"voice", "", 10000, &rules}, {"voice", "", -2000, &rules}}, {},
                         kProfile)) == 550);
}

TEST_CASE("Streamlined files: dates become exclusive, bad rows are listed by line") {
  const SstRates rates = ParseSstRates(
      "27,45,27,0.06875,0.06875,0,0,20090701,29991231\n27,01,43000,x,0,0,0,20051001,29991231\n"
      "27,01,43000,0.0050,0.0050,0.0050,0.0050,20051001,20191231\nshort,row\n");
  CHECK(rates.read == 4);
  REQUIRE(rates.rates.size() == 2);
  CHECK(rates.rates[0].code == "US-27");
  CHECK(rates.rates[0].rate.ToString() == "6.875");
  CHECK(rates.rates[0].valid.end == CivilDay::max());
  CHECK(rates.rates[1].valid.end == CivilDay(2020, 1, 1));
  REQUIRE(rates.errors.size() == 2);
  CHECK(rates.errors[0].line == 2);
  CHECK(rates.errors[1].line == 4);
}

}  // namespace broadbill::tax
