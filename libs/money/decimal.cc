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
  const Int128 magnitude = negative ? -scaled_ : scaled_;
  char buffer[48];
  char* const end = buffer + sizeof(buffer);
  char* at = end;
  // The fraction without trailing zeros, then the whole part, from right to left. 64-bit divisions
  // are several times faster than 128-bit ones, and nearly all numbers fit.
  auto fraction = static_cast<uint64_t>(magnitude % kScale);
  if (fraction != 0) {
    int digits = kDigits;
    for (; fraction % 10 == 0; fraction /= 10) --digits;
    for (; digits > 0; --digits, fraction /= 10) *--at = static_cast<char>('0' + fraction % 10);
    *--at = '.';
  }
  Int128 whole = magnitude / kScale;
  do {
    constexpr uint64_t kPart = 1'000'000'000'000'000'000;
    const bool last = whole < Int128{kPart};
    auto part = static_cast<uint64_t>(last ? whole : whole % Int128{kPart});
    whole = last ? 0 : whole / Int128{kPart};
    for (int digits = 0; part != 0 || (last ? digits == 0 : digits < 18); ++digits, part /= 10) {
      *--at = static_cast<char>('0' + part % 10);
    }
  } while (whole != 0);
  if (negative) *--at = '-';
  return std::string(at, end);
}

absl::StatusOr<Decimal> Decimal::Add(Decimal other) const {
  return Checked(scaled_ + other.scaled_);
}

absl::StatusOr<Decimal> Decimal::Sub(Decimal other) const {
  return Checked(scaled_ - other.scaled_);
}

}  // namespace broadbill
