#pragma once

// What the network should do with a subscription: the strictest of what its life and its usage say.
// Billing goes by segments alone.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "services/accounts/domain/history.h"

namespace broadbill::accounts {

enum class NetworkState : int16_t {
  kPending = 1,
  kActive = 2,
  kRestricted = 3,
  kSuspended = 4,
  kTerminated = 5,
};

struct Speed {
  int64_t download_kbps = 0, upload_kbps = 0;  // 0: not limited
  bool operator==(const Speed&) const = default;
};

// A period's included usage is used up.
struct UsageCap {
  bool block = false;  // else `speed` holds
  Speed speed;
};

struct NetworkOrder {
  NetworkState state = NetworkState::kActive;
  std::string reason;  // lower_snake; empty in full service and before it
  std::optional<Speed> speed;
  bool operator==(const NetworkOrder&) const = default;
};

// What of the plan and of changes matters today.
struct NetworkTerms {
  std::optional<Speed> speed;
  bool calls = false;         // it carries calls: blocked data must not take them down
  std::string suspended_for;  // reason of the suspension that holds
  std::optional<UsageCap> cap;
};

// The state by the segments alone.
NetworkState StateByLife(const std::vector<Segment>& segments, CivilDay today);
NetworkOrder OrderOf(const std::vector<Segment>& segments, CivilDay today,
                     const NetworkTerms& terms);

}  // namespace broadbill::accounts
