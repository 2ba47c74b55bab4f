#include "libs/rpc/principal.h"

#include <sodium.h>

#include <algorithm>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::rpc {
namespace {

constexpr char kSeparator = '\x1f';

absl::Status BadToken() {
  return UnauthenticatedError("INVALID_TOKEN", "the caller's token is missing, forged or expired");
}

void InitSodium() {
  static const int ready = sodium_init();
  if (ready < 0) std::abort();
}

std::string Mac(const std::string& key, std::string_view text) {
  std::string mac(crypto_auth_BYTES, '\0');
  crypto_auth(reinterpret_cast<unsigned char*>(mac.data()),
              reinterpret_cast<const unsigned char*>(text.data()), text.size(),
              reinterpret_cast<const unsigned char*>(key.data()));
  return mac;
}

}  // namespace

bool Principal::Allows(std::string_view permission) const {
  const std::string family(permission.substr(0, permission.find('.')));
  return std::any_of(permissions.begin(), permissions.end(), [&](const std::string& granted) {
    return granted == "*" || granted == permission || granted == family + ".*";
  });
}

Principal ServicePrincipal(std::string_view service) {
  return {.id = "service:" + std::string(service), .permissions = {"*"}, .account_id = ""};
}

absl::StatusOr<TokenKey> TokenKey::FromHex(std::string_view hex) {
  InitSodium();
  TokenKey out;
  out.key_ = absl::HexStringToBytes(AbslView(hex));
  const bool digits =
      std::all_of(hex.begin(), hex.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (!digits || hex.size() != 2 * crypto_auth_KEYBYTES) {
    return InvalidArgumentError("INVALID_KEY", "the internal key must be 64 hexadecimal digits");
  }
  return out;
}

TokenKey TokenKey::Random() {
  InitSodium();
  TokenKey out;
  out.key_.resize(crypto_auth_KEYBYTES);
  randombytes_buf(out.key_.data(), out.key_.size());
  return out;
}

std::string TokenKey::ToHex() const { return absl::BytesToHexString(key_); }

std::string TokenKey::Sign(const Principal& principal, absl::Duration lifetime) const {
  std::string text = std::to_string(absl::ToUnixSeconds(absl::Now() + lifetime));
  text += kSeparator + principal.id;
  text += kSeparator + principal.account_id;
  text += kSeparator + absl::StrJoin(principal.permissions, ",");
  return absl::WebSafeBase64Escape(text) + "." + absl::WebSafeBase64Escape(Mac(key_, text));
}

absl::StatusOr<Principal> TokenKey::Verify(std::string_view token) const {
  const size_t dot = token.find('.');
  std::string text;
  std::string mac;
  if (dot == std::string_view::npos ||
      !absl::WebSafeBase64Unescape(AbslView(token.substr(0, dot)), &text) ||
      !absl::WebSafeBase64Unescape(AbslView(token.substr(dot + 1)), &mac) ||
      mac.size() != crypto_auth_BYTES ||
      crypto_auth_verify(reinterpret_cast<const unsigned char*>(mac.data()),
                         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                         reinterpret_cast<const unsigned char*>(key_.data())) != 0) {
    return BadToken();
  }
  const std::vector<std::string> parts = absl::StrSplit(text, kSeparator);
  int64_t expires = 0;
  if (parts.size() != 4 || !absl::SimpleAtoi(parts[0], &expires) ||
      absl::FromUnixSeconds(expires) < absl::Now()) {
    return BadToken();
  }
  Principal out{.id = parts[1], .permissions = {}, .account_id = parts[2]};
  out.permissions = absl::StrSplit(parts[3], ',', absl::SkipEmpty());
  return out;
}

}  // namespace broadbill::rpc
