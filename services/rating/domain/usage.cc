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

// Generations of readings with session time, normalised, by start.
std::vector<SessionGeneration> Timed(std::vector<UsageSample> samples,
                                     const std::vector<absl::Time>& restarts) {
  std::sort(samples.begin(), samples.end(), [](const UsageSample& a, const UsageSample& b) {
    return ImpliedStart(a) < ImpliedStart(b);
  });
  std::vector<SessionGeneration> out;
  absl::Time last_start = absl::InfinitePast();
  absl::Time first_read = absl::InfiniteFuture();  // of the generation
  for (const UsageSample& sample : samples) {
    const absl::Time start = ImpliedStart(sample);
    const auto restart = std::lower_bound(restarts.begin(), restarts.end(), first_read);
    const bool restarted = restart != restarts.end() && *restart < start;
    if (out.empty() || restarted || start - last_start > kStartTolerance) {
      out.push_back({.start = start, .samples = {}, .flagged = 0});
      first_read = sample.at;
    }
    first_read = std::min(first_read, sample.at);
    last_start = start;
    out.back().samples.push_back(sample);
  }
  for (SessionGeneration& generation : out) Normalise(generation);
  return out;
}

bool AtLeast(const UsageSample& a, const UsageSample& b) {
  return a.in_octets >= b.in_octets && a.out_octets >= b.out_octets;
}

// A counter that falls so soon is an older reading that came later, not another session.
bool Near(int64_t seconds, int64_t before) {
  return absl::Seconds(seconds - before) <= kStartTolerance;
}

// Whether an untimed reading is one of a generation's; placed and unwrapped then. `timed` are the
// generation's readings with session time.
enum class Place { kFits, kContradicts, kBehind };
Place Fit(const std::vector<UsageSample>& timed, const UsageSample& newest, UsageSample& sample) {
  const auto next = std::upper_bound(
      timed.begin(), timed.end(), sample.session_seconds,
      [](int64_t seconds, const UsageSample& s) { return seconds < s.session_seconds; });
  if (next == timed.end()) {
    const UsageSample& last =
        newest.session_seconds > timed.back().session_seconds ? newest : timed.back();
    if (AtLeast(sample, last)) return Place::kFits;
    return Near(sample.session_seconds, last.session_seconds) ? Place::kContradicts
                                                              : Place::kBehind;
  }
  const UsageSample before = next == timed.begin() ? UsageSample{} : *(next - 1);
  int wraps = 0;
  if (!sample.wide) {
    sample.in_octets = Monotone(sample.in_octets, before.in_octets, false, wraps);
    sample.out_octets = Monotone(sample.out_octets, before.out_octets, false, wraps);
    sample.wide = true;
  }
  return AtLeast(sample, before) && AtLeast(*next, sample) ? Place::kFits : Place::kContradicts;
}

// Gives readings without session time to the generations that were there, or makes new ones.
void AddUntimed(std::vector<UsageSample> untimed, std::vector<SessionGeneration>& out) {
  std::sort(untimed.begin(), untimed.end(), [](const UsageSample& a, const UsageSample& b) {
    return std::tie(a.at, a.in_octets, a.out_octets) < std::tie(b.at, b.in_octets, b.out_octets);
  });
  std::vector<std::vector<UsageSample>> timed;
  for (const SessionGeneration& generation : out) timed.push_back(generation.samples);
  const size_t known = out.size();
  for (UsageSample& sample : untimed) {
    // The latest with a known start that had begun.
    size_t at = known;
    for (size_t i = 0; i < known && out[i].start <= sample.at + kStartTolerance; ++i) at = i;
    // A new one that began behind it is nearer.
    const bool newer = out.size() > known && (at == known || out.back().start > out[at].start);
    if (at != known && !newer) {
      SessionGeneration& generation = out[at];
      UsageSample placed = sample;
      placed.session_seconds =
          std::max<int64_t>(0, absl::ToInt64Seconds(sample.at - generation.start));
      const Place place = Fit(timed[at], generation.samples.back(), placed);
      if (place == Place::kContradicts) ++generation.flagged;
      if (place == Place::kFits) generation.samples.push_back(placed);
      if (place != Place::kBehind) continue;
    }
    if (newer) {
      SessionGeneration& generation = out.back();
      sample.session_seconds = absl::ToInt64Seconds(sample.at - generation.start);
      const bool grows = AtLeast(sample, generation.samples.back());
      const bool late =
          !grows && Near(sample.session_seconds, generation.samples.back().session_seconds);
      if (late) ++generation.flagged;
      if (grows) generation.samples.push_back(sample);
      if (grows || late) continue;
      sample.session_seconds = 0;
    }
    out.push_back({.start = sample.at, .samples = {sample}, .flagged = 0});
  }
  for (SessionGeneration& generation : out) {
    // Wraps are resolved: what falls now lies within the rounding of clocks.
    for (UsageSample& sample : generation.samples) sample.wide = true;
    Normalise(generation);
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.start < b.start; });
}

}  // namespace

std::vector<SessionGeneration> Generations(std::vector<UsageSample> samples,
                                           const std::vector<absl::Time>& restarts) {
  // A set: in one order, each reading once.
  const auto fields = [](const UsageSample& s) {
    return std::tie(s.at, s.session_seconds, s.in_octets, s.out_octets, s.wide);
  };
  std::sort(samples.begin(), samples.end(),
            [&](const UsageSample& a, const UsageSample& b) { return fields(a) < fields(b); });
  samples.erase(std::unique(samples.begin(), samples.end()), samples.end());
  const auto bare = std::stable_partition(
      samples.begin(), samples.end(), [](const UsageSample& s) { return s.session_seconds > 0; });
  std::vector<UsageSample> untimed(bare, samples.end());
  samples.erase(bare, samples.end());
  std::vector<SessionGeneration> out = Timed(std::move(samples), restarts);
  if (!untimed.empty()) AddUntimed(std::move(untimed), out);
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
