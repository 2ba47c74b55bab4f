#pragma once

// Voice rating: the longest prefix over the decks of a plan, increments, connect fee, minimum; cost
// rounded once per call to millionths of the major unit. BILLING.md §7.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/calendar/date.h"

namespace broadbill::rating {

// One row of a deck. Amounts are millionths of the currency's major unit.
struct DeckRate {
  std::string prefix;  // 1 to 18 digits of an E.164 number
  std::string destination;
  int64_t connect_micros = 0;     // once per charged call
  int64_t per_minute_micros = 0;  // 6 decimals
  int32_t first_increment = 60;   // seconds, at least 1
  int32_t next_increment = 60;    // seconds, at least 1
  int64_t minimum_micros = 0;     // the least a charged call costs
  CivilDay valid_from = CivilDay::min();
  CivilDay valid_to = CivilDay::max();  // exclusive
};

// Seconds billed for a call: 0 for 0, else the first increment, then whole next increments.
int64_t BilledSeconds(int64_t seconds, int32_t first_increment, int32_t next_increment);

// connect + seconds ÷ 60 × rate, rounded half up to a millionth, at least the minimum; 0 s cost 0.
int64_t CallCostMicros(const DeckRate& rate, int64_t seconds);

// All rates of several decks for lookup by number; decks earlier in the list win ties.
class DeckIndex {
 public:
  // `decks` in order of priority.
  explicit DeckIndex(const std::vector<std::vector<DeckRate>>& decks);
  ~DeckIndex();
  DeckIndex(DeckIndex&&) noexcept;
  DeckIndex& operator=(DeckIndex&&) noexcept;

  // The rate of the longest prefix of `digits` that is valid on `day`; nullptr when none is.
  const DeckRate* Find(std::string_view digits, CivilDay day) const;

 private:
  struct Node;
  std::vector<DeckRate> rates_;
  std::vector<int32_t> next_same_;  // chain of rates with one prefix, by deck then valid_from
  std::vector<Node> nodes_;
};

}  // namespace broadbill::rating
