#pragma once

// Exact decimal numbers with up to 12 fractional digits: prices, rates, quantities, percentages.
// Magnitude at most 10^24; operations that would leave the range return OUT_OF_RANGE.

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace broadbill {

__extension__ typedef __int128 Int128;

class Decimal {
 public:
  static constexpr int kDigits = 12;
  static constexpr int64_t kScale = 1'000'000'000'000;

  constexpr Decimal() = default;
  static constexpr Decimal FromInt(int64_t value) { return FromScaled(Int128{value} * kScale); }
  // `scaled` counts units of 10^-12.
  static constexpr Decimal FromScaled(Int128 scaled) {
    Decimal out;
    out.scaled_ = scaled;
    return out;
  }
  // "-12.5": an optional sign, digits, and at most 12 digits after a point. INVALID_ARGUMENT for
  // anything else (blanks, exponents, thousands separators, too many digits).
  static absl::StatusOr<Decimal> Parse(std::string_view text);

  constexpr Int128 scaled() const { return scaled_; }
  constexpr bool IsZero() const { return scaled_ == 0; }
  constexpr bool IsNegative() const { return scaled_ < 0; }
  // Shortest form: "49.99", "-0.5", "3".
  std::string ToString() const;

  friend constexpr auto operator<=>(const Decimal&, const Decimal&) = default;
  constexpr Decimal operator-() const { return FromScaled(-scaled_); }
  absl::StatusOr<Decimal> Add(Decimal other) const;
  absl::StatusOr<Decimal> Sub(Decimal other) const;

 private:
  Int128 scaled_ = 0;
};

}  // namespace broadbill
