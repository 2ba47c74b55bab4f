#pragma once

// Where the time of a bill run goes, as the metric broadbill_bill_run_phase_seconds{phase=…}, one
// observation a chunk.

#include "absl/time/clock.h"
#include "libs/rpc/metrics.h"

namespace broadbill::invoicing {

// Laps of one chunk; each ends the phase that began with the lap before.
class Stopwatch {
 public:
  explicit Stopwatch(rpc::Metrics* metrics) : metrics_(metrics), since_(absl::Now()) {}
  void Lap(const char* phase) {
    const absl::Time now = absl::Now();
    if (metrics_ != nullptr) {
      metrics_->ObserveSeconds("broadbill_bill_run_phase_seconds", {{"phase", phase}},
                               absl::ToDoubleSeconds(now - since_));
    }
    since_ = now;
  }

 private:
  rpc::Metrics* const metrics_;
  absl::Time since_;
};

}  // namespace broadbill::invoicing
