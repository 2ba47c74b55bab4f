#pragma once

// A line to put calls to, of cases that other systems worked.

#include <algorithm>

#include "services/rating/domain/call.h"

namespace broadbill::conformance {

// A line of one deck; calls go to a number that all its rates are for.
struct Line {
  explicit Line(const rating::Deck& deck) : decks({deck}) {
    terms.plan = rating::FindDialPlan("US");
    terms.zone = absl::UTCTimeZone();
    terms.decks = &decks;
  }
  explicit Line(const rating::DeckRate& rate) : Line(rating::Deck{"d", {rate}, {}, std::nullopt}) {}

  rating::CallPrice Call(int64_t seconds, absl::Time answered = absl::FromUnixSeconds(1709726400)) {
    return RateCall({"16125550142", answered, seconds}, terms, bundles);
  }
  const rating::DeckIndex decks;
  rating::CallTerms terms;
  std::vector<rating::Bundle> bundles;
};

// What the whole call costs in sixtieths of a millionth, fees in it, before it is rounded.
inline int64_t Exact(const rating::CallPrice& price) {
  if (price.charged_seconds == 0) return 0;
  const int64_t cost = price.rate->connect_micros * 60 + price.charged_sixtieths;
  const int64_t least = std::max(cost, price.rate->minimum_micros * 60);
  const auto most = price.rate->maximum_micros;
  return most.has_value() ? std::min(least, *most * 60) : least;
}

inline rating::Bundle Included(int64_t seconds, int32_t increment = 0) {
  rating::Bundle out;
  out.left_seconds = seconds;
  out.increment = increment;
  return out;
}

}  // namespace broadbill::conformance
