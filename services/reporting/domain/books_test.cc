#include "services/reporting/domain/books.h"

#include <catch2/catch.hpp>

namespace broadbill::reporting {
namespace {

struct Case {
  const char* name;
  std::vector<SaleLine> lines;
  std::vector<SaleTax> taxes;
  std::vector<BookEntry> expected;
};

const Case kCases[] = {
    {"an invoice: revenue by code, tax by jurisdiction",
     {{"4000", 7999}, {"4200", 2495}, {"4000", -1600}},
     {{"US-27", "sales", 172, false, {}}, {"US-27-053", "sales", 16, false, {}}},
     {{"4000", 1600, 7999},
      {"4200", 0, 2495},
      {"sales_clearing", 9082, 0},
      {"tax:US-27-053/sales", 0, 16},
      {"tax:US-27/sales", 0, 172}}},
    {"a credit note mirrors it",
     {{"4000", -2129}},
     {{"US-27", "sales", -146, false, {}}},
     {{"4000", 2129, 0}, {"sales_clearing", 0, 2275}, {"tax:US-27/sales", 146, 0}}},
    {"121.00 with 21 % inside: revenue is the rest",
     {{"4000", 12100}},
     {{"NL", "vat", 2100, true, {{0, 2100}}}},
     {{"4000", 0, 10000}, {"sales_clearing", 12100, 0}, {"tax:NL/vat", 0, 2100}}},
    {"an inclusive tax on one of two lines",
     {{"4000", 5000}, {"4100", 12100}},
     {{"NL", "vat", 2100, true, {{1, 2100}}}},
     {{"4000", 0, 5000},
      {"4100", 0, 10000},
      {"sales_clearing", 17100, 0},
      {"tax:NL/vat", 0, 2100}}},
    {"an inclusive tax whose lines are not known still balances",
     {{"4000", 12100}},
     {{"NL", "vat", 2100, true, {{7, 2100}}}},
     {{"4000", 0, 12100},
      {"sales_clearing", 12100, 0},
      {"tax:NL/vat", 0, 2100},
      {"unassigned", 2100, 0}}},
    {"a line without a code",
     {{"", 100}},
     {},
     {{"sales_clearing", 100, 0}, {"unassigned", 0, 100}}},
    {"lines that cancel move nothing between accounts",
     {{"4000", 500}, {"4100", -500}},
     {},
     {{"4000", 0, 500}, {"4100", 500, 0}}},
    {"nothing", {}, {}, {}},
};

}  // namespace

TEST_CASE("what a document sold goes to revenue and tax payable") {
  for (const Case& row : kCases) {
    INFO(row.name);
    const auto books = SplitSale(row.lines, row.taxes);
    CHECK(books == row.expected);
    int64_t difference = 0;
    for (const BookEntry& entry : books) difference += entry.debits - entry.credits;
    CHECK(difference == 0);
  }
}

TEST_CASE("names of ledger accounts") {
  CHECK(LedgerName("ar") == "Accounts receivable");
  CHECK(LedgerName("4000") == "Account 4000");
  CHECK(TaxAccount("US-27", "sales") == "tax:US-27/sales");
}

}  // namespace broadbill::reporting
