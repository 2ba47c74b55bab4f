#include "services/invoicing/domain/settled.h"

#include <algorithm>
#include <string_view>

namespace broadbill::invoicing {
namespace {

// Counts up when the same terms give other pieces than before, so that all periods are looked at
// once more.
constexpr int64_t kRules = 1;

class Hash {
 public:
  void Add(int64_t value) {
    state_ ^= static_cast<uint64_t>(value);
    state_ *= 0x9e3779b97f4a7c15ULL;
    state_ ^= state_ >> 32;
  }
  // Not as a number of days: an open end is a year beyond all counting.
  void Add(CivilDay day) {
    Add(int64_t{day.year()});
    Add(int64_t{day.month() * 32 + day.day()});
  }
  void Add(const DateInterval& days) {
    Add(days.start);
    Add(days.end);
  }
  void Add(const Decimal& value) {
    Add(static_cast<int64_t>(value.scaled() >> 64));
    Add(static_cast<int64_t>(value.scaled()));
  }
  void Add(std::string_view text) {
    Add(static_cast<int64_t>(text.size()));
    for (; !text.empty(); text.remove_prefix(std::min<size_t>(8, text.size()))) {
      uint64_t word = 0;
      for (size_t i = 0; i < std::min<size_t>(8, text.size()); ++i) {
        word |= uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
      }
      Add(static_cast<int64_t>(word));
    }
  }
  void Add(const Uuid& id) {
    Add(std::string_view(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()));
  }
  template <class T>
  void Add(const std::optional<T>& value) {
    Add(int64_t{value.has_value()});
    if (value.has_value()) Add(*value);
  }
  uint64_t Get() const { return state_ == 0 ? 1 : state_; }

 private:
  uint64_t state_ = 0xcbf29ce484222325ULL;
};

void AddTerms(const Terms& terms, Hash& hash) {
  hash.Add(terms.plan_code);
  hash.Add(terms.description);
  hash.Add(terms.tax_class);
  hash.Add(terms.account_code);
  hash.Add(int64_t{terms.recurrence.months} << 32 | terms.recurrence.days);
  hash.Add(terms.price);
  hash.Add(terms.quantity);
  hash.Add(terms.hold_price);
  hash.Add(terms.term_discount_percent);
  int64_t settings = 0;
  for (const Proration method :
       {terms.start, terms.change, terms.quantity_change, terms.suspend, terms.cancel}) {
    settings = settings * 8 + static_cast<int64_t>(method);
  }
  settings = settings * 8 + static_cast<int64_t>(terms.suspension);
  settings = settings * 8 + static_cast<int64_t>(terms.first_invoice);
  settings = settings * 4 + (terms.arrears ? 2 : 0) + (terms.bill_changes_now ? 1 : 0);
  hash.Add(settings);
}

void AddDiscounts(const std::vector<Discount>& discounts, Hash& hash) {
  hash.Add(static_cast<int64_t>(discounts.size()));
  for (const Discount& discount : discounts) {
    hash.Add(discount.id);
    hash.Add(discount.label);
    hash.Add(discount.percent);
    hash.Add(discount.amount);
    hash.Add(discount.days);
    hash.Add(discount.account_code);
  }
}

}  // namespace

uint64_t BasisOf(const Item& item, const AccountTerms& terms) {
  const bool shared = std::any_of(terms.discounts.begin(), terms.discounts.end(),
                                  [](const Discount& one) { return one.amount.has_value(); });
  if (shared) return 0;
  Hash hash;
  hash.Add(kRules);
  hash.Add(int64_t{terms.ahead} << 8 | terms.exponent);
  hash.Add(static_cast<int64_t>(terms.schedules.rule));
  for (const CycleDay& cycle : terms.schedules.cycle_days) {
    hash.Add(cycle.from);
    hash.Add(int64_t{cycle.day});
  }
  AddDiscounts(terms.discounts, hash);
  hash.Add(item.location_id);
  hash.Add(item.paid_through);
  hash.Add(item.anchor_date);
  hash.Add(int64_t{item.no_refund});
  hash.Add(static_cast<int64_t>(item.segments.size()));
  for (const Segment& segment : item.segments) {
    hash.Add(segment.days);
    hash.Add(static_cast<int64_t>(segment.cause) * 2 + (segment.suspended ? 1 : 0));
    hash.Add(segment.location_id);
    AddTerms(segment.terms, hash);
  }
  AddDiscounts(item.discounts, hash);
  return hash.Get();
}

std::optional<CivilDay> SettledThrough(const std::vector<Wanted>& wanted, CivilDay from) {
  const std::optional<CivilDay> before =
      from == CivilDay::min() ? std::nullopt : std::optional<CivilDay>(from);
  if (wanted.empty()) return before;
  CivilDay day = wanted.back().window.start;
  for (const Wanted& piece : wanted) {
    if (!piece.due) day = std::min(day, piece.window.start);
  }
  for (const Wanted& piece : wanted) {
    const bool over = piece.window.start < day ? piece.base.end > day : piece.base.start < day;
    if (over) return before;
  }
  return day;
}

}  // namespace broadbill::invoicing
