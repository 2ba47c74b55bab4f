#include "libs/money/money.h"

#include <algorithm>
#include <array>

#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill {
namespace {

// ISO 4217 active codes by exponent.
constexpr std::string_view kNone[] = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG",
                                      "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"};
constexpr std::string_view kThree[] = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"};
constexpr std::string_view kTwo[] = {
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD",
    "BDT", "BGN", "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD",
    "CDF", "CHF", "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP",
    "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD",
    "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR",
    "KPW", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD",
    "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN",
    "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON",
    "RSD", "RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD",
    "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD", "TWD",
    "TZS", "UAH", "USD", "UYU", "UZS", "VES", "WST", "XCD", "YER", "ZAR", "ZMW", "ZWG"};

int64_t Pow10(int n) {
  int64_t out = 1;
  for (int i = 0; i < n; ++i) out *= 10;
  return out;
}

}  // namespace

absl::StatusOr<int> CurrencyExponent(std::string_view code) {
  const auto in = [&](const auto& list) {
    return std::find(std::begin(list), std::end(list), code) != std::end(list);
  };
  if (in(kTwo)) return 2;
  if (in(kNone)) return 0;
  if (in(kThree)) return 3;
  return InvalidArgumentError("UNKNOWN_CURRENCY",
                              "'" + std::string(code) + "' is not an ISO 4217 currency code");
}

std::string FormatMinor(int64_t minor, int exponent) {
  const bool negative = minor < 0;
  std::string digits = std::to_string(minor);
  if (negative) digits.erase(0, 1);
  const auto places = static_cast<size_t>(exponent);
  if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
  if (places > 0) digits.insert(digits.size() - places, ".");
  return negative ? "-" + digits : digits;
}

std::string FormatMinorGrouped(int64_t minor, int exponent) {
  std::string out = FormatMinor(minor, exponent);
  const size_t first = out.front() == '-' ? 1 : 0;
  size_t point = out.find('.');
  if (point == std::string::npos) point = out.size();
  for (size_t at = point; at > first + 3; at -= 3) out.insert(at - 3, ",");
  return out;
}

std::string FormatMoney(int64_t minor, std::string_view currency) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kSigns{
      {{"USD", "$"}, {"EUR", "€"}, {"GBP", "£"}, {"JPY", "¥"}, {"INR", "₹"}}};
  const auto exponent = CurrencyExponent(currency);
  const std::string number = FormatMinorGrouped(minor, exponent.ok() ? *exponent : 2);
  for (const auto& [code, sign] : kSigns) {
    if (code != currency) continue;
    return minor < 0 ? "-" + std::string(sign) + number.substr(1) : std::string(sign) + number;
  }
  return number + " " + std::string(currency);
}

absl::StatusOr<int64_t> ParseMinor(std::string_view text, int exponent) {
  ASSIGN_OR_RETURN(const Decimal value, Decimal::Parse(text));
  const Int128 step = Decimal::kScale / Pow10(exponent);
  if (value.scaled() % step != 0) {
    return InvalidArgumentError("INVALID_AMOUNT", "'" + std::string(text) + "' has more than " +
                                                      std::to_string(exponent) + " decimals");
  }
  const Int128 minor = value.scaled() / step;
  if (minor > INT64_MAX || minor < INT64_MIN) {
    return OutOfRangeError("AMOUNT_RANGE", "the amount is too large");
  }
  return static_cast<int64_t>(minor);
}

std::pair<int64_t, int32_t> ToUnitsNanos(int64_t minor, int exponent) {
  const int64_t scale = Pow10(exponent);
  return {minor / scale, static_cast<int32_t>(minor % scale * (Pow10(9) / scale))};
}

absl::StatusOr<int64_t> FromUnitsNanos(int64_t units, int32_t nanos, int exponent) {
  const int64_t scale = Pow10(exponent);
  const auto nano_step = static_cast<int32_t>(Pow10(9) / scale);
  if (nanos <= -Pow10(9) || nanos >= Pow10(9) || (units > 0 && nanos < 0) ||
      (units < 0 && nanos > 0)) {
    return InvalidArgumentError("INVALID_AMOUNT", "units and nanos do not form an amount");
  }
  if (nanos % nano_step != 0) {
    return InvalidArgumentError("INVALID_AMOUNT", "the amount is finer than its currency");
  }
  int64_t minor = 0;
  if (__builtin_mul_overflow(units, scale, &minor) ||
      __builtin_add_overflow(minor, static_cast<int64_t>(nanos / nano_step), &minor)) {
    return OutOfRangeError("AMOUNT_RANGE", "the amount is too large");
  }
  return minor;
}

}  // namespace broadbill
