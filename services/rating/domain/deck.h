#pragma once

// Voice rating: the longest prefix over the decks of a plan, dated rates, time windows, increments,
// a second rate from some second on. BILLING.md §7.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "libs/calendar/date.h"
#include "libs/calendar/window.h"
#include "libs/money/decimal.h"
#include "services/rating/domain/number.h"

namespace broadbill::rating {

// One row of a deck. Amounts are millionths of the currency's major unit. A price per call is its
// connect fee.
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
  std::string window = {};              // of the deck; "": all times without a window of their own
  int32_t step_from = 0;  // second of the call from which the step rate holds; 0: none
  int64_t step_per_minute_micros = 0;
  int32_t step_increment = 0;                            // 0: next_increment
  std::optional<int64_t> maximum_micros = std::nullopt;  // the most a call costs
};

struct Deck {
  std::string code;
  std::vector<DeckRate> rates;
  std::vector<TimeWindow> windows;
  std::optional<absl::TimeZone> zone;  // of its windows and days; unset: the line's
};

// Seconds billed for a call: 0 for 0, else the first increment, then whole next increments.
int64_t BilledSeconds(int64_t seconds, int32_t first_increment, int32_t next_increment);

// connect + seconds ÷ 60 × rate, rounded half up to a millionth, at least the minimum; 0 s cost 0.
// For a rate without window and step.
int64_t CallCostMicros(const DeckRate& rate, int64_t seconds);

// A stretch of a call at one price.
struct CallSegment {
  int64_t seconds = 0;  // billed, whole increments
  int64_t per_minute_micros = 0;
  int32_t increment = 0;
  uint32_t rate = 0;  // row of the index
};
using CallSegments = absl::InlinedVector<CallSegment, 4>;

// What rating needs of a rate, in one line of the processor's cache.
struct alignas(64) RateRow {
  int64_t connect_micros = 0;
  int64_t per_minute_micros = 0;
  int64_t step_per_minute_micros = 0;
  int64_t minimum_micros = 0;
  int64_t maximum_micros = INT64_MAX;
  int32_t first_increment = 60, next_increment = 60;
  int32_t step_from = 0, step_increment = 0;
  uint16_t from_day = 0, to_day = 0;  // since 1970; the ends of the range are open
  uint8_t deck = 0;
  int8_t window = -1;  // of its deck; −1: any other time
  bool last = false;   // of the rates of its prefix
};
static_assert(sizeof(RateRow) == 64);

// All rates of several decks for lookup by number; decks earlier in the list win ties.
class DeckIndex {
 public:
  // `decks` in order of priority, at most 256 with at most 127 windows each.
  explicit DeckIndex(const std::vector<Deck>& decks);
  // Decks without windows.
  explicit DeckIndex(const std::vector<std::vector<DeckRate>>& decks);
  ~DeckIndex();
  DeckIndex(DeckIndex&&) noexcept;
  DeckIndex& operator=(DeckIndex&&) noexcept;

  // The rate of the longest prefix of `digits` that is valid on `day`, whatever its window; nullptr
  // when none is.
  const DeckRate* Find(std::string_view digits, CivilDay day) const;

  // Rates of one prefix of one deck that a call at some moment is rated by.
  struct Match {
    uint32_t begin = 0, end = 0;  // rows
    uint32_t first = 0;           // the row that holds at the answer
    LocalTime local;              // of the answer
    bool found = false;
  };
  // By the longest prefix of which a row is valid on the answer's day and holds at its time.
  Match FindAt(uint64_t key, absl::Time answered, const absl::TimeZone& line_zone) const {
    return MatchAt(PlaceOf(key), answered, line_zone);
  }
  // FindAt in steps, so that many look-ups wait for memory together: Prefetch of all keys with step
  // 0, then 1, then PlaceOf all, which begins to read the rates, then MatchAt.
  void Prefetch(uint64_t key, int step) const;
  uint32_t PlaceOf(uint64_t key) const;
  Match MatchAt(uint32_t place, absl::Time answered, const absl::TimeZone& line_zone) const;

  const DeckRate& rate(uint32_t row) const { return rates_[row]; }
  // The same, small; `deck` is its place in the constructor's list.
  const RateRow& row(uint32_t row) const { return rows_[row]; }
  size_t size() const { return rates_.size(); }

  // The stretches of a call: each increment by the row that holds at its start. Empty for 0 s.
  void Walk(const Match& match, absl::Time answered, int64_t seconds,
            const absl::TimeZone& line_zone, CallSegments& out) const;

 private:
  struct Stretch;
  struct Node;
  struct DeckPart;
  class Builder;

  bool Holds(const RateRow& row, const LocalTime& local) const;

  std::vector<DeckRate> rates_;     // by prefix, deck, window precedence
  std::vector<RateRow> rows_;       // of rates_
  std::vector<Node> nodes_;         // of prefixes
  std::vector<Stretch> stretches_;  // of the numbers that have one longest prefix, ascending
  std::vector<uint32_t> cells_;     // by the first five digits: their first stretch
  std::vector<DeckPart> decks_;
};

}  // namespace broadbill::rating
