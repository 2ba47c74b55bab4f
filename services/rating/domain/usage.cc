#include "services/rating/domain/usage.h"

#include <algorithm>
#include <tuple>

namespace broadbill::rating {
namespace {

constexpr uint64_t kWrap = uint64_t{1} << 32;

absl::Time ImpliedStart(const UsageSample& sample) {
  return sample.at - absl::Seconds(sample.session_seconds);
}

// Makes `value` at least `floor`: by wraps for 32-bit counters, else by keeping the floor.
uint64_t Monotone(uint64_t value, uint64_t floor, bool wide, int& flagged) {
  if (value >= floor) return value;
  ++flagged;
  if (wide) return floor;
  const uint64_t wraps = (floor - value + kWrap - 1) / kWrap;
  return value + wraps * kWrap;
}

// Sorts by session time, merges equal times, unwraps.
void Normalise(SessionGeneration& generation) {
  auto& samples = generation.samples;
  std::sort(samples.begin(), samples.end(), [](const UsageSample& a, const UsageSample& b) {
    return std::tie(a.session_seconds, a.in_octets, a.out_octets, a.at, a.wide) <
           std::tie(b.session_seconds, b.in_octets, b.out_octets, b.at, b.wide);
  });
  std::vector<UsageSample> out;
  const UsageSample* before = nullptr;
  for (const UsageSample& sample : samples) {
    if (before != nullptr && before->session_seconds == sample.session_seconds) {
      // Equal counters stand together: each further value is one conflict, however often it came.
      const bool same =
          before->in_octets == sample.in_octets && before->out_octets == sample.out_octets;
      if (!same) ++generation.flagged;
      out.back().in_octets = std::max(out.back().in_octets, sample.in_octets);
      out.back().out_octets = std::max(out.back().out_octets, sample.out_octets);
      out.back().wide = out.back().wide || sample.wide;
    } else {
      out.push_back(sample);
    }
    before = &sample;
  }
  uint64_t in = 0;
  uint64_t down = 0;
  for (UsageSample& sample : out) {
    in = sample.in_octets = Monotone(sample.in_octets, in, sample.wide, generation.flagged);
    down = sample.out_octets = Monotone(sample.out_octets, down, sample.wide, generation.flagged);
  }
  samples = std::move(out);
}

// floor(delta × elapsed ÷ length), elapsed clamped to [0, length].
uint64_t Portion(uint64_t delta, int64_t elapsed_millis, int64_t length_millis) {
  if (elapsed_millis <= 0) return 0;
  if (elapsed_millis >= length_millis) return delta;
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(static_cast<Wide>(delta) * static_cast<Wide>(elapsed_millis) /
                               static_cast<Wide>(length_millis));
}

}  // namespace

std::vector<SessionGeneration> Generations(std::vector<UsageSample> samples) {
  std::sort(samples.begin(), samples.end(), [](const UsageSample& a, const UsageSample& b) {
    return ImpliedStart(a) < ImpliedStart(b);
  });
  std::vector<SessionGeneration> out;
  absl::Time last_start = absl::InfinitePast();
  for (const UsageSample& sample : samples) {
    const absl::Time start = ImpliedStart(sample);
    if (out.empty() || start - last_start > kStartTolerance) {
      out.push_back({.start = start, .samples = {}, .flagged = 0});
    }
    last_start = start;
    out.back().samples.push_back(sample);
  }
  for (SessionGeneration& generation : out) Normalise(generation);
  return out;
}

std::vector<Octets> SplitOctets(const SessionGeneration& generation,
                                const std::vector<absl::Time>& boundaries) {
  std::vector<Octets> out(boundaries.empty() ? 0 : boundaries.size() - 1);
  UsageSample last{.at = generation.start, .session_seconds = 0};
  for (const UsageSample& sample : generation.samples) {
    // Session time is the NAS's own clock: positions come from it, so that delays do not matter.
    const absl::Time from = generation.start + absl::Seconds(last.session_seconds);
    const absl::Time to = generation.start + absl::Seconds(sample.session_seconds);
    const int64_t length = absl::ToInt64Milliseconds(to - from);
    const uint64_t in = sample.in_octets - last.in_octets;
    const uint64_t down = sample.out_octets - last.out_octets;
    if (in == 0 && down == 0) {
      last = sample;
      continue;
    }
    // Only the intervals that the time between the readings touches.
    const auto touched = std::upper_bound(boundaries.begin(), boundaries.end(), from);
    const auto first = touched == boundaries.begin() ? touched : touched - 1;
    for (auto i = static_cast<size_t>(first - boundaries.begin());
         i < out.size() && boundaries[i] <= to; ++i) {
      if (length == 0) {
        // A reading without duration belongs to its moment.
        if (from >= boundaries[i] && from < boundaries[i + 1]) {
          out[i].in += in;
          out[i].out += down;
        }
        continue;
      }
      const int64_t begin = absl::ToInt64Milliseconds(boundaries[i] - from);
      const int64_t end = absl::ToInt64Milliseconds(boundaries[i + 1] - from);
      out[i].in += Portion(in, end, length) - Portion(in, begin, length);
      out[i].out += Portion(down, end, length) - Portion(down, begin, length);
    }
    last = sample;
  }
  return out;
}

}  // namespace broadbill::rating
