#include "services/rating/domain/jurisdiction.h"

#include <algorithm>
#include <array>

#include "services/rating/domain/number.h"

namespace broadbill::rating {
namespace {

constexpr std::array<std::string_view, 13> kProvinces = {"AB", "BC", "MB", "NB", "NL", "NS", "NT",
                                                         "NU", "ON", "PE", "QC", "SK", "YT"};

// Area codes of the NANP outside the United States and its territories (NANPA).
constexpr std::array<std::string_view, 63> kCanadian = {
    "204", "226", "236", "249", "250", "257", "263", "273", "289", "306", "343", "354", "365",
    "367", "368", "382", "403", "416", "418", "428", "431", "437", "438", "450", "460", "468",
    "474", "506", "514", "519", "537", "548", "568", "579", "581", "584", "587", "600", "604",
    "613", "622", "633", "639", "647", "672", "683", "705", "709", "742", "753", "778", "780",
    "782", "807", "819", "825", "851", "867", "873", "879", "902", "905", "942"};
constexpr std::array<std::string_view, 21> kIslands = {
    "242", "246", "264", "268", "284", "345", "441", "473", "649", "658", "664",
    "721", "758", "767", "784", "809", "829", "849", "868", "869", "876"};

template <size_t N>
bool In(const std::array<std::string_view, N>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool IsNanp(std::string_view digits) { return digits.size() == 11 && digits[0] == '1'; }

}  // namespace

std::string JurisdictionName(Jurisdiction jurisdiction) {
  switch (jurisdiction) {
    case Jurisdiction::kIntrastate:
      return "intrastate";
    case Jurisdiction::kInterstate:
      return "interstate";
    case Jurisdiction::kIndeterminate:
      return "indeterminate";
    case Jurisdiction::kCanada:
      return "canada";
    case Jurisdiction::kInternational:
      return "international";
    case Jurisdiction::kTollFree:
      return "toll_free";
  }
  return "";
}

Jurisdiction JurisdictionOf(std::string_view calling, std::string_view calling_state,
                            std::string_view called, std::string_view called_state) {
  if (IsTollFree(called)) return Jurisdiction::kTollFree;
  if (!IsNanp(called)) return Jurisdiction::kInternational;
  const std::string_view area = called.substr(1, 3);
  if (In(kProvinces, called_state) || In(kCanadian, area)) {
    return Jurisdiction::kCanada;
  }
  if (In(kIslands, area)) return Jurisdiction::kInternational;
  const bool known = IsNanp(calling) && !calling_state.empty() && !called_state.empty() &&
                     !In(kProvinces, calling_state) && !IsTollFree(calling);
  if (!known) return Jurisdiction::kIndeterminate;
  return calling_state == called_state ? Jurisdiction::kIntrastate : Jurisdiction::kInterstate;
}

}  // namespace broadbill::rating
