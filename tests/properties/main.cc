// Thousands of random lives of a subscription, put to the domain.
//
//   broadbill_properties [--histories 8000] [--seed N]

#include <chrono>
#include <cstdio>
#include <map>
#include <random>

#include "libs/serve/args.h"
#include "tests/properties/books.h"

namespace broadbill::properties {
namespace {

// Leaves out what is not needed to break a rule: steps one by one, as long as one can go.
History Shrink(History history) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    for (size_t i = 0; i < history.steps.size(); ++i) {
      History without = history;
      without.steps.erase(without.steps.begin() + static_cast<std::ptrdiff_t>(i));
      if (Judge(without).empty()) continue;
      history = std::move(without);
      smaller = true;
      break;
    }
  }
  return history;
}

int Main(const serve::Args& args) {
  const int64_t count = args.GetInt("histories", 8000);
  const auto seed =
      static_cast<uint64_t>(args.GetInt("seed", static_cast<int64_t>(std::random_device()())));
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  const auto begin = std::chrono::steady_clock::now();
  int64_t lines = 0;
  int64_t steps = 0;
  for (int64_t i = 0; i < count; ++i) {
    std::mt19937_64 random(seed + static_cast<uint64_t>(i));
    // Two of three have `actual` settings, whose sum is known to the cent.
    const History history = RandomHistory(random, random() % 3 != 0);
    steps += static_cast<int64_t>(history.steps.size());
    if (Judge(history, &lines).empty()) continue;
    const History small = Shrink(history);
    std::printf("FAILED: history %lld (--seed %llu --histories 1)\n%s  %s\n",
                static_cast<long long>(i), static_cast<unsigned long long>(seed) + i,
                small.ToString().c_str(), Judge(small).c_str());
    return 1;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::printf("%lld histories, %lld steps, %lld lines in %.1f s: every rule holds\n",
              static_cast<long long>(count), static_cast<long long>(steps),
              static_cast<long long>(lines), seconds.count());
  return 0;
}

}  // namespace
}  // namespace broadbill::properties

int main(int argc, char** argv) {
  return broadbill::properties::Main(broadbill::serve::ParseArgs(argc, argv, {}));
}
