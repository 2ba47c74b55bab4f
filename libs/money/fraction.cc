#include "libs/money/fraction.h"

#include <numeric>

#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill {
namespace {

bool Fits64(Int128 value) { return value <= INT64_MAX && value >= INT64_MIN; }

Int128 Gcd(Int128 a, Int128 b) {
  if (a < 0) a = -a;
  while (b != 0) {
    if (Fits64(a) && Fits64(b)) {
      return std::gcd(static_cast<int64_t>(a), static_cast<int64_t>(b));
    }
    const Int128 rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

bool Multiply(Int128 a, Int128 b, Int128& out) { return !__builtin_mul_overflow(a, b, &out); }

std::string Text(Int128 value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  std::string out;
  for (Int128 rest = negative ? -value : value; rest > 0; rest /= 10) {
    out.insert(out.begin(), static_cast<char>('0' + static_cast<int>(rest % 10)));
  }
  return negative ? "-" + out : out;
}

}  // namespace

Fraction Fraction::Reduced(Int128 numerator, Int128 denominator) {
  const Int128 gcd = Gcd(numerator, denominator);
  return gcd > 1 ? Fraction(numerator / gcd, denominator / gcd) : Fraction(numerator, denominator);
}

Fraction Fraction::Of(Decimal value) { return Reduced(value.scaled(), Decimal::kScale); }

Fraction Fraction::Ratio(int64_t numerator, int64_t denominator) {
  return denominator <= 0 ? Invalid() : Reduced(numerator, denominator);
}

Fraction Fraction::MinorUnits(Decimal major, int exponent) {
  int64_t scale = 1;
  for (int i = 0; i < exponent; ++i) scale *= 10;
  return Of(major) * Of(scale);
}

Fraction Fraction::operator*(const Fraction& other) const {
  if (!valid() || !other.valid()) return Invalid();
  // Reducing crosswise first keeps the products small.
  const Int128 g1 = Gcd(numerator_, other.denominator_);
  const Int128 g2 = Gcd(other.numerator_, denominator_);
  Int128 numerator = 0;
  Int128 denominator = 0;
  const bool fits =
      Multiply(numerator_ / (g1 == 0 ? 1 : g1), other.numerator_ / (g2 == 0 ? 1 : g2), numerator) &&
      Multiply(denominator_ / (g2 == 0 ? 1 : g2), other.denominator_ / (g1 == 0 ? 1 : g1),
               denominator);
  return fits ? Reduced(numerator, denominator) : Invalid();
}

Fraction Fraction::operator+(const Fraction& other) const {
  if (!valid() || !other.valid()) return Invalid();
  const Int128 gcd = Gcd(denominator_, other.denominator_);
  Int128 a = 0;
  Int128 b = 0;
  Int128 sum = 0;
  Int128 denominator = 0;
  const bool fits = Multiply(numerator_, other.denominator_ / gcd, a) &&
                    Multiply(other.numerator_, denominator_ / gcd, b) &&
                    !__builtin_add_overflow(a, b, &sum) &&
                    Multiply(denominator_ / gcd, other.denominator_, denominator);
  return fits ? Reduced(sum, denominator) : Invalid();
}

Fraction Fraction::operator-(const Fraction& other) const { return *this + (-other); }

absl::StatusOr<int64_t> Fraction::Round(Rounding mode) const {
  if (!valid())
    return OutOfRangeError("AMOUNT_RANGE", "the amount is too large to compute exactly");
  const Int128 rounded = RoundDiv(numerator_, denominator_, mode);
  if (!Fits64(rounded)) return OutOfRangeError("AMOUNT_RANGE", "the amount is too large");
  return static_cast<int64_t>(rounded);
}

absl::StatusOr<Decimal> Fraction::ToDecimal(int digits) const {
  Int128 scale = 1;
  for (int i = 0; i < digits; ++i) scale *= 10;
  Int128 numerator = 0;
  if (!valid() || !Multiply(numerator_, scale, numerator)) {
    return OutOfRangeError("AMOUNT_RANGE", "the amount is too large to compute exactly");
  }
  Int128 rounded = RoundDiv(numerator, denominator_);
  for (int i = digits; i < Decimal::kDigits; ++i) rounded *= 10;
  return Decimal::FromScaled(rounded);
}

std::string Fraction::ToString() const {
  if (!valid()) return "out of range";
  return denominator_ == 1 ? Text(numerator_) : Text(numerator_) + "/" + Text(denominator_);
}

}  // namespace broadbill
