// Stored rows of change feeds.

#include <algorithm>

#include "libs/db/feed_event.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill {
namespace {

bool Same(const db::FeedEvent& a, const db::FeedEvent& b) {
  return a.type == b.type && a.account_id == b.account_id && a.body == b.body;
}

void CheckRoundTrip(const std::vector<db::FeedEvent>& events) {
  const std::string payload = db::EncodeFeedPayload(events.data(), events.size());
  const auto again = db::DecodeFeedPayload(payload);
  fuzz::Require(std::equal(events.begin(), events.end(), again.begin(), again.end(), Same),
                "a row is read as it was written");
  // Half of a row is none.
  const std::string cut = payload.substr(0, payload.size() / 2);
  fuzz::Require(db::DecodeFeedPayload(cut).empty(), "a cut row is no row");
}

}  // namespace

// The bytes as a row, and as the texts of events that make one.
FUZZ_TARGET(feed) {
  const auto read = db::DecodeFeedPayload(std::string(input));
  if (!read.empty()) CheckRoundTrip(read);
  std::vector<db::FeedEvent> events;
  fuzz::Bytes bytes(input);
  while (!bytes.empty() && events.size() < 256) {
    db::FeedEvent event;
    for (uint8_t& byte : event.account_id.bytes) byte = static_cast<uint8_t>(bytes.Take(1));
    const size_t type = bytes.Take(1);
    const size_t body = bytes.Take(1);
    event.type = std::string(bytes.rest().substr(0, type));
    event.body = std::string(bytes.rest().substr(0, body));
    events.push_back(std::move(event));
  }
  if (!events.empty()) CheckRoundTrip(events);
}

}  // namespace broadbill
