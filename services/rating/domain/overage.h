#pragma once

// Pricing of a period's data: allowance, then started blocks. BILLING.md §6.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/money/decimal.h"

namespace broadbill::rating {

enum class Direction { kIn, kOut, kBoth };

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
};

struct DataCharge {
  int64_t counted_bytes = 0;
  int64_t allowance_bytes = 0;
  int64_t overage_bytes = 0;
  int64_t blocks = 0;
  int64_t amount_minor = 0;
  std::string derivation;
};

// `days` of `full_days` are in service; the allowance is prorated and rounded up to a whole unit
// when the terms say so.
absl::StatusOr<DataCharge> PriceData(const DataTerms& terms, int64_t bytes_in, int64_t bytes_out,
                                     int64_t days, int64_t full_days, int currency_exponent);

}  // namespace broadbill::rating
