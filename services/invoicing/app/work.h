#pragma once

// One account on its way from a snapshot to a draft; shared by the steps of the assembler.

#include <vector>

#include "services/invoicing/app/assemble.h"

namespace broadbill::invoicing {

// The product class that no tax looks at.
inline constexpr char kUntaxed[] = "none";

struct AccountWork {
  const accounts::BillingSnapshot* snapshot = nullptr;
  const accounts::Company* company = nullptr;
  Draft draft;
  Schedules schedules;
  std::vector<Item> items;
  std::vector<ItemBill> bills;   // by item
  std::vector<DateSet> covered;  // by item, before this bill
  std::vector<Line> recurring, charges, usage;
  std::vector<int> recurring_item;  // index into draft.coverage of each recurring line
  int exponent = 2;
  bool due = false;     // something that does not wait for the next cycle invoice
  bool failed = false;  // no draft, an exception

  std::vector<Line> Lines() const {
    std::vector<Line> out = recurring;
    out.insert(out.end(), charges.begin(), charges.end());
    out.insert(out.end(), usage.begin(), usage.end());
    return out;
  }
};

// A line that takes back what an earlier line charged; it keeps that line's tax.
inline bool IsCredit(const LineRow& line) { return line.corrects_line_id.has_value(); }

}  // namespace broadbill::invoicing
