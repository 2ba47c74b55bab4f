#include "libs/db/codec.h"

namespace broadbill::db::wire {

// numeric: int16 digit count, int16 weight of the first digit (base 10,000), int16 sign, int16
// display scale, then the digits. A Decimal has 12 fractional digits = 3 base-10,000 digits.
void PutNumeric(std::string& out, const Decimal& value) {
  Int128 scaled = value.scaled();
  const bool negative = scaled < 0;
  if (negative) scaled = -scaled;
  // Base 10,000, the least digit first, without trailing zeros. 128-bit divisions are slow, and
  // nearly all numbers fit 64 bits.
  int16_t digits[12];
  int count = 0;
  int all = 0;
  const auto add = [&](int64_t digit) {
    if (digit != 0 || count > 0) digits[count++] = static_cast<int16_t>(digit);
    ++all;
  };
  for (; scaled > INT64_MAX; scaled /= 10000) add(static_cast<int64_t>(scaled % 10000));
  for (auto rest = static_cast<int64_t>(scaled); rest > 0; rest /= 10000) add(rest % 10000);
  const auto weight = static_cast<int16_t>(all - 4);
  int16_t scale = 0;
  const int fraction_digits = count - (weight + 1);
  if (fraction_digits > 0 && count > 0) {
    int shown = 4 * fraction_digits;
    for (int16_t last = digits[0]; last % 10 == 0; last = static_cast<int16_t>(last / 10)) {
      --shown;
    }
    scale = static_cast<int16_t>(shown);
  }
  Put<int16_t>(out, static_cast<int16_t>(count));
  Put<int16_t>(out, count == 0 ? int16_t{0} : weight);
  Put<int16_t>(out, negative ? int16_t{0x4000} : int16_t{0});
  Put<int16_t>(out, scale);
  while (count > 0) Put<int16_t>(out, digits[--count]);
}

Decimal GetNumeric(std::string_view in) {
  const int16_t count = Get<int16_t>(in);
  const int16_t weight = Get<int16_t>(in.substr(2));
  const bool negative = Get<int16_t>(in.substr(4)) == 0x4000;
  Int128 scaled = 0;
  for (int i = 0; i < weight + 1 + 3; ++i) {
    const Int128 digit =
        i < count ? Get<int16_t>(in.substr(8 + 2 * static_cast<size_t>(i))) : int16_t{0};
    scaled = scaled * 10000 + digit;
  }
  // A value below 10^-4 has a negative weight: its first digits lie further right.
  if (weight < -1) {
    scaled = 0;
    for (int position = -1; position >= -3; --position) {
      const int i = weight - position;
      const Int128 digit = i >= 0 && i < count
                               ? Get<int16_t>(in.substr(8 + 2 * static_cast<size_t>(i)))
                               : int16_t{0};
      scaled = scaled * 10000 + digit;
    }
  }
  return Decimal::FromScaled(negative ? -scaled : scaled);
}

int32_t DaysSince2000(CivilDay day) {
  if (day == CivilDay::max()) return INT32_MAX;  // infinity
  if (day == CivilDay::min()) return INT32_MIN;  // -infinity
  return static_cast<int32_t>(day - CivilDay(2000, 1, 1));
}

CivilDay DayFrom2000(int32_t days) {
  if (days == INT32_MAX) return CivilDay::max();
  if (days == INT32_MIN) return CivilDay::min();
  // Years from March on, in cycles of 400: absl's `+` walks there from 2000 year by year.
  constexpr int64_t kCycle = 146097;             // days of 400 years
  const int64_t since = int64_t{days} + 730425;  // since 0000-03-01
  const int64_t cycle = (since >= 0 ? since : since - kCycle + 1) / kCycle;
  const int64_t day = since - cycle * kCycle;
  const int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  const int64_t of_year = day - (365 * year + year / 4 - year / 100);
  const int64_t month = (5 * of_year + 2) / 153;  // 0 = March
  return CivilDay(year + cycle * 400 + (month < 10 ? 0 : 1), month < 10 ? month + 3 : month - 9,
                  of_year - (153 * month + 2) / 5 + 1);
}

}  // namespace broadbill::db::wire
