#include "services/rating/domain/overage.h"

#include <catch2/catch.hpp>

#include "libs/calendar/time_zone.h"

namespace broadbill::rating {
namespace {

const absl::TimeZone kChicago = *LoadZone("America/Chicago");

absl::Time At(int month, int day, int hour, int minute = 0) {
  return absl::FromCivil(absl::CivilMinute(2026, month, day, hour, minute), kChicago);
}

PriceTerms Graduated() {
  PriceTerms out;
  out.tiers = {{Decimal::FromInt(10), Decimal::FromInt(1), Decimal(), Decimal()},
               {std::nullopt, *Decimal::Parse("0.5"), Decimal(), Decimal()}};
  return out;
}

}  // namespace

TEST_CASE("data beyond the allowance by any model") {
  DataTerms terms;
  terms.allowance = Decimal::FromInt(10);
  terms.price = Graduated();
  const auto price = [&](int64_t bytes, int64_t days = 31) {
    const auto charge = PriceCounted(terms, bytes, days, 31, 2);
    REQUIRE(charge.ok());
    return *charge;
  };
  CHECK(price(25000000000).amount_minor == 1250);
  CHECK(price(25000000000).derivation ==
        "25.00 GB of 10.00 GB included: 10 × 0 + 10 × 1 + 5 × 0.5 = 12.5");
  CHECK(price(10000000000).amount_minor == 0);
  // 7 of 31 days include 2.26, so 3 units; of 25 used 22 are charged.
  terms.prorate_allowance = true;
  CHECK(price(25000000000, 7).amount_minor == 1600);
  terms.prorate_allowance = false;
  terms.price->minimum = Decimal::FromInt(5);
  CHECK(price(0).amount_minor == 500);
  terms.maximum_charge = Decimal::FromInt(12);
  CHECK(price(25000000000).amount_minor == 1200);
}

TEST_CASE("free windows are counted and not charged, also in the night the clock is set") {
  DataTerms terms;
  terms.free_windows = *ParseWindows("night 00:00-06:00");
  const UsageStretches stretches = StretchesOf(terms, At(3, 8, 0), At(3, 9, 0), kChicago);
  REQUIRE(stretches.free.size() == 2);
  CHECK(stretches.free == std::vector<bool>{true, false});
  CHECK(stretches.boundaries[1] == At(3, 8, 6));
  CHECK(stretches.boundaries[1] - stretches.boundaries[0] == absl::Hours(5));
  const PeriodOctets octets = CountOctets(terms, stretches, {{100, 10}, {7, 1}});
  CHECK(octets.total.in == 107);
  CHECK(octets.free.out == 10);
  CHECK(octets.counted == 8);
  // Without windows the period is one stretch.
  CHECK(StretchesOf(DataTerms(), At(3, 8, 0), At(4, 8, 0), kChicago).free.size() == 1);
}

TEST_CASE("percentile and peak of slots, in and out apart") {
  DataTerms terms;
  terms.measure = Measure::kPercentile;
  terms.direction = Direction::kLarger;
  // A day in autumn has 25 hours.
  const UsageStretches stretches = StretchesOf(terms, At(11, 1, 0), At(11, 2, 0), kChicago);
  CHECK(stretches.free.size() == 300);
  std::vector<Octets> octets(300);
  for (size_t i = 0; i < octets.size(); ++i) octets[i] = {i + 1, 2 * (300 - i)};
  // ceil(0.95 × 300) = the 285th smallest.
  CHECK(CountOctets(terms, stretches, octets).counted == 570);
  terms.direction = Direction::kIn;
  CHECK(CountOctets(terms, stretches, octets).counted == 285);
  terms.direction = Direction::kBoth;
  CHECK(CountOctets(terms, stretches, octets).counted == 855);
  terms.measure = Measure::kPeak;
  CHECK(CountOctets(terms, stretches, octets).counted == 900);
  // 37,500,000 octets in 5 minutes are 1 Mbit/s.
  terms.unit_bytes = kMbitSlotOctets;
  terms.price = PerUnit(Decimal::FromInt(3));
  const auto charge = PriceCounted(terms, 75000000, 1, 1, 2);
  REQUIRE(charge.ok());
  CHECK(charge->amount_minor == 600);
}

}  // namespace broadbill::rating
