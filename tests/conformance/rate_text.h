#pragma once

// The short texts in which worked cases write tariffs and calls: "weekday 00:00-18:00: connect 1 +
// 1/s incr 1s; weekday from 18:00 and weekends: 0.5/s", "Wed 2012-02-08 23:50:00-23:50:30 to 0257".

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/money/rounding.h"
#include "services/rating/domain/call.h"

namespace broadbill::conformance {

struct RateText {
  rating::Deck deck;    // rates of prefix "1" by window
  int64_t divisor = 1;  // of all its amounts, where a price is finer than decks have
  int decimals = 6;     // of a call's cost
  Rounding rounding = Rounding::kHalfAwayFromZero;
  std::string unknown;  // the part that was not understood; "" when all was
};
RateText ReadRate(const std::string& text);

struct CallText {
  absl::Time answered;
  int64_t seconds = 0;
  int64_t count = 1;               // equal calls
  std::optional<Decimal> balance;  // before
  bool later_part = false;         // of a call whose connect fee is paid
  bool known = false;
};
CallText ReadCall(const std::string& text);

// "*up", "round up 2" and the like.
Rounding RoundingOf(const std::string& word);

// Millionths of an amount.
int64_t MicrosOf(const std::string& text);

// `micros` (divided by `divisor`) rounded to `decimals`, in millionths.
int64_t RoundMicros(int64_t sixtieths, int64_t divisor, int decimals, Rounding rounding);

}  // namespace broadbill::conformance
