// FreeSWITCH's mod_json_cdr, a record a line.

#include "services/rating/domain/freeswitch.h"
#include "tests/fuzz/calls.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {

FUZZ_TARGET(freeswitch_json) {
  static constexpr std::string_view kNext =
      "\n{\"variables\":{\"uuid\":\"5b1e9f0a\",\"answer_uepoch\":\"1772366400000000\","
      "\"end_uepoch\":\"1772366461000000\",\"caller_id_number\":\"12125550100\","
      "\"destination_number\":\"next\"}}\n";
  const auto parsed = ParseFreeswitchJson(input);
  if (!parsed.ok()) return;
  fuzz::CheckCalls(*parsed);
  if (input.size() < 4) return;
  fuzz::CheckNext(*parsed, ParseFreeswitchJson(std::string(input) + std::string(kNext)));
}

}  // namespace broadbill::rating
