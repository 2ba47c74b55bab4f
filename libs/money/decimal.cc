#include "libs/money/decimal.h"

#include <algorithm>

#include "libs/status/error.h"

namespace broadbill {
namespace {

// 10^24 units, scaled.
const Int128 kLimit = Int128{Decimal::kScale} * Decimal::kScale * Decimal::kScale;

absl::StatusOr<Decimal> Checked(Int128 scaled) {
  if (scaled > kLimit || scaled < -kLimit) {
    return OutOfRangeError("DECIMAL_RANGE", "the number is larger than 10^24");
  }
  return Decimal::FromScaled(scaled);
}

}  // namespace

absl::StatusOr<Decimal> Decimal::Parse(std::string_view text) {
  const auto bad = [&](const char* why) {
    return InvalidArgumentError(
        "INVALID_DECIMAL", "'" + std::string(text.substr(0, 40)) + "' is not a decimal: " + why);
  };
  std::string_view in = text;
  const bool negative = !in.empty() && in.front() == '-';
  if (negative || (!in.empty() && in.front() == '+')) in.remove_prefix(1);
  Int128 scaled = 0;
  int digits = 0;
  int fraction = -1;
  for (const char c : in) {
    if (c == '.' && fraction < 0 && digits > 0) {
      fraction = 0;
      continue;
    }
    if (c < '0' || c > '9') return bad("only digits, one point and a sign may stand in it");
    if (fraction >= 0 && ++fraction > kDigits) return bad("more than 12 digits after the point");
    scaled = scaled * 10 + (c - '0');
    if (++digits > 36) return bad("too many digits");
  }
  if (digits == 0) return bad("it has no digits");
  if (fraction == 0) return bad("no digit after the point");
  for (int i = std::max(fraction, 0); i < kDigits; ++i) {
    if (scaled > kLimit) return bad("it is larger than 10^24");
    scaled *= 10;
  }
  if (scaled > kLimit) return bad("it is larger than 10^24");
  return FromScaled(negative ? -scaled : scaled);
}

std::string Decimal::ToString() const {
  const bool negative = scaled_ < 0;
  Int128 rest = negative ? -scaled_ : scaled_;
  std::string out;
  for (int i = 0; i < kDigits || rest > 0 || i == kDigits; ++i) {
    const auto digit = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
    if (i == kDigits && !out.empty()) out += '.';
    if (i < kDigits && digit == '0' && out.empty()) continue;
    out += digit;
  }
  if (negative) out += '-';
  std::reverse(out.begin(), out.end());
  return out;
}

absl::StatusOr<Decimal> Decimal::Add(Decimal other) const {
  return Checked(scaled_ + other.scaled_);
}

absl::StatusOr<Decimal> Decimal::Sub(Decimal other) const {
  return Checked(scaled_ - other.scaled_);
}

}  // namespace broadbill
