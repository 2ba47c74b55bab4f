#pragma once

// A subscription's history as consecutive segments: days during which nothing about it changes.
// Pure: the same history gives the same segments, in whatever order changes were entered.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/calendar/date.h"
#include "libs/ids/uuid.h"
#include "libs/money/decimal.h"

namespace broadbill::accounts {

enum class ChangeKind : int16_t {
  kPlan = 1,
  kQuantity = 2,
  kPrice = 3,
  kClearPrice = 4,
  kSuspend = 5,
  kResume = 6,
  kCancel = 7,
  kMove = 8,
};

struct Change {
  CivilDay effective;
  int64_t entered = 0;  // order of entry: of two changes of one kind on one day the later wins
  ChangeKind kind = ChangeKind::kPlan;
  Uuid plan_id;             // kPlan
  bool keep_price = false;  // kPlan: an override survives
  Decimal value;            // kQuantity, kPrice
  Uuid location_id = {};    // kMove
  bool seasonal = false;    // kSuspend: a hold that the customer asked for
};

struct PriceFrom {
  CivilDay valid_from;
  Decimal amount;
};

struct History {
  CivilDay start;
  std::optional<CivilDay> end;  // by cancellation or term; the first day without service
  Uuid plan_id;
  Decimal quantity = Decimal::FromInt(1);
  std::optional<Decimal> price_override;
  std::vector<Change> changes;
  Uuid location_id = {};  // nil: none
};

// What made a segment begin, in the order that decides when several things happen on one day.
enum class Cause : int16_t {
  kStart = 1,
  kPlan = 2,
  kQuantity = 3,
  kPrice = 4,
  kSuspend = 5,
  kResume = 6,
  kMove = 7,
};

struct Segment {
  DateInterval days;  // end = CivilDay::max() while open
  Cause cause = Cause::kStart;
  bool suspended = false;
  Uuid plan_id;
  Decimal price;
  Decimal quantity;
  bool overridden = false;
  Uuid location_id = {};
};

// Changes in the order they hold: by date, then by entry.
std::vector<Change> InOrder(std::vector<Change> changes);
// The first day without service: the agreed end or the earliest cancellation; max() while open.
CivilDay EndOf(const History& history);

// Prices of a plan in order of valid_from; the first also holds before its day.
using PriceBook = std::vector<PriceFrom>;
Decimal PriceOn(const PriceBook& book, CivilDay day);

// `prices_of` gives a plan's price book. Empty when the subscription ends before it starts.
template <class PricesOf>
std::vector<Segment> Segments(const History& history, const PricesOf& prices_of);

// Implementation detail of Segments.
std::vector<Segment> MakeSegments(const History& history,
                                  const std::vector<std::pair<Uuid, PriceBook>>& books);

template <class PricesOf>
std::vector<Segment> Segments(const History& history, const PricesOf& prices_of) {
  std::vector<std::pair<Uuid, PriceBook>> books = {{history.plan_id, prices_of(history.plan_id)}};
  for (const Change& change : history.changes) {
    if (change.kind == ChangeKind::kPlan) {
      books.emplace_back(change.plan_id, prices_of(change.plan_id));
    }
  }
  return MakeSegments(history, books);
}

}  // namespace broadbill::accounts
