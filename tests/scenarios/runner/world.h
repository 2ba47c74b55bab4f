#pragma once

// The suite as a scenario sees it: all services in this process on a fresh database and a fake
// clock, reached through their public RPCs only.

#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "libs/calendar/clock.h"
#include "libs/calendar/date.h"
#include "libs/rpc/host.h"
#include "libs/testing/test_database.h"

namespace broadbill::scenarios {

class World {
 public:
  // `settings` are HostOptions::settings, as "smtp-url"; without one mail stays queued. `services`
  // are the ones that run; none: all.
  explicit World(std::map<std::string, std::string> settings = {},
                 const std::set<std::string>& services = {});
  ~World();

  // Midday of a civil day, so that it is the same day in every American and European zone.
  void SetClock(CivilDay day);
  void SetTime(absl::Time now) { clock_.Set(now); }
  CivilDay today() const { return today_; }
  // Waits until every feed is applied everywhere.
  absl::Status Settle();

  template <class Response>
  absl::StatusOr<Response> Call(const std::string& method,
                                const google::protobuf::Message& request) {
    const size_t from = method.find('.') + 1;
    const std::string service = method.substr(from, method.find('.', from) - from);
    return host_->ChannelTo(service)->Call<Response>(method, request, context_);
  }
  std::shared_ptr<rpc::Channel> Channel(const std::string& service) {
    return host_->ChannelTo(service);
  }
  rpc::Host& host() { return *host_; }
  const rpc::Context& context() const { return context_; }
  const std::string& database_url() const { return database_.url(); }

  // Names that the scenario gave to things, to their ids.
  std::map<std::string, std::string> accounts, subscriptions, locations, documents;
  std::string time_zone = "America/Chicago";

 private:
  testing::TestDatabase database_;
  FakeClock clock_;
  CivilDay today_;
  std::unique_ptr<rpc::Host> host_;
  rpc::Context context_;
};

}  // namespace broadbill::scenarios
