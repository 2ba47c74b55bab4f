#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/db/pool.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

struct SubjectOwner {
  SubjectRow row;
  absl::Time from, to;  // its days as instants
};

// Subjects as a process last read them. They change rarely, against the usage that names them: a
// batch asks for their version and reads only those that are not known yet. Thread-safe.
class SubjectCache {
 public:
  // All that is known, of all kinds; thrown away when there are more.
  explicit SubjectCache(size_t subjects_max = 1'000'000) : subjects_max_(subjects_max) {}

 private:
  friend class UsageOwners;
  // Those of one version; only added to, and left alone by who has it in use.
  struct Known {
    explicit Known(int64_t of) : version(of) {}
    const int64_t version;
    absl::Mutex mutex;
    absl::flat_hash_map<std::string, std::unique_ptr<const std::vector<SubjectOwner>>> owners
        ABSL_GUARDED_BY(mutex);
  };
  std::shared_ptr<Known> Of(int64_t version);

  const size_t subjects_max_;
  absl::Mutex mutex_;
  std::shared_ptr<Known> known_ ABSL_GUARDED_BY(mutex_);
};

// In the transaction that changes subjects: whoever asks later reads them anew.
absl::Status SubjectsChanged(db::Tx& tx);

// Whose the subjects of a batch of usage are, on each day.
class UsageOwners {
 public:
  // `subjects` may repeat. `cache` may be null: they are read for this batch alone.
  static absl::StatusOr<UsageOwners> Load(db::Tx& tx, SubjectCache* cache,
                                          const std::vector<int16_t>& kinds,
                                          const std::vector<std::string_view>& subjects);

  // Whose the batch's subject at `index` is; null when nobody has it on that day of the item's
  // zone.
  const SubjectRow* Find(size_t index, absl::Time at) const;

 private:
  std::vector<int16_t> kinds_;
  std::shared_ptr<SubjectCache::Known> known_;  // holds what `of_` points at
  std::vector<const std::vector<SubjectOwner>*> of_;
};

}  // namespace broadbill::rating
