#pragma once

// A random life of one subscription item, as a list of steps in the order in which they are
// entered. Steps can be left out, so that a failing history shrinks to the few that matter.

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "services/invoicing/domain/bill.h"

namespace broadbill::properties {

enum class StepKind {
  kChange,    // price, plan or quantity from a day
  kSuspend,   // from a day
  kResume,    // from a day
  kCancel,    // the first day without
  kReopen,    // takes a cancellation back
  kDiscount,  // from a day to a day
  kCycleDay,  // another one from a day
  kRun,       // bills as of a day
  kVoid,      // takes the latest run back
};

struct Step {
  StepKind kind = StepKind::kRun;
  CivilDay day;
  CivilDay until;                        // of a discount
  invoicing::Cause cause{};              // of a change
  Decimal price, quantity;               // of a change
  std::optional<Recurrence> recurrence;  // of a change of plan that has another
  std::optional<bool> arrears;           // of a change of plan
  invoicing::Discount discount;
  int cycle_day = 0;
  std::string ToString() const;
};

struct History {
  invoicing::Terms terms;  // at the start
  CivilDay start;
  int cycle_day = 1;
  AnchorRule rule = AnchorRule::kCycleDayOnOrAfterStart;
  int ahead = 0;
  int exponent = 2;
  std::vector<Step> steps;
  CivilDay last;  // the day of the final run, after every other one

  // All settings are `actual`: what is billed is the price of the days served.
  bool Actual() const;
  std::string ToString() const;
};

// What the first `count` steps make of the item and its schedules.
invoicing::Item ItemAfter(const History& history, size_t count);
invoicing::Schedules SchedulesAfter(const History& history, size_t count);

// `actual`: every setting is `actual`; else any mixture.
History RandomHistory(std::mt19937_64& random, bool actual);

}  // namespace broadbill::properties
