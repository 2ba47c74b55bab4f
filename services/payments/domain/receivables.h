#pragma once

// What is owed and what pays it, purely. BILLING.md §9.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/calendar/date.h"
#include "libs/ids/uuid.h"

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
  int64_t unapplied = 0;                     // minor units, > 0
  std::optional<Uuid> first = std::nullopt;  // the document that it pays before all others
};

struct Allocation {
  Uuid credit_id;
  Uuid document_id;
  int64_t amount = 0;
};

// What has a document to pay first pays it; then credits, then payments, to the oldest due date,
// then the lower number. What is left stays.
std::vector<Allocation> Allocate(std::vector<OpenItem> items, std::vector<Credit> credits);

// Days after the first attempt on which a declined one is tried again.
inline constexpr int kRetryDays[] = {1, 3, 5, 7};

// The date of the try after `tries` tries (1 = only the first was made), the last of them on
// `last_attempt`: always a later day. Nothing when no more follow.
std::optional<CivilDay> NextRetry(CivilDay first_attempt, int tries, CivilDay last_attempt);

}  // namespace broadbill::payments
