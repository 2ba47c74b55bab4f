#pragma once

// Chance that is the same on every machine, which the distributions of <random> are not.

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace broadbill::program {

class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}

  // splitmix64.
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // Both ends included.
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Next() % static_cast<uint64_t>(high - low + 1));
  }
  bool Chance(int percent) { return Between(1, 100) <= percent; }
  template <class Array>
  const auto& Pick(const Array& array) {
    return array[static_cast<size_t>(Between(0, static_cast<int64_t>(std::size(array)) - 1))];
  }

 private:
  uint64_t state_;
};

}  // namespace broadbill::program
