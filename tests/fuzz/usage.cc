// Readings of one session from raw numbers: 20 bytes each, as access servers may send them.

#include "services/rating/domain/usage.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/sessions.h"

namespace broadbill::rating {

// Per reading: 1 byte of choices, 2 of start, 3 of session time, 7 and 7 of octets. A reading's
// start decides its generation; session times and counters repeat where few bits are chosen.
FUZZ_TARGET(usage) {
  fuzz::Bytes bytes(input);
  std::vector<UsageSample> samples;
  std::vector<absl::Time> boundaries;
  while (!bytes.empty() && samples.size() < 64) {
    const uint64_t choices = bytes.Take(1);
    const auto start = static_cast<int64_t>(bytes.Take(2));
    UsageSample sample;
    sample.session_seconds = static_cast<int64_t>(bytes.Take(3));
    if ((choices & 1) != 0) sample.session_seconds %= 8;
    sample.in_octets = bytes.Take(7);
    sample.out_octets = bytes.Take(7);
    sample.wide = (choices & 2) != 0;
    if (!sample.wide || (choices & 4) != 0) {
      sample.in_octets &= UINT32_MAX;
      sample.out_octets &= UINT32_MAX;
    }
    const absl::Time from =
        absl::FromUnixSeconds(1772323200 + ((choices & 8) != 0 ? start : start % 4));
    sample.at = from + absl::Seconds(sample.session_seconds);
    samples.push_back(sample);
    if ((choices & 16) != 0) {
      boundaries.push_back(from +
                           absl::Milliseconds(static_cast<int64_t>(sample.in_octets % 99999)));
    }
  }
  fuzz::CheckReadings(samples, boundaries);
}

}  // namespace broadbill::rating
