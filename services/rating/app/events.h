#pragma once

// Generic usage events as requests bring them.

#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/rating/v1/usage.pb.h"
#include "services/rating/domain/records.h"

namespace broadbill::rating {

inline constexpr int kEventsMax = 10'000;  // of one request

// The request's events in their order. What is wrong with any of them is named, all together.
absl::StatusOr<std::vector<UsageEventRecord>> ReadEvents(
    const broadbill::rating::v1::IngestEventsRequest& request);

}  // namespace broadbill::rating
