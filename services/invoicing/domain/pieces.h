#pragma once

// What should be covered: an item's life cut into pieces, one for every stretch of equal terms in
// every anchored period, each worth the day values of its days. BILLING.md §3, proration.

#include <vector>

#include "services/invoicing/domain/bill.h"
#include "services/invoicing/domain/schedule.h"

namespace broadbill::invoicing {

// Days of an item during which nothing that is billed changes.
struct Stretch {
  DateInterval days;
  Cause cause = Cause::kStart;
  std::optional<Cause> next;      // what ends it; none: the item ends
  const Terms* terms = nullptr;   // as they begin
  const Terms* at_end = nullptr;  // as they are at its end
  const Segment* first = nullptr;
  bool stopped = false;  // suspended without billing
  bool held = false;     // suspended at the hold price
  uint64_t key = 0;
  Fraction full;  // unrounded amount of a whole period, minor units
};

// A part of a piece on which the same discounts hold.
struct Cut {
  DateInterval days;
  Fraction from, to;  // in the base
  Fraction left;      // of a whole base, after the discounts so far
  int64_t net = 0;    // of these days, after the discounts so far
};

// A piece that should be covered.
struct Wanted {
  const Item* item = nullptr;
  const Stretch* stretch = nullptr;
  DateInterval days;
  DateInterval base;
  DateInterval window;   // the part of the base in which its schedule holds
  Fraction from, to;     // how it begins and ends inside its base
  bool nothing = false;  // not charged until the boundary
  bool thirty_day = false;
  bool due = true;
  int64_t value = 0;  // minor units before discounts
  std::vector<Cut> cuts;
  std::vector<DiscountValue> discounts;
};

// A place inside a base period as a fraction of it.
Fraction PlaceIn(const DateInterval& base, CivilDay day, bool thirty_day);
// The worth of a part of a whole amount, as the difference of two rounded values.
absl::StatusOr<int64_t> Worth(const Fraction& full, const Fraction& from, const Fraction& to);

std::vector<Stretch> Stretches(const Item& item, int exponent);

// The part of an item's life that is looked at.
struct Horizon {
  CivilDay from;  // no period lies over it
  CivilDay as_of;
  int ahead = 0;
};

// All pieces of periods from the first day on that have begun `ahead` days after the as-of date (or
// are due with the stub before them), in order; those in arrears of a period that has not ended are
// not due.
absl::StatusOr<std::vector<Wanted>> WantedPieces(const Item& item,
                                                 const std::vector<Stretch>& stretches,
                                                 const std::vector<Era>& eras,
                                                 const Horizon& horizon);

Piece ToPiece(const Wanted& wanted);

}  // namespace broadbill::invoicing
