#pragma once

// A closed-loop sender of accounting packets: a window of packets is under way, each is sent again
// until its answer is there and proves the secret.

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/radius/traffic.h"

namespace broadbill::radius {

struct Sent {
  int64_t answered = 0, retransmitted = 0;
  bool whole = false;  // every packet was answered
};

// `progress` counts answers over all senders.
Sent Send(const std::vector<Packet>& packets, int port, const std::string& secret,
          absl::Duration patience, std::atomic<int64_t>& progress);

}  // namespace broadbill::radius
