#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/db/rows.h"

namespace broadbill::gateway {

struct ApiKeyRow {
  Uuid key_id;
  std::string name;
  db::Bytes digest;  // BLAKE2b-256 of the secret
  std::vector<std::string> permissions;
  std::string account_id;  // "" = not bound to one account
  std::string hint;        // the secret's last characters, for people
  std::string created_by;
  absl::Time created_at;
  std::optional<absl::Time> expires_at;
  std::optional<absl::Time> revoked_at;

  static constexpr char kTable[] = "api_key";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("key_id", &ApiKeyRow::key_id), db::Col("name", &ApiKeyRow::name),
        db::Col("digest", &ApiKeyRow::digest), db::Col("permissions", &ApiKeyRow::permissions),
        db::Col("account_id", &ApiKeyRow::account_id), db::Col("hint", &ApiKeyRow::hint),
        db::Col("created_by", &ApiKeyRow::created_by),
        db::Col("created_at", &ApiKeyRow::created_at),
        db::Col("expires_at", &ApiKeyRow::expires_at),
        db::Col("revoked_at", &ApiKeyRow::revoked_at));
  }
};

absl::StatusOr<std::optional<ApiKeyRow>> FindKey(db::Tx& tx, const Uuid& key_id);
// Keys after `after`, in order of id.
absl::StatusOr<std::vector<ApiKeyRow>> ListKeys(db::Tx& tx, bool include_revoked, const Uuid& after,
                                                int64_t limit);
// False when there is no such key; revoking twice keeps the first time.
absl::StatusOr<bool> RevokeKey(db::Tx& tx, const Uuid& key_id, absl::Time at);

}  // namespace broadbill::gateway
