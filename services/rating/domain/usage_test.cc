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

namespace {

UsageSample Bare(int64_t seconds, uint64_t octets, bool wide = true) {
  return {kStart + absl::Seconds(seconds), 0, octets, 0, wide};
}

struct Case {
  const char* what;
  std::vector<UsageSample> samples;
  std::vector<int64_t> restarts;
  size_t generations;
  uint64_t whole;
  std::vector<uint64_t> parts = {};  // of the quarters of 1,200 s
};

void Check(const Case& one) {
  INFO(one.what);
  std::mt19937 random(3);
  std::vector<UsageSample> samples = one.samples;
  for (int round = 0; round < 10; ++round) {
    const auto made = Generations(samples, Bounds(one.restarts));
    CHECK(made.size() == one.generations);
    uint64_t whole = 0;
    std::vector<uint64_t> parts(4);
    for (const SessionGeneration& generation : made) {
      whole += SplitOctets(generation, Bounds({-100000, 100000}))[0].in;
      const auto split = SplitOctets(generation, Bounds({0, 300, 600, 900, 1200}));
      for (size_t i = 0; i < 4; ++i) parts[i] += split[i].in;
    }
    CHECK(whole == one.whole);
    if (!one.parts.empty()) CHECK(parts == one.parts);
    // In any order, with repetitions.
    samples = one.samples;
    samples.insert(samples.end(), one.samples.begin(), one.samples.end());
    std::shuffle(samples.begin(), samples.end(), random);
  }
}

}  // namespace

TEST_CASE("readings without session time") {
  const std::vector<Case> cases = {
      {"a Start belongs to its session", {Bare(0, 0), At(600, 600)}, {}, 1, 600},
      {"a Start that was sent late", {Bare(4, 0), At(600, 600)}, {}, 1, 600},
      {"interims without, the Stop with",
       {Bare(0, 0), Bare(300, 100), Bare(600, 500), At(1200, 700)},
       {},
       1,
       700,
       {100, 400, 100, 100}},
      {"an interim without, behind the last with", {At(600, 600), Bare(900, 800)}, {}, 1, 800},
      {"none with",
       {Bare(0, 0), Bare(600, 600), Bare(1200, 900)},
       {},
       1,
       900,
       {300, 300, 150, 150}},
      {"none with, the start lost: its moment", {Bare(600, 600)}, {}, 1, 600, {0, 0, 600, 0}},
      {"counters that fall are another session",
       {Bare(0, 0), Bare(600, 600), Bare(700, 0), Bare(900, 50)},
       {},
       2,
       650},
      {"32 bits that fall are another session: 4 GiB are not made up",
       {Bare(0, 0, false), Bare(600, 4000000000, false), Bare(1200, 5, false)},
       {},
       2,
       4000000005},
      {"wrapped between readings with session time",
       {At(300, 4000000000, false), Bare(600, 5000, false), At(900, 6000, false)},
       {},
       1,
       (uint64_t{1} << 32) + 6000},
      {"another session behind one with session time",
       {At(600, 600), Bare(5000, 0), Bare(5060, 200)},
       {},
       2,
       800},
      {"its Start, with a reading that has session time",
       {At(600, 600), Bare(5000, 0), {kStart + absl::Seconds(5060), 60, 200, 0, true}},
       {},
       2,
       800},
      {"an older reading that came a moment after the Stop",
       {At(600, 600), Bare(602, 550)},
       {},
       1,
       600},
      {"the same without any session time",
       {Bare(0, 0), Bare(600, 600), Bare(601, 550), Bare(900, 700)},
       {},
       1,
       700},
      {"one that contradicts its neighbours is left out",
       {At(300, 300), Bare(500, 900), At(600, 600)},
       {},
       1,
       600,
       {300, 300, 0, 0}},
      {"32 bits that contradict are no wrap",
       {At(300, 300, false), Bare(500, 200, false), At(600, 600, false)},
       {},
       1,
       600},
  };
  for (const Case& one : cases) Check(one);
}

TEST_CASE("restarts of the access server") {
  const auto again = [](int64_t start, int64_t seconds, uint64_t octets) {
    return UsageSample{kStart + absl::Seconds(start + seconds), seconds, octets, 0, true};
  };
  const std::vector<Case> cases = {
      {"the id again, near: without a word of a restart one session",
       {At(2, 500), again(4, 600, 700)},
       {},
       1,
       700},
      {"the id again, near, after a restart", {At(2, 500), again(4, 600, 700)}, {3}, 2, 1200},
      {"Off and On", {At(1, 500), again(4, 600, 700)}, {2, 3}, 2, 1200},
      {"two restarts, three sessions",
       {At(1, 500), again(3, 1, 400), again(6, 600, 700)},
       {2, 5},
       3,
       1600},
      {"a session that lives on", {At(300, 300), At(900, 900)}, {600}, 1, 900, {300, 300, 300, 0}},
      {"a start that is rounded over the restart, never read before it",
       {again(0, 300, 300), again(1, 600, 600)},
       {0},
       1,
       600},
      {"a restart at the moment of the start", {again(5, 0, 0), again(5, 300, 300)}, {5}, 1, 300},
      {"32 bits after a restart: no wrap",
       {At(3, 4000000000, false), {kStart + absl::Seconds(10), 5, 1000, 0, false}},
       {4},
       2,
       4000001000},
  };
  for (const Case& one : cases) Check(one);
}

}  // namespace broadbill::rating
