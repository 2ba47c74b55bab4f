#include "services/rating/domain/usage_sums.h"

#include <algorithm>

namespace broadbill::rating {
namespace {

const CivilDay kEpoch(1970, 1, 1);

void PutNumber(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

bool TakeNumber(std::string_view& in, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace

int32_t QuarterOf(absl::Time at) {
  return static_cast<int32_t>(absl::ToInt64Seconds(absl::Floor(at - absl::UnixEpoch(), kQuarter)) /
                              absl::ToInt64Seconds(kQuarter));
}

absl::Time QuarterStart(int32_t quarter) { return absl::UnixEpoch() + quarter * kQuarter; }

int32_t FirstQuarterOf(CivilDay day) { return static_cast<int32_t>(day - kEpoch) * kQuartersOfDay; }

CivilDay DayOfQuarter(int32_t quarter) {
  const int32_t rest = (quarter % kQuartersOfDay + kQuartersOfDay) % kQuartersOfDay;
  return kEpoch + (quarter - rest) / kQuartersOfDay;
}

std::string PackQuarters(CivilDay day, const QuarterOctets& quarters) {
  std::string out;
  const int32_t first = FirstQuarterOf(day);
  const auto end = quarters.lower_bound(first + kQuartersOfDay);
  for (auto it = quarters.lower_bound(first); it != end; ++it) {
    if (it->second == Octets{}) continue;
    out += static_cast<char>(it->first - first);
    PutNumber(out, it->second.in);
    PutNumber(out, it->second.out);
  }
  return out;
}

QuarterOctets UnpackQuarters(CivilDay day, std::string_view packed) {
  QuarterOctets out;
  const int32_t first = FirstQuarterOf(day);
  while (!packed.empty()) {
    const int32_t at = static_cast<unsigned char>(packed.front());
    packed.remove_prefix(1);
    Octets octets;
    if (!TakeNumber(packed, octets.in) || !TakeNumber(packed, octets.out)) break;
    out[first + at] = octets;
  }
  return out;
}

int IntervalOf(const std::vector<absl::Time>& boundaries, absl::Time from, absl::Time to) {
  if (boundaries.size() < 2 || to <= boundaries.front() || from >= boundaries.back()) {
    return kOutside;
  }
  const auto after = std::upper_bound(boundaries.begin(), boundaries.end(), from);
  if (after == boundaries.begin() || after == boundaries.end() || to > *after) return kCut;
  return static_cast<int>(after - boundaries.begin()) - 1;
}

}  // namespace broadbill::rating
