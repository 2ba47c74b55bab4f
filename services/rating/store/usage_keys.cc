#include "services/rating/store/usage_keys.h"

#include <sodium.h>

#include <cstring>
#include <string>

namespace broadbill::rating {
namespace {

void Put(std::string& out, std::string_view text) {
  db::wire::Put<int32_t>(out, static_cast<int32_t>(text.size()));
  out.append(text);
}
void Put(std::string& out, int64_t value) { db::wire::Put<int64_t>(out, value); }

template <class T>
T Digest(const std::string& text) {
  unsigned char hash[crypto_hash_sha256_BYTES];
  crypto_hash_sha256(hash, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  T out{};
  static_assert(sizeof(T) <= sizeof(hash));
  std::memcpy(&out, hash, sizeof(T));
  return out;
}

}  // namespace

Uuid EventKeyOf(std::string_view source, std::string_view id) {
  std::string text;
  Put(text, source);
  Put(text, id);
  return Digest<Uuid>(text);
}

int64_t EventContentOf(std::string_view subject, absl::Time at, int64_t in_octets,
                       int64_t out_octets) {
  std::string text;
  Put(text, subject);
  Put(text, absl::ToUnixMicros(at));
  Put(text, in_octets);
  Put(text, out_octets);
  const auto out = Digest<int64_t>(text);
  return out == 0 ? 1 : out;
}

Uuid SampleKeyOf(std::string_view session_id, int64_t session_seconds, int64_t in_octets,
                 int64_t out_octets) {
  std::string text;
  Put(text, session_id);
  Put(text, session_seconds);
  Put(text, in_octets);
  Put(text, out_octets);
  return Digest<Uuid>(text);
}

}  // namespace broadbill::rating
