#pragma once

// Who calls. The gateway (and the command line) turn an API key or session into a Principal and
// mint a short-lived signed token; services trust nothing else. The token travels in the metadata
// key `x-broadbill-token`.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace broadbill::rpc {

struct Principal {
  std::string id;                        // "service:invoicing", "key:key_…", "user:…"
  std::vector<std::string> permissions;  // "invoices.post", "accounts.*", "*"
  std::string account_id;                // not empty: may only touch this account (customer scope)

  // True when `permission` is granted by name, by "<family>.*" or by "*".
  bool Allows(std::string_view permission) const;
};

// A principal that may do everything, for a service's own calls.
Principal ServicePrincipal(std::string_view service);

// Signs and verifies tokens with HMAC-SHA-512/256 (libsodium crypto_auth) under a 32-byte key.
class TokenKey {
 public:
  // 64 hex digits, as in BROADBILL_INTERNAL_KEY or <data>/internal.key.
  static absl::StatusOr<TokenKey> FromHex(std::string_view hex);
  static TokenKey Random();

  std::string ToHex() const;
  // Valid for `lifetime` from the machine clock's now.
  std::string Sign(const Principal& principal, absl::Duration lifetime = absl::Minutes(5)) const;
  absl::StatusOr<Principal> Verify(std::string_view token) const;

 private:
  std::string key_;
};

}  // namespace broadbill::rpc
