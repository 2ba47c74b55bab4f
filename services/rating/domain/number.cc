#include "services/rating/domain/number.h"

#include <algorithm>
#include <array>

namespace broadbill::rating {
namespace {

const std::array<DialPlan, 24>& Plans() {
  static const std::array<DialPlan, 24> plans = {{
      {"US", "1", "011", "1", 10, 10}, {"CA", "1", "011", "1", 10, 10},
      {"PR", "1", "011", "1", 10, 10}, {"GB", "44", "00", "0", 9, 10},
      {"DE", "49", "00", "0", 4, 11},  {"FR", "33", "00", "0", 9, 9},
      {"ES", "34", "00", "", 9, 9},    {"IT", "39", "00", "", 6, 11},
      {"NL", "31", "00", "0", 9, 9},   {"BE", "32", "00", "0", 8, 9},
      {"AT", "43", "00", "0", 4, 13},  {"CH", "41", "00", "0", 9, 9},
      {"SE", "46", "00", "0", 7, 9},   {"DK", "45", "00", "", 8, 8},
      {"NO", "47", "00", "", 8, 8},    {"FI", "358", "00", "0", 5, 12},
      {"PL", "48", "00", "", 9, 9},    {"CZ", "420", "00", "", 9, 9},
      {"PT", "351", "00", "", 9, 9},   {"IE", "353", "00", "0", 7, 9},
      {"AU", "61", "0011", "0", 9, 9}, {"NZ", "64", "00", "0", 8, 10},
      {"BR", "55", "00", "0", 10, 11}, {"IN", "91", "00", "0", 10, 10},
  }};
  return plans;
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return !prefix.empty() && text.substr(0, prefix.size()) == prefix;
}

std::optional<std::string> Checked(std::string digits) {
  // E.164: at most 15 digits, no country code starts with 0.
  if (digits.size() < 7 || digits.size() > 15 || digits.front() == '0') return std::nullopt;
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
  std::string national = digits;
  const bool trunked = StartsWith(national, plan.trunk) && national.size() > plan.national_min &&
                       national.size() - plan.trunk.size() >= plan.national_min;
  if (trunked) national.erase(0, plan.trunk.size());
  if (national.size() >= plan.national_min && national.size() <= plan.national_max) {
    return Checked(plan.calling_code + national);
  }
  // A switch may send E.164 without the plus sign.
  if (StartsWith(digits, plan.calling_code) && digits.size() > plan.national_max) {
    return Checked(digits);
  }
  return std::nullopt;
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
