#pragma once

#include <functional>
#include <memory>
#include <string>

#include "libs/db/pool.h"
#include "libs/feed/consumer.h"
#include "libs/rpc/host.h"

namespace broadbill::feedrpc {

// Offers the feed in `pool`'s schema under the name `source` on this host's server.
void Serve(rpc::Host& host, const std::string& source, std::shared_ptr<db::Pool> pool);

// Rows of `source`'s feed, wherever it runs.
feed::Fetch RemoteFetch(std::shared_ptr<rpc::Channel> channel, const std::string& source,
                        const std::string& caller);

// Follows `source` from the first event on with cursors in `pool`'s schema; `caller` is the
// consuming service. Returns the consumer, owned by the host.
feed::Consumer* Follow(rpc::Host& host, const std::string& caller, const std::string& source,
                       std::shared_ptr<db::Pool> pool, feed::Handler handler);

// Other work of this host that goes on behind what was committed.
void AlsoWaitFor(rpc::Host& host, std::function<absl::StatusOr<bool>()> is_done);

// The consumers of this host and its other work behind, so that tests and tools can wait until all
// have caught up.
absl::Status WaitCaughtUp(rpc::Host& host, absl::Duration timeout);

}  // namespace broadbill::feedrpc
