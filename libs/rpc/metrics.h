#pragma once

// Counters, gauges and histograms for Prometheus, by name and labels. Names follow
// https://prometheus.io/docs/practices/naming/ (broadbill_rpc_calls_total, …_seconds).

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace broadbill::rpc {

using Labels = std::map<std::string, std::string>;

class Metrics {
 public:
  Metrics();
  ~Metrics();

  void Count(const std::string& name, const Labels& labels, double by = 1);
  void Set(const std::string& name, const Labels& labels, double value);
  // Buckets from 0.5 ms to 60 s.
  void ObserveSeconds(const std::string& name, const Labels& labels, double seconds);

  // The text exposition format.
  std::string Expose() const;
  // Serves it at http://<address>/metrics ("127.0.0.1:0" picks a port); returns the port.
  absl::StatusOr<int> Serve(const std::string& address);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace broadbill::rpc
