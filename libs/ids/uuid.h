#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace broadbill {

// A 128-bit id. The nil UUID means "none".
struct Uuid {
  std::array<uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  bool IsNil() const { return *this == Uuid(); }

  // UUIDv7: 48 bits of Unix milliseconds of `now`, then random bits; ids made by one process in one
  // millisecond ascend.
  static Uuid Make(absl::Time now);
  // A UUIDv8 that is a pure function of its parts, for ids that a retry must make again.
  static Uuid FromName(const Uuid& space, std::string_view name);

  // "inv_" + 26 lower-case Crockford base-32 characters. No prefix: the characters alone.
  std::string ToText(std::string_view prefix) const;
  // INVALID_ARGUMENT unless `text` is "<prefix>_" and 26 such characters.
  static absl::StatusOr<Uuid> Parse(std::string_view prefix, std::string_view text);

  // "xxxxxxxx-xxxx-…", as PostgreSQL prints it.
  std::string ToHex() const;
  static absl::StatusOr<Uuid> FromHex(std::string_view hex);

  template <typename H>
  friend H AbslHashValue(H h, const Uuid& id) {
    return H::combine(std::move(h), id.bytes);
  }
};

inline constexpr int kBuckets = 64;

// The bucket of an account, 0 to 63: feed partition, job claim and chunk. A fixed function (FNV-1a
// over the 16 bytes, folded to 6 bits): stored data depends on it, it never changes.
int Bucket(const Uuid& account_id);

}  // namespace broadbill
