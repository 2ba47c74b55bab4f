#pragma once

// Generic usage events as requests bring them.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/rating/v1/usage.pb.h"
#include "libs/status/error.h"
#include "services/rating/domain/records.h"

namespace broadbill::rating {

inline constexpr int kEventsMax = 10'000;  // of one request

// One event; what is wrong is named below `at` ("events[3]."), and the event is not to be used.
UsageEventRecord ReadEvent(const broadbill::rating::v1::UsageEvent& event, int index,
                           const std::string& at, Violations& violations);

// The request's events in their order. What is wrong with any of them is named, all together.
absl::StatusOr<std::vector<UsageEventRecord>> ReadEvents(
    const broadbill::rating::v1::IngestEventsRequest& request);

}  // namespace broadbill::rating
