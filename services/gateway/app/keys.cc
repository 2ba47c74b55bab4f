#include "services/gateway/app/keys.h"

#include <sodium.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/convert/convert.h"
#include "libs/convert/write.h"
#include "libs/status/macros.h"
#include "services/gateway/store/api_keys.h"

namespace broadbill::gateway {
namespace {

namespace pb = broadbill::gateway::v1;
constexpr size_t kSecretBytes = 32;
constexpr absl::Duration kCacheTime = absl::Seconds(5);
constexpr size_t kCacheMax = 10000;

db::Bytes Digest(const std::string& secret) {
  db::Bytes out;
  out.data.resize(32);
  crypto_generichash(reinterpret_cast<unsigned char*>(out.data.data()), out.data.size(),
                     reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), nullptr,
                     0);
  return out;
}

pb::ApiKey ToProto(const ApiKeyRow& row) {
  pb::ApiKey out;
  out.set_api_key_id(row.key_id.ToText("key"));
  out.set_name(row.name);
  for (const std::string& permission : row.permissions) out.add_permissions(permission);
  out.set_account_id(row.account_id);
  out.set_hint(row.hint);
  *out.mutable_created_at() = convert::ToProto(row.created_at);
  out.set_created_by(row.created_by);
  if (row.expires_at.has_value()) *out.mutable_expires_at() = convert::ToProto(*row.expires_at);
  if (row.revoked_at.has_value()) *out.mutable_revoked_at() = convert::ToProto(*row.revoked_at);
  return out;
}

absl::Status BadKey() {
  return UnauthenticatedError("API_KEY_INVALID", "the API key is not valid");
}

// Nobody can make a key that may do more than its maker.
absl::StatusOr<ApiKeyRow> ToRow(const rpc::Context& context, const pb::ApiKey& key,
                                absl::Time now) {
  Violations violations;
  violations.Require(!key.name().empty() && key.name().size() <= 100, "api_key.name",
                     "must have 1 to 100 characters");
  violations.Require(key.permissions_size() > 0, "api_key.permissions",
                     "must name at least one permission, for example 'accounts.*' or '*'");
  for (const std::string& permission : key.permissions()) {
    violations.Require(!permission.empty() && permission.find(',') == std::string::npos,
                       "api_key.permissions", "'" + permission + "' is not a permission");
    violations.Require(context.principal.Allows(permission), "api_key.permissions",
                       "the caller itself lacks '" + permission + "'");
  }
  ApiKeyRow row;
  if (key.has_expires_at()) {
    row.expires_at = convert::FromProto(key.expires_at());
    violations.Require(*row.expires_at > now, "api_key.expires_at", "must lie in the future");
  }
  if (!key.account_id().empty()) {
    convert::ReadId("acc", key.account_id(), "api_key.account_id", violations);
  }
  RETURN_IF_ERROR(violations.ToStatus());
  row.key_id = Uuid::Make(now);
  row.name = key.name();
  row.permissions.assign(key.permissions().begin(), key.permissions().end());
  row.account_id = key.account_id();
  row.created_by = context.principal.id;
  row.created_at = now;
  return row;
}

}  // namespace

Keys::Keys(std::shared_ptr<db::Pool> pool, const Clock& clock, std::vector<std::string> services)
    : pool_(std::move(pool)),
      clock_(clock),
      services_(std::move(services)),
      started_at_(clock.Now()) {}

absl::StatusOr<pb::CreateApiKeyResponse> Keys::CreateApiKey(
    const rpc::Context& context, const pb::CreateApiKeyRequest& request) {
  ASSIGN_OR_RETURN(ApiKeyRow row, ToRow(context, request.api_key(), clock_.Now()));
  std::string random(kSecretBytes, '\0');
  randombytes_buf(random.data(), random.size());
  const std::string secret = absl::WebSafeBase64Escape(random);
  row.digest = Digest(secret);
  row.hint = secret.substr(secret.size() - 4);
  return convert::Write<pb::CreateApiKeyResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::CreateApiKeyResponse> {
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        pb::CreateApiKeyResponse response;
        *response.mutable_api_key() = ToProto(row);
        response.set_secret(row.key_id.ToText("bbk") + "_" + secret);
        return response;
      });
}

absl::StatusOr<pb::ListApiKeysResponse> Keys::ListApiKeys(const rpc::Context&,
                                                          const pb::ListApiKeysRequest& request) {
  Violations violations;
  const int32_t page_size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string after, convert::ReadPageToken(request.page_token()));
  Uuid last;
  if (!after.empty()) {
    ASSIGN_OR_RETURN(last, Uuid::FromHex(after));
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(std::vector<ApiKeyRow> rows,
                   ListKeys(tx, request.include_revoked(), last, int64_t{page_size} + 1));
  pb::ListApiKeysResponse response;
  if (rows.size() > static_cast<size_t>(page_size)) {
    rows.pop_back();
    response.set_next_page_token(convert::MakePageToken(rows.back().key_id.ToHex()));
  }
  for (const ApiKeyRow& row : rows) *response.add_api_keys() = ToProto(row);
  return response;
}

absl::StatusOr<pb::ApiKey> Keys::RevokeApiKey(const rpc::Context& context,
                                              const pb::RevokeApiKeyRequest& request) {
  Violations violations;
  const Uuid key_id = convert::ReadId("key", request.api_key_id(), "api_key_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  auto result = convert::Write<pb::ApiKey>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::ApiKey> {
        ASSIGN_OR_RETURN(const bool found, RevokeKey(tx, key_id, clock_.Now()));
        if (!found) return NotFoundError("API_KEY_NOT_FOUND", "there is no such API key");
        ASSIGN_OR_RETURN(const std::optional<ApiKeyRow> row, FindKey(tx, key_id));
        return ToProto(*row);
      });
  absl::MutexLock lock(&mutex_);
  cache_.clear();
  return result;
}

absl::StatusOr<pb::ServerInfo> Keys::GetServerInfo(const rpc::Context&,
                                                   const pb::GetServerInfoRequest&) {
  pb::ServerInfo info;
  info.set_version(BROADBILL_VERSION);
  for (const std::string& service : services_) info.add_services(service);
  *info.mutable_now() = convert::ToProto(clock_.Now());
  *info.mutable_started_at() = convert::ToProto(started_at_);
  return info;
}

absl::StatusOr<rpc::Principal> Keys::Authenticate(const std::string& key) {
  const absl::Time machine_now = absl::Now();
  {
    absl::MutexLock lock(&mutex_);
    const auto found = cache_.find(key);
    if (found != cache_.end() && found->second.until > machine_now) return found->second.principal;
  }
  // bbk_<26>_<43>
  constexpr size_t kIdPart = 4 + 26;
  if (key.size() != kIdPart + 1 + 43 || key[kIdPart] != '_') return BadKey();
  const auto key_id = Uuid::Parse("bbk", std::string_view(key).substr(0, kIdPart));
  if (!key_id.ok()) return BadKey();
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const std::optional<ApiKeyRow> row, FindKey(tx, *key_id));
  const db::Bytes digest = Digest(key.substr(kIdPart + 1));
  if (!row.has_value() ||
      sodium_memcmp(digest.data.data(), row->digest.data.data(), digest.data.size()) != 0) {
    return BadKey();
  }
  const bool over = row->expires_at.has_value() && *row->expires_at <= clock_.Now();
  if (row->revoked_at.has_value() || over) {
    return UnauthenticatedError(over ? "API_KEY_EXPIRED" : "API_KEY_REVOKED",
                                over ? "the API key has expired" : "the API key was revoked");
  }
  const rpc::Principal principal{"key:" + row->key_id.ToText("key"), row->permissions,
                                 row->account_id};
  absl::MutexLock lock(&mutex_);
  if (cache_.size() >= kCacheMax) cache_.clear();
  cache_[key] = {principal, machine_now + kCacheTime};
  return principal;
}

}  // namespace broadbill::gateway
