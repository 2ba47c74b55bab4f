#pragma once

// Pricing of a period's data: allowance, then started blocks or any model of pricing.h. BILLING.md
// §6.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/calendar/window.h"
#include "libs/money/decimal.h"
#include "services/rating/domain/balance.h"
#include "services/rating/domain/pricing.h"
#include "services/rating/domain/usage.h"

namespace broadbill::rating {

enum class Direction { kIn, kOut, kBoth, kLarger };

// What of a period's octets is the quantity.
enum class Measure { kTotal, kPercentile, kPeak };

// Octets of a slot of 5 minutes at 1 Mbit/s.
inline constexpr int64_t kMbitSlotOctets = 1000000LL * 300 / 8;
inline constexpr absl::Duration kSlot = absl::Minutes(5);

struct DataTerms {
  Direction direction = Direction::kBoth;
  int64_t unit_bytes = 1000000000;  // 10^9 for GB, 2^30 for GiB
  std::string unit_name = "GB";
  Decimal allowance;  // units per whole period
  bool unlimited = false;
  bool prorate_allowance = false;
  Decimal block_size = Decimal::FromInt(1);  // units, > 0
  Decimal block_price;                       // major units of the currency
  std::optional<Decimal> maximum_charge;
  std::optional<PriceTerms> price;  // of units beyond the allowance, in place of blocks
  Measure measure = Measure::kTotal;
  Decimal percentile = Decimal::FromInt(95);
  std::vector<TimeWindow> free_windows;  // counted and shown, never charged
  bool charges_overage = true;           // else units beyond what is included cost nothing
  Rollover rollover;
  std::string pool;  // empty: none
};

// Bytes that something other than the allowance of the period pays for.
struct Covered {
  int64_t rolled_over = 0, bought = 0, pool = 0;
  int64_t total() const { return rolled_over + bought + pool; }
};

struct DataCharge {
  int64_t counted_bytes = 0;
  int64_t allowance_bytes = 0;
  int64_t overage_bytes = 0;
  int64_t blocks = 0;
  int64_t amount_minor = 0;
  std::string derivation;
};

// The stretches that usage is counted by: one, those between changes of the free windows, or slots.
struct UsageStretches {
  std::vector<absl::Time> boundaries;
  std::vector<bool> free;  // by stretch
};
UsageStretches StretchesOf(const DataTerms& terms, absl::Time start, absl::Time end,
                           const absl::TimeZone& zone);

// Octets of a period by its stretches.
struct PeriodOctets {
  Octets total, free;
  uint64_t counted = 0;
};
PeriodOctets CountOctets(const DataTerms& terms, const UsageStretches& stretches,
                         const std::vector<Octets>& octets);

// Included bytes of a period of which `days` of `full_days` are in service: prorated and rounded up
// to a whole unit when the terms say so.
absl::StatusOr<int64_t> AllowanceBytes(const DataTerms& terms, int64_t days, int64_t full_days);

// `counted` octets of such a period.
absl::StatusOr<DataCharge> PriceCounted(const DataTerms& terms, int64_t counted, int64_t days,
                                        int64_t full_days, int currency_exponent,
                                        const Covered& covered = {});

// The same of what was received and sent in the whole period.
absl::StatusOr<DataCharge> PriceData(const DataTerms& terms, int64_t bytes_in, int64_t bytes_out,
                                     int64_t days, int64_t full_days, int currency_exponent);

}  // namespace broadbill::rating
