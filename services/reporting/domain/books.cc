#include "services/reporting/domain/books.h"

#include <map>

namespace broadbill::reporting {
namespace {

// Puts an amount on its side: above 0 to credits, below to debits.
void Credit(const std::string& code, int64_t amount, std::map<std::string, BookEntry>& books) {
  if (amount == 0) return;
  BookEntry& entry = books[code];
  (amount > 0 ? entry.credits : entry.debits) += amount > 0 ? amount : -amount;
}

}  // namespace

std::vector<BookEntry> SplitSale(const std::vector<SaleLine>& lines,
                                 const std::vector<SaleTax>& taxes) {
  std::vector<int64_t> net;
  int64_t cleared = 0;
  for (const SaleLine& line : lines) {
    net.push_back(line.amount);
    cleared += line.amount;
  }
  std::map<std::string, BookEntry> books;
  for (const SaleTax& tax : taxes) {
    Credit(TaxAccount(tax.jurisdiction_code, tax.tax_code), tax.amount, books);
    if (!tax.inclusive) {
      cleared += tax.amount;
      continue;
    }
    int64_t left = tax.amount;
    for (const auto& [line, amount] : tax.shares) {
      if (line >= net.size()) continue;
      net[line] -= amount;
      left -= amount;
    }
    Credit(kUnassigned, -left, books);
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string& code = lines[i].account_code;
    Credit(code.empty() ? kUnassigned : code, net[i], books);
  }
  Credit(kSalesClearing, -cleared, books);
  std::vector<BookEntry> out;
  for (auto& [code, entry] : books) {
    entry.code = code;
    out.push_back(entry);
  }
  return out;
}

std::string TaxAccount(std::string_view jurisdiction_code, std::string_view tax_code) {
  return "tax:" + std::string(jurisdiction_code) + "/" + std::string(tax_code);
}

std::string LedgerName(const std::string& code) {
  static const auto* const names =
      new std::map<std::string, std::string>{{kReceivable, "Accounts receivable"},
                                             {kCustomerCredit, "Customer credit"},
                                             {kSalesClearing, "Sales clearing"},
                                             {kUnassigned, "Lines without account code"},
                                             {"cash", "Cash"},
                                             {"opening", "Opening balances"}};
  const auto found = names->find(code);
  return found != names->end() ? found->second : "Account " + code;
}

}  // namespace broadbill::reporting
