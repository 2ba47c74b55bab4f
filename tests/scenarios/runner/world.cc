#include "tests/scenarios/runner/world.h"

#include <cstdio>
#include <cstdlib>

#include "libs/feedrpc/feedrpc.h"
#include "services/broadbill/services.h"

namespace broadbill::scenarios {

World::World(std::map<std::string, std::string> settings, const std::set<std::string>& services)
    : clock_(absl::FromUnixSeconds(1767268800)) {
  rpc::HostOptions options;
  options.database_url = database_.url();
  options.clock = &clock_;
  options.settings = std::move(settings);
  host_ = std::make_unique<rpc::Host>(std::move(options));
  for (const program::Component& component : program::Components()) {
    if (!services.empty() && services.count(component.name) == 0) continue;
    const absl::Status status = component.register_with(*host_);
    if (!status.ok()) {
      std::fprintf(stderr, "%s: %s\n", component.name.c_str(),
                   std::string(status.message()).c_str());
      std::_Exit(2);
    }
  }
  const absl::Status started = host_->Start();
  if (!started.ok()) std::_Exit(2);
  context_ = rpc::BackgroundContext("scenario");
}

World::~World() {
  host_->Stop(absl::Seconds(2));
  host_.reset();
}

void World::SetClock(CivilDay day) {
  today_ = day;
  clock_.Set(absl::FromCivil(absl::CivilHour(day) + 17, absl::UTCTimeZone()));
}

absl::Status World::Settle() { return feedrpc::WaitCaughtUp(*host_, absl::Seconds(30)); }

}  // namespace broadbill::scenarios
