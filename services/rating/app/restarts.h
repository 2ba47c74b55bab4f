#pragma once

// What access servers said of themselves, for those who tell sessions apart.

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/db/pool.h"

namespace broadbill::rating {

class Restarts {
 public:
  // Those of the access servers that these sessions are of.
  static absl::StatusOr<Restarts> Load(db::Tx& tx, const std::vector<std::string>& session_ids);
  // Ascending.
  std::vector<absl::Time> Of(const std::string& session_id) const;

 private:
  std::map<std::string, std::vector<absl::Time>> by_nas_;
};

}  // namespace broadbill::rating
