#pragma once

// The queue of messages. Workers of any number of processes claim them by lease; all times here are
// the machine clock's. Every claim raises the message's fence, so that a worker that lost its lease
// can record nothing.

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/notification/store/rows.h"

namespace broadbill::notification {

// Takes up to `limit` messages that are due at `now`, the longest due first, for this worker until
// `lease_end`.
absl::StatusOr<std::vector<MessageRow>> ClaimDue(db::Pool& pool, int limit, absl::Time now,
                                                 absl::Time lease_end);

// Records a try of a claimed message: writes `after` over it (its state, error, subject, file,
// strikes, times; the claim ends) and inserts the delivery. False, with nothing written, when the
// claim is no longer ours.
absl::StatusOr<bool> RecordTry(db::Tx& tx, const MessageRow& claimed, const MessageRow& after,
                               const DeliveryRow& delivery);

// Ends claims without a try: the messages are due again at `due_at`; `error` says what they wait
// for,
// "" leaves what is there.
absl::Status GiveBack(db::Pool& pool, const std::vector<MessageRow>& claimed, absl::Time due_at,
                      const std::string& error);

}  // namespace broadbill::notification
