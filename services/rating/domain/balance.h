#pragma once

// What the data of a period is paid with: units rolled over from earlier periods, the allowance,
// units bought on top, and what other items of a pool leave. BILLING.md §6.
//
// Rules
//  - The use of a period is one sum: units that can be used on any of its days serve all of it.
//  - An item uses what rolled over, oldest first; then its allowance; then what was bought, the
//    first to end first; then what the others of its pool have left, in order of item id, each in
//    that same order of sources. The rest is overage.
//  - What is left of an allowance stays usable for `periods` further periods, as long as the item's
//    usage goes on without a gap under terms with rollover; a change of plan does not matter. Where
//    a period would begin with more than the maximum, the oldest units lapse.
//  - What was bought does not roll over: it is usable on its own days, in whatever periods they
//  lie.
//  - A pool holds items of one account, for the same whole period.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "libs/calendar/period.h"
#include "libs/ids/uuid.h"

namespace broadbill::rating {

struct Rollover {
  int periods = 0;                 // after its own in which a unit is usable; 0: none
  std::optional<int64_t> maximum;  // bytes that a period can begin with
};

// Units bought on top, usable on days of [from, until).
struct BoughtUnits {
  std::string id;
  CivilDay from, until;
  int64_t bytes = 0;
};

// Use of one item in a period, or in the part of it under one plan. Bytes of terms without a limit
// are not used here: 0.
struct ItemUse {
  Uuid item;
  DateInterval days;  // in which the terms held
  DateInterval full;  // the whole period
  int64_t used = 0, allowance = 0;
  Rollover rollover;
  std::string pool;  // empty: none
};

// Bytes by where they come from.
struct Drawn {
  int64_t rolled_over = 0, allowance = 0, bought = 0;
  int64_t total() const { return rolled_over + allowance + bought; }
};

struct ItemBalance {
  Drawn had;            // at the beginning
  Drawn used;           // by the item itself
  Drawn given;          // to others of the pool
  int64_t taken = 0;    // from others of the pool
  int64_t overage = 0;  // beyond all of it
  int64_t others = 0;   // what the others of the pool have left
  int64_t lapsed = 0;   // rolled-over units and allowance that nobody can use any more
  int64_t goes_on = 0;  // into the next period; of the item's last use in the period
  int64_t covered() const { return used.rolled_over + used.bought + taken; }
  // All that the item could use, so that what is left is this less what it used.
  int64_t included() const { return had.total() - given.total() + taken + others; }
};

// Uses of one account, in any order; an item's are of different days. Earlier periods are those
// from the first in which something could be left: without them nothing is taken to be left. One
// balance per use, in the order given.
std::vector<ItemBalance> Settle(const std::vector<ItemUse>& uses,
                                const std::map<Uuid, std::vector<BoughtUnits>>& bought);

}  // namespace broadbill::rating
