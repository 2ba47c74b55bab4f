#pragma once

// What a history should have cost in the end, day by day, written without the code under test: it
// counts months on its fingers and adds one day's value after the other.

#include "tests/properties/history.h"

namespace broadbill::properties {

struct NaiveBill {
  DateSet due;        // days that must be covered by then
  DateSet served;     // the covered days on which there is something to bill
  int64_t total = 0;  // their net, minor units
};

// Of the final state as of `history.last`, where `covered` is covered: an item in arrears that
// ended, was billed and goes on after all is covered before its period is over, and stays so. Only
// for histories whose settings are all `actual`.
NaiveBill BillNaively(const History& history, const DateSet& covered);

}  // namespace broadbill::properties
