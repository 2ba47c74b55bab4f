#include "services/rating/domain/deck.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace broadbill::rating {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
constexpr size_t kCellDigits = 5;

// The cell of a key: its first five digits with a blank as the eleventh digit.
uint32_t CellOf(uint64_t key) {
  uint32_t cell = 0;
  for (size_t i = 0; i < kCellDigits; ++i) {
    cell = cell * 11 + static_cast<uint32_t>(key >> (60 - 4 * i) & 0xf);
  }
  return cell;
}
constexpr uint32_t kCells = 11 * 11 * 11 * 11 * 11;

}  // namespace

struct DeckIndex::Row {
  int64_t connect, per_minute, step_per_minute;
  int32_t first, next, step_from, step_increment;
  int32_t from_day, to_day;
  int32_t window;  // in its deck's set; −1: any other time
  uint32_t deck;
};

struct DeckIndex::Node {
  uint32_t begin = 0, end = 0;  // rows
  uint32_t parent = kNone;      // next shorter prefix
};

struct DeckIndex::DeckPart {
  WindowSet windows;
  std::optional<absl::TimeZone> zone;
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
  const auto used = (Int128{billed} * rate.per_minute_micros + 30) / 60;
  const int64_t cost =
      std::max(rate.connect_micros + static_cast<int64_t>(used), rate.minimum_micros);
  return std::min(cost, rate.maximum_micros.value_or(cost));
}

// Sorts the rows into nodes by prefix and the nodes into stretches of numbers.
class DeckIndex::Builder {
 public:
  Builder(const std::vector<Deck>& decks, DeckIndex& out) : out_(out) {
    for (uint32_t deck = 0; deck < decks.size(); ++deck) {
      out_.decks_.push_back({WindowSet(decks[deck].windows), decks[deck].zone});
      for (const DeckRate& rate : decks[deck].rates) Add(deck, rate);
    }
    Sort();
    Stretch();
  }

 private:
  struct Entry {
    uint64_t key;
    uint32_t deck;
    int32_t precedence;  // of the window; no window is last
    const DeckRate* rate;
  };

  void Add(uint32_t deck, const DeckRate& rate) {
    // No E.164 number is longer, so a longer prefix matches none.
    if (rate.prefix.empty() || rate.prefix.size() > 15) return;
    const int32_t window = out_.decks_[deck].windows.IndexOf(rate.window);
    entries_.push_back({PackDigits(rate.prefix), deck, window < 0 ? INT32_MAX : window, &rate});
  }

  // A blank packs as 0 and digits from 1 on, so a prefix comes before all that it begins.
  void Sort() {
    std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.key, a.deck, a.precedence) < std::tie(b.key, b.deck, b.precedence);
    });
    for (const Entry& entry : entries_) {
      const DeckRate& rate = *entry.rate;
      const auto row = static_cast<uint32_t>(out_.rows_.size());
      if (row == 0 || entry.key != last_key_) {
        out_.nodes_.push_back({row, row, kNone});
        keys_.push_back({entry.key, rate.prefix.size()});
        last_key_ = entry.key;
      }
      ++out_.nodes_.back().end;
      out_.rates_.push_back(rate);
      out_.rows_.push_back({rate.connect_micros, rate.per_minute_micros,
                            rate.step_per_minute_micros, rate.first_increment, rate.next_increment,
                            rate.step_from > 0 ? rate.step_from : 0,
                            rate.step_increment > 0 ? rate.step_increment : rate.next_increment,
                            DayNumber(rate.valid_from), DayNumber(rate.valid_to),
                            entry.precedence == INT32_MAX ? -1 : entry.precedence, entry.deck});
    }
  }

  void Start(uint64_t key, uint32_t node) {
    if (!out_.starts_.empty() && out_.starts_.back() == key) {
      out_.start_node_.back() = node;
      return;
    }
    out_.starts_.push_back(key);
    out_.start_node_.push_back(node);
  }

  // The prefixes in order, with those that are still open on a stack.
  void Stretch() {
    struct Open {
      uint32_t node;
      uint64_t end;  // first key that it does not begin
    };
    std::vector<Open> open;
    Start(0, kNone);
    const auto close = [&](uint64_t until) {
      while (!open.empty() && open.back().end <= until) {
        const uint64_t end = open.back().end;
        open.pop_back();
        Start(end, open.empty() ? kNone : open.back().node);
      }
    };
    for (uint32_t node = 0; node < keys_.size(); ++node) {
      const auto [key, size] = keys_[node];
      close(key);
      out_.nodes_[node].parent = open.empty() ? kNone : open.back().node;
      Start(key, node);
      open.push_back({node, key + (uint64_t{1} << (64 - 4 * size))});
    }
    close(UINT64_MAX);
    out_.cells_.assign(kCells + 1, 0);
    for (const uint64_t start : out_.starts_) {
      // Every start is counted in its cell; the end of the last prefix may lie past the digits.
      ++out_.cells_[std::min(CellOf(start), kCells - 1) + 1];
    }
    std::partial_sum(out_.cells_.begin(), out_.cells_.end(), out_.cells_.begin());
  }

  DeckIndex& out_;
  std::vector<Entry> entries_;
  std::vector<std::pair<uint64_t, size_t>> keys_;  // by node: packed prefix and its digits
  uint64_t last_key_ = 0;
};

DeckIndex::DeckIndex(const std::vector<Deck>& decks) { Builder(decks, *this); }

DeckIndex::DeckIndex(const std::vector<std::vector<DeckRate>>& decks) {
  std::vector<Deck> plain;
  for (const std::vector<DeckRate>& rates : decks) plain.push_back({"", rates, {}, std::nullopt});
  Builder(plain, *this);
}

DeckIndex::~DeckIndex() = default;
DeckIndex::DeckIndex(DeckIndex&&) noexcept = default;
DeckIndex& DeckIndex::operator=(DeckIndex&&) noexcept = default;

uint32_t DeckIndex::NodeOf(uint64_t key) const {
  const uint32_t cell = CellOf(key);
  const auto begin = starts_.begin() + cells_[cell];
  const auto end = starts_.begin() + cells_[cell + 1];
  // The stretch that began last; the first start is 0, so there is one.
  const auto after = std::upper_bound(begin, end, key);
  return start_node_[static_cast<size_t>(after - starts_.begin()) - 1];
}

const DeckRate* DeckIndex::Find(std::string_view digits, CivilDay day) const {
  const int32_t number = DayNumber(day);
  for (uint32_t at = NodeOf(PackDigits(digits)); at != kNone; at = nodes_[at].parent) {
    for (uint32_t row = nodes_[at].begin; row < nodes_[at].end; ++row) {
      if (number >= rows_[row].from_day && number < rows_[row].to_day) return &rates_[row];
    }
  }
  return nullptr;
}

absl::TimeZone DeckIndex::ZoneOf(const Row& row, const absl::TimeZone& line_zone) const {
  return decks_[row.deck].zone.value_or(line_zone);
}

// The first row of [begin, end), all of one deck, that is valid and holds at `local`.
uint32_t DeckIndex::RowAt(uint32_t begin, uint32_t end, const LocalTime& local) const {
  for (uint32_t row = begin; row < end; ++row) {
    const Row& it = rows_[row];
    if (local.day < it.from_day || local.day >= it.to_day) continue;
    if (it.window < 0 || decks_[it.deck].windows.Holds(static_cast<size_t>(it.window), local)) {
      return row;
    }
  }
  return kNone;
}

DeckIndex::Match DeckIndex::FindAt(uint64_t key, absl::Time answered,
                                   const absl::TimeZone& line_zone) const {
  const LocalTime line = LocalAt(answered, line_zone);
  for (uint32_t at = NodeOf(key); at != kNone; at = nodes_[at].parent) {
    const Node& node = nodes_[at];
    for (uint32_t begin = node.begin; begin < node.end;) {
      uint32_t end = begin + 1;
      while (end < node.end && rows_[end].deck == rows_[begin].deck) ++end;
      const auto& zone = decks_[rows_[begin].deck].zone;
      const LocalTime local = zone.has_value() ? LocalAt(answered, *zone) : line;
      const uint32_t first = RowAt(begin, end, local);
      if (first != kNone) return {begin, end, first, local, true};
      begin = end;
    }
  }
  return {};
}

size_t DeckIndex::deck_of(uint32_t row) const { return rows_[row].deck; }

void DeckIndex::Walk(const Match& match, absl::Time answered, int64_t seconds,
                     const absl::TimeZone& line_zone, CallSegments& out) const {
  const WindowSet& windows = decks_[rows_[match.first].deck].windows;
  const bool windowed = !windows.empty() && match.end - match.begin > 1;
  const absl::TimeZone zone = windowed ? ZoneOf(rows_[match.first], line_zone) : absl::TimeZone();
  uint32_t row = match.first;
  LocalTime local = match.local;
  int64_t change = windowed ? 0 : INT64_MAX;  // second of the call at which to look again
  for (int64_t at = 0; at < seconds;) {
    if (at >= change) {
      const absl::Time now = answered + absl::Seconds(at);
      if (at > 0) {
        local = LocalAt(now, zone);
        // The deck valid at the answer rates the whole call, also past midnight. Where no window
        // holds, the rate before goes on.
        uint32_t next = kNone;
        for (uint32_t i = match.begin; i < match.end && next == kNone; ++i) {
          const Row& it = rows_[i];
          if (match.local.day < it.from_day || match.local.day >= it.to_day) continue;
          if (it.window < 0 || windows.Holds(static_cast<size_t>(it.window), local)) next = i;
        }
        if (next != kNone) row = next;
      }
      const absl::Time until =
          windows.NextChange(now, local, zone, answered + absl::Seconds(seconds));
      change =
          std::max(at + 1, absl::ToInt64Seconds(absl::Ceil(until - answered, absl::Seconds(1))));
    }
    const Row& it = rows_[row];
    const bool stepped = it.step_from > 0 && at >= it.step_from;
    const int64_t limit = !stepped && it.step_from > 0
                              ? std::min<int64_t>({seconds, change, it.step_from})
                              : std::min(seconds, change);
    const int64_t price = stepped ? it.step_per_minute : it.per_minute;
    const int32_t increment = stepped ? it.step_increment : at == 0 ? it.first : it.next;
    // All increments that begin before the limit; the first one is alone.
    const int64_t count = at == 0 ? 1 : (limit - at + increment - 1) / increment;
    at += count * increment;
    if (!out.empty() && out.back().per_minute_micros == price &&
        out.back().increment == increment && out.back().rate == row) {
      out.back().seconds += count * increment;
    } else {
      out.push_back({count * increment, price, increment, row});
    }
  }
}

}  // namespace broadbill::rating
