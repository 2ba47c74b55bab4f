#include "tests/fuzz/sessions.h"

#include <algorithm>

#include "tests/fuzz/fuzz.h"

namespace broadbill::fuzz {
namespace {

using rating::Octets;
using rating::SessionGeneration;
using rating::UsageSample;

Octets Sum(const std::vector<Octets>& parts) {
  Octets out;
  for (const Octets& part : parts) {
    out.in += part.in;
    out.out += part.out;
  }
  return out;
}

bool Same(const std::vector<SessionGeneration>& a, const std::vector<SessionGeneration>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const SessionGeneration& x, const SessionGeneration& y) {
                      return x.start == y.start && x.samples == y.samples && x.flagged == y.flagged;
                    });
}

void CheckGeneration(const SessionGeneration& generation,
                     const std::vector<absl::Time>& boundaries) {
  Require(!generation.samples.empty(), "a generation has readings");
  UsageSample before;
  before.session_seconds = -1;
  for (const UsageSample& sample : generation.samples) {
    Require(sample.session_seconds > before.session_seconds, "session time ascends");
    Require(sample.in_octets >= before.in_octets && sample.out_octets >= before.out_octets,
            "counters do not fall");
    Require(sample.in_octets <= INT64_MAX && sample.out_octets <= INT64_MAX,
            "counters are not negative where they are kept");
    before = sample;
  }
  const Octets whole{before.in_octets, before.out_octets};
  const absl::Time first = generation.start - absl::Hours(1);
  const absl::Time last = generation.start + absl::Seconds(before.session_seconds + 3600);
  Require(Sum(SplitOctets(generation, {first, last})) == whole, "one interval holds all");
  std::vector<absl::Time> cuts{first};
  for (const absl::Time at : boundaries) {
    if (at > first && at < last) cuts.push_back(at);
  }
  cuts.push_back(last);
  const std::vector<Octets> parts = SplitOctets(generation, cuts);
  Require(Sum(parts) == whole, "the parts of a split sum to the whole");
  // Leaving a cut out adds its two neighbours.
  if (parts.size() < 2) return;
  cuts.erase(cuts.begin() + static_cast<std::ptrdiff_t>(cuts.size() / 2));
  const std::vector<Octets> fewer = SplitOctets(generation, cuts);
  const size_t joined = (parts.size() + 1) / 2 - 1;
  for (size_t i = 0; i < fewer.size(); ++i) {
    const Octets expected = i < joined   ? parts[i]
                            : i > joined ? parts[i + 1]
                                         : Sum({parts[i], parts[i + 1]});
    Require(fewer[i] == expected, "a part does not depend on other cuts");
  }
}

}  // namespace

void CheckReadings(std::vector<UsageSample> samples, std::vector<absl::Time> boundaries) {
  std::sort(boundaries.begin(), boundaries.end());
  boundaries.erase(std::unique(boundaries.begin(), boundaries.end()), boundaries.end());
  const std::vector<SessionGeneration> generations = rating::Generations(samples);
  for (const SessionGeneration& generation : generations) CheckGeneration(generation, boundaries);
  std::vector<UsageSample> other(samples.rbegin(), samples.rend());
  Require(Same(generations, rating::Generations(other)), "order changes nothing");
  std::rotate(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(other.size() / 2),
              other.end());
  other.insert(other.end(), samples.begin(), samples.end());
  Require(Same(generations, rating::Generations(other)), "repetition changes nothing");
}

}  // namespace broadbill::fuzz
