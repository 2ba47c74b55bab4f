#pragma once

// An exact rational number: an amount while it is multiplied and divided, before it is rounded
// once. Kept in lowest terms on 128 bits; an operation that would not fit makes the value invalid
// (and all that follow from it), which Round reports instead of a wrong amount.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "libs/money/decimal.h"
#include "libs/money/rounding.h"

namespace broadbill {

class Fraction {
 public:
  constexpr Fraction() = default;
  static Fraction Of(Decimal value);
  static Fraction Of(int64_t value) { return Fraction(value, 1); }
  // denominator > 0.
  static Fraction Ratio(int64_t numerator, int64_t denominator);
  // A price in major units as minor units of a currency with `exponent` decimals.
  static Fraction MinorUnits(Decimal major, int exponent);

  Fraction operator*(const Fraction& other) const;
  Fraction operator+(const Fraction& other) const;
  Fraction operator-(const Fraction& other) const;
  Fraction operator-() const { return Fraction(-numerator_, denominator_); }
  bool operator==(const Fraction&) const = default;

  bool valid() const { return denominator_ > 0; }
  bool IsZero() const { return numerator_ == 0; }
  bool IsNegative() const { return numerator_ < 0; }
  Int128 numerator() const { return numerator_; }
  Int128 denominator() const { return denominator_; }

  // Rounded once. OUT_OF_RANGE when the value is invalid or does not fit.
  absl::StatusOr<int64_t> Round(Rounding mode = Rounding::kHalfAwayFromZero) const;
  // Cut after `digits` fractional digits (half away from zero), for storage and display.
  absl::StatusOr<Decimal> ToDecimal(int digits = Decimal::kDigits) const;
  // "4999/100".
  std::string ToString() const;

 private:
  constexpr Fraction(Int128 numerator, Int128 denominator)
      : numerator_(numerator), denominator_(denominator) {}
  static Fraction Reduced(Int128 numerator, Int128 denominator);
  static constexpr Fraction Invalid() { return Fraction(0, 0); }

  Int128 numerator_ = 0;
  Int128 denominator_ = 1;
};

}  // namespace broadbill
