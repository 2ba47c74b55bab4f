#include <catch2/catch.hpp>

#include "libs/status/error.h"
#include "services/tax/domain/areas.h"
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

TEST_CASE("Streamlined rates: dates become exclusive, bad rows are listed by line") {
  const auto rates = ParseSstRates(
      "27,45,27,0.06875,0.06875,0,0,20090701,29991231\r\n27,01,43000,x,0,0,0,20051001,29991231\r\n"
      "27,1,8794,0.0050,0.0050,0.0050,0.0050,20051001,20191231\r\nshort,row\r\n"
      "27,00,053,0.0015,0,0,0,20200101,20191231\r\n27,00,caf\xe9,0.1,0,0,0,20200101,20291231");
  REQUIRE(rates.ok());
  CHECK(rates->read == 6);
  CHECK(rates->states == std::set<std::string>{"US-27"});
  REQUIRE(rates->rates.size() == 2);
  CHECK(rates->rates[0].code == "US-27");
  CHECK(rates->rates[0].rate.ToString() == "6.875");
  CHECK(rates->rates[0].valid.end == CivilDay::max());
  CHECK(rates->rates[1].code == "US-27-01-08794");  // zeros a spreadsheet took
  CHECK(rates->rates[1].valid.end == CivilDay(2020, 1, 1));
  REQUIRE(rates->errors.size() == 4);
  CHECK(rates->errors[0].line == 2);
  CHECK(rates->errors[0].column == "general_rate_intrastate");
  CHECK(rates->errors[1].line == 4);
  CHECK(rates->errors[1].reason == "WRONG_COLUMN_COUNT");
  CHECK(rates->errors[2].line == 5);
  CHECK(rates->errors[2].column == "effective_end_date");
  CHECK(rates->errors[3].line == 6);
}

TEST_CASE("Streamlined rates of one jurisdiction follow each other") {
  const auto rates = ParseSstRates(
      "55,00,078,0.005,0,0,0,20200331,99991231\n55,00,078,0.0,0,0,0,19800101,20200331\n"
      "55,00,079,0.005,0,0,0,19910401,20231231\n55,00,079,0.005,0,0,0,19910401,20231231\n");
  REQUIRE(rates.ok());
  REQUIRE(rates->rates.size() == 3);
  CHECK(rates->rates[0].valid == DateInterval{CivilDay(1980, 1, 1), CivilDay(2020, 3, 31)});
  CHECK(rates->rates[1].valid.start == CivilDay(2020, 3, 31));
  CHECK(rates->remarks.size() == 1);
  CHECK(rates->errors.empty());
  const auto torn = ParseSstRates(
      "55,00,079,0.005,0,0,0,19910401,20231231\n55,00,079,0.006,0,0,0,19910401,20231231\n");
  REQUIRE(torn->errors.size() == 1);
  CHECK(torn->errors[0].line == 2);
  CHECK(torn->errors[0].reason == "DUPLICATE_ROW");
}

TEST_CASE("Streamlined files that lack a column are refused whole") {
  const auto rates = ParseSstRates("27,45,27,0.06875,0,0,0,20090701\n27,00,1,0,0,0,0,20090701\n");
  CHECK(ReasonOf(rates.status()) == "MISSING_COLUMN");
  CHECK(std::string(rates.status().message()).find("effective_end_date") != std::string::npos);
  CHECK(ReasonOf(ParseSstRates("").status()) == "EMPTY_FILE");
  CHECK(ReasonOf(ParseSstRates("\xff\xfe"
                               "2")
                     .status()) == "MALFORMED_FILE");
  CHECK(ReasonOf(ParseSstBoundaries("z,20161001,20190331\n").status()) == "MISSING_COLUMN");
}

std::string BoundaryLine(const std::string& head, const std::string& range,
                         const std::string& rest) {
  return head + std::string(15, ',') + range + ",,27,27," + rest + "\n";
}

TEST_CASE("Streamlined boundaries: ranges, places and districts; address rows are counted") {
  const auto file = ParseSstBoundaries(
      BoundaryLine("z,20171001,20190331", "55401,,55401,", "053,43000,,,,ST,80004,63,ST,9,45") +
      BoundaryLine("4,20161001,20190331", "55012,11,55013,9999", "25,") +
      BoundaryLine("A,20161001,20190331", "55012,,,", "25,") +
      BoundaryLine("4,20161001,20190331", "55012,,55013,9999", "25,") +
      BoundaryLine("Z,20161001,20190331", "55014,,55013,", "25,") +
      BoundaryLine("Q,20161001,20190331", "55014,,55013,", "25,"));
  REQUIRE(file.ok());
  CHECK(file->read == 6);
  CHECK(file->skipped == 1);
  REQUIRE(file->boundaries.size() == 2);
  CHECK(file->boundaries[0].codes ==
        std::vector<std::string>{"US-27", "US-27-00-053", "US-27-01-43000", "US-27-63-80004"});
  CHECK(file->boundaries[0].valid.end == CivilDay(2019, 4, 1));
  CHECK(file->boundaries[1].plus4_low == "0011");
  CHECK(file->boundaries[1].codes.back() == "US-27-00-025");
  REQUIRE(file->errors.size() == 3);
  CHECK(file->errors[0].column == "plus4_low");
  CHECK(file->errors[1].column == "zip_code_high");
  CHECK(file->errors[2].column == "record_type");
}

TEST_CASE("areas: the most precise row that holds on the day, the narrowest, the latest") {
  AreaIndex index;
  const DateInterval years{CivilDay(2019, 1, 1), CivilDay(2021, 1, 1)};
  const auto add = [&](const char* zips, const char* plus4, const char* code, DateInterval valid) {
    AreaRow row;
    row.country = "US";
    row.zip_low = std::string(zips, 5);
    row.zip_high = std::string(zips + 6, 5);
    if (*plus4 != 0) {
      row.plus4_low = std::string(plus4, 4);
      row.plus4_high = std::string(plus4 + 5, 4);
    }
    row.codes = {code};
    row.valid = valid;
    row.data_version = "v";
    index.Add(row);
  };
  add("55000-55999", "", "wide", years);
  add("55100-55199", "", "narrow", years);
  add("55104-55104", "", "one", {CivilDay(2020, 1, 1), CivilDay(2021, 1, 1)});
  add("55104-55104", "", "later", {CivilDay(2020, 7, 1), CivilDay(2021, 1, 1)});
  add("55012-55013", "0011-9999", "plus4", years);
  AreaRow place;
  place.country = "US";
  place.region = "MN";
  place.city = "duluth";
  place.codes = {"city"};
  place.valid = years;
  place.data_version = "v";
  index.Add(place);
  place.city = place.region = "";
  place.codes = {"country"};
  index.Add(place);
  place.country = "CA";
  place.zip_low = place.zip_high = "K1A 0B1";
  place.codes = {"ottawa"};
  index.Add(place);
  index.Finish();
  const auto find = [&](const char* country, const char* city, const char* zip, CivilDay day) {
    const AreaMatch match = index.Find(country, "MN", city, zip, day);
    return match.codes == nullptr ? "" : match.codes->front();
  };
  const CivilDay day(2020, 8, 1);
  CHECK(find("US", "", "55999", day) == "wide");
  CHECK(find("US", "", "55103", day) == "narrow");
  CHECK(find("US", "", "55104", day) == "later");
  CHECK(find("US", "", "55104", CivilDay(2020, 6, 30)) == "one");
  CHECK(find("US", "", "55104", CivilDay(2019, 6, 30)) == "narrow");
  CHECK(find("US", "", "55012-0010", day) == "wide");
  CHECK(find("US", "", "55012-0011", day) == "plus4");
  CHECK(find("US", "", "550130001", day) == "plus4");  // inside the range, without a dash
  CHECK(find("US", "", "55014-0001", day) == "wide");
  CHECK(find("US", "DULUTH", "60001", day) == "city");
  CHECK(find("US", "Nowhere", "60001", day) == "country");
  CHECK(find("US", "", "55104", CivilDay(2021, 1, 1)).empty());
  CHECK(find("CA", "", "k1a0b1", day) == "ottawa");
  CHECK(find("DE", "", "10115", day).empty());
  CHECK(index.Find("US", "", "", "55012-0011", day).matched == "55012-0011..55013-9999");
}

TEST_CASE("a rate of nothing is no tax unless it has a category") {
  const Rule none = Percent("US-55-01-1", "0", 4);
  Rule zero_rated = Percent("DE", "0", 1);
  zero_rated.category = "Z";
  const std::vector<const Rule*> rules = {&none, &zero_rated};
  const auto taxes = Calculate({{"other", "", 10000, &rules}}, {}, kProfile);
  REQUIRE(taxes->size() == 1);
  CHECK(taxes->at(0).rule == &zero_rated);
}

TEST_CASE("VAT states apart what it does not fall on, by category and reason") {
  Rule vat = Percent("DE", "19", 1);
  vat.category = "S";
  const std::vector<const Rule*> rules = {&vat};
  const DateInterval ever{CivilDay::min(), CivilDay::max()};
  const std::vector<Taxability> matrix = {
      {"DE", "", "export", "", false, "VATEX-EU-AE", ever, "AE"},
      {"DE", "", "insurance", "", false, "VATEX-EU-132", ever, "E"}};
  const auto taxes = Calculate({{"access", "", 10000, &rules},
                                {"export", "", 5000, &rules},
                                {"insurance", "", 700, &rules},
                                {"export", "", 300, &rules}},
                               matrix, kProfile);
  REQUIRE(taxes->size() == 3);
  CHECK(taxes->at(0).category == "S");
  CHECK(taxes->at(0).amount == 1900);
  CHECK(taxes->at(0).exempt == 0);
  CHECK(taxes->at(1).category == "AE");
  CHECK(taxes->at(1).exempt == 5300);
  CHECK(taxes->at(1).exempt_reason == "VATEX-EU-AE");
  CHECK(taxes->at(1).shares.size() == 2);
  CHECK(taxes->at(2).exempt == 700);
  CHECK(taxes->at(2).amount == 0);
}

}  // namespace broadbill::tax
