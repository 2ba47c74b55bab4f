#include "services/gateway/store/api_keys.h"

#include "libs/status/macros.h"

namespace broadbill::gateway {

absl::StatusOr<std::optional<ApiKeyRow>> FindKey(db::Tx& tx, const Uuid& key_id) {
  ASSIGN_OR_RETURN(std::vector<ApiKeyRow> rows,
                   db::Select<ApiKeyRow>(tx, "WHERE key_id = $1", key_id));
  if (rows.empty()) return std::optional<ApiKeyRow>();
  return std::optional<ApiKeyRow>(std::move(rows.front()));
}

absl::StatusOr<std::vector<ApiKeyRow>> ListKeys(db::Tx& tx, bool include_revoked, const Uuid& after,
                                                int64_t limit) {
  return db::Select<ApiKeyRow>(
      tx, "WHERE key_id > $1 AND ($2 OR revoked_at IS NULL) ORDER BY key_id LIMIT $3", after,
      include_revoked, limit);
}

absl::StatusOr<bool> RevokeKey(db::Tx& tx, const Uuid& key_id, absl::Time at) {
  ASSIGN_OR_RETURN(const db::Result result,
                   tx.Exec("UPDATE api_key SET revoked_at = coalesce(revoked_at, $2) "
                           "WHERE key_id = $1",
                           key_id, at));
  return result.affected() == 1;
}

}  // namespace broadbill::gateway
