#pragma once

// Jurisdiction of a North American call by the states of its ends, which rates and surcharges may
// depend on. Where a number was ported, the states are those of its routing number.

#include <string>
#include <string_view>

namespace broadbill::rating {

enum class Jurisdiction {
  kIntrastate,
  kInterstate,
  kIndeterminate,  // one end's place is not known: no caller id, a caller from abroad
  kCanada,
  kInternational,
  kTollFree,
};

// "intrastate", "toll_free", …
std::string JurisdictionName(Jurisdiction jurisdiction);

// E.164 digits without '+' ("" for a hidden number) and states or provinces of both ends ("" where
// they are not known).
Jurisdiction JurisdictionOf(std::string_view calling, std::string_view calling_state,
                            std::string_view called, std::string_view called_state);

}  // namespace broadbill::rating
