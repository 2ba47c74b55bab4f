#pragma once

// Dialled strings to E.164 by the rules of the line's country (ITU-T E.164, E.164.1; NANP).

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

// The digits of the E.164 number without '+', or nothing when the string is no number that can be
// dialled from `plan`'s country (letters, too short, too long).
std::optional<std::string> ToE164(std::string_view dialled, const DialPlan& plan);

// Emergency numbers and other codes that are never charged and never blocked.
bool IsEmergency(std::string_view dialled, const DialPlan& plan);

}  // namespace broadbill::rating
