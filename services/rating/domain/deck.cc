#include "services/rating/domain/deck.h"

#include <algorithm>
#include <array>

namespace broadbill::rating {

// A digit trie in one array: children by digit, and the first rate that ends here.
struct DeckIndex::Node {
  std::array<int32_t, 10> child{};
  int32_t rate = -1;
};

int64_t BilledSeconds(int64_t seconds, int32_t first_increment, int32_t next_increment) {
  if (seconds <= 0) return 0;
  if (seconds <= first_increment) return first_increment;
  const int64_t rest = seconds - first_increment;
  return first_increment + (rest + next_increment - 1) / next_increment * next_increment;
}

int64_t CallCostMicros(const DeckRate& rate, int64_t seconds) {
  const int64_t billed = BilledSeconds(seconds, rate.first_increment, rate.next_increment);
  if (billed == 0) return 0;
  __extension__ using Wide = __int128;
  const auto used = (static_cast<Wide>(billed) * rate.per_minute_micros + 30) / 60;
  return std::max(rate.connect_micros + static_cast<int64_t>(used), rate.minimum_micros);
}

DeckIndex::DeckIndex(const std::vector<std::vector<DeckRate>>& decks) {
  nodes_.emplace_back();
  for (const std::vector<DeckRate>& deck : decks) {
    for (const DeckRate& rate : deck) {
      size_t node = 0;
      for (const char c : rate.prefix) {
        const auto digit = static_cast<size_t>(c - '0');
        if (nodes_[node].child[digit] == 0) {
          nodes_[node].child[digit] = static_cast<int32_t>(nodes_.size());
          nodes_.emplace_back();
        }
        node = static_cast<size_t>(nodes_[node].child[digit]);
      }
      // Appended at the end of the prefix's chain, so that earlier decks stay in front.
      const auto index = static_cast<int32_t>(rates_.size());
      rates_.push_back(rate);
      next_same_.push_back(-1);
      if (nodes_[node].rate < 0) {
        nodes_[node].rate = index;
      } else {
        auto last = static_cast<size_t>(nodes_[node].rate);
        while (next_same_[last] >= 0) last = static_cast<size_t>(next_same_[last]);
        next_same_[last] = index;
      }
    }
  }
}

DeckIndex::~DeckIndex() = default;
DeckIndex::DeckIndex(DeckIndex&&) noexcept = default;
DeckIndex& DeckIndex::operator=(DeckIndex&&) noexcept = default;

const DeckRate* DeckIndex::Find(std::string_view digits, CivilDay day) const {
  const DeckRate* best = nullptr;
  size_t node = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') break;
    const int32_t next = nodes_[node].child[static_cast<size_t>(c - '0')];
    if (next == 0) break;
    node = static_cast<size_t>(next);
    for (int32_t at = nodes_[node].rate; at >= 0; at = next_same_[static_cast<size_t>(at)]) {
      const DeckRate& rate = rates_[static_cast<size_t>(at)];
      if (day >= rate.valid_from && day < rate.valid_to) {
        best = &rate;
        break;
      }
    }
  }
  return best;
}

}  // namespace broadbill::rating
