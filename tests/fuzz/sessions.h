#pragma once

// Rules of usage that hold for any readings.

#include <vector>

#include "absl/time/time.h"
#include "services/rating/domain/usage.h"

namespace broadbill::fuzz {

// Readings of one session: their generations do not depend on order and repetition, counters never
// fall, and the parts of any split sum to the whole.
void CheckReadings(std::vector<rating::UsageSample> samples, std::vector<absl::Time> boundaries);

}  // namespace broadbill::fuzz
