#include "services/rating/app/settlement.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::rating {

absl::Status Settlement::Add(const ItemDays& of, const DataTerms& terms, bool asked,
                             const std::string& field) {
  Life& life = items_[of.item_id];
  accounts_[of.account_id].insert(of.item_id);
  const auto next = life.lower_bound(of.days.start);
  if (next != life.end() && next->second.first.of.days == of.days) {
    // The terms of the question count.
    if (asked && !next->second.second) next->second = {{of, terms, {}, 0, {}}, true};
    return absl::OkStatus();
  }
  const bool overlaps =
      (next != life.end() && next->first < of.days.end) ||
      (next != life.begin() && std::prev(next)->second.first.of.days.end > of.days.start);
  if (overlaps || of.days.empty()) {
    return InvalidField(field, "shares days with another period of the item, or has none");
  }
  life.emplace(of.days.start, std::make_pair(Stretch{of, terms, {}, 0, {}}, asked));
  return absl::OkStatus();
}

void Settlement::Bought(const std::vector<TopUpRow>& rows) {
  for (const TopUpRow& row : rows) bought_[row.item_id].push_back(row);
}

void Settlement::Trim() {
  for (const auto& [account, items] : accounts_) {
    // From the first day asked, back over what was bought before it and is usable after it.
    CivilDay from = CivilDay::max();
    bool rolls = false;
    for (const Uuid& item : items) {
      for (const auto& [start, one] : items_[item]) {
        rolls = rolls || one.first.terms.rollover.periods > 0;
        if (one.second) from = std::min(from, start);
      }
    }
    for (CivilDay before = CivilDay::max(); !rolls && from < before;) {
      before = from;
      for (const Uuid& item : items) {
        for (const TopUpRow& row : bought_[item]) {
          if (row.usable_to.value_or(CivilDay::min()) > before)
            from = std::min(from, row.bought_on);
        }
      }
      for (const Uuid& item : items) {
        for (const auto& [start, one] : items_[item]) {
          if (one.first.of.days.Contains(from)) from = start;
        }
      }
    }
    for (const Uuid& item : items) {
      if (rolls) continue;
      std::erase_if(items_[item], [&](const auto& entry) {
        return !entry.second.second && entry.second.first.of.days.end <= from;
      });
    }
  }
}

std::vector<Stretch*> Settlement::Find(bool asked) {
  std::vector<Stretch*> out;
  for (auto& [item, life] : items_) {
    for (auto& [start, one] : life) {
      if (one.second == asked) out.push_back(&one.first);
    }
  }
  return out;
}

std::vector<Stretch*> Settlement::asked() { return Find(true); }

std::vector<Stretch*> Settlement::earlier() { return Find(false); }

std::vector<BoughtUnits> Settlement::UnitsOf(const Uuid& item) const {
  std::vector<BoughtUnits> out;
  const auto found = bought_.find(item);
  if (found == bought_.end()) return out;
  for (const TopUpRow& row : found->second) {
    std::optional<CivilDay> until = row.usable_to;
    for (const auto& [start, one] : items_.at(item)) {
      if (!until.has_value() && one.first.of.full.Contains(row.bought_on)) {
        until = one.first.of.full.end;
      }
    }
    // Without its period it is of one that is over and asked for by nobody.
    if (!until.has_value()) continue;
    out.push_back({row.top_up_id.ToText("top"), row.bought_on, *until, row.bytes});
  }
  return out;
}

absl::Status Settlement::Settle() {
  for (const auto& [account, items] : accounts_) {
    std::vector<ItemUse> uses;
    std::vector<Stretch*> stretches;
    std::map<Uuid, std::vector<BoughtUnits>> bought;
    for (const Uuid& item : items) {
      bought[item] = UnitsOf(item);
      for (auto& [start, one] : items_[item]) {
        Stretch& stretch = one.first;
        const DataTerms& terms = stretch.terms;
        ItemUse use{item, stretch.of.days, stretch.of.full, 0, 0, terms.rollover, terms.pool};
        // What has no limit, or is no sum of octets, is paid with nothing.
        if (!terms.unlimited && terms.measure == Measure::kTotal) {
          use.used = static_cast<int64_t>(stretch.octets.counted);
          ASSIGN_OR_RETURN(use.allowance,
                           AllowanceBytes(terms, stretch.of.days.days(), stretch.of.full.days()));
        }
        uses.push_back(std::move(use));
        stretches.push_back(&stretch);
      }
    }
    const std::vector<ItemBalance> balances = rating::Settle(uses, bought);
    for (size_t i = 0; i < balances.size(); ++i) stretches[i]->balance = balances[i];
  }
  return absl::OkStatus();
}

std::map<std::string, std::vector<const TopUpRow*>> Settlement::BoughtIn(const ItemDays& of) const {
  std::map<std::string, std::vector<const TopUpRow*>> out;
  const auto found = bought_.find(of.item_id);
  if (found == bought_.end()) return out;
  for (const TopUpRow& row : found->second) {
    if (of.days.Contains(row.bought_on)) out[row.code].push_back(&row);
  }
  return out;
}

int64_t Settlement::RevisionOf(const ItemDays& of) const {
  const Stretch& own = Of(of);
  int64_t out = own.revision;
  for (const Uuid& item : accounts_.at(of.account_id)) {
    const auto bought = bought_.find(item);
    if (bought != bought_.end()) out += static_cast<int64_t>(bought->second.size());
    for (const auto& [start, one] : items_.at(item)) {
      const Stretch& other = one.first;
      const bool counts = item == of.item_id ? start < of.days.start : !own.terms.pool.empty();
      if (counts && &other != &own) out += other.revision;
    }
  }
  return out;
}

}  // namespace broadbill::rating
