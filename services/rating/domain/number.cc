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

// Digits of the calling code by the first three digits of a number; 0: no such code is assigned
// (ITU-T E.164, annex: list of assigned country codes).
constexpr std::array<uint8_t, 1000> CallingCodes() {
  constexpr int kTwo[] = {20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46,
                          47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62, 63,
                          64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98};
  constexpr int kThreeBegin[] = {21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50,
                                 59, 67, 68, 69, 80, 85, 87, 88, 96, 97, 99};
  constexpr int kUnassigned[] = {210, 214, 215, 217, 219, 259, 292, 293, 294, 295, 296, 384,
                                 388, 422, 424, 425, 426, 427, 428, 429, 671, 684, 693, 694,
                                 695, 696, 697, 698, 699, 801, 802, 803, 804, 805, 806, 807,
                                 809, 851, 854, 857, 858, 859, 871, 872, 873, 874, 875, 876,
                                 877, 879, 884, 885, 887, 889, 969, 978, 990, 991, 997, 999};
  std::array<uint8_t, 1000> out{};
  const auto fill = [&](int from, int count, uint8_t size) {
    for (int i = from; i < from + count; ++i) out[static_cast<size_t>(i)] = size;
  };
  fill(100, 100, 1);
  fill(700, 100, 1);
  for (const int code : kTwo) fill(code * 10, 10, 2);
  for (const int code : kThreeBegin) fill(code * 10, 10, 3);
  for (const int code : kUnassigned) fill(code, 1, 0);
  return out;
}
constexpr std::array<uint8_t, 1000> kCallingCodes = CallingCodes();

// Takes an international number that can exist: an assigned calling code and at most 15 digits; in
// the NANP ten digits, none of whose area codes begins with 0 or 1. Lengths abroad are not checked:
// a network completed the call, and the deck knows the prefix.
bool Take(std::string_view head, std::string_view tail, E164& out) {
  const size_t size = head.size() + tail.size();
  if (size < 7 || size > 15) return false;
  const auto copied = std::copy(head.begin(), head.end(), out.digits.begin());
  std::copy(tail.begin(), tail.end(), copied);
  const auto digit = [&](size_t at) { return static_cast<size_t>(out.digits[at] - '0'); };
  if (kCallingCodes[digit(0) * 100 + digit(1) * 10 + digit(2)] == 0) return false;
  if (out.digits[0] == '1' && (size != 11 || out.digits[1] < '2')) return false;
  out.size = static_cast<uint8_t>(size);
  return true;
}

// The dialled digits; false for a string that has other characters than are used to group them.
struct Dialled {
  std::array<char, 32> buffer;
  size_t size = 0;
  bool international = false;
};
bool ReadDigits(std::string_view text, Dialled& out) {
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      if (out.size == out.buffer.size()) return false;
      out.buffer[out.size++] = c;
    } else if (c == '+' && out.size == 0 && !out.international) {
      out.international = true;
    } else if (c != ' ' && c != '-' && c != '(' && c != ')' && c != '.' && c != '/') {
      return false;
    }
  }
  return true;
}

}  // namespace

const DialPlan* FindDialPlan(std::string_view country) {
  for (const DialPlan& plan : Plans()) {
    if (plan.country == country) return &plan;
  }
  return nullptr;
}

uint64_t PackDigits(std::string_view digits) {
  uint64_t key = 0;
  int shift = 60;
  for (const char c : digits.substr(0, 15)) {
    if (c < '0' || c > '9') break;
    key |= static_cast<uint64_t>(c - '0' + 1) << shift;
    shift -= 4;
  }
  return key;
}

uint64_t E164::key() const { return PackDigits(text()); }

bool Normalise(std::string_view dialled, const DialPlan& plan, E164& out) {
  Dialled read;
  if (!ReadDigits(dialled, read)) return false;
  const std::string_view digits(read.buffer.data(), read.size);
  if (read.international) return Take({}, digits, out);
  if (StartsWith(digits, plan.international)) {
    return Take({}, digits.substr(plan.international.size()), out);
  }
  const bool trunked =
      StartsWith(digits, plan.trunk) && digits.size() - plan.trunk.size() >= plan.national_min;
  // A switch may send E.164 without the plus sign: where national numbers need a trunk prefix, one
  // without it that begins with the calling code is international.
  const bool bare = StartsWith(digits, plan.calling_code) &&
                    (plan.trunk.empty() ? digits.size() > plan.national_max : !trunked);
  if (bare && Take({}, digits, out)) return true;
  const std::string_view national = trunked ? digits.substr(plan.trunk.size()) : digits;
  if (national.size() < plan.national_min || national.size() > plan.national_max) return false;
  return Take(plan.calling_code, national, out);
}

std::optional<std::string> ToE164(std::string_view dialled, const DialPlan& plan) {
  E164 out;
  if (!Normalise(dialled, plan, out)) return std::nullopt;
  return std::string(out.text());
}

bool IsTollFree(std::string_view digits) {
  static constexpr std::array<std::string_view, 7> kNanp = {"800", "833", "844", "855",
                                                            "866", "877", "888"};
  if (digits.size() == 11 && digits[0] == '1') {
    return std::find(kNanp.begin(), kNanp.end(), digits.substr(1, 3)) != kNanp.end();
  }
  return digits.substr(0, 3) == "800";
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
