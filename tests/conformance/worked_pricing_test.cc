// Prices of usage as other systems compute them. What data plans price today is an allowance and
// started blocks; a unit price is a block of one, a package a block of its size.

#include <catch2/catch.hpp>
#include <regex>

#include "libs/money/rounding.h"
#include "services/rating/domain/overage.h"
#include "tests/conformance/inputs.h"

namespace broadbill::conformance {
namespace {

constexpr char kLater[] = "tiers, volume, percentages, capacity and commitments are later work";

struct Price {
  int64_t size = 1;  // units a block
  std::string price;
  int64_t free = 0;
  std::string maximum;
};

// Minor units of `units` bytes, a unit being a byte.
int64_t Amount(const Price& price, int64_t units) {
  rating::DataTerms terms;
  terms.unit_bytes = 1;
  terms.allowance = Decimal::FromInt(price.free);
  terms.block_size = Decimal::FromInt(price.size);
  terms.block_price = *Decimal::Parse(price.price);
  if (!price.maximum.empty()) terms.maximum_charge = *Decimal::Parse(price.maximum);
  const auto charge = rating::PriceData(terms, units, 0, 30, 30, 2);
  REQUIRE(charge.ok());
  return charge->amount_minor;
}

int64_t Cents(const std::string& text) {
  const auto value = Decimal::Parse(text[0] == '+' ? text.substr(1) : text);
  INFO(text);
  REQUIRE(value.ok());
  return static_cast<int64_t>(RoundDiv(value->scaled(), Decimal::kScale / 100));
}

// "package of 10 @100, 10 free", "per unit @10, maximum 100", "@0.001".
bool ReadModel(const std::string& text, Price& out) {
  static const std::regex kPackage(R"(package of (\d+) @([0-9.]+)(?:, (\d+) free)?)");
  static const std::regex kUnit(R"((?:per unit )?@([0-9.]+)(?:, maximum (\d+))?)");
  std::smatch match;
  if (std::regex_match(text, match, kPackage)) {
    out.size = std::stoll(match[1]);
    out.price = match[2];
    out.free = match[3].matched ? std::stoll(match[3]) : 0;
    return true;
  }
  if (!std::regex_match(text, match, kUnit)) return false;
  out.price = match[1];
  if (match[2].matched) out.maximum = match[2];
  return true;
}

}  // namespace

TEST_CASE("prices of usage in three tables") {
  if (!HaveShared()) return;
  {
    Tally tally("pricing/tier_pricing.csv");
    static const std::regex kField(R"rx("([a-z_]+)": ?"?([0-9.]+)"?)rx");
    const auto fields = [&](const std::string& json) {
      Row out;
      for (std::sregex_iterator it(json.begin(), json.end(), kField), end; it != end; ++it) {
        out[(*it)[1]] = (*it)[2];
      }
      return out;
    };
    for (const Row& row : Table(SharedFile("oracle/pricing/tier_pricing.csv"))) {
      Row price = fields(row.at("price_definition"));
      Row input = fields(row.at("inputs"));
      INFO(row.at("case_id"));
      if (input["units"].find('.') != std::string::npos) {
        tally.Skip(kLater);
      } else if (row.at("model") == "package") {
        CHECK(tally.Count(Amount({std::stoll(price["package_size"]), price["amount"],
                                  std::stoll(price["free_units"]), ""},
                                 std::stoll(input["units"])) == Cents(row.at("expected_amount"))));
      } else if (row.at("model") == "standard") {
        CHECK(tally.Count(Amount({1, price["amount"], 0, ""}, std::stoll(input["units"])) ==
                          Cents(row.at("expected_amount"))));
      } else if (row.at("model") == "number_of_packages") {
        CHECK(tally.Count(Amount({std::stoll(price["size"]), "1", 0, ""},
                                 std::stoll(input["units"])) == Cents(row.at("expected_amount"))));
      } else {
        tally.Skip(kLater);
      }
    }
  }
  {
    Tally tally("pricing/tier_cases.csv");
    static const std::regex kUnits(R"((?:cumulative )?(\d+)(?: units)?)");
    static const std::regex kThen(R"((\d+) then (\d+))");
    static const std::regex kSplit(R"(before (\d+) \(billed (\d+)\), this (\d+))");
    for (const Row& row : Table(SharedFile("oracle/pricing/tier_cases.csv"))) {
      Price price;
      std::smatch match;
      const std::string& input = row.at("input");
      const std::string& expected = row.at("expected");
      INFO(row.at("id"));
      if (!ReadModel(row.at("model"), price)) {
        tally.Skip(kLater);
      } else if (std::regex_match(input, match, kUnits)) {
        CHECK(tally.Count(Amount(price, std::stoll(match[1])) ==
                          Cents(expected.substr(0, expected.find(' ')))));
      } else if (std::regex_match(input, match, kThen)) {
        // A later line is what the cumulated quantity costs less what was billed.
        const int64_t first = Amount(price, std::stoll(match[1]));
        const int64_t second = Amount(price, std::stoll(match[2])) - first;
        const auto line = [](const std::string& text) {
          return text.find("nothing") != std::string::npos ? 0 : Cents(text);
        };
        const size_t comma = expected.find(", ");
        CHECK(tally.Count(first == line(expected.substr(0, comma)) &&
                          second == line(expected.substr(comma + 2))));
      } else if (std::regex_match(input, match, kSplit)) {
        const int64_t cumulated = std::stoll(match[1]) + std::stoll(match[3]);
        CHECK(tally.Count(Amount(price, cumulated) - 100 * std::stoll(match[2]) ==
                          Cents(expected.substr(0, expected.find(' ')))));
      } else {
        tally.Skip(kLater);
      }
    }
  }
  Tally tally("pricing/openmeter_rating.csv");
  static const std::regex kUnit(R"(unit ([0-9.]+))");
  static const std::regex kPackage(R"(package size (\d+) at ([0-9.]+))");
  for (const Row& row : Table(SharedFile("oracle/pricing/openmeter_rating.csv"))) {
    Price price;
    std::smatch match;
    INFO(row.at("case_id"));
    if (std::regex_match(row.at("price_definition"), match, kUnit)) {
      price.price = match[1];
    } else if (std::regex_match(row.at("price_definition"), match, kPackage)) {
      price.size = std::stoll(match[1]);
      price.price = match[2];
    } else {
      tally.Skip(kLater);
      continue;
    }
    if (!row.at("min_commit").empty() || !row.at("discount").empty()) {
      tally.Skip(kLater);
      continue;
    }
    price.maximum = row.at("max_commit");
    const int64_t before = std::stoll(row.at("pre_period_qty"));
    const int64_t line =
        Amount(price, before + std::stoll(row.at("line_qty"))) - Amount(price, before);
    CHECK(tally.Count(line == Cents(row.at("expected_total"))));
  }
}

}  // namespace broadbill::conformance
