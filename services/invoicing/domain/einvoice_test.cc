#include "services/invoicing/domain/einvoice.h"

#include <catch2/catch.hpp>

namespace broadbill::invoicing {
namespace {

using Numbers = EInvoiceNumbers;

Decimal D(const char* text) { return *Decimal::Parse(text); }

EInvoiceLine Line(const char* id, const char* quantity, const char* price, int64_t amount,
                  int parent = -1) {
  EInvoiceLine line;
  line.id = id;
  line.name = "Line " + line.id;
  line.quantity = D(quantity);
  line.unit_price = D(price);
  line.amount = amount;
  line.parent = parent;
  return line;
}

EInvoiceTax Vat(const char* category, const char* rate, int64_t amount,
                std::vector<EInvoiceTax::Share> shares, const char* reason = "") {
  return {"VAT", category, D(rate), false, reason, amount, std::move(shares)};
}

// Computes, and holds every sum and every VAT amount to the rules, to the cent.
Numbers Exact(const EInvoiceInput& input) {
  const auto numbers = ComputeEInvoice(input);
  REQUIRE(numbers.ok());
  CHECK(BrokenRules(*numbers, input.exponent) == std::vector<std::string>());
  CHECK(VatDeviation(*numbers) == 0);
  return *numbers;
}

const Numbers::Subtotal& Subtotal(const Numbers& numbers, const std::string& category,
                                  const char* rate = "0") {
  for (const auto& subtotal : numbers.vat) {
    if (subtotal.vat.category == category && subtotal.vat.rate == D(rate)) return subtotal;
  }
  FAIL("no subtotal " << category << " " << rate);
  return numbers.vat.front();
}

// What a row of totals should be: BT-106, 107, 108, 109, 110, 112, 114, 115.
struct Totals {
  int64_t lines, allowances, charges, exclusive, tax, inclusive, rounding, payable;
};

void CheckTotals(const Numbers& n, const Totals& want) {
  CHECK(n.line_total == want.lines);
  CHECK(n.allowance_total == want.allowances);
  CHECK(n.charge_total == want.charges);
  CHECK(n.exclusive == want.exclusive);
  CHECK(n.tax == want.tax);
  CHECK(n.inclusive == want.inclusive);
  CHECK(n.rounding == want.rounding);
  CHECK(n.payable == want.payable);
}

}  // namespace

TEST_CASE("one rate: VAT once on the sum of the lines") {
  // 100 lines of 1.001 at 20 % are 20.00 on what the lines are worth, 100.00.
  EInvoiceInput in;
  EInvoiceTax vat = Vat("S", "20", 2000, {});
  for (size_t i = 0; i < 100; ++i) {
    in.lines.push_back(Line("1", "1", "1.001", 100));
    vat.shares.push_back({i, 100, 0, 20});
  }
  in.taxes = {vat};
  const Numbers n = Exact(in);
  CheckTotals(n, {10000, 0, 0, 10000, 2000, 12000, 0, 12000});
  CHECK(n.lines.front().price == D("1"));
}

TEST_CASE("two rates and an exempt line") {
  EInvoiceInput in;
  in.lines = {Line("1", "1", "49.99", 4999), Line("2", "2", "9.95", 1990),
              Line("3", "1", "12", 1200)};
  in.taxes = {Vat("S", "19", 950, {{0, 4999, 0, 950}}), Vat("S", "7", 139, {{1, 1990, 0, 139}}),
              Vat("E", "0", 0, {{2, 0, 1200, 0}}, "VATEX-EU-132-1I")};
  const Numbers n = Exact(in);
  CheckTotals(n, {8189, 0, 0, 8189, 1089, 9278, 0, 9278});
  CHECK(Subtotal(n, "E").taxable == 1200);
  CHECK(Subtotal(n, "E").reason == "VATEX-EU-132-1I");
  CHECK(n.lines[1].price == D("9.95"));
  CHECK(n.lines[1].quantity == D("2"));
  CHECK(n.lines[1].base_quantity.IsZero());
}

TEST_CASE("a price that the amount is not: amount for the quantity") {
  EInvoiceInput in;
  in.lines = {Line("1", "1", "79.99", 5677), Line("2", "3", "49.99", 10643),
              Line("3", "0", "0", 1000)};
  in.taxes = {Vat("S", "19", 3291, {{0, 5677, 0, 1079}, {1, 10643, 0, 2022}, {2, 1000, 0, 190}})};
  const Numbers n = Exact(in);
  CHECK(n.lines[0].price == D("56.77"));
  CHECK(n.lines[1].price == D("106.43"));
  CHECK(n.lines[1].base_quantity == D("3"));
  CHECK(n.lines[1].quantity == D("3"));
  CHECK(n.lines[2].quantity == D("1"));
  CHECK(n.lines[2].price == D("10"));
}

TEST_CASE("a discount is an allowance of its line, taxed otherwise a line of its own") {
  EInvoiceInput in;
  in.lines = {Line("1", "1", "79.99", 7999), Line("2", "0", "0", -1600, 0),
              Line("3", "0", "0", -500, 0)};
  in.taxes = {Vat("S", "19", 1216, {{0, 7999, 0, 1520}, {1, -1600, 0, -304}}),
              Vat("S", "7", -35, {{2, -500, 0, -35}})};
  const Numbers n = Exact(in);
  CHECK(n.lines.size() == 2);
  CHECK(n.lines[0].net == 6399);
  CHECK(n.lines[0].allowances.front().amount == 1600);
  CHECK(n.lines[1].quantity == D("-1"));
  CHECK(n.lines[1].price == D("5"));
  CheckTotals(n, {5899, 0, 0, 5899, 1181, 7080, 0, 7080});
}

TEST_CASE("a line that takes back has a negative quantity and a positive price") {
  EInvoiceInput in;
  in.lines = {Line("1", "1", "79.99", 7999), Line("2", "1", "49.99", -3548),
              Line("3", "1", "-5", -500), Line("4", "0", "0", 710, 1)};
  in.taxes = {Vat("S", "19", 1520, {{0, 7999, 0, 1520}}),
              Vat("S", "19", -674, {{1, -3548, 0, -674}}), Vat("S", "19", -95, {{2, -500, 0, -95}}),
              Vat("S", "19", 135, {{3, 710, 0, 135}})};
  const auto n = ComputeEInvoice(in);
  REQUIRE(n.ok());
  CHECK(BrokenRules(*n, 2) == std::vector<std::string>());
  CHECK(VatDeviation(*n) <= 2);  // credits keep the tax of their lines
  CHECK(n->lines[1].quantity == D("-1"));
  CHECK(n->lines[1].price == D("35.48"));
  CHECK(n->lines[2].quantity == D("-1"));
  CHECK(n->lines[2].price == D("5"));
  CHECK(n->lines[3].net == 710);
  CHECK(n->vat.size() == 1);
  CHECK(n->payable == 4661 + 886);
}

TEST_CASE("a credit note is positive, and its charged lines are negative") {
  EInvoiceInput in;
  in.credit_note = true;
  in.lines = {Line("1", "1", "79.99", -5677), Line("2", "1", "49.99", 3548)};
  in.taxes = {Vat("S", "19", -1079, {{0, -5677, 0, -1079}}),
              Vat("S", "19", 674, {{1, 3548, 0, 674}})};
  const Numbers n = Exact(in);
  CheckTotals(n, {2129, 0, 0, 2129, 405, 2534, 0, 2534});
  CHECK(n.lines[0].quantity == D("1"));
  CHECK(n.lines[1].quantity == D("-1"));
}

TEST_CASE("reverse charge, export, intra-community, outside the scope") {
  struct Case {
    const char* reason;
    const char* category;
  };
  for (const Case& one :
       {Case{"VATEX-EU-AE", "AE"}, Case{"VATEX-EU-IC", "K"}, Case{"VATEX-EU-G", "G"},
        Case{"VATEX-EU-O", "O"}, Case{"diplomats", "E"}}) {
    EInvoiceInput in;
    in.lines = {Line("1", "1", "49.99", 4999)};
    in.taxes = {Vat("S", "19", 0, {{0, 0, 4999, 0}}, one.reason)};
    const Numbers n = Exact(in);
    CHECK(n.vat.size() == 1);
    CHECK(Subtotal(n, one.category).reason == one.reason);
    CheckTotals(n, {4999, 0, 0, 4999, 0, 4999, 0, 4999});
    in.taxes[0].category = "E";  // as the tax service says it
    CHECK(Subtotal(Exact(in), one.category).taxable == 4999);
  }
}

TEST_CASE("zero rated has no reason") {
  EInvoiceInput in;
  in.lines = {Line("1", "1", "49.99", 4999)};
  in.taxes = {Vat("Z", "0", 0, {{0, 4999, 0, 0}})};
  CHECK(Subtotal(Exact(in), "Z").reason.empty());
}

TEST_CASE("without VAT: not subject; beside VAT: exempt") {
  EInvoiceInput in;
  in.lines = {Line("1", "1", "24.95", 2495), Line("2", "1", "5", 500)};
  CHECK(Subtotal(Exact(in), "O").taxable == 2995);
  in.taxes = {Vat("S", "19", 474, {{0, 2495, 0, 474}})};
  const Numbers n = Exact(in);
  CHECK(Subtotal(n, "E").taxable == 500);
  CHECK(Subtotal(n, "E").reason == "Not subject to VAT");
}

TEST_CASE("a line that is exempt in part is two lines") {
  EInvoiceInput in;
  in.lines = {Line("7", "3", "10", 3000)};
  in.taxes = {Vat("S", "19", 285, {{0, 1500, 1500, 285}}, "half for diplomats")};
  const Numbers n = Exact(in);
  REQUIRE(n.lines.size() == 2);
  CHECK(n.lines[0].id == "7.1");
  CHECK(n.lines[1].id == "7.2");
  CheckTotals(n, {3000, 0, 0, 3000, 285, 3285, 0, 3285});
}

TEST_CASE("taxes that are not VAT are charges; given back, allowances") {
  EInvoiceInput in;
  in.lines = {Line("1", "1", "24.95", 2495)};
  in.taxes = {{"Minnesota sales tax", "", D("6.875"), false, "", 172, {{0, 2495, 0, 172}}},
              {"911 fee", "", D("0.8"), false, "", -80, {{0, 0, 0, -80}}}};
  CheckTotals(Exact(in), {2495, 80, 172, 2587, 0, 2587, 0, 2587});
}

TEST_CASE("a tax inside the price leaves the net") {
  EInvoiceInput in;
  in.lines = {Line("1", "1", "121", 12100)};
  in.taxes = {Vat("S", "21", 2100, {{0, 10000, 0, 2100}})};
  in.taxes[0].inclusive = true;
  CheckTotals(Exact(in), {10000, 0, 0, 10000, 2100, 12100, 0, 12100});
}

TEST_CASE("payable rounding and what is paid already") {
  EInvoiceInput in;
  in.lines = {Line("1", "1", "49.99", 4999), Line("2", "0", "0", 1)};
  in.lines[1].is_rounding = true;
  in.taxes = {Vat("S", "8.1", 405, {{0, 4999, 0, 405}})};
  in.prepaid = 2000;
  const Numbers n = Exact(in);
  CheckTotals(n, {4999, 0, 0, 4999, 405, 5404, 1, 3405});
  CHECK(n.prepaid == 2000);
  CHECK(n.lines.size() == 1);
}

TEST_CASE("currencies of 0 and 3 decimals") {
  EInvoiceInput in;
  in.exponent = 0;
  in.lines = {Line("1", "3", "1980", 5940), Line("2", "3", "1980", 2100)};
  in.taxes = {Vat("S", "10", 804, {{0, 5940, 0, 594}, {1, 2100, 0, 210}})};
  const Numbers yen = Exact(in);
  CHECK(yen.lines[0].price == D("1980"));
  CHECK(yen.lines[1].price == D("2100"));
  in.exponent = 3;
  in.lines = {Line("1", "1", "12.345", 12345)};
  in.taxes = {Vat("S", "10", 1235, {{0, 12345, 0, 1235}})};
  CHECK(Exact(in).lines[0].price == D("12.345"));
}

TEST_CASE("two rates on one amount cannot be said; broken sums are seen") {
  EInvoiceInput in;
  in.lines = {Line("1", "1", "100", 10000)};
  in.taxes = {Vat("S", "5", 500, {{0, 10000, 0, 500}}),
              Vat("S", "9.975", 998, {{0, 10000, 0, 998}})};
  CHECK_FALSE(ComputeEInvoice(in).ok());
  in.taxes.pop_back();
  Numbers n = Exact(in);
  n.vat[0].tax += 1;  // the official rules would not see this one
  CHECK(VatDeviation(n) == 1);
  CHECK(BrokenRules(n, 2) == std::vector<std::string>{"BR-CO-14"});
  n.payable += 1;
  n.lines[0].net += 1;
  CHECK(BrokenRules(n, 2).size() == 5);
}

}  // namespace broadbill::invoicing
