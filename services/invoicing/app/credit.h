#pragma once

// A line and its discounts are a family: what is left of them together caps credits, and credits
// take the family's tax with them. Shared by runs and credit notes.

#include <optional>

#include "services/invoicing/app/assemble.h"

namespace broadbill::invoicing {

struct Family {
  std::vector<Uuid> members;  // the line first, then its discounts
  int64_t net = 0;            // of them together, as billed
  int64_t gone = 0;           // credited so far

  int64_t left() const { return net - gone; }
};

// The row that takes the tax of `credited` (positive: given back) along: of T tax on N net, after C
// credited in all, round(T × C ÷ N) is gone, so the last credit takes the rest exactly. None when
// the family has no part in this tax.
absl::StatusOr<std::optional<TaxRow>> TakeTax(const TaxRow& original, const Family& family,
                                              int64_t credited, const Uuid& credit_line);

}  // namespace broadbill::invoicing
