#pragma once

// The books: payments' ledger accounts, and the split of what a document sold into revenue by
// account code and tax payable by jurisdiction.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace broadbill::reporting {

// Ledger accounts of payments that reporting knows by name.
inline constexpr char kReceivable[] = "ar";
inline constexpr char kCustomerCredit[] = "customer_credit";
inline constexpr char kSalesClearing[] = "sales_clearing";
// Lines without an account code.
inline constexpr char kUnassigned[] = "unassigned";

struct SaleLine {
  std::string account_code;
  int64_t amount = 0;  // positive: the customer owes it
};

struct SaleTax {
  std::string jurisdiction_code;
  std::string tax_code;
  int64_t amount = 0;
  bool inclusive = false;  // contained in the lines
  // Of inclusive taxes: index of a line and what it contains.
  std::vector<std::pair<size_t, int64_t>> shares;
};

// One side of the books that a document moves; both amounts 0 or more.
struct BookEntry {
  std::string code;
  int64_t debits = 0;
  int64_t credits = 0;

  bool operator==(const BookEntry&) const = default;
};

// What payments put on sales_clearing when it booked the document's total goes from there to
// revenue and tax payable, so that the clearing account is 0 again. Debits equal credits whatever
// comes in. In order of code.
std::vector<BookEntry> SplitSale(const std::vector<SaleLine>& lines,
                                 const std::vector<SaleTax>& taxes);

// "tax:US-27/sales".
std::string TaxAccount(std::string_view jurisdiction_code, std::string_view tax_code);

// For people: "Accounts receivable" for "ar", "Account 4000" for "4000". Names of tax accounts come
// with the tax.
std::string LedgerName(const std::string& code);

}  // namespace broadbill::reporting
