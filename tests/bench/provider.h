#pragma once

// A generated provider for the billing benchmark: every account has four items at one location and
// three taxes; a share of the accounts has metered data with overage in place of the fourth line.

#include <cstdint>

#include "absl/status/status.h"
#include "libs/calendar/date.h"
#include "libs/rpc/channel.h"

namespace broadbill::bench {

struct ProviderOptions {
  int64_t accounts = 100000;
  int usage_percent = 20;
  CivilDay first_month;  // items start here
  CivilDay usage_month;  // usage is loaded of this one
};

// Loads customers and catalogue through the public imports, in files of some ten thousand rows.
absl::Status LoadProvider(rpc::Channel& channel, const rpc::Context& context,
                          const ProviderOptions& options);
// Its usage, once rating knows the subscriptions.
absl::Status LoadProviderUsage(rpc::Channel& channel, const rpc::Context& context,
                               const ProviderOptions& options);

}  // namespace broadbill::bench
