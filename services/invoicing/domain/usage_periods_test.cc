#include <catch2/catch.hpp>
#include <random>

#include "services/invoicing/domain/schedule.h"
#include "services/invoicing/domain/test_ledger.h"

namespace broadbill::invoicing {
namespace {

// Months of usage as the recurring charges of a monthly item have them.
std::vector<UsagePeriod> ByEras(const Item& item, const Schedules& schedules, CivilDay as_of) {
  std::vector<UsagePeriod> out;
  for (const Era& era : Eras(item, schedules)) {
    const DateInterval past{era.days.start, std::min(era.days.end, as_of)};
    for (const DateInterval& base : era.schedule.Overlapping(past)) {
      const DateInterval window = base.Intersect(era.days);
      if (window.end <= as_of) out.push_back({window, base});
    }
  }
  return out;
}

}  // namespace

TEST_CASE("months of usage are the months that recurring charges have") {
  std::mt19937 random(20261125);
  const auto pick = [&](int from, int to) {
    return std::uniform_int_distribution<>(from, to)(random);
  };
  int periods = 0;
  for (int i = 0; i < 5000; ++i) {
    Terms terms = Price("10");
    if (pick(0, 2) == 0) terms.first_invoice = FirstInvoice::kFullThenStub;
    const CivilDay start = D("2026-01-01") + pick(0, 400);
    const CivilDay end = pick(0, 2) == 0 ? start + pick(1, 300) : CivilDay(9999, 1, 1);
    Item item = Make({{{start, end}, Cause::kStart, false, terms}});
    if (pick(0, 3) == 0) item.anchor_date = start - pick(0, 40) + pick(0, 40);
    Schedules schedules{{{CivilDay(1970, 1, 1), pick(1, 31)}}, static_cast<AnchorRule>(pick(0, 2))};
    for (CivilDay from = start - 30; pick(0, 2) > 0;) {
      from += pick(1, 90);
      schedules.cycle_days.push_back({from, pick(1, 31)});
    }
    const CivilDay as_of = start + pick(0, 500);
    const auto found = ClosedUsagePeriods(item, schedules, as_of, 1000);
    CHECK(found == ByEras(item, schedules, as_of));
    periods += static_cast<int>(found.size());
  }
  CHECK(periods > 20000);
}

}  // namespace broadbill::invoicing
