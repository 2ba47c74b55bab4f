#pragma once

// Calls that were rated once are priced again: after a deck was corrected, or on request.

#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/db/pool.h"
#include "libs/ids/uuid.h"

namespace broadbill::rating {

// Which calls. All that is set must hold.
struct RerateScope {
  std::string deck;  // of lines whose terms name it; "": any
  std::optional<Uuid> item_id = {};
  absl::Time start = absl::InfinitePast(), end = absl::InfiniteFuture();
  // Only of numbers that begin with one of these; none: of all.
  std::set<std::string> prefixes = {};
};

struct Rerated {
  int64_t calls = 0, changed = 0;
  int64_t without_rate = 0;                   // keep the price they had
  std::map<std::string, int64_t> difference;  // by currency, millionths: new less old
};

// In the transaction of what caused it. Idempotent.
absl::StatusOr<Rerated> RerateCalls(db::Tx& tx, const RerateScope& scope);

}  // namespace broadbill::rating
