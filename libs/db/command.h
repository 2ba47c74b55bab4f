#pragma once

// The envelope of every interactive write: idempotency key → run → store the answer → feed →
// commit, in one transaction. Bulk paths do not use it (a chunk's lease is their identity).

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/db/feed_event.h"
#include "libs/db/pool.h"

namespace broadbill::db {

struct CommandInput {
  std::string scope;       // whose keys: "<principal>" or "<principal>/<account>"
  std::string method;      // "broadbill.payments.v1.Payments/CreatePayment"
  std::string request_id;  // "" = no protection against repeats
  std::string request;     // the request's bytes without request_id; another hash is refused
  bool validate_only = false;
  absl::Time now;  // business clock
};

struct CommandOutput {
  std::string answer;             // the response's bytes
  std::vector<FeedEvent> events;  // appended last, right before COMMIT
};

struct CommandResult {
  std::string answer;
  bool replayed = false;  // the answer of an earlier call with the same request_id
};

// Runs `run` in a transaction (again on serialization failures: it must have no effect outside the
// transaction). validate_only runs the same and rolls back. FAILED_PRECONDITION with reason
// REQUEST_ID_REUSED when the request_id was used with another request.
absl::StatusOr<CommandResult> RunCommand(
    Pool& pool, const CommandInput& input,
    const std::function<absl::StatusOr<CommandOutput>(Tx&)>& run);

}  // namespace broadbill::db
