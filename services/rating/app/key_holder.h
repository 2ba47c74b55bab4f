#pragma once

#include <memory>

#include "libs/db/pool.h"
#include "libs/rpc/host.h"

namespace broadbill::rating {

// Lets the ids of new events go over to the large table whenever there are many.
class KeyHolder {
 public:
  KeyHolder(std::shared_ptr<db::Pool> pool, rpc::Metrics& metrics)
      : pool_(std::move(pool)), metrics_(metrics) {}

  void Run(rpc::Background& background);
  // One round over all keys; answers how many went over.
  absl::StatusOr<int64_t> HoldAll(rpc::Background* background = nullptr);

 private:
  absl::StatusOr<bool> IsDue();

  const std::shared_ptr<db::Pool> pool_;
  rpc::Metrics& metrics_;
};

}  // namespace broadbill::rating
