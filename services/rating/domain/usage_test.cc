#include "services/rating/domain/usage.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

namespace broadbill::rating {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1775001600);

UsageSample At(int64_t seconds, uint64_t octets, bool wide = true) {
  return {kStart + absl::Seconds(seconds), seconds, octets, 0, wide};
}

std::vector<absl::Time> Bounds(std::vector<int64_t> seconds) {
  std::vector<absl::Time> out;
  for (const int64_t s : seconds) out.push_back(kStart + absl::Seconds(s));
  return out;
}

}  // namespace

TEST_CASE("600,000,001 octets cut in half") {
  const auto generations = Generations({At(600, 600000001)});
  REQUIRE(generations.size() == 1);
  const auto parts = SplitOctets(generations[0], Bounds({0, 300, 600}));
  CHECK(parts[0].in == 300000000);
  CHECK(parts[1].in == 300000001);
}

TEST_CASE("order and repetition of samples do not matter") {
  std::mt19937 random(7);
  std::vector<UsageSample> samples;
  uint64_t total = 0;
  for (int64_t s = 300; s <= 86400; s += 300) samples.push_back(At(s, total += random() % 900000));
  const auto bounds = Bounds({-1000, 5000, 40000, 86399, 90000});
  const auto expected = SplitOctets(Generations(samples)[0], bounds);
  uint64_t sum = 0;
  for (const Octets& part : expected) sum += part.in;
  CHECK(sum == total);
  for (int round = 0; round < 20; ++round) {
    auto shuffled = samples;
    shuffled.insert(shuffled.end(), samples.begin(), samples.begin() + 50);
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    CHECK(SplitOctets(Generations(shuffled)[0], bounds) == expected);
  }
}

TEST_CASE("counters that wrap, fall or repeat") {
  const auto whole = [](std::vector<UsageSample> samples) {
    uint64_t sum = 0;
    for (const auto& g : Generations(std::move(samples))) {
      sum += SplitOctets(g, Bounds({-100000, 100000}))[0].in;
    }
    return sum;
  };
  // The late arrival of an older reading lowers nothing.
  CHECK(whole({At(600, 5000), At(300, 1000)}) == 5000);
  // 32 bits without gigawords: it wrapped.
  CHECK(whole({At(300, 4294967290, false), At(600, 1000, false)}) == 4294968296);
  // A 64-bit counter never falls: the larger stays.
  CHECK(whole({At(300, 5000), At(600, 4000)}) == 5000);
  // The session id is used again after a reboot: two generations.
  std::vector<UsageSample> reused = {At(600, 5000000)};
  reused.push_back({kStart + absl::Seconds(5000), 60, 200, 0, true});
  CHECK(Generations(reused).size() == 2);
  CHECK(whole(reused) == 5000200);
  // Same session time, other value: the larger, flagged.
  CHECK(whole({At(300, 10), At(300, 20)}) == 20);
  CHECK(Generations({At(300, 10), At(300, 20)})[0].flagged == 1);
  // Once, however often and in what order they came.
  CHECK(Generations({At(300, 20), At(300, 10), At(300, 20), At(300, 10)})[0].flagged == 1);
  const auto mixed = [](bool first) {
    return Generations({At(300, 10, first), At(300, 10, !first)})[0].samples;
  };
  CHECK(mixed(true) == mixed(false));
}

TEST_CASE("usage without duration belongs to its moment") {
  const auto parts = SplitOctets(Generations({At(0, 77)})[0], Bounds({-10, 0, 10}));
  CHECK(parts[0].in == 0);
  CHECK(parts[1].in == 77);
}

}  // namespace broadbill::rating
