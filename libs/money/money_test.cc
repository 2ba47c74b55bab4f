#include "libs/money/money.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <random>

#include "libs/money/allocate.h"
#include "libs/money/day_value.h"
#include "libs/money/fraction.h"

namespace broadbill {
namespace {

Decimal Dec(const char* text) {
  const auto value = Decimal::Parse(text);
  REQUIRE(value.ok());
  return *value;
}

}  // namespace

TEST_CASE("decimals parse strictly and print shortest") {
  for (const char* text :
       {"0", "49.99", "-0.5", "3", "0.000000000001", "123456789012.000000000001", "-1000000"}) {
    CHECK(Dec(text).ToString() == text);
  }
  CHECK(Dec("49.990").ToString() == "49.99");
  for (const char* text : {"1000000000000000000", "1000000000000000000000000",
                           "-123456789012345678901.000000000009", "999999999999999999.5"}) {
    CHECK(Dec(text).ToString() == text);
  }
  CHECK(Dec("+7").ToString() == "7");
  for (const char* bad : {"", "-", ".5", "5.", "1e3", " 1", "1 ", "1,000", "0.0000000000001", "--1",
                          "1.2.3", "٣", "9999999999999999999999999999999999999"}) {
    CHECK_FALSE(Decimal::Parse(bad).ok());
  }
}

TEST_CASE("rounding modes, mirrored for negatives") {
  struct Row {
    int64_t numerator, denominator, half, even, down, up;
  };
  for (const Row& row : {Row{1, 2, 1, 0, 0, 1}, Row{3, 2, 2, 2, 1, 2}, Row{1, 3, 0, 0, 0, 1},
                         Row{2, 3, 1, 1, 0, 1}, Row{4, 2, 2, 2, 2, 2}, Row{5, 2, 3, 2, 2, 3}}) {
    for (const int sign : {1, -1}) {
      const Int128 n = sign * row.numerator;
      CHECK(RoundDiv(n, row.denominator) == sign * row.half);
      CHECK(RoundDiv(n, row.denominator, Rounding::kHalfEven) == sign * row.even);
      CHECK(RoundDiv(n, row.denominator, Rounding::kDown) == sign * row.down);
      CHECK(RoundDiv(n, row.denominator, Rounding::kUp) == sign * row.up);
    }
  }
  CHECK(RoundToStep(102, 5) == 100);
  CHECK(RoundToStep(103, 5) == 105);
}

TEST_CASE("fractions are exact, and say when they cannot be") {
  const Fraction price = Fraction::MinorUnits(Dec("79.99"), 2);
  const Fraction discount = price * Fraction::Of(Dec("20")) * Fraction::Ratio(1, 100);
  CHECK(discount == Fraction::Ratio(15998, 10));
  // 22 of 31 days: 56.77 − 11.36 = 45.41.
  CHECK(*DayValues(price, 31, 9, 31) == 5677);
  CHECK(*DayValues(discount, 31, 9, 31) == 1136);
  CHECK(*DayValues(Fraction::Of(500), 31, 9, 31) == 355);
  Fraction big = Fraction::Of(INT64_MAX);
  for (int i = 0; i < 4; ++i) big = big * Fraction::Of(INT64_MAX);
  CHECK_FALSE(big.valid());
  CHECK_FALSE(big.Round().ok());
  CHECK((Fraction::Ratio(1, 3) + Fraction::Ratio(2, 3)) == Fraction::Of(int64_t{1}));
  CHECK(Fraction::Ratio(2, 3).ToDecimal(6)->ToString() == "0.666667");
}

TEST_CASE("allocation by largest remainder") {
  CHECK(Allocate(1000, {1, 1, 1}) == std::vector<int64_t>{334, 333, 333});
  CHECK(Allocate(5, {3, 7}) == std::vector<int64_t>{2, 3});
  CHECK(Allocate(-5, {3, 7}) == std::vector<int64_t>{-2, -3});
  CHECK(Allocate(7, {0, 0}) == std::vector<int64_t>{7, 0});
  CHECK(Allocate(7, {}).empty());
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::vector<int64_t> weights(1 + random() % 9);
    for (int64_t& weight : weights) weight = static_cast<int64_t>(random() % 10000);
    const int64_t amount = static_cast<int64_t>(random() % 200000) - 100000;
    const auto parts = Allocate(amount, weights);
    CHECK(std::accumulate(parts.begin(), parts.end(), int64_t{0}) == amount);
  }
}

TEST_CASE("amounts to and from text and google.type.Money") {
  CHECK(FormatMinor(4999, 2) == "49.99");
  CHECK(FormatMinor(-5, 2) == "-0.05");
  CHECK(FormatMinor(500, 0) == "500");
  CHECK(FormatMinorGrouped(-123456789, 2) == "-1,234,567.89");
  CHECK(FormatMinorGrouped(99999, 2) == "999.99");
  CHECK(FormatMoney(24904, "USD") == "$249.04");
  CHECK(FormatMoney(-2129, "EUR") == "-€21.29");
  CHECK(*ParseMinor("49.99", 2) == 4999);
  CHECK(*ParseMinor("-21.2", 2) == -2120);
  CHECK_FALSE(ParseMinor("49.999", 2).ok());
  CHECK(ToUnitsNanos(-2129, 2) == std::pair<int64_t, int32_t>(-21, -290000000));
  CHECK(*FromUnitsNanos(-21, -290000000, 2) == -2129);
  CHECK_FALSE(FromUnitsNanos(21, -290000000, 2).ok());
  CHECK_FALSE(FromUnitsNanos(0, 1, 2).ok());
  CHECK(*CurrencyExponent("JPY") == 0);
  CHECK(*CurrencyExponent("BHD") == 3);
  CHECK_FALSE(CurrencyExponent("usd").ok());
}

}  // namespace broadbill
