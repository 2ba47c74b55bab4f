#pragma once

// Posted documents in the order in which invoicing's feed tells them.

#include <functional>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "broadbill/invoicing/v1/events.pb.h"
#include "libs/feed/consumer.h"
#include "libs/rpc/channel.h"

namespace broadbill::program {

class PostedFeed {
 public:
  using OnDocument = std::function<absl::Status(const broadbill::invoicing::v1::DocumentPosted&)>;

  explicit PostedFeed(std::shared_ptr<rpc::Channel> invoicing);

  // Gives what was posted since the last call (the first call: everything) to `on_document`.
  absl::Status ReadNew(const OnDocument& on_document);

 private:
  const feed::Fetch fetch_;
  std::map<int, int64_t> after_;
};

}  // namespace broadbill::program
