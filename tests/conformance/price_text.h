#pragma once

// The short texts in which worked cases write prices, quantities and what is expected of them:
// "graduated <=5 flat 100; <=10 flat 50; rest @5, minimum 1000", "before 12, this 10", "+3, +6".

#include <optional>
#include <string>
#include <vector>

#include "services/rating/domain/pricing.h"

namespace broadbill::conformance {

// A price; of each of several meters where `meters` has more than one.
struct PriceText {
  std::vector<rating::PriceTerms> meters;
  bool prorated = false;  // changes of a counted quantity
  bool metered = false;   // the quantity is an amount of money
  rating::EventAmounts events;
  std::string unknown;  // the part that was not understood; "" when all was
};
// `limits` are the per event limits that "min/max" means: those of an earlier case.
PriceText ReadPrice(const std::string& text, const rating::PriceTerms& limits);

// One line of a period.
struct LineText {
  std::vector<Decimal> cumulated;  // by meter
  rating::LineKind kind = rating::LineKind::kLast;
  std::optional<Decimal> billed;  // before it; unset: what the lines before it billed
  bool expected = true;           // false: only says what came before
};
struct InputText {
  std::vector<LineText> lines;
  std::vector<Decimal> amounts;  // of single events
  std::vector<rating::ProratedChange> changes;
  std::optional<int64_t> events;
  bool deltas = false;  // later lines correct earlier ones
  bool known = false;
};
InputText ReadInput(const std::string& text, const PriceText& price);

// The amounts of the lines, "nothing" being 0; empty when it is no list of amounts.
std::vector<Decimal> ReadExpected(const std::string& text);

}  // namespace broadbill::conformance
