#pragma once

// CloudEvents 1.0 in JSON, as usage: `type` data, data.in, data.out or data.total (the same as
// data), `subject` the user name or meter subject, `time` required, octets in `data` as a number,
// as digits in a string, or in its field `octets`.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/rating/domain/records.h"

namespace broadbill::rating {

struct CloudEvent {
  UsageEventRecord record;  // its line is the place in the batch, from 0
  std::vector<std::pair<std::string, std::string>> wrong;  // attribute and what is wrong with it
};

// One event, or with `batch` an array of at most `most`. An event that is wrong holds up no other.
absl::StatusOr<std::vector<CloudEvent>> ParseCloudEvents(std::string_view text, bool batch,
                                                         size_t most);

}  // namespace broadbill::rating
