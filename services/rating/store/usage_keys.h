#pragma once

// What makes a usage record the one it is: 128 bits of SHA-256, equal to what migration 009 made.

#include <string_view>

#include "services/rating/store/rows.h"

namespace broadbill::rating {

// Of source and id, so that no two events have the same.
Uuid EventKeyOf(std::string_view source, std::string_view id);
// Of what an event says; never 0.
int64_t EventContentOf(std::string_view subject, absl::Time at, int64_t in_octets,
                       int64_t out_octets);
// Of a reading within its item and instant.
Uuid SampleKeyOf(std::string_view session_id, int64_t session_seconds, int64_t in_octets,
                 int64_t out_octets);

}  // namespace broadbill::rating
