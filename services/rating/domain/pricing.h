#pragma once

// What a quantity costs: tiers, packages, percentages, capacity, percentiles, commitments. Amounts
// stay exact fractions of the major unit with a line per tier until BillUsage rounds the total
// once. BILLING.md §6.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/money/decimal.h"
#include "libs/money/fraction.h"

namespace broadbill::rating {

enum class PriceModel {
  kGraduated,   // every tier prices its own part; one open tier is a price per unit
  kVolume,      // the tier that holds the quantity prices all of it
  kFlat,        // only the flat fee of the tier that holds the quantity
  kPercentage,  // percent of an amount, per event fee, free events or amount
};

// The lower bound of a tier is exclusive (the bound of the tier before), its upper inclusive.
struct PriceTier {
  std::optional<Decimal> up_to;  // units; unset: open, only in the last tier
  Decimal price;                 // per unit or per block; of an amount with `percent`
  Decimal flat;                  // once when the tier is reached; the first tier's also at zero
  Decimal block;                 // 0: exact units, else started blocks of so many units
};

enum class UnitRounding { kExact, kUp, kNearest };

struct PriceTerms {
  PriceModel model = PriceModel::kGraduated;
  std::vector<PriceTier> tiers;
  bool percent = false;  // tier prices are percent of an amount: graduated percentage
  // The meter's raw quantity ÷ raw_per_unit = units, of the cumulated quantity.
  Decimal raw_per_unit = Decimal::FromInt(1);
  UnitRounding unit_rounding = UnitRounding::kExact;
  // Units that cost nothing. Tiers start behind them, or they fill the first tiers.
  Decimal included;
  bool included_in_tiers = false;
  // kPercentage: tiers[0].price percent of the amount.
  Decimal event_fee;
  std::optional<int64_t> free_events;
  std::optional<Decimal> free_amount;  // whichever of the two ends first ends the free part
  std::optional<Decimal> event_minimum, event_maximum;
  // Of a whole period.
  std::optional<Decimal> minimum;  // billed with the period's last line, also without usage
  std::optional<Decimal> maximum;  // of what the period's lines sum up to
  // A volume price is known at the period's end: lines before it bill nothing. Else they bill what
  // is known and later lines correct it.
  bool volume_waits = true;
};

PriceTerms PerUnit(Decimal price);
PriceTerms Package(Decimal size, Decimal price);
// INVALID_ARGUMENT naming the field of `terms` that cannot be.
absl::Status Validate(const PriceTerms& terms);

// One line of a derivation: quantity × price + flat = amount.
struct PriceLine {
  std::string what;  // "tier 2", "included", "event 3"
  Fraction quantity;
  Decimal price;
  Decimal flat;
  Fraction amount;
};

// A price before rounding.
struct Priced {
  Fraction units;     // priced, after conversion; 0 for a negative quantity
  Fraction included;  // of them free
  Fraction amount;    // major units of the currency
  std::vector<PriceLine> lines;
  bool negative = false;  // the quantity was below zero and counts as none
  // "10 × 1 + 5 × 0.5 = 12.5".
  std::string Derivation() const;
};

// Any model but kPercentage. `raw` is the period's cumulated quantity.
Priced PriceQuantity(const PriceTerms& terms, const Fraction& raw);

// Amounts that a percentage is taken of. Without `amounts` only the sums are known; then
// `running_totals` (of the first events, ascending) tell how many of them the free part covers.
struct EventAmounts {
  std::vector<Decimal> amounts;
  Decimal total;
  int64_t events = 0;
  std::vector<Decimal> running_totals;
};
Priced PricePercentage(const PriceTerms& terms, const EventAmounts& events);

// A change of a counted quantity (seats, addresses) within a period: `units` added or taken, and
// the part of the period they weigh, in units.
struct ProratedChange {
  Decimal units;
  Decimal prorated;
};
// Graduated: each change is priced by the tiers it crosses, per unit of its weight; flats of all
// tiers ever reached are due whole. Volume: the tier by the full quantity prices the prorated one.
Priced PriceProrated(const PriceTerms& terms, const std::vector<ProratedChange>& changes);

// Capacity: the first tier whose limits hold for the peaks of all meters. A meter that a tier does
// not name has no limit there; limits are inclusive.
struct CapacityTier {
  std::map<std::string, Decimal> limits;
  Decimal price;
};
Priced PriceCapacity(const std::vector<CapacityTier>& tiers,
                     const std::map<std::string, Decimal>& peaks);

// Nearest rank: the ceil(percent × slots ÷ 100)-th smallest of `slots` values, of which all that
// `values` does not hold are 0. 0 when there are none.
uint64_t Percentile(std::vector<uint64_t> values, int64_t slots, const Decimal& percent);

enum class LineKind {
  kPartial,  // more lines of the period follow
  kLast,     // the period's last line, or its only one
};

// One line of a period: what the cumulated quantity costs less what was billed.
struct UsageLine {
  int64_t amount_minor = 0;      // of this line; negative when the period became cheaper
  int64_t total_minor = 0;       // of all the period's lines with this one
  int64_t commitment_minor = 0;  // part of the total that fills up to the minimum
  int64_t capped_minor = 0;      // left out because of the maximum
  std::string derivation;
};
absl::StatusOr<UsageLine> BillUsage(const PriceTerms& terms, const Priced& priced,
                                    int64_t billed_minor, LineKind kind, int currency_exponent,
                                    Rounding rounding = Rounding::kHalfAwayFromZero);

}  // namespace broadbill::rating
