#include "services/rating/domain/number.h"

#include <algorithm>
#include <array>
#include <vector>

namespace broadbill::rating {
namespace {

// Country, calling code, international and trunk prefix, digits of a national number.
const std::vector<DialPlan>& Plans() {
  static const auto* const plans = new std::vector<DialPlan>{
      {"US", "1", "011", "1", 10, 10},  {"CA", "1", "011", "1", 10, 10},
      {"PR", "1", "011", "1", 10, 10},  {"JM", "1", "011", "1", 10, 10},
      {"DO", "1", "011", "1", 10, 10},  {"BS", "1", "011", "1", 10, 10},
      {"AE", "971", "00", "0", 8, 9},   {"AR", "54", "00", "0", 10, 11},
      {"AT", "43", "00", "0", 4, 13},   {"AU", "61", "0011", "0", 9, 9},
      {"BE", "32", "00", "0", 8, 9},    {"BG", "359", "00", "0", 7, 9},
      {"BR", "55", "00", "0", 10, 11},  {"CH", "41", "00", "0", 9, 9},
      {"CL", "56", "00", "", 9, 9},     {"CN", "86", "00", "0", 9, 11},
      {"CO", "57", "00", "", 10, 10},   {"CZ", "420", "00", "", 9, 9},
      {"DE", "49", "00", "0", 4, 13},   {"DK", "45", "00", "", 8, 8},
      {"EE", "372", "00", "", 7, 8},    {"EG", "20", "00", "0", 8, 10},
      {"ES", "34", "00", "", 9, 9},     {"FI", "358", "00", "0", 5, 12},
      {"FR", "33", "00", "0", 9, 9},    {"GB", "44", "00", "0", 9, 10},
      {"GR", "30", "00", "", 10, 10},   {"HK", "852", "001", "", 8, 8},
      {"HR", "385", "00", "0", 8, 9},   {"HU", "36", "00", "06", 8, 9},
      {"IE", "353", "00", "0", 7, 9},   {"IL", "972", "00", "0", 8, 9},
      {"IN", "91", "00", "0", 10, 10},  {"IT", "39", "00", "", 6, 11},
      {"JP", "81", "010", "0", 9, 10},  {"KE", "254", "000", "0", 9, 9},
      {"KZ", "7", "810", "8", 10, 10},  {"LT", "370", "00", "0", 8, 8},
      {"LU", "352", "00", "", 4, 11},   {"LV", "371", "00", "", 8, 8},
      {"MX", "52", "00", "", 10, 10},   {"MY", "60", "00", "0", 7, 10},
      {"NG", "234", "009", "0", 7, 10}, {"NL", "31", "00", "0", 9, 9},
      {"NO", "47", "00", "", 8, 8},     {"NZ", "64", "00", "0", 8, 10},
      {"PE", "51", "00", "0", 8, 9},    {"PH", "63", "00", "0", 8, 10},
      {"PL", "48", "00", "", 9, 9},     {"PT", "351", "00", "", 9, 9},
      {"RO", "40", "00", "0", 9, 9},    {"RU", "7", "810", "8", 10, 10},
      {"SA", "966", "00", "0", 8, 9},   {"SE", "46", "00", "0", 7, 9},
      {"SI", "386", "00", "0", 8, 8},   {"SK", "421", "00", "0", 9, 9},
      {"TH", "66", "001", "0", 8, 9},   {"TR", "90", "00", "0", 10, 10},
      {"UA", "380", "00", "0", 9, 9},   {"VN", "84", "00", "0", 9, 10},
      {"ZA", "27", "00", "0", 9, 9},
  };
  return *plans;
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return !prefix.empty() && text.substr(0, prefix.size()) == prefix;
}

// Digits of the calling code at the front of an international number; 0: no such code is assigned
// (ITU-T E.164, annex: list of assigned country codes).
size_t CallingCodeSize(std::string_view digits) {
  if (digits.size() < 3) return 0;
  if (digits[0] == '1' || digits[0] == '7') return 1;
  static constexpr std::string_view kTwo =
      " 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 "
      "64 "
      "65 66 81 82 84 86 90 91 92 93 94 95 98 ";
  static constexpr std::string_view kUnassigned =
      " 210 214 215 217 219 259 292 293 294 295 296 384 388 422 424 425 426 427 428 429 671 684 "
      "693 "
      "694 695 696 697 698 699 801 802 803 804 805 806 807 809 851 854 857 858 859 871 872 873 874 "
      "875 876 877 879 884 885 887 889 969 978 990 991 997 999 ";
  const std::string two = " " + std::string(digits.substr(0, 2)) + " ";
  if (kTwo.find(two) != std::string_view::npos) return 2;
  static constexpr std::string_view kThreeBegin =
      " 21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 80 85 87 88 96 97 99 ";
  if (kThreeBegin.find(two) == std::string_view::npos) return 0;
  const std::string three = " " + std::string(digits.substr(0, 3)) + " ";
  return kUnassigned.find(three) == std::string_view::npos ? 3 : 0;
}

// An international number that can exist: an assigned calling code and at most 15 digits; in the
// NANP ten digits, none of whose area codes begins with 0 or 1. Lengths abroad are not checked: a
// network completed the call, and the deck knows the prefix.
std::optional<std::string> Checked(std::string digits) {
  if (CallingCodeSize(digits) == 0 || digits.size() < 7 || digits.size() > 15) return std::nullopt;
  const bool nanp = digits[0] == '1';
  if (nanp && (digits.size() != 11 || digits[1] < '2')) return std::nullopt;
  return digits;
}

}  // namespace

const DialPlan* FindDialPlan(std::string_view country) {
  for (const DialPlan& plan : Plans()) {
    if (plan.country == country) return &plan;
  }
  return nullptr;
}

std::optional<std::string> ToE164(std::string_view dialled, const DialPlan& plan) {
  std::string digits;
  bool international = false;
  for (const char c : dialled) {
    if (c >= '0' && c <= '9') {
      digits += c;
    } else if (c == '+' && digits.empty() && !international) {
      international = true;
    } else if (c != ' ' && c != '-' && c != '(' && c != ')' && c != '.' && c != '/') {
      return std::nullopt;
    }
  }
  if (international) return Checked(digits);
  if (StartsWith(digits, plan.international)) {
    return Checked(digits.substr(plan.international.size()));
  }
  const bool trunked =
      StartsWith(digits, plan.trunk) && digits.size() - plan.trunk.size() >= plan.national_min;
  // A switch may send E.164 without the plus sign: where national numbers need a trunk prefix, one
  // without it that begins with the calling code is international.
  const bool bare = StartsWith(digits, plan.calling_code) &&
                    (plan.trunk.empty() ? digits.size() > plan.national_max : !trunked);
  if (bare) {
    if (auto number = Checked(digits); number.has_value()) return number;
  }
  const std::string national = trunked ? digits.substr(plan.trunk.size()) : digits;
  if (national.size() < plan.national_min || national.size() > plan.national_max) {
    return std::nullopt;
  }
  return Checked(plan.calling_code + national);
}

bool IsEmergency(std::string_view dialled, const DialPlan& plan) {
  static constexpr std::array<std::string_view, 3> kNanp = {"911", "988", "933"};
  static constexpr std::array<std::string_view, 6> kOthers = {"112", "999", "110",
                                                              "000", "111", "118"};
  if (plan.calling_code == "1") {
    return std::find(kNanp.begin(), kNanp.end(), dialled) != kNanp.end();
  }
  return std::find(kOthers.begin(), kOthers.end(), dialled) != kOthers.end();
}

}  // namespace broadbill::rating
