#include "libs/db/feed_event.h"

#include <lz4.h>

#include <algorithm>
#include <map>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "libs/db/pool.h"
#include "libs/status/macros.h"

namespace broadbill::db {
namespace {

constexpr size_t kEventsPerRow = 256;
constexpr char kVersion = 1;

void PutText(std::string& out, std::string_view text) {
  wire::Put<int32_t>(out, static_cast<int32_t>(text.size()));
  out += text;
}

// False when `in` does not hold the whole text.
bool TakeText(std::string_view& in, std::string& out) {
  if (in.size() < 4) return false;
  const auto size = static_cast<size_t>(static_cast<uint32_t>(wire::Get<int32_t>(in)));
  in.remove_prefix(4);
  if (size > in.size()) return false;
  out = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

struct Signals {
  absl::Mutex mutex;
  absl::CondVar changed;
  std::map<std::string, int64_t> counts ABSL_GUARDED_BY(mutex);
  std::map<std::string, absl::Time> held_until ABSL_GUARDED_BY(mutex);
};

Signals& Global() {
  static auto* const signals = new Signals;
  return *signals;
}

}  // namespace

// version byte, int32 raw size, LZ4 block of: per event type, account, body.
std::string EncodeFeedPayload(const FeedEvent* events, size_t count) {
  std::string raw;
  for (size_t i = 0; i < count; ++i) {
    PutText(raw, events[i].type);
    Codec<Uuid>::Encode(raw, events[i].account_id);
    PutText(raw, events[i].body);
  }
  std::string out(1, kVersion);
  wire::Put<int32_t>(out, static_cast<int32_t>(raw.size()));
  std::string packed(static_cast<size_t>(LZ4_compressBound(static_cast<int>(raw.size()))), '\0');
  const int size = LZ4_compress_default(raw.data(), packed.data(), static_cast<int>(raw.size()),
                                        static_cast<int>(packed.size()));
  packed.resize(static_cast<size_t>(std::max(size, 0)));
  return out + packed;
}

// Nothing when the payload is damaged: no row is written without events.
std::vector<FeedEvent> DecodeFeedPayload(const std::string& payload) {
  constexpr size_t kHeader = 5;
  constexpr size_t kMostRatio = 255;  // of an LZ4 block
  if (payload.size() < kHeader || payload[0] != kVersion) return {};
  const auto packed = payload.size() - kHeader;
  const auto size = static_cast<uint32_t>(wire::Get<int32_t>(std::string_view(payload).substr(1)));
  if (size > INT32_MAX || size > packed * kMostRatio) return {};
  std::string raw(size, '\0');
  const int read = LZ4_decompress_safe(payload.data() + kHeader, raw.data(),
                                       static_cast<int>(packed), static_cast<int>(size));
  if (read != static_cast<int>(size)) return {};
  std::vector<FeedEvent> out;
  for (std::string_view in = raw; !in.empty();) {
    FeedEvent event;
    if (!TakeText(in, event.type) || in.size() < event.account_id.bytes.size()) return {};
    event.account_id = Codec<Uuid>::Decode(in.substr(0, event.account_id.bytes.size()));
    in.remove_prefix(event.account_id.bytes.size());
    if (!TakeText(in, event.body)) return {};
    out.push_back(std::move(event));
  }
  return out;
}

absl::Status AppendFeed(Tx& tx, const std::vector<FeedEvent>& events, absl::Time at) {
  if (events.empty()) return absl::OkStatus();
  std::map<int, std::vector<FeedEvent>> parts;
  for (const FeedEvent& event : events)
    parts[event.account_id.IsNil() ? 0 : Bucket(event.account_id)].push_back(event);
  for (const auto& [partition, part] : parts) {
    const size_t rows = (part.size() + kEventsPerRow - 1) / kEventsPerRow;
    std::vector<int64_t> offsets;
    std::vector<int32_t> counts;
    std::vector<Bytes> payloads;
    for (size_t row = 0; row < rows; ++row) {
      const size_t begin = row * kEventsPerRow;
      const size_t count = std::min(kEventsPerRow, part.size() - begin);
      offsets.push_back(static_cast<int64_t>(begin + count));
      counts.push_back(static_cast<int32_t>(count));
      payloads.push_back({EncodeFeedPayload(part.data() + begin, count)});
    }
    RETURN_IF_ERROR(
        tx.Exec("WITH head AS (UPDATE feed_head SET pos = pos + $2 WHERE partition = $1 "
                "RETURNING pos - $2 AS base) "
                "INSERT INTO feed (partition, pos, event_count, at, payload) "
                "SELECT $1, head.base + r.n, r.c, $3, r.p FROM head, "
                "unnest($4, $5, $6) AS r(n, c, p)",
                static_cast<int16_t>(partition), static_cast<int64_t>(part.size()), at, offsets,
                counts, payloads)
            .status());
  }
  return absl::OkStatus();
}

void SignalFeed(const std::string& source) {
  Signals& signals = Global();
  absl::MutexLock lock(&signals.mutex);
  ++signals.counts[source];
  signals.changed.SignalAll();
}

void HoldConsumers(const std::string& source, absl::Duration lease) {
  Signals& signals = Global();
  absl::MutexLock lock(&signals.mutex);
  signals.held_until[source] = absl::Now() + lease;
}

void ReleaseConsumers(const std::string& source) {
  Signals& signals = Global();
  absl::MutexLock lock(&signals.mutex);
  signals.held_until.erase(source);
  ++signals.counts[source];
  signals.changed.SignalAll();
}

bool ConsumersHeld(const std::string& source) {
  Signals& signals = Global();
  absl::MutexLock lock(&signals.mutex);
  const auto found = signals.held_until.find(source);
  return found != signals.held_until.end() && absl::Now() < found->second;
}

int64_t FeedSignals(const std::string& source) {
  Signals& signals = Global();
  absl::MutexLock lock(&signals.mutex);
  return signals.counts[source];
}

int64_t WaitFeedSignal(const std::string& source, int64_t seen, absl::Duration timeout) {
  Signals& signals = Global();
  const absl::Time deadline = absl::Now() + timeout;
  absl::MutexLock lock(&signals.mutex);
  while (signals.counts[source] == seen && absl::Now() < deadline) {
    signals.changed.WaitWithDeadline(&signals.mutex, deadline);
  }
  return signals.counts[source];
}

}  // namespace broadbill::db
