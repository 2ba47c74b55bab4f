// Rate and boundary files of states as the states publish them.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "broadbill/tax/v1/area.pb.h"
#include "broadbill/tax/v1/calculation.pb.h"
#include "broadbill/tax/v1/rule.pb.h"
#include "libs/convert/convert.h"
#include "libs/status/error.h"
#include "tests/conformance/inputs.h"
#include "tests/conformance/suite.h"

namespace broadbill::conformance {
namespace {

namespace pb = broadbill::tax::v1;

constexpr char kMinnesota[] = "data/sst/MNR2026Q2FEB18.csv";
constexpr char kWisconsin[] = "data/sst/WIR2026Q2FEB18.csv";
constexpr char kGeorgia[] = "data/sst/GAR2026Q2FEB19.csv";
constexpr char kBoundaries[] = "data/sst/MNB2026Q2FEB18-sample.csv";

// "US-27" for a line's columns state, type, code.
std::string CodeOf(const std::vector<std::string>& row) {
  if (row[1] == "45") return "US-" + row[0];
  return absl::StrCat("US-", row[0], "-", row[1], "-", row[2]);
}

std::string Dashed(const std::string& day) {
  return day.substr(0, 4) + "-" + day.substr(4, 2) + "-" + day.substr(6);
}

// "code rate from to" of every rule there is, sorted; ids left out.
std::vector<std::string> AllRules(Suite& suite, bool ids = false) {
  std::vector<std::string> out;
  pb::ListTaxRulesRequest request;
  request.set_page_size(1000);
  while (true) {
    const auto page =
        suite.Call<pb::ListTaxRulesResponse>("broadbill.tax.v1.Tax/ListTaxRules", request);
    REQUIRE(page.ok());
    for (const pb::TaxRule& rule : page->rules()) {
      Violations violations;
      const CivilDay from = convert::ReadDate(rule.valid_from(), "from", violations);
      std::string to = "open";
      if (rule.has_valid_to()) {
        // Files name the last day, rules the first day after.
        to = FormatDate(convert::ReadDate(rule.valid_to(), "to", violations) - 1);
      }
      out.push_back(absl::StrCat(rule.jurisdiction_code(), " ", rule.rate().value(), " ",
                                 FormatDate(from), " ", to,
                                 ids ? rule.rule_id() + rule.data_version() : ""));
    }
    if (page->next_page_token().empty()) break;
    request.set_page_token(page->next_page_token());
  }
  std::sort(out.begin(), out.end());
  return out;
}

// The same from a file's lines: the percentage is the rate's digits with the point moved.
std::vector<std::string> RulesOfFile(const std::string& text) {
  std::vector<std::string> out;
  for (const std::string& line : Lines(text)) {
    const std::vector<std::string> row = Split(line, ',');
    const auto rate = Decimal::Parse(row[3]);
    REQUIRE(rate.ok());
    const std::string to = row[8] >= "29990000" ? "open" : Dashed(row[8]);
    out.push_back(absl::StrCat(CodeOf(row), " ",
                               Decimal::FromScaled(rate->scaled() * 100).ToString(), " ",
                               Dashed(row[7]), " ", to));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string AreaOf(Suite& suite, const std::string& zip, CivilDay day,
                   std::string* method = nullptr, std::string* matched = nullptr) {
  pb::ResolveAddressRequest request;
  request.mutable_address()->set_country_code("US");
  request.mutable_address()->set_region("MN");
  request.mutable_address()->set_postal_code(zip);
  *request.mutable_as_of() = convert::ToProto(day);
  const auto answer =
      suite.Call<pb::ResolveAddressResponse>("broadbill.tax.v1.Tax/ResolveAddress", request);
  if (!answer.ok()) return ReasonOf(answer.status());
  if (method != nullptr) *method = pb::ResolutionMethod_Name(answer->method());
  if (matched != nullptr) *matched = answer->matched();
  std::vector<std::string> codes;
  for (const auto& jurisdiction : answer->jurisdictions()) codes.push_back(jurisdiction.code());
  return absl::StrJoin(codes, " ");
}

// The taxes of one line of `net` cents at a ZIP: "US-27 6.875 688" each, and their sum.
std::pair<std::vector<std::string>, int64_t> TaxOf(Suite& suite, const std::string& zip,
                                                   CivilDay day, int64_t net,
                                                   const std::string& tax_class = "equipment") {
  pb::BatchCalculateRequest request;
  auto* location = request.add_locations();
  location->set_location_id("here");
  location->mutable_address()->set_country_code("US");
  location->mutable_address()->set_postal_code(zip);
  auto* document = request.add_documents();
  document->set_document_key("d");
  document->set_currency_code("USD");
  *document->mutable_tax_date() = convert::ToProto(day);
  auto* line = document->add_lines();
  line->set_line_id("l");
  line->set_location_id("here");
  line->set_tax_class(tax_class);
  line->set_net_minor(net);
  const auto answer =
      suite.Call<pb::BatchCalculateResponse>("broadbill.tax.v1.Tax/BatchCalculate", request);
  INFO(answer.status().message());
  REQUIRE(answer.ok());
  std::vector<std::string> taxes;
  for (const auto& tax : answer->documents(0).taxes()) {
    taxes.push_back(
        absl::StrCat(tax.jurisdiction_code(), " ", tax.rate().value(), " ", tax.amount_minor()));
  }
  return {taxes, answer->documents(0).tax_minor()};
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE(
    "rate files of three states: every row, twice, dry, and with the next quarter's changes") {
  if (!HaveShared()) return;
  Suite suite({"tax"});
  const std::string minnesota = SharedFile(kMinnesota);
  const std::string georgia = SharedFile(kGeorgia);
  const std::string wisconsin = SharedFile(kWisconsin);

  const auto dry = suite.Import("tax-rates-sst", kMinnesota, minnesota, {}, true);
  REQUIRE(dry.ok());
  CHECK(dry->rows_applied() == 148);
  CHECK(dry->import_id().empty());
  CHECK(AllRules(suite).empty());

  const auto first = suite.Import("tax-rates-sst", kMinnesota, minnesota);
  REQUIRE(first.ok());
  CHECK(first->rows_read() == 148);
  CHECK(first->rows_applied() == 148);
  CHECK(first->errors_total() == 0);
  CHECK(Suite::Count(*first, "jurisdictions") == 140);
  CHECK(AllRules(suite) == RulesOfFile(minnesota));

  REQUIRE(suite.Import("tax-rates-sst", kGeorgia, georgia).ok());
  const auto third = suite.Import("tax-rates-sst", kWisconsin, wisconsin);
  REQUIRE(third.ok());
  CHECK(third->rows_applied() == 1941);
  // Menominee County's 0 % lasts to the day on which its 0.5 % begins: the later row wins that day.
  REQUIRE(third->differences_size() == 1);
  CHECK(third->differences(0) == "US-55-00-078: line 47 ends at 2020-03-31, where line 48 begins");
  std::vector<std::string> all = RulesOfFile(minnesota + "\n" + georgia + wisconsin);
  CHECK(all.size() == 148 + 449 + 1941);
  *std::find(all.begin(), all.end(), "US-55-00-078 0 1980-01-01 2020-03-31") =
      "US-55-00-078 0 1980-01-01 2020-03-30";
  std::sort(all.begin(), all.end());
  CHECK(AllRules(suite) == all);

  // Read off the files by hand.
  const std::set<std::string> rules(all.begin(), all.end());
  for (const char* rule :
       {"US-27 6.875 2009-07-01 open", "US-27-00-053 0.15 2007-01-01 open",
        "US-27-01-43000 0.5 2005-10-01 open", "US-27-01-58000 0.5 2005-10-01 2024-03-31",
        "US-27-63-80011 0.625 2024-07-01 open", "US-13 4 2011-01-01 open",
        "US-13-63-00060 0.75 2017-04-01 open", "US-55 5 1980-01-01 open",
        "US-55-00-079 0.9 2024-01-01 open", "US-55-01-53000 2 2024-01-01 open"}) {
    INFO(rule);
    CHECK(rules.count(rule) == 1);
  }

  // Again, and as other programs would save it: nothing changes, rule versions stay.
  const std::vector<std::string> before = AllRules(suite, true);
  std::string quoted;
  for (const std::string& line : Lines(minnesota)) {
    quoted += "\"" + absl::StrJoin(Split(line, ','), "\",\"") + "\"\r\n";
  }
  for (const std::string& copy :
       {minnesota, "\xef\xbb\xbf" + minnesota, Join(Lines(minnesota), "\r\n"), quoted}) {
    const auto again = suite.Import("tax-rates-sst", kMinnesota, copy);
    REQUIRE(again.ok());
    CHECK(again->rows_applied() == 0);
    CHECK(again->rows_skipped() == 148);
    CHECK(again->differences_size() == 0);
  }
  CHECK(AllRules(suite, true) == before);

  // A new quarter: one rate ends, another follows it, one is withdrawn. Other states stay.
  std::vector<std::string> quarter = Lines(minnesota);
  quarter[1] = "27,01,43000,0.0050,0.0050,0.0050,0.0050,20051001,20260930";
  quarter.push_back("27,01,43000,0.0075,0.0075,0.0075,0.0075,20261001,29991231");
  REQUIRE(quarter[147].substr(0, 9) == "27,00,043");
  quarter.erase(quarter.begin() + 147);
  const auto changed = suite.Import("tax-rates-sst", "MNR2026Q4.csv", Join(quarter));
  REQUIRE(changed.ok());
  CHECK(changed->rows_applied() == 2);
  CHECK(changed->rows_skipped() == 146);
  CHECK(Suite::Count(*changed, "changed") == 1);
  CHECK(Suite::Count(*changed, "new") == 1);
  CHECK(Suite::Count(*changed, "withdrawn") == 1);
  REQUIRE(changed->differences_size() == 2);
  CHECK(changed->differences(0) ==
        "US-27-01-43000 sales from 2005-10-01: 0.5 % → 0.5 % to 2026-10-01");
  CHECK(AllRules(suite).size() == all.size());
  // And back.
  REQUIRE(suite.Import("tax-rates-sst", kMinnesota, minnesota).ok());
  CHECK(AllRules(suite) == all);
}

TEST_CASE(
    "broken rate files: single rows are listed, nothing is applied; whole files are refused") {
  if (!HaveShared()) return;
  Suite suite({"tax"});
  std::vector<std::string> lines = Lines(SharedFile(kWisconsin));
  lines[2] = Replaced(lines[2], "0.005", "0,005");        // a decimal comma: one column more
  lines[9] = Replaced(lines[9], "55,00", "5x,00");        // no state
  lines[19] = Replaced(lines[19], ",0.", ",half,0.");     // no rate
  lines[29] = lines[29].substr(0, lines[29].size() - 9);  // cut before its last column
  lines[39] = lines[39].substr(0, lines[39].size() - 8) + "20261301";        // no date
  lines[49] = Replaced(lines[49], "2024", "2999");                           // begins after it ends
  lines[59] = "55,01,\xe9,0.0,0.0,0.0,0.0,19800101,99991231";                // Latin-1
  lines.push_back("55,45,55,0.06,0.05,0.05,0.05,19800101,99991231");         // the state once more
  lines.push_back("55,00,001,\"0.005,0.005,0.005,0.005,19940101,99991231");  // an open quote
  const auto result = suite.Import("tax-rates-sst", kWisconsin, Join(lines));
  REQUIRE(result.ok());
  CHECK(result->rows_read() == 1943);
  CHECK(result->rows_applied() == 0);
  std::vector<std::string> places = Suite::Places(*result);
  std::sort(places.begin(), places.end());
  CHECK(places == std::vector<std::string>{"10 state", "1942 effective_begin_date", "1943 ",
                                           "20 general_rate_intrastate", "3 effective_begin_date",
                                           "30 effective_end_date", "40 effective_end_date",
                                           "50 effective_begin_date", "60 "});
  CHECK(result->rows_refused() == 9);
  for (const auto& error : result->errors()) {
    INFO(error.line());
    CHECK_FALSE(error.reason().empty());
    CHECK_FALSE(error.message().empty());
  }
  CHECK(AllRules(suite).empty());

  std::vector<std::string> narrow;
  for (const std::string& line : Lines(SharedFile(kWisconsin))) {
    narrow.push_back(line.substr(0, line.rfind(',')));
  }
  const auto missing = suite.Import("tax-rates-sst", kWisconsin, Join(narrow));
  CHECK(ReasonOf(missing.status()) == "MISSING_COLUMN");
  CHECK(std::string(missing.status().message()).find("effective_end_date") != std::string::npos);
  std::string utf16 = "\xff\xfe";
  for (const char c : SharedFile(kWisconsin)) utf16 += {c, '\0'};
  CHECK(ReasonOf(suite.Import("tax-rates-sst", kWisconsin, utf16).status()) == "MALFORMED_FILE");
  CHECK(ReasonOf(suite.Import("tax-rates-sst", kWisconsin, "").status()) == "EMPTY_FILE");
  // The plain CSV format names what is missing too.
  std::string csv = ProjectFile("data/tax/minnesota_2026_rates.csv");
  const auto lacking = suite.Import("tax-rates", "rates.csv", Replaced(csv, "tax_code", "code"));
  CHECK(ReasonOf(lacking.status()) == "MISSING_COLUMN");
  CHECK(std::string(lacking.status().message()).find("tax_code") != std::string::npos);
  CHECK(AllRules(suite).empty());
}

TEST_CASE("the Minnesota boundary sample resolves as of January 2019") {
  if (!HaveShared()) return;
  Suite suite({"tax"});
  const std::string text = SharedFile(kBoundaries);
  const CivilDay day(2019, 1, 15);
  const auto dry = suite.Import("tax-areas-sst", kBoundaries, text, {}, true);
  REQUIRE(dry.ok());
  CHECK(dry->rows_applied() == 100);
  CHECK(AreaOf(suite, "55401", day) == "NO_TAX_AREA");
  const auto first = suite.Import("tax-areas-sst", kBoundaries, text);
  REQUIRE(first.ok());
  CHECK(first->rows_read() == 100);
  CHECK(first->rows_applied() == 100);

  // Read off the file by hand.
  std::string method, matched;
  CHECK(AreaOf(suite, "55401", day, &method, &matched) ==
        "US-27 US-27-00-053 US-27-01-43000 US-27-63-80004");
  CHECK(method == "ZIP5");
  CHECK(matched == "55401..55405");
  CHECK(AreaOf(suite, "55802", day) == "US-27 US-27-00-137 US-27-01-17000");
  CHECK(AreaOf(suite, "55430", day) == "US-27");
  CHECK(AreaOf(suite, "55101-1609", day, &method, &matched) == "US-27 US-27-00-123 US-27-01-58000");
  CHECK(method == "ZIP4");
  CHECK(matched == "55101-0002..55101-1609");
  CHECK(AreaOf(suite, "55101-1610", day) == "US-27 US-27-00-037");
  CHECK(AreaOf(suite, "551011611", day) == "US-27 US-27-00-123 US-27-01-58000");
  CHECK(AreaOf(suite, "55101", day, &method) == "US-27");  // 55092 to 55102 by ZIP alone
  CHECK(method == "ZIP5");
  CHECK(AreaOf(suite, "55101-0001", day, &method) == "US-27");  // before the first +4
  CHECK(method == "ZIP5");
  CHECK(AreaOf(suite, "55013-0001", day, &method) ==
        "US-27 US-27-00-025");  // a range over two ZIPs
  CHECK(method == "ZIP4");
  CHECK(AreaOf(suite, "55049-1100", day) == "US-27 US-27-00-147 US-27-01-41426");
  CHECK(AreaOf(suite, "55049-0481", day) == "NO_TAX_AREA");
  // Dates: the file's last day is 2019-03-31.
  CHECK(AreaOf(suite, "55802", CivilDay(2019, 3, 31)) == "US-27 US-27-00-137 US-27-01-17000");
  CHECK(AreaOf(suite, "55802", CivilDay(2019, 4, 1)) == "NO_TAX_AREA");
  CHECK(AreaOf(suite, "55802", CivilDay(2018, 12, 31)) == "NO_TAX_AREA");

  // Both ends of every row.
  Tally tally("MNB2026Q2FEB18-sample.csv, both ends of a row");
  for (const std::string& line : Lines(text)) {
    const std::vector<std::string> row = Split(line, ',');
    std::vector<std::string> codes = {"US-" + row[22]};
    if (!row[24].empty()) codes.push_back("US-27-00-" + row[24]);
    if (!row[25].empty()) codes.push_back("US-27-01-" + row[25]);
    if (!row[30].empty()) codes.push_back("US-27-" + row[31] + "-" + row[30]);
    const bool plus4 = row[0] == "4";
    for (const auto& [zip, more] :
         {std::make_pair(row[17], row[18]), std::make_pair(row[19], row[20])}) {
      const std::string found = AreaOf(suite, plus4 ? zip + "-" + more : zip, day);
      INFO(line);
      CHECK(tally.Count(found == absl::StrJoin(codes, " ")));
    }
  }

  const auto again = suite.Import("tax-areas-sst", kBoundaries, text);
  REQUIRE(again.ok());
  CHECK(again->rows_applied() == 0);
  CHECK(again->rows_skipped() == 100);

  // The state's next file replaces this one whatever it is called, and tells what moves.
  const std::string moved = Replaced(text, "55430,,55430,,,27,27,,", "55430,,55430,,,27,27,053,");
  const auto next = suite.Import("tax-areas-sst", "MNB2026Q3.csv", moved);
  REQUIRE(next.ok());
  CHECK(next->rows_applied() == 1);
  CHECK(Suite::Count(*next, "gone") == 1);
  REQUIRE(next->differences_size() == 1);
  CHECK(next->differences(0) == "55430 from 2016-10-01: US-27 → US-27 US-27-00-053");
  CHECK(AreaOf(suite, "55430", day) == "US-27 US-27-00-053");
  CHECK(AreaOf(suite, "55802", day) == "US-27 US-27-00-137 US-27-01-17000");

  // Taxes from both files: 100.00 of equipment.
  REQUIRE(suite.Import("tax-rates-sst", kMinnesota, SharedFile(kMinnesota)).ok());
  const auto [taxes, sum] = TaxOf(suite, "55401", day, 10000);
  CHECK(taxes == std::vector<std::string>{"US-27 6.875 688", "US-27-00-053 0.15 15",
                                          "US-27-01-43000 0.5 50", "US-27-63-80004 0.5 50"});
  CHECK(sum == 803);
  CHECK(TaxOf(suite, "55401", day, 10000, "internet_access").second == 0);
}

TEST_CASE("broken boundary files") {
  if (!HaveShared()) return;
  Suite suite({"tax"});
  std::vector<std::string> lines = Lines(SharedFile(kBoundaries));
  lines[0] = "q" + lines[0].substr(1);
  lines[1] = Replaced(lines[1], "20161001", "2016-10-01");
  lines[3] = Replaced(lines[3], "20190331", "20180331");          // ends before it begins
  lines[5] = Replaced(lines[5], "55113,,55114", "55114,,55113");  // a range turned round
  lines[38] = Replaced(lines[38], "8554,55025", ",55025");        // +4 without +4
  lines[99] = lines[99].substr(0, 60);                            // cut
  lines.push_back("A,20161001,20190331,1,99,O,,MAIN,ST,,,,,,Saint Paul,55101,0001,,,,,,27,27,123" +
                  std::string(64, ','));
  const auto result = suite.Import("tax-areas-sst", kBoundaries, Join(lines));
  REQUIRE(result.ok());
  CHECK(result->rows_read() == 101);
  CHECK(result->rows_applied() == 0);
  CHECK(Suite::Count(*result, "address_rows") == 1);
  std::vector<std::string> places = Suite::Places(*result);
  CHECK(places == std::vector<std::string>{"1 record_type", "2 begin_date", "4 end_date",
                                           "6 zip_code_high", "39 plus4_low", "100 fips_county"});
  CHECK(AreaOf(suite, "55401", CivilDay(2019, 1, 15)) == "NO_TAX_AREA");
  const auto missing = suite.Import("tax-areas-sst", kBoundaries, SharedFile(kMinnesota));
  CHECK(ReasonOf(missing.status()) == "MISSING_COLUMN");
  CHECK(std::string(missing.status().message()).find("fips_place") != std::string::npos);
}

TEST_CASE("published combined rates of cities, from the states' own files") {
  if (!HaveShared()) return;
  Suite suite({"tax"});
  for (const char* file : {kMinnesota, kWisconsin, kGeorgia}) {
    REQUIRE(suite.Import("tax-rates-sst", file, SharedFile(file)).ok());
  }
  REQUIRE(suite
              .Import("tax-areas", "minnesota_2026_areas.csv",
                      ProjectFile("data/tax/minnesota_2026_areas.csv"))
              .ok());
  // Where the other cities lie: county and place by their FIPS codes, districts as published.
  REQUIRE(
      suite
          .Import("tax-areas", "cities.csv",
                  "country,region,postal_code,jurisdictions\n"
                  "US,MN,55305,US-27 US-27-00-053 US-27-63-80004 US-27-63-80008 US-27-63-80009\n"
                  "US,MN,55345,US-27 US-27-00-053 US-27-63-80004 US-27-63-80008 US-27-63-80009\n"
                  "US,WI,53703,US-55 US-55-00-025 US-55-01-48000\n"
                  "US,WI,53202,US-55 US-55-00-079 US-55-01-53000\n"
                  "US,WI,53901,US-55 US-55-00-021\n"
                  "US,GA,30075,US-13 US-13-00-121 US-13-63-00060\n"
                  "US,GA,31401,US-13 US-13-00-051\n"
                  "US,GA,30024,US-13 US-13-00-135\n")
          .ok());
  Tally tally("tax/us_combined_rates.tsv");
  for (const Row& row : Table(SharedFile("oracle/tax/us_combined_rates.tsv"), '\t')) {
    const std::string state = row.at("state");
    if (state != "MN" && state != "WI" && state != "GA") {
      tally.Skip("no rate file of the state is at hand");
      continue;
    }
    if (row.at("city") == "Edina" || row.at("city") == "St Louis Park") {
      tally.Skip("the state's file of 2026 Q2 has no rate for the place");
      continue;
    }
    // 1,000.00 at x.xxx % is x,xxx cents a jurisdiction exactly; tax classes apart from goods.
    const auto expected = Decimal::Parse(row.at("expected_rate_pct"));
    REQUIRE(expected.ok());
    const auto [taxes, sum] = TaxOf(suite, row.at("zip5"), CivilDay(2026, 4, 1), 100000);
    INFO(row.at("city") << " " << absl::StrJoin(taxes, ", "));
    CHECK(tally.Count(Int128{sum} * (Decimal::kScale / 1000) == expected->scaled()));
  }
  CHECK(tally.passed() >= 10);
}

TEST_CASE("the project's own areas and rates of Minnesota in 2026 agree with the state's file") {
  if (!HaveShared()) return;
  Suite suite({"tax"});
  REQUIRE(suite
              .Import("tax-rates", "minnesota_2026_rates.csv",
                      ProjectFile("data/tax/minnesota_2026_rates.csv"))
              .ok());
  REQUIRE(suite
              .Import("tax-areas", "minnesota_2026_areas.csv",
                      ProjectFile("data/tax/minnesota_2026_areas.csv"))
              .ok());
  const auto [taxes, sum] = TaxOf(suite, "55401", CivilDay(2026, 4, 1), 100000);
  CHECK(sum == 9025);
  CHECK(taxes.size() == 6);
  // The state's file changes none of them and adds the rest; names and classes stay.
  const auto state = suite.Import("tax-rates-sst", kMinnesota, SharedFile(kMinnesota));
  REQUIRE(state.ok());
  CHECK(Suite::Count(*state, "changed") == 0);
  CHECK(Suite::Count(*state, "new") == 148 - 18);
  CHECK(TaxOf(suite, "55401", CivilDay(2026, 4, 1), 100000).second == 9025);
  CHECK(TaxOf(suite, "55401", CivilDay(2026, 4, 1), 100000, "other").second == 0);
}

// Not among the tests that run by default: real_input_test "[million]".
TEST_CASE("a boundary file of a million rows loads and resolves", "[.][million]") {
  Suite suite({"tax"});
  constexpr int kRows = 1000000;
  std::string text;
  text.reserve(kRows * 150);
  const std::string tail = ",,,,ST,80004,63,ST,80008,63,ST,80009,63" + std::string(51, ',') + "\n";
  for (int i = 0; i < kRows; ++i) {
    // 2,500 ZIPs of 400 ranges of 25 numbers each, in 87 counties.
    const int zip = 55000 + i / 400;
    const int plus4 = i % 400 * 25;
    char range[64];
    std::snprintf(range, sizeof(range), "%05d,%04d,%05d,%04d,,27,27,%03d,%05d", zip, plus4, zip,
                  plus4 + 24, i % 87 * 2 + 1, i % 853);
    absl::StrAppend(&text, "4,20171001,29991231,,,,,,,,,,,,,,,", range, tail);
  }
  const auto timed = [&](const char* what, const std::function<void()>& run) {
    const absl::Time start = absl::Now();
    run();
    std::printf("%-44s %7.1f s\n", what, absl::ToDoubleSeconds(absl::Now() - start));
  };
  timed("a million rows, first load", [&] {
    const auto result = suite.Import("tax-areas-sst", "MNB.csv", text);
    INFO(result.status().message());
    REQUIRE(result.ok());
    CHECK(result->rows_applied() == kRows);
  });
  timed("first address (areas are read)",
        [&] { CHECK(AreaOf(suite, "55100-1234", CivilDay(2026, 1, 1)).substr(0, 5) == "US-27"); });
  timed("10,000 addresses", [&] {
    for (int i = 0; i < 10000; ++i) {
      char zip[16];
      std::snprintf(zip, sizeof(zip), "%05d-%04d", 55000 + i % 2500, i % 10000);
      REQUIRE(AreaOf(suite, zip, CivilDay(2026, 1, 1)).substr(0, 5) == "US-27");
    }
  });
  timed("the same file again", [&] {
    const auto result = suite.Import("tax-areas-sst", "MNB.csv", text);
    REQUIRE(result.ok());
    CHECK(result->rows_applied() == 0);
  });
}

}  // namespace broadbill::conformance
