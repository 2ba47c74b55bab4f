#include "services/invoicing/domain/forecast.h"

#include <catch2/catch.hpp>

#include "services/invoicing/domain/test_ledger.h"

namespace broadbill::invoicing {
namespace {

int64_t Forecast(const std::vector<Item>& items, const char* as_of, AccountTerms terms = {kDay1}) {
  const auto sum = RecurringForecast(items, terms, D(as_of));
  Must(sum.ok(), "it has a forecast");
  return *sum;
}

}  // namespace

TEST_CASE("the forecast is what falls due by today's terms") {
  CHECK(Forecast({Open("2026-01-10", Price("49.99"))}, "2026-03-01") == 4999);
  // The stub of a new item.
  CHECK(Forecast({Open("2026-03-10", Price("49.99"))}, "2026-03-10") == 3548);
  // A change of the past is not in it: its correction is what makes a bill differ.
  Item changed = Make({{{D("2026-01-01"), D("2026-02-10")}, Cause::kStart, false, Price("49.99")},
                       {{D("2026-02-10"), kOpen}, Cause::kPlan, false, Price("79.99")}});
  CHECK(Forecast({changed}, "2026-03-01") == 7999);
  // A year falls due once.
  Terms year = Price("365");
  year.recurrence = {12, 0};
  CHECK(Forecast({Open("2026-01-01", year)}, "2026-01-01") == 36500);
  CHECK(Forecast({Open("2026-01-01", year)}, "2026-03-01") == 0);
  Terms arrears = Price("30");
  arrears.arrears = true;
  CHECK(Forecast({Open("2026-01-01", arrears)}, "2026-03-01") == 3000);
  Item discounted = Open("2026-01-01", Price("50"));
  discounted.discounts = {Off("Ten", "10%")};
  CHECK(Forecast({discounted}, "2026-03-01") == 4500);
  CHECK(Forecast({discounted}, "2026-03-01", {kDay1, {Off("Five", "5.00")}}) == 4000);
  Terms both = Price("49.99");
  both.first_invoice = FirstInvoice::kProrateAndNext;
  CHECK(Forecast({Open("2026-03-10", both)}, "2026-03-10") == 3548 + 4999);
}

TEST_CASE("averages and tolerance") {
  CHECK(AverageOfLast({}, 3) == 0);
  CHECK(AverageOfLast({100, 200, 300, 400}, 3) == 300);
  CHECK(AverageOfLast({1, 2}, 3) == 2);
  CHECK_FALSE(IsOff(11000, 10000, Dec("10")));
  CHECK(IsOff(11001, 10000, Dec("10")));
  CHECK(IsOff(8999, 10000, Dec("10")));
  CHECK(IsOff(1, 0, Dec("10")));
  CHECK_FALSE(IsOff(0, 0, Dec("10")));
}

}  // namespace broadbill::invoicing
