#include "libs/rpc/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <exception>

#include "libs/status/error.h"

namespace broadbill::rpc {

struct Metrics::Impl {
  std::shared_ptr<prometheus::Registry> registry = std::make_shared<prometheus::Registry>();
  std::unique_ptr<prometheus::Exposer> exposer;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::Count(const std::string& name, const Labels& labels, double by) {
  prometheus::BuildCounter().Name(name).Register(*impl_->registry).Add(labels).Increment(by);
}

void Metrics::Set(const std::string& name, const Labels& labels, double value) {
  prometheus::BuildGauge().Name(name).Register(*impl_->registry).Add(labels).Set(value);
}

void Metrics::ObserveSeconds(const std::string& name, const Labels& labels, double seconds) {
  static const prometheus::Histogram::BucketBoundaries kBounds = {
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  prometheus::BuildHistogram()
      .Name(name)
      .Register(*impl_->registry)
      .Add(labels, kBounds)
      .Observe(seconds);
}

std::string Metrics::Expose() const {
  return prometheus::TextSerializer().Serialize(impl_->registry->Collect());
}

absl::StatusOr<int> Metrics::Serve(const std::string& address) {
  // The exposer's HTTP server throws when the port is taken.
  try {
    impl_->exposer = std::make_unique<prometheus::Exposer>(address, 1);
    impl_->exposer->RegisterCollectable(impl_->registry);
    return impl_->exposer->GetListeningPorts().front();
  } catch (const std::exception& e) {
    return UnavailableError("METRICS_ADDRESS_TAKEN",
                            "cannot serve metrics at " + address + ": " + e.what());
  }
}

}  // namespace broadbill::rpc
