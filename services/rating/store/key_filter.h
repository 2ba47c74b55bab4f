#pragma once

// Tells of most ids that nobody has that they are not in event_key_held, without a look at its
// index: a block of 64 bytes is read for an id where the index would be walked down. Bloom filters
// (B. Bloom, 1970) in blocks (F. Putze, P. Sanders, J. Singler, 2007).

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/db/pool.h"
#include "libs/ids/uuid.h"

namespace broadbill::rating {

// Ids go over to the large table, and are looked up there, in so many slices by their first byte.
inline constexpr int kKeySlices = 256;

// One filter, for random ids (a digest's bytes) of one slice. About one in two hundred ids that it
// does not hold seems to be in it when it is full.
class KeyFilter {
 public:
  // The first of a slice is for 2^14 ids, each next one for twice as many, up to 2^18.
  static constexpr int32_t KeysMax(int32_t part) { return 1 << std::min(14 + part, 18); }

  // For so many ids, 12 bits each.
  explicit KeyFilter(int32_t keys_max) : bits_(static_cast<size_t>(keys_max) / 8 * 12, '\0') {}
  // `bits` as bits() answered.
  explicit KeyFilter(std::string bits) : bits_(std::move(bits)) {}

  void Add(const Uuid& key);
  bool MayHave(const Uuid& key) const;  // false: surely not
  const std::string& bits() const { return bits_; }

 private:
  std::string bits_;
};

// In the transaction that moves `keys` of the slice: its filters learn of them, or are made of all
// that the table holds.
absl::Status AddToFilters(db::Tx& tx, int slice, const std::vector<Uuid>& keys);

// A process's copy of the filters. Thread-safe.
class KeyFilters {
 public:
  // So much memory at most; slices that do not fit are as if they had no filter.
  explicit KeyFilters(int64_t bytes_max = int64_t{1} << 30) : bytes_max_(bytes_max) {}

  // Those that may be in event_key_held, in their order. No ids go over until `tx` ends.
  absl::StatusOr<std::vector<Uuid>> MayBeHeld(db::Tx& tx, const std::vector<Uuid>& keys);

 private:
  struct Slice {
    int64_t version = -1;
    bool whole = false;  // `parts` know all its ids
    std::vector<KeyFilter> parts;
  };
  // Reads what changed since it was read.
  absl::Status Refresh(db::Tx& tx) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Read(db::Tx& tx, int slice, int64_t version, bool covered)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int64_t bytes_max_;
  absl::Mutex mutex_;
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<Slice, kKeySlices> slices_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace broadbill::rating
