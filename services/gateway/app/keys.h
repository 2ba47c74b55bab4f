#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "broadbill/gateway/v1/api_key.pb.h"
#include "broadbill/gateway/v1/server_info.pb.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "libs/rpc/context.h"

namespace broadbill::gateway {

// API keys: `bbk_<26 characters of the id>_<43 characters of secret>`. The secret is shown once.
class Keys {
 public:
  Keys(std::shared_ptr<db::Pool> pool, const Clock& clock, std::vector<std::string> services);

  absl::StatusOr<broadbill::gateway::v1::CreateApiKeyResponse> CreateApiKey(
      const rpc::Context& context, const broadbill::gateway::v1::CreateApiKeyRequest& request);
  absl::StatusOr<broadbill::gateway::v1::ListApiKeysResponse> ListApiKeys(
      const rpc::Context& context, const broadbill::gateway::v1::ListApiKeysRequest& request);
  absl::StatusOr<broadbill::gateway::v1::ApiKey> RevokeApiKey(
      const rpc::Context& context, const broadbill::gateway::v1::RevokeApiKeyRequest& request);
  absl::StatusOr<broadbill::gateway::v1::ServerInfo> GetServerInfo(
      const rpc::Context& context, const broadbill::gateway::v1::GetServerInfoRequest& request);

  // The principal of a presented key. Answers are kept for a few seconds, so a revoked key may work
  // that much longer.
  absl::StatusOr<rpc::Principal> Authenticate(const std::string& key);

 private:
  struct Cached {
    rpc::Principal principal;
    absl::Time until;
  };

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  const std::vector<std::string> services_;
  const absl::Time started_at_;
  absl::Mutex mutex_;
  std::map<std::string, Cached> cache_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace broadbill::gateway
