#pragma once

// Amounts of documents: a signed count of minor units of one ISO 4217 currency.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "libs/money/decimal.h"

namespace broadbill {

// Decimals of a currency: 2 for USD, 0 for JPY, 3 for BHD. INVALID_ARGUMENT (UNKNOWN_CURRENCY) for
// a code that is not an active ISO 4217 currency.
absl::StatusOr<int> CurrencyExponent(std::string_view code);

// "49.99" for 4999 of USD; negative with a leading '-'. `exponent` as above.
std::string FormatMinor(int64_t minor, int exponent);
// For documents: "1,249.04", "-21.29".
std::string FormatMinorGrouped(int64_t minor, int exponent);
// "$1,249.04" where the currency has a well-known sign, else "1,249.04 CHF".
std::string FormatMoney(int64_t minor, std::string_view currency);

// "49.99" to 4999; no more decimals than the currency has.
absl::StatusOr<int64_t> ParseMinor(std::string_view text, int exponent);

// google.type.Money's (units, nanos), both of one sign.
std::pair<int64_t, int32_t> ToUnitsNanos(int64_t minor, int exponent);
// INVALID_ARGUMENT when signs differ, nanos are out of range or finer than the currency.
absl::StatusOr<int64_t> FromUnitsNanos(int64_t units, int32_t nanos, int exponent);

}  // namespace broadbill
