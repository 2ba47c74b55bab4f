#pragma once

// Receivables by days past due. BILLING section 11.

#include <array>
#include <cstddef>
#include <cstdint>

#include "libs/calendar/date.h"

namespace broadbill::reporting {

// Current, 1–30, 31–60, 61–90, over 90 days past due. A document is past due from the day after its
// due date.
inline constexpr size_t kAgingBuckets = 5;

size_t AgingBucket(CivilDay due_date, CivilDay as_of);

// Open amounts in minor units.
struct Aging {
  std::array<int64_t, kAgingBuckets> buckets{};

  void Add(CivilDay due_date, CivilDay as_of, int64_t open);
  int64_t total() const;
};

}  // namespace broadbill::reporting
