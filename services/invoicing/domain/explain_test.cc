#include "services/invoicing/domain/explain.h"

#include <catch2/catch.hpp>

#include "libs/money/money.h"
#include "services/invoicing/domain/test_ledger.h"

namespace broadbill::invoicing {

TEST_CASE("a derivation gives back the value before rounding") {
  const auto value = [](const char* text) {
    const auto found = UnroundedOf(text);
    return found.has_value() ? found->ToString() : "none";
  };
  CHECK(value("49.99 × 22 ÷ 31 days → 35.48") == "35.476774193548");
  CHECK(value("49.99 × 2 × 21 ÷ 30 days (30/360) → 69.99") == "69.986");
  CHECK(value("79.99 × 20 % × 22 ÷ 31 days → -11.36") == "11.353419354839");
  CHECK(value("49.99 → 49.99") == "49.99");
  CHECK(value("share of 5 → -0.83") == "none");
  CHECK(value("goodwill") == "none");
}

TEST_CASE("every line of a bill has a rule and a derivation that says its amount") {
  Terms terms = Price("79.99");
  terms.term_discount_percent = Dec("10");
  Item item = Open("2026-03-10", terms);
  item.discounts = {Off("Twenty", "20%"), Off("Five", "5.00")};
  TestLedger ledger({kDay1, {Off("Shared", "3.00")}});
  ledger.Run(item, "2026-03-10");
  std::string rules;
  for (const Line& line : ledger.lines) {
    rules += RuleOf(line.kind, line.source, line.derivation) + " ";
    CHECK(line.derivation.find(FormatMinor(line.amount, 2)) != std::string::npos);
  }
  CHECK(rules ==
        "recurring.actual discount.percent discount.percent discount.amount discount.share ");
}

}  // namespace broadbill::invoicing
