#pragma once

// What billing left in the database, without ids of documents and lines, and the invariants that
// must hold whatever happened.

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/db/pool.h"

namespace broadbill::faults {

// Section ("documents", "lines", …) → rows as text, sorted.
using State = std::map<std::string, std::vector<std::string>>;

absl::StatusOr<State> ReadState(db::Pool& pool);

// "" when equal; else the first differences.
std::string Differences(const State& expected, const State& actual);

// Sentences about what does not hold: gaps in numbers, coverage that is not the sum of the lines,
// receivables that are not the posted totals, parked events. Empty when all is well.
absl::StatusOr<std::vector<std::string>> BrokenInvariants(db::Pool& pool);

// Whether every consumer has applied all events of the feed it follows.
absl::StatusOr<bool> FeedsCaughtUp(db::Pool& pool);

}  // namespace broadbill::faults
