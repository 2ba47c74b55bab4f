#include "services/reporting/domain/aging.h"

#include <numeric>

namespace broadbill::reporting {

size_t AgingBucket(CivilDay due_date, CivilDay as_of) {
  const int64_t days = as_of - due_date;
  if (days <= 0) return 0;
  if (days <= 30) return 1;
  if (days <= 60) return 2;
  return days <= 90 ? 3 : 4;
}

void Aging::Add(CivilDay due_date, CivilDay as_of, int64_t open) {
  buckets[AgingBucket(due_date, as_of)] += open;
}

int64_t Aging::total() const { return std::accumulate(buckets.begin(), buckets.end(), int64_t{0}); }

}  // namespace broadbill::reporting
