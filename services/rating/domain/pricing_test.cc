#include "services/rating/domain/pricing.h"

#include <catch2/catch.hpp>

namespace broadbill::rating {
namespace {

Decimal D(const char* text) { return *Decimal::Parse(text); }
Fraction F(const char* text) { return Fraction::Of(D(text)); }

// {"10", "1", "0"}: up to 10 at 1 each, no flat fee; "" is open.
struct Tier {
  const char* up_to;
  const char* price;
  const char* flat = "0";
  const char* block = "0";
};
PriceTerms Tiers(PriceModel model, const std::vector<Tier>& tiers) {
  PriceTerms out;
  out.model = model;
  for (const Tier& tier : tiers) {
    out.tiers.push_back({std::nullopt, D(tier.price), D(tier.flat), D(tier.block)});
    if (*tier.up_to != '\0') out.tiers.back().up_to = D(tier.up_to);
  }
  REQUIRE(Validate(out).ok());
  return out;
}

std::string Price(const PriceTerms& terms, const char* quantity) {
  return PriceQuantity(terms, F(quantity)).amount.ToDecimal()->ToString();
}

struct Case {
  const char* quantity;
  const char* amount;
};
void Check(const PriceTerms& terms, const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    INFO(one.quantity);
    CHECK(Price(terms, one.quantity) == one.amount);
  }
}

int64_t Line(const PriceTerms& terms, const char* cumulated, int64_t billed,
             LineKind kind = LineKind::kPartial) {
  const auto line = BillUsage(terms, PriceQuantity(terms, F(cumulated)), billed, kind, 2);
  REQUIRE(line.ok());
  return line->amount_minor;
}

}  // namespace

TEST_CASE("graduated: every tier its part; the first flat fee is owed without usage") {
  const PriceTerms terms =
      Tiers(PriceModel::kGraduated, {{"10", "10", "2"}, {"20", "5", "3"}, {"", "5", "3"}});
  Check(terms, {{"0", "2"}, {"10", "102"}, {"11", "110"}, {"21", "163"}, {"-4", "2"}});
  CHECK(PriceQuantity(terms, F("-4")).negative);
  const PriceTerms flats = Tiers(PriceModel::kGraduated, {{"5", "0", "100"}, {"", "0", "50"}});
  Check(flats, {{"0", "100"}, {"5", "100"}, {"5.001", "150"}});
  CHECK(PriceQuantity(terms, F("11")).Derivation() == "10 × 10 + 2 + 1 × 5 + 3 = 110");
}

TEST_CASE("volume: the tier reached prices all") {
  const PriceTerms terms =
      Tiers(PriceModel::kVolume, {{"100", "2", "10"}, {"200", "1"}, {"", "0.5", "50"}});
  Check(terms, {{"0", "10"}, {"100", "210"}, {"100.5", "100.5"}, {"101", "101"}, {"210", "155"}});
  // Known at the end of the period only; where lines correct, it can become cheaper.
  CHECK(Line(terms, "101", 0) == 0);
  PriceTerms corrected = Tiers(PriceModel::kVolume, {{"15", "10"}, {"", "5"}});
  corrected.volume_waits = false;
  CHECK(Line(corrected, "15", 0) == 15000);
  CHECK(Line(corrected, "16", 15000) == -7000);
  const PriceTerms flat = Tiers(PriceModel::kFlat, {{"10", "9", "5"}, {"", "9", "12"}});
  Check(flat, {{"0", "5"}, {"10", "5"}, {"11", "12"}});
}

TEST_CASE("packages and blocks: started ones count whole") {
  PriceTerms terms = Package(D("10"), D("100"));
  Check(terms, {{"0", "0"}, {"1", "100"}, {"10", "100"}, {"11", "200"}, {"121", "1300"}});
  terms.included = D("10");
  Check(terms, {{"121", "1200"}, {"10", "0"}});
  const PriceTerms blocks =
      Tiers(PriceModel::kGraduated, {{"1000", "1", "0", "100"}, {"", "1", "0", "1000"}});
  Check(blocks, {{"5325", "15"}, {"1000", "10"}, {"1001", "11"}});
}

TEST_CASE("included units come first, tiers behind them or around them") {
  PriceTerms terms = Tiers(PriceModel::kGraduated, {{"10", "1"}, {"", "0.5"}});
  terms.included = D("10");
  Check(terms, {{"25", "12.5"}, {"10", "0"}, {"20", "10"}});
  CHECK(PriceQuantity(terms, F("25")).Derivation() == "10 × 0 + 10 × 1 + 5 × 0.5 = 12.5");
  terms.included_in_tiers = true;
  Check(terms, {{"25", "7.5"}, {"10", "0"}, {"20", "5"}});
  terms.included = D("5");
  Check(terms, {{"25", "12.5"}, {"5", "0"}, {"10", "5"}});
}

TEST_CASE("units of a raw quantity are rounded after they are cumulated") {
  PriceTerms terms = PerUnit(D("10"));
  terms.raw_per_unit = D("1000");
  Check(terms, {{"1400", "14"}});
  terms.unit_rounding = UnitRounding::kUp;
  Check(terms, {{"1400", "20"}, {"2700", "30"}});
  terms.unit_rounding = UnitRounding::kNearest;
  Check(terms, {{"1400", "10"}});
  // A terabyte's bytes by GiB stay exact until the end.
  terms = PerUnit(D("1"));
  terms.raw_per_unit = D("1073741824");
  const auto line =
      BillUsage(terms, PriceQuantity(terms, F("1000000000000")), 0, LineKind::kLast, 2);
  REQUIRE(line.ok());
  CHECK(line->amount_minor == 93132);
}

TEST_CASE("percentages of amounts, with fees, free parts and limits per event") {
  PriceTerms terms = Tiers(PriceModel::kPercentage, {{"", "2.99"}});
  terms.event_minimum = D("1.75");
  terms.event_maximum = D("12");
  EventAmounts events;
  events.amounts = {D("10"), D("80"), D("10000")};
  const auto price = [&] { return PricePercentage(terms, events).amount.ToDecimal()->ToString(); };
  CHECK(price() == "16.142");
  terms.free_events = 2;
  CHECK(price() == "12");
  terms.free_events.reset();
  terms.free_amount = D("30");
  CHECK(price() == "13.794");
  terms.free_events = 3;
  terms.free_amount = D("10000");
  CHECK(price() == "2.691");

  PriceTerms sums = Tiers(PriceModel::kPercentage, {{"", "1.3"}});
  sums.event_fee = D("2");
  sums.free_events = 3;
  sums.free_amount = D("250");
  const EventAmounts known{{}, D("800"), 4, {D("50"), D("150"), D("400")}};
  CHECK(PricePercentage(sums, known).amount.ToDecimal()->ToString() == "11.15");
  sums.free_amount.reset();
  CHECK(PricePercentage(sums, known).amount.ToDecimal()->ToString() == "7.2");

  PriceTerms graduated =
      Tiers(PriceModel::kGraduated, {{"10", "1", "200"}, {"20", "2", "300"}, {"", "3", "400"}});
  graduated.percent = true;
  Check(graduated, {{"0", "200"}, {"1", "200.01"}, {"11", "500.12"}, {"21", "900.33"}});
}

TEST_CASE("counted units that come and go are priced by the tier they crossed") {
  const PriceTerms terms = Tiers(PriceModel::kGraduated, {{"5", "10", "100"}, {"", "5", "50"}});
  const auto price = [&](const std::vector<ProratedChange>& changes) {
    return PriceProrated(terms, changes).amount.ToDecimal(2)->ToString();
  };
  CHECK(price({}) == "100");
  CHECK(price({{D("1"), D("0.7097")},
               {D("4"), D("1.54839")},
               {D("1"), D("0.2258")},
               {D("-5"), D("-0.80645")},
               {D("-1"), D("-0.0645")}}) == "165.81");
  CHECK(price({{D("5"), D("3.5")}, {D("2"), D("1")}, {D("-4"), D("-1.6")}, {D("10"), D("2")}}) ==
        "190");
  const Priced negative = PriceProrated(terms, {{D("5"), D("2")}, {D("-100"), D("-33.33")}});
  CHECK(negative.negative);
  CHECK(negative.amount.IsZero());
  const PriceTerms volume =
      Tiers(PriceModel::kVolume, {{"100", "2", "10"}, {"200", "1"}, {"", "0.5", "50"}});
  CHECK(PriceProrated(volume, {{D("300"), D("198.6")}}).amount.ToDecimal()->ToString() == "149.3");
}

TEST_CASE("capacity: the tier whose limits hold all peaks") {
  const std::vector<CapacityTier> tiers = {{{{"a", D("100")}, {"b", D("1000")}}, D("10")},
                                           {{{"a", D("200")}, {"b", D("2000")}}, D("20")},
                                           {{}, D("30")}};
  const auto price = [&](const char* a, const char* b) {
    return PriceCapacity(tiers, {{"a", D(a)}, {"b", D(b)}}).amount.ToDecimal()->ToString();
  };
  CHECK(price("100", "1000") == "10");
  CHECK(price("100", "1001") == "20");
  CHECK(price("10", "2001") == "30");
}

TEST_CASE("95th percentile: the 8,208th smallest of 8,640 slots of 30 days") {
  std::vector<uint64_t> values(8640);
  for (size_t i = 0; i < values.size(); ++i) values[i] = (i * 7919) % 8640 + 1;
  CHECK(Percentile(values, 8640, D("95")) == 8208);
  // 8,000 measured slots: 640 zeros are the smallest, so the 7,568th of the measured.
  values.assign(8000, 0);
  for (size_t i = 0; i < values.size(); ++i) values[i] = i + 1;
  CHECK(Percentile(values, 8640, D("95")) == 7568);
  // Less than 5 % of the slots in use bill nothing.
  CHECK(Percentile(std::vector<uint64_t>(432, 7), 8640, D("95")) == 0);
  CHECK(Percentile(std::vector<uint64_t>(433, 7), 8640, D("95")) == 7);
  CHECK(Percentile({}, 0, D("95")) == 0);
}

TEST_CASE("partial lines are what the cumulated quantity costs less what was billed") {
  const PriceTerms cheap = PerUnit(D("0.001"));
  CHECK(Line(cheap, "333", 0) == 33);
  CHECK(Line(cheap, "666", 33) == 34);
  PriceTerms terms = PerUnit(D("10"));
  terms.minimum = D("100");
  CHECK(Line(terms, "0", 0) == 0);
  CHECK(Line(terms, "0", 0, LineKind::kLast) == 10000);
  CHECK(Line(terms, "7", 0) == 7000);
  CHECK(Line(terms, "8", 7000, LineKind::kLast) == 3000);
  terms.minimum.reset();
  terms.maximum = D("100");
  CHECK(Line(terms, "7", 0) == 7000);
  const auto capped = BillUsage(terms, PriceQuantity(terms, F("12")), 7000, LineKind::kPartial, 2);
  REQUIRE(capped.ok());
  CHECK(capped->amount_minor == 3000);
  CHECK(capped->capped_minor == 2000);
  CHECK(capped->derivation == "12 × 10 = 120, at most 100.00, less 70.00 billed");
  // Lines add up to the price of the whole, whatever they are cut into.
  const PriceTerms tiers = Tiers(PriceModel::kGraduated, {{"5", "0.333"}, {"", "0.111"}});
  int64_t billed = 0;
  for (const char* cumulated : {"1", "2", "4.5", "5", "5.25", "9"}) {
    billed += Line(tiers, cumulated, billed);
  }
  CHECK(billed == Line(tiers, "9", 0));
}

TEST_CASE("terms that cannot be name their field") {
  PriceTerms terms = PerUnit(D("1"));
  terms.tiers[0].up_to = D("5");
  CHECK_FALSE(Validate(terms).ok());
  terms = Tiers(PriceModel::kGraduated, {{"5", "1"}, {"", "1"}});
  terms.tiers[0].up_to = D("0");
  CHECK_FALSE(Validate(terms).ok());
  terms = PerUnit(D("1"));
  terms.minimum = D("10");
  terms.maximum = D("5");
  CHECK_FALSE(Validate(terms).ok());
}

}  // namespace broadbill::rating
