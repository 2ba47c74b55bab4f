#include "libs/ids/uuid.h"

#include <array>
#include <random>

#include "absl/synchronization/mutex.h"
#include "libs/status/error.h"

namespace broadbill {
namespace {

constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

int Digit(char c) {
  static constexpr auto kDigits = [] {
    std::array<int8_t, 256> out{};
    for (int8_t& digit : out) digit = -1;
    for (int8_t i = 0; i < 32; ++i) {
      out[static_cast<size_t>(kAlphabet[static_cast<size_t>(i)])] = i;
    }
    return out;
  }();
  return kDigits[static_cast<unsigned char>(c)];
}

uint64_t Fnv1a(uint64_t hash, const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
  return hash;
}

void Store64(uint8_t* out, uint64_t value) {
  for (int i = 0; i < 8; ++i) out[i] = static_cast<uint8_t>(value >> (56 - 8 * i));
}

// Random numbers for ids: seeded from the kernel, one engine a thread.
std::mt19937_64& Engine() {
  thread_local std::mt19937_64 engine = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return engine;
}

}  // namespace

Uuid Uuid::Make(absl::Time now) {
  static absl::Mutex mutex;
  static uint64_t last_millis = 0;
  static uint16_t counter = 0;
  const auto millis = static_cast<uint64_t>(absl::ToUnixMillis(now));
  uint16_t sequence = 0;
  {
    absl::MutexLock lock(&mutex);
    if (millis != last_millis) {
      last_millis = millis;
      counter = static_cast<uint16_t>(Engine()() & 0x3ff);
    } else {
      ++counter;
    }
    sequence = static_cast<uint16_t>(counter & 0xfff);
  }
  Uuid out;
  Store64(out.bytes.data(), (millis << 16) | 0x7000U | sequence);
  Store64(out.bytes.data() + 8, (Engine()() & 0x3fffffffffffffffULL) | 0x8000000000000000ULL);
  return out;
}

Uuid Uuid::FromName(const Uuid& space, std::string_view name) {
  uint64_t high = Fnv1a(0xcbf29ce484222325ULL, space.bytes.data(), 16);
  high = Fnv1a(high, name.data(), name.size());
  uint64_t low = Fnv1a(0x9ae16a3b2f90404fULL, name.data(), name.size());
  low = Fnv1a(low, space.bytes.data(), 16);
  low ^= high >> 29;
  Uuid out;
  Store64(out.bytes.data(), (high & ~0xf000ULL) | 0x8000ULL);
  Store64(out.bytes.data() + 8, (low & 0x3fffffffffffffffULL) | 0x8000000000000000ULL);
  return out;
}

std::string Uuid::ToText(std::string_view prefix) const {
  std::string out;
  out.reserve(prefix.size() + 27);
  out = prefix;
  if (!out.empty()) out += '_';
  // 130 bits: two zero bits in front, then the 128 of the id.
  unsigned buffer = 0;
  int bits = 2;
  for (const uint8_t byte : bytes) {
    buffer = (buffer << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += kAlphabet[(buffer >> bits) & 31];
    }
    buffer &= (1U << bits) - 1;
  }
  return out;
}

absl::StatusOr<Uuid> Uuid::Parse(std::string_view prefix, std::string_view text) {
  const size_t start = prefix.empty() ? 0 : prefix.size() + 1;
  const auto bad = [&] {
    return InvalidArgumentError("INVALID_ID", "'" + std::string(text.substr(0, 60)) +
                                                  "' is not an id like " + std::string(prefix) +
                                                  (prefix.empty() ? "…" : "_…"));
  };
  const bool begins = text.size() == start + 26 && text.substr(0, prefix.size()) == prefix &&
                      (start == 0 || text[prefix.size()] == '_');
  if (!begins) return bad();
  Uuid out;
  unsigned buffer = 0;
  int bits = -2;
  size_t at = 0;
  for (const char c : text.substr(start)) {
    const int digit = Digit(c);
    if (digit < 0) return bad();
    buffer = (buffer << 5) | static_cast<unsigned>(digit);
    bits += 5;
    if (bits == 3 && buffer > 7) return bad();
    while (bits >= 8) {
      bits -= 8;
      out.bytes[at++] = static_cast<uint8_t>(buffer >> bits);
      buffer &= (1U << bits) - 1;
    }
  }
  return out;
}

std::string Uuid::ToHex() const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += kHex[bytes[i] >> 4];
    out += kHex[bytes[i] & 15];
  }
  return out;
}

absl::StatusOr<Uuid> Uuid::FromHex(std::string_view hex) {
  Uuid out;
  size_t nibble = 0;
  for (const char c : hex) {
    if (c == '-') continue;
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
    if (digit < 0 || nibble >= 32) {
      return InvalidArgumentError("INVALID_ID", "'" + std::string(hex) + "' is not a UUID");
    }
    out.bytes[nibble / 2] = static_cast<uint8_t>(out.bytes[nibble / 2] * 16 + digit);
    ++nibble;
  }
  if (nibble != 32) {
    return InvalidArgumentError("INVALID_ID", "'" + std::string(hex) + "' is not a UUID");
  }
  return out;
}

int Bucket(const Uuid& account_id) {
  const uint64_t hash = Fnv1a(0xcbf29ce484222325ULL, account_id.bytes.data(), 16);
  return static_cast<int>((hash ^ (hash >> 32)) % kBuckets);
}

}  // namespace broadbill
