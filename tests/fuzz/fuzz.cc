#include "tests/fuzz/fuzz.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "libs/calendar/time_zone.h"

namespace broadbill::fuzz {

std::vector<Target>& Targets() {
  static auto* const targets = new std::vector<Target>;
  return *targets;
}

void Require(bool holds, std::string_view property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(property.size()), property.data());
  std::abort();
}

absl::TimeZone Zone(const std::string& name) {
  const auto zone = LoadZone(name);
  Require(zone.ok(), "the zone is known");
  return *zone;
}

void RequireTime(absl::Time at) {
  static const absl::Time from = absl::UnixEpoch();
  static const absl::Time to = absl::FromCivil(absl::CivilYear(10000), absl::UTCTimeZone());
  Require(at >= from && at < to, "a time lies between 1970 and 9999");
}

void RequireName(std::string_view text, size_t most) {
  Require(!text.empty(), "a name is not empty");
  Require(text.size() <= most, "a name is not too long");
  Require(csv::IsText(text), "a name is text");
}

uint64_t Bytes::Take(size_t bytes) {
  uint64_t out = 0;
  for (size_t i = 0; i < bytes; ++i) {
    const auto byte = i < rest_.size() ? static_cast<unsigned char>(rest_[i]) : 0U;
    out = (out << 8) | byte;
  }
  rest_.remove_prefix(std::min(bytes, rest_.size()));
  return out;
}

}  // namespace broadbill::fuzz
