#pragma once

// Dialled strings to E.164 by the rules of the line's country (ITU-T E.164, E.164.1; NANP).

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace broadbill::rating {

// Dialling rules of a country.
struct DialPlan {
  std::string country;        // ISO 3166-1 alpha-2
  std::string calling_code;   // "1", "44"
  std::string international;  // prefix for calls abroad: "011", "00"
  std::string trunk;          // prefix for national calls, dropped: "1", "0", ""
  size_t national_min = 4;    // digits of a national number without the trunk prefix
  size_t national_max = 12;
};

// The rules of a country; nullptr when it is not known.
const DialPlan* FindDialPlan(std::string_view country);

// An E.164 number: its digits without '+', and the same packed for comparison and look-up.
struct E164 {
  std::array<char, 16> digits;
  uint8_t size = 0;
  std::string_view text() const { return {digits.data(), size}; }
  // Of another number only when the numbers are equal (PackDigits).
  uint64_t key() const;
};

// Up to 15 digits in 4 bits each from the top, a digit as itself + 1 and none as 0: what begins
// with a prefix lies between the prefix's key and the next.
uint64_t PackDigits(std::string_view digits);

// False when the string is no number that can be dialled from `plan`'s country (letters, too short,
// too long).
bool Normalise(std::string_view dialled, const DialPlan& plan, E164& out);

// The same as text: the digits of the E.164 number without '+', or nothing when there is none.
std::optional<std::string> ToE164(std::string_view dialled, const DialPlan& plan);

// A number whose owner pays for the calls to it: NANP toll-free codes, universal 800.
bool IsTollFree(std::string_view digits);

// Emergency numbers and other codes that are never charged and never blocked.
bool IsEmergency(std::string_view dialled, const DialPlan& plan);

}  // namespace broadbill::rating
