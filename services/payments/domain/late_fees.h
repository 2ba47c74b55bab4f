#pragma once

// Which late fees an account owes, purely (BILLING.md §10). A fee is decided per document and
// occurrence on a day of its own, from what was open at the beginning of that day by value dates:
// so it does not matter when anybody looks, and a missed day is made up for on its own balance.

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/calendar/date.h"
#include "libs/ids/uuid.h"
#include "libs/money/decimal.h"

namespace broadbill::payments {

enum class FeeMode { kFlat = 1, kPercent, kGreaterOf, kSum };

struct FeeTerms {
  FeeMode mode = FeeMode::kFlat;
  Decimal flat;  // major units
  Decimal percent;
  std::optional<Decimal> minimum, maximum;
};

// The fee on `base` minor units (what is open on the fee's date without earlier fees); 0 for a base
// of 0 or less. OUT_OF_RANGE when it cannot be computed exactly.
absl::StatusOr<int64_t> LateFee(const FeeTerms& terms, int64_t base, int currency_exponent);

// A step of a policy that charges.
struct FeeStep {
  std::string name;
  int after_days = 0;
  int occurrences = 0;  // 0: once, or without end when every_days > 0
  int every_days = 0;
  FeeTerms terms;
  std::optional<Decimal> cap_amount;   // major units, all fees of one document
  std::optional<Decimal> cap_percent;  // of the document's total without fees
  std::optional<Decimal> minimum_open;
};

struct FeePolicy {
  int grace_days = 0;
  std::optional<Decimal> threshold;   // past-due amount of the account, major units
  std::optional<CivilDay> from_date;  // fees of earlier days are not charged
  std::vector<FeeStep> steps;
};

// Money put on a document.
struct PaidPart {
  CivilDay value_date;
  int64_t amount = 0;
};

struct DisputedPart {
  DateInterval days;
  int64_t amount = 0;
};

// A posted invoice with all that its fees depend on; minor units.
struct LateDocument {
  Uuid document_id;
  CivilDay due_date;
  int64_t total = 0;
  int64_t fees = 0;  // late fees in the total, with their taxes
  std::vector<PaidPart> paid;
  std::vector<DisputedPart> disputed;
  std::set<std::pair<std::string, int>> assessed;  // (step, occurrence)
  int64_t assessed_sum = 0;
};

struct AssessedFee {
  Uuid document_id;
  std::string step;
  int occurrence = 0;
  CivilDay day;
  int64_t base = 0;
  int64_t amount = 0;  // > 0
};

// The first day on which a document is late enough for a step: the day after due date and grace at
// the earliest.
CivilDay StepDay(CivilDay due_date, int grace_days, int after_days);

// What was open at the beginning of a day, fees included.
int64_t OpenOn(const LateDocument& document, CivilDay day);

// What a fee of that day is computed from: what was open, without fees and disputed amounts. Money
// pays the rest of a document before its fees.
int64_t FeeBaseOn(const LateDocument& document, CivilDay day);

// Whether anything of the policy may happen to the account on that day: its past-due amount reaches
// the threshold.
absl::StatusOr<bool> ReachesThreshold(const FeePolicy& policy,
                                      const std::vector<LateDocument>& documents, CivilDay day,
                                      int currency_exponent);

// The fees of one account up to and including `as_of` that are not assessed yet, by document and
// day. `documents` are all of the account's that were open past their due date on any of the days.
absl::StatusOr<std::vector<AssessedFee>> DueFees(const FeePolicy& policy,
                                                 const std::vector<LateDocument>& documents,
                                                 CivilDay as_of, int currency_exponent);

}  // namespace broadbill::payments
