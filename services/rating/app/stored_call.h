#pragma once

// A call that was rated, as rating sees it again.

#include <string>

#include "services/rating/domain/call.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

class StoredCall {
 public:
  explicit StoredCall(const CallRow& row)
      : called_("+" + row.called),
        calling_(row.inbound ? "+" + row.calling : ""),
        answered_(row.answered_at),
        seconds_(row.seconds),
        inbound_(row.inbound) {}

  // Points into this object.
  CallFacts facts() const {
    CallFacts out{called_, answered_, seconds_, inbound_};
    out.calling = calling_;
    return out;
  }

 private:
  std::string called_, calling_;
  absl::Time answered_;
  int64_t seconds_ = 0;
  bool inbound_ = false;
};

}  // namespace broadbill::rating
