#pragma once

// Data usage as a pure function of the SET of samples: order and repetition of the input change
// nothing. A sample is a cumulative counter reading of one session at one moment of it
// (RFC 2866/2869 accounting). BILLING.md §6.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace broadbill::rating {

// One reading. Octets are cumulative since the session's start.
struct UsageSample {
  absl::Time at;                // when the reading was true
  int64_t session_seconds = 0;  // Acct-Session-Time at `at`; 0 says nothing of the start
  uint64_t in_octets = 0;       // received by the customer (RADIUS Output: download)
  uint64_t out_octets = 0;      // sent by the customer (RADIUS Input: upload)
  bool wide = true;             // 64-bit counters; false: 32-bit counters that may have wrapped

  bool operator==(const UsageSample&) const = default;
};

struct Octets {
  uint64_t in = 0;
  uint64_t out = 0;
  bool operator==(const Octets&) const = default;
};

// One use of a session id: a NAS may use it again after a reboot.
struct SessionGeneration {
  absl::Time start;                  // implied: at − session_seconds of its earliest sample
  std::vector<UsageSample> samples;  // ascending session time, counters unwrapped and monotone
  int flagged = 0;                   // readings that were corrected (wrap, decrease, conflict)
};

// Two readings are of one generation when their implied starts differ by at most this much.
inline constexpr absl::Duration kStartTolerance = absl::Seconds(5);

// Groups the readings of one (source, session id) into generations. Equal session time with other
// counters: the larger counts. A lower later 32-bit reading wrapped (+2^32); a lower 64-bit one is
// a fault, the larger stays. Both are counted in `flagged`.
//
// Readings without session time (Start, or a server that leaves it out) are of the generation that
// was there at their time: within it always (one that contradicts its neighbours with session time
// is left out and flagged), behind its last reading as long as no counter falls. Where none was
// there they make one of their own, from the first of them on; counters that fall begin another.
//
// `restarts`: when the access server said that all its sessions had ended (Accounting-On, -Off),
// ascending. A session that started behind one is another than a session that was read before it,
// however near their starts are. A session that started before it and still reports lives on.
std::vector<SessionGeneration> Generations(std::vector<UsageSample> samples,
                                           const std::vector<absl::Time>& restarts = {});

// The octets of a generation in each interval [boundaries[i], boundaries[i+1]); the usage between
// two readings is spread evenly over the time between them and cut by cumulative floor, so the
// parts sum to the whole exactly. Usage outside all intervals is left out. Boundaries ascend.
std::vector<Octets> SplitOctets(const SessionGeneration& generation,
                                const std::vector<absl::Time>& boundaries);

}  // namespace broadbill::rating
