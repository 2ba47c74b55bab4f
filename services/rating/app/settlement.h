#pragma once

// The stretches of items' lives that a request for period usage is about, and what each is paid
// with: domain/balance.h over the stored usage and what was bought.

#include <map>
#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/rating/domain/balance.h"
#include "services/rating/domain/overage.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

// Days of an item, with their instants.
struct ItemDays {
  Uuid account_id, item_id;
  DateInterval days, full;
  absl::Time start, end;
  absl::TimeZone zone;
};

// Under one set of terms.
struct Stretch {
  ItemDays of;
  DataTerms terms;
  PeriodOctets octets;
  int64_t revision = 0;  // of its samples
  ItemBalance balance;

  Covered covered() const { return {balance.used.rolled_over, balance.used.bought, balance.taken}; }
};

class Settlement {
 public:
  // A stretch that is asked for or one before it. An asked one replaces an earlier one of the same
  // days; days may not overlap otherwise: INVALID_ARGUMENT naming `field`.
  absl::Status Add(const ItemDays& of, const DataTerms& terms, bool asked,
                   const std::string& field);
  void Bought(const std::vector<TopUpRow>& rows);
  // Drops what nothing can be left of.
  void Trim();

  // Those whose usage has to be counted.
  std::vector<Stretch*> asked();
  std::vector<Stretch*> earlier();

  absl::Status Settle();

  // One that was asked for.
  const Stretch& Of(const ItemDays& of) const {
    return items_.at(of.item_id).at(of.days.start).first;
  }
  // What was bought on days of it, by code.
  std::map<std::string, std::vector<const TopUpRow*>> BoughtIn(const ItemDays& of) const;
  // Changes whenever anything does that the stretch's answer depends on.
  int64_t RevisionOf(const ItemDays& of) const;

 private:
  using Life = std::map<CivilDay, std::pair<Stretch, bool>>;  // by first day; asked

  std::vector<Stretch*> Find(bool asked);
  std::vector<BoughtUnits> UnitsOf(const Uuid& item) const;

  std::map<Uuid, Life> items_;
  std::map<Uuid, std::vector<TopUpRow>> bought_;
  std::map<Uuid, std::set<Uuid>> accounts_;  // their items
};

}  // namespace broadbill::rating
