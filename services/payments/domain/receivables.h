#pragma once

// What is owed and what pays it, purely. BILLING.md §§9, 10.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/calendar/date.h"
#include "libs/ids/uuid.h"
#include "libs/money/decimal.h"

namespace broadbill::payments {

// A posted invoice that is not paid in full.
struct OpenItem {
  Uuid document_id;
  std::string number;
  CivilDay due_date;
  int64_t open = 0;  // minor units, > 0
};

// Money of the customer's that is not used yet: a payment or a credit note.
struct Credit {
  Uuid credit_id;
  bool is_payment = false;  // credit notes go first
  CivilDay value_date;
  int64_t unapplied = 0;  // minor units, > 0
};

struct Allocation {
  Uuid credit_id;
  Uuid document_id;
  int64_t amount = 0;
};

// Credits, then payments, to the oldest due date, then the lower number. What is left stays.
std::vector<Allocation> Allocate(std::vector<OpenItem> items, std::vector<Credit> credits);

enum class FeeMode { kFlat = 1, kPercent, kGreaterOf, kSum };

struct FeeTerms {
  FeeMode mode = FeeMode::kFlat;
  Decimal flat;  // major units
  Decimal percent;
  std::optional<Decimal> minimum, maximum;
};

// The fee on `base` minor units (what is open on the fee's date without earlier fees); 0 for a base
// of 0 or less.
int64_t LateFee(const FeeTerms& terms, int64_t base, int currency_exponent);

// Days after the first attempt on which a declined one is tried again.
inline constexpr int kRetryDays[] = {1, 3, 5, 7};

// The date of the try after `tries` tries (1 = only the first was made), the last of them on
// `last_attempt`: always a later day. Nothing when no more follow.
std::optional<CivilDay> NextRetry(CivilDay first_attempt, int tries, CivilDay last_attempt);

}  // namespace broadbill::payments
