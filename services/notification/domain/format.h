#pragma once

// Dates and amounts as people write them in the language of a message. Languages without rules of
// their own here get ISO 8601 dates and amounts as libs/money writes them: unusual, never
// ambiguous.

#include <cstdint>
#include <string>

#include "libs/calendar/date.h"

namespace broadbill::notification {

// "April 1, 2026" (en, en-US, en-CA), "1 April 2026" (other English), "1. April 2026" (de), ….
// `language` is a BCP 47 tag.
std::string LongDate(CivilDay day, const std::string& language);

// "$1,249.04" (en), "1.249,04 €" (de), ….
std::string Amount(int64_t minor, const std::string& currency, const std::string& language);

}  // namespace broadbill::notification
