#include "services/rating/domain/balance.h"

#include <algorithm>
#include <deque>
#include <tuple>

namespace broadbill::rating {
namespace {

int64_t Take(int64_t& from, int64_t wanted) {
  const int64_t taken = std::min(from, wanted);
  from -= taken;
  return taken;
}

// What one item has from one period to the next.
class Stock {
 public:
  void Buy(std::vector<BoughtUnits> units) {
    std::sort(units.begin(), units.end(), [](const BoughtUnits& a, const BoughtUnits& b) {
      return std::tie(a.until, a.from, a.id) < std::tie(b.until, b.from, b.id);
    });
    bought_ = std::move(units);
  }

  // A period with such terms begins on that day. What cannot go into it lapses.
  int64_t Begin(const ItemUse& use) {
    if (use.rollover.periods == 0 || ends_ != use.days.start) return Cut(0);
    return use.rollover.maximum.has_value() ? Cut(*use.rollover.maximum) : 0;
  }

  // The period of these uses is over, with what is left of their allowances; what lapses with it.
  int64_t End(const std::vector<std::pair<const ItemUse*, int64_t>>& left) {
    int64_t lapsed = 0;
    for (Lot& lot : lots_) --lot.periods;
    while (!lots_.empty() && lots_.front().periods == 0) {
      lapsed += lots_.front().bytes;
      lots_.pop_front();
    }
    for (const auto& [use, bytes] : left) {
      if (use->rollover.periods == 0) {
        lapsed += bytes;
      } else if (bytes > 0) {
        lots_.push_back({use->rollover.periods, bytes});
      }
      ends_ = use->days.end;
    }
    // Units of terms with fewer periods lapse sooner than older ones of others.
    std::stable_sort(lots_.begin(), lots_.end(),
                     [](const Lot& a, const Lot& b) { return a.periods < b.periods; });
    const Rollover& terms = left.back().first->rollover;
    if (terms.periods == 0) return lapsed + Cut(0);
    return lapsed + (terms.maximum.has_value() ? Cut(*terms.maximum) : 0);
  }

  int64_t rolled_over() const {
    int64_t sum = 0;
    for (const Lot& lot : lots_) sum += lot.bytes;
    return sum;
  }
  int64_t bought(const DateInterval& days) const {
    int64_t sum = 0;
    for (const BoughtUnits& units : bought_) sum += IsUsable(units, days) ? units.bytes : 0;
    return sum;
  }

  // Draws in the order of the rules; `allowance` is what is left of that of the use.
  Drawn Draw(const DateInterval& days, int64_t& allowance, int64_t wanted) {
    Drawn out;
    for (Lot& lot : lots_) out.rolled_over += Take(lot.bytes, wanted - out.rolled_over);
    out.allowance = Take(allowance, wanted - out.total());
    for (BoughtUnits& units : bought_) {
      if (IsUsable(units, days)) out.bought += Take(units.bytes, wanted - out.total());
    }
    return out;
  }

 private:
  struct Lot {
    int periods;  // in which it is usable, the running one included
    int64_t bytes;
  };

  static bool IsUsable(const BoughtUnits& units, const DateInterval& days) {
    return units.from < days.end && units.until > days.start;
  }

  // Only so much stays; the first to end lapse.
  int64_t Cut(int64_t maximum) {
    const int64_t lapsed = std::max<int64_t>(0, rolled_over() - maximum);
    for (int64_t left = lapsed; left > 0; lots_.pop_front()) {
      left -= Take(lots_.front().bytes, left);
      if (lots_.front().bytes > 0) break;
    }
    return lapsed;
  }

  std::deque<Lot> lots_;  // the first to end first
  std::vector<BoughtUnits> bought_;
  std::optional<CivilDay> ends_;  // of the last period
};

class Settlement {
 public:
  Settlement(const std::vector<ItemUse>& uses,
             const std::map<Uuid, std::vector<BoughtUnits>>& bought)
      : uses_(uses), balances_(uses.size()), allowances_(uses.size()) {
    for (const auto& [item, units] : bought) stocks_[item].Buy(units);
  }

  std::vector<ItemBalance> Run() {
    std::vector<size_t> order(uses_.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const auto key = [&](size_t i) {
        const ItemUse& use = uses_[i];
        return std::tie(use.full.start, use.full.end, use.item, use.days.start);
      };
      return key(a) < key(b);
    });
    for (auto begin = order.begin(); begin != order.end();) {
      const auto end = std::find_if(begin, order.end(),
                                    [&](size_t i) { return uses_[i].full != uses_[*begin].full; });
      SettlePeriod({begin, end});
      begin = end;
    }
    return std::move(balances_);
  }

 private:
  // Uses of one whole period, in order of item and day.
  void SettlePeriod(const std::vector<size_t>& uses) {
    std::map<std::string, std::vector<size_t>> pools;
    for (size_t n = 0; n < uses.size(); ++n) {
      const ItemUse& use = uses_[uses[n]];
      const bool first = n == 0 || uses_[uses[n - 1]].item != use.item;
      UseOwn(uses[n], first);
      if (!use.pool.empty()) pools[use.pool].push_back(uses[n]);
    }
    for (const auto& [name, members] : pools) Share(members);
    std::vector<std::pair<const ItemUse*, int64_t>> left;
    for (size_t n = 0; n < uses.size(); ++n) {
      const ItemUse& use = uses_[uses[n]];
      left.emplace_back(&use, allowances_[uses[n]]);
      if (n + 1 < uses.size() && uses_[uses[n + 1]].item == use.item) continue;
      ItemBalance& balance = balances_[uses[n]];
      balance.lapsed += stocks_[use.item].End(left);
      balance.goes_on = stocks_[use.item].rolled_over();
      left.clear();
    }
  }

  void UseOwn(size_t i, bool first) {
    const ItemUse& use = uses_[i];
    Stock& stock = stocks_[use.item];
    ItemBalance& out = balances_[i];
    if (first) out.lapsed = stock.Begin(use);
    allowances_[i] = use.allowance;
    out.had = {stock.rolled_over(), use.allowance, stock.bought(use.days)};
    out.used = stock.Draw(use.days, allowances_[i], use.used);
    out.overage = use.used - out.used.total();
  }

  // Who has used up its own uses what others have left.
  void Share(const std::vector<size_t>& members) {
    auto giver = members.begin();
    for (const size_t i : members) {
      ItemBalance& taker = balances_[i];
      while (taker.overage > 0 && giver != members.end()) {
        const Drawn drawn = stocks_[uses_[*giver].item].Draw(uses_[*giver].days,
                                                             allowances_[*giver], taker.overage);
        ItemBalance& from = balances_[*giver];
        from.given.rolled_over += drawn.rolled_over;
        from.given.allowance += drawn.allowance;
        from.given.bought += drawn.bought;
        taker.taken += drawn.total();
        taker.overage -= drawn.total();
        if (taker.overage > 0) ++giver;
      }
    }
    TellOthers(members);
  }

  void TellOthers(const std::vector<size_t>& members) {
    std::map<Uuid, int64_t> stocks;  // what belongs to no one stretch
    int64_t left = 0;
    for (const size_t i : members) {
      const Stock& stock = stocks_[uses_[i].item];
      stocks[uses_[i].item] = stock.rolled_over() + stock.bought(uses_[i].days);
      left += allowances_[i];
    }
    for (const auto& [item, bytes] : stocks) left += bytes;
    for (const size_t i : members) {
      balances_[i].others = left - stocks[uses_[i].item] - allowances_[i];
    }
  }

  const std::vector<ItemUse>& uses_;
  std::vector<ItemBalance> balances_;
  std::vector<int64_t> allowances_;  // what is left of them
  std::map<Uuid, Stock> stocks_;
};

}  // namespace

std::vector<ItemBalance> Settle(const std::vector<ItemUse>& uses,
                                const std::map<Uuid, std::vector<BoughtUnits>>& bought) {
  return Settlement(uses, bought).Run();
}

}  // namespace broadbill::rating
