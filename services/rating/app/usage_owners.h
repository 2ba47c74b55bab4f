#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/db/pool.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

// Whose the subjects of a batch of usage are, on each day.
class UsageOwners {
 public:
  static absl::StatusOr<UsageOwners> Load(db::Tx& tx, const std::vector<int16_t>& kinds,
                                          const std::vector<std::string_view>& subjects);

  // Null when nobody has the subject on that day of the item's zone.
  const SubjectRow* Find(std::string_view subject, absl::Time at) const;

 private:
  struct Owner {
    SubjectRow row;
    absl::Time from, to;  // its days as instants
    size_t next;          // of the same subject
  };
  static constexpr size_t kNone = static_cast<size_t>(-1);
  std::vector<Owner> owners_;
  absl::flat_hash_map<std::string, size_t> first_;
};

}  // namespace broadbill::rating
