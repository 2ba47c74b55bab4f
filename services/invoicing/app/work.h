#pragma once

// One account on its way from a snapshot to a draft; shared by the steps of the assembler.

#include <map>
#include <vector>

#include "services/invoicing/app/assemble.h"

namespace broadbill::invoicing {

// The product class that no tax looks at.
inline constexpr char kUntaxed[] = "none";

// An account whose items stand on the document: the payer itself, or one it pays for.
struct Part {
  const accounts::BillingSnapshot* snapshot = nullptr;
  Uuid account_id;
  AccountTerms terms;
  std::vector<Item> items;  // in the snapshot's order
};

struct AccountWork {
  const accounts::BillingSnapshot* snapshot = nullptr;
  const accounts::Company* company = nullptr;
  Draft draft;
  // Corrections as a credit note of their own, when the company has it so and there is something
  // else to bill as well.
  std::optional<Draft> note;
  std::vector<Part> parts;  // the account itself first
  std::vector<Line> recurring, charges, usage;
  std::vector<int> recurring_item;  // index into draft.coverage of each recurring line
  int exponent = 2;
  bool due = false;                  // something that does not wait for the next cycle invoice
  bool may_wait = false;             // for the next cycle invoice, unless something is due
  bool failed = false;               // no draft, an exception
  DateSet late;                      // days charged although later ones were covered before
  std::map<CivilDay, int64_t> used;  // usage billed so far by the first day of its period

  std::vector<Line> Lines() const {
    std::vector<Line> out = recurring;
    out.insert(out.end(), charges.begin(), charges.end());
    out.insert(out.end(), usage.begin(), usage.end());
    return out;
  }
};

// clients/statements.cc: documents name the logo their company has now.
void AddLogos(std::vector<AccountWork>& work);

// The look and the texts that new documents get; a document keeps its own for ever. What changes
// what a document says or shows takes the next number and is told apart where it is drawn.
inline constexpr int32_t kTemplateVersion = 1;

// What payable rounding is booked under, and its source.
inline constexpr char kRoundingSource[] = "rounding";

// A line that takes back what an earlier line charged; it keeps that line's tax.
inline bool IsCredit(const LineRow& line) { return line.corrects_line_id.has_value(); }

}  // namespace broadbill::invoicing
