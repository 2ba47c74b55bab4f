#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/ids/uuid.h"

namespace broadbill::db {

class Tx;

// One event of a service's change feed.
struct FeedEvent {
  std::string type;  // full proto name of the body, "broadbill.invoicing.v1.Event"
  Uuid account_id;   // decides the partition; nil for facts of no account
  std::string body;  // serialized message
};

// Appends events to the feed of the transaction's schema: rows of up to 256 events per partition.
// Call it as the last statement before COMMIT: it takes the partitions' heads (in ascending order),
// which makes positions dense and in commit order. A position counts events; a row stands at
// the position of its last event.
absl::Status AppendFeed(Tx& tx, const std::vector<FeedEvent>& events, absl::Time at);

// Wakes consumers of `source` in this process; after the commit.
void SignalFeed(const std::string& source);
// Counts the signals of `source` in this process.
int64_t FeedSignals(const std::string& source);
// Waits until the count differs from `seen` or the time is over; returns the count.
int64_t WaitFeedSignal(const std::string& source, int64_t seen, absl::Duration timeout);

// A bulk producer of `source` wants this machine for itself for so long: consumers in this process
// take a batch now and then only, until it is over or released. They have nothing to lose by it:
// what they follow is kept.
void HoldConsumers(const std::string& source, absl::Duration lease);
void ReleaseConsumers(const std::string& source);
bool ConsumersHeld(const std::string& source);

// The payload of a feed row.
std::string EncodeFeedPayload(const FeedEvent* events, size_t count);
std::vector<FeedEvent> DecodeFeedPayload(const std::string& payload);

}  // namespace broadbill::db
