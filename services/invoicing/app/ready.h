#pragma once

// Drafts ready to be posted: what is left is the number and its dates. The poster takes them from
// the memory of the process that drafted them, or makes them again from the database.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/ids/uuid.h"
#include "services/invoicing/store/rows.h"

namespace broadbill::invoicing {

struct Ready {
  Uuid account_id;
  Uuid document_id;
  Uuid company_id;
  int16_t kind = 0;
  int32_t due_days = 0;
  std::optional<CivilDay> due_from;  // the due date counts from it when it is later
  std::string number_prefix;
  // The serialized Event without the number and the dates. Those are appended when they are known:
  // serialized messages that stand one behind the other are one merged message.
  std::string event;
};

Ready MakeReady(const DocumentRow& document, const std::vector<LineRow>& lines,
                const std::vector<TaxRow>& taxes, absl::Time now);

// Chunks that this process drafted and nobody has posted yet. Only a shortcut: what does not fit is
// not kept. Thread-safe.
class ReadyChunks {
 public:
  void Put(const Uuid& run_id, int32_t chunk, std::vector<Ready> documents) {
    absl::MutexLock lock(&mutex_);
    int64_t bytes = 0;
    for (const Ready& one : documents) bytes += static_cast<int64_t>(sizeof(one)) + Size(one);
    if (bytes_ + bytes > kBytesMax) DropOthers(run_id);
    if (bytes_ + bytes > kBytesMax) return;
    bytes_ += bytes;
    chunks_[{run_id, chunk}] = {bytes, std::move(documents)};
  }

  // Forgets the chunk, and those before it, which somebody else posted.
  std::optional<std::vector<Ready>> Take(const Uuid& run_id, int32_t chunk) {
    absl::MutexLock lock(&mutex_);
    auto at = chunks_.lower_bound({run_id, 0});
    while (at != chunks_.end() && at->first < std::pair(run_id, chunk)) at = Drop(at);
    if (at == chunks_.end() || at->first != std::pair(run_id, chunk)) return std::nullopt;
    std::vector<Ready> out = std::move(at->second.documents);
    Drop(at);
    return out;
  }

 private:
  static constexpr int64_t kBytesMax = 64 << 20;
  struct Kept {
    int64_t bytes = 0;
    std::vector<Ready> documents;
  };
  using Chunks = std::map<std::pair<Uuid, int32_t>, Kept>;

  static int64_t Size(const Ready& one) {
    return static_cast<int64_t>(one.event.size() + one.number_prefix.size());
  }
  Chunks::iterator Drop(Chunks::iterator at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    bytes_ -= at->second.bytes;
    return chunks_.erase(at);
  }
  // Of runs that ended elsewhere, or were cancelled.
  void DropOthers(const Uuid& run_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto at = chunks_.begin(); at != chunks_.end();) {
      at = at->first.first == run_id ? std::next(at) : Drop(at);
    }
  }

  absl::Mutex mutex_;
  Chunks chunks_ ABSL_GUARDED_BY(mutex_);
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace broadbill::invoicing
