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

// Days since 1970; before it and after the year 2148 the range is open.
uint16_t SmallDay(CivilDay day) {
  return static_cast<uint16_t>(std::clamp<int32_t>(DayNumber(day), 0, UINT16_MAX));
}

bool Valid(const RateRow& row, int32_t day) {
  const auto small = static_cast<uint16_t>(std::clamp<int32_t>(day, 0, UINT16_MAX - 1));
  return small >= row.from_day && small < row.to_day;
}

}  // namespace

// A prefix.
struct DeckIndex::Node {
  uint32_t row = kNone;     // its first rate
  uint32_t parent = kNone;  // next shorter prefix
};

// Numbers from `key` to the next stretch's.
struct DeckIndex::Stretch {
  uint64_t key = 0;
  uint32_t row = kNone;  // first rate of the longest prefix
  uint32_t node = kNone;
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
    Cut();
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
    for (size_t i = 0; i < entries_.size(); ++i) {
      const Entry& entry = entries_[i];
      if (i == 0 || entry.key != entries_[i - 1].key) {
        out_.nodes_.push_back({static_cast<uint32_t>(i), kNone});
        keys_.push_back({entry.key, entry.rate->prefix.size()});
      }
      out_.rates_.push_back(*entry.rate);
      out_.rows_.push_back(RowOf(entry));
      out_.rows_.back().last = i + 1 == entries_.size() || entries_[i + 1].key != entry.key;
    }
  }

  static RateRow RowOf(const Entry& entry) {
    const DeckRate& rate = *entry.rate;
    RateRow out;
    out.connect_micros = rate.connect_micros;
    out.per_minute_micros = rate.per_minute_micros;
    out.step_per_minute_micros = rate.step_per_minute_micros;
    out.minimum_micros = rate.minimum_micros;
    out.maximum_micros = rate.maximum_micros.value_or(INT64_MAX);
    out.first_increment = rate.first_increment;
    out.next_increment = rate.next_increment;
    out.step_from = std::max(0, rate.step_from);
    out.step_increment = rate.step_increment > 0 ? rate.step_increment : rate.next_increment;
    out.from_day = SmallDay(rate.valid_from);
    out.to_day = SmallDay(rate.valid_to);
    out.deck = static_cast<uint8_t>(entry.deck);
    out.window = entry.precedence == INT32_MAX ? int8_t{-1} : static_cast<int8_t>(entry.precedence);
    return out;
  }

  void Start(uint64_t key, uint32_t node) {
    const Stretch stretch{key, node == kNone ? kNone : out_.nodes_[node].row, node};
    if (!out_.stretches_.empty() && out_.stretches_.back().key == key) {
      out_.stretches_.back() = stretch;
    } else {
      out_.stretches_.push_back(stretch);
    }
  }

  // The prefixes in order, with those that are still open on a stack.
  void Cut() {
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
    for (const Stretch& stretch : out_.stretches_) {
      // Each is counted in its cell; the one behind the last prefix may lie past the digits.
      ++out_.cells_[std::min(CellOf(stretch.key), kCells - 1) + 1];
    }
    std::partial_sum(out_.cells_.begin(), out_.cells_.end(), out_.cells_.begin());
  }

  DeckIndex& out_;
  std::vector<Entry> entries_;
  std::vector<std::pair<uint64_t, size_t>> keys_;  // by node: packed prefix and its digits
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

void DeckIndex::Prefetch(uint64_t key, int step) const {
  constexpr size_t kPerLine = 64 / sizeof(Stretch);
  constexpr size_t kMostLines = 8;
  const uint32_t cell = CellOf(key);
  if (step == 0) return __builtin_prefetch(&cells_[cell]);
  const size_t begin = cells_[cell] == 0 ? 0 : cells_[cell] - 1;
  const size_t end = std::min<size_t>(cells_[cell + 1], begin + kMostLines * kPerLine);
  for (size_t at = begin; at < end; at += kPerLine) __builtin_prefetch(&stretches_[at]);
}

uint32_t DeckIndex::PlaceOf(uint64_t key) const {
  // The stretch that began last lies in the key's cell or is the one before it; the very first
  // begins at 0. Halving without branches: which half cannot be predicted.
  const uint32_t cell = CellOf(key);
  const uint32_t begin = cells_[cell] == 0 ? 0 : cells_[cell] - 1;
  const Stretch* at = &stretches_[begin];
  for (uint32_t left = cells_[cell + 1] - begin; left > 1;) {
    const uint32_t half = left / 2;
    at = at[half].key <= key ? at + half : at;
    left -= half;
  }
  if (at->row != kNone) __builtin_prefetch(&rows_[at->row]);
  return static_cast<uint32_t>(at - stretches_.data());
}

const DeckRate* DeckIndex::Find(std::string_view digits, CivilDay day) const {
  const int32_t number = DayNumber(day);
  for (uint32_t at = stretches_[PlaceOf(PackDigits(digits))].node; at != kNone;
       at = nodes_[at].parent) {
    for (uint32_t row = nodes_[at].row;; ++row) {
      if (Valid(rows_[row], number)) return &rates_[row];
      if (rows_[row].last) break;
    }
  }
  return nullptr;
}

bool DeckIndex::Holds(const RateRow& row, const LocalTime& local) const {
  return row.window < 0 || decks_[row.deck].windows.Holds(static_cast<size_t>(row.window), local);
}

DeckIndex::Match DeckIndex::MatchAt(uint32_t place, absl::Time answered,
                                    const absl::TimeZone& line_zone) const {
  const Stretch& stretch = stretches_[place];
  if (stretch.row == kNone) return {};
  const LocalTime line = LocalAt(answered, line_zone);
  uint32_t node = stretch.node;
  uint32_t begin = stretch.row;  // of the deck that `row` is of
  for (uint32_t row = begin;;) {
    const auto& zone = decks_[rows_[row].deck].zone;
    const LocalTime local = zone.has_value() ? LocalAt(answered, *zone) : line;
    if (Valid(rows_[row], local.day) && Holds(rows_[row], local)) {
      // Further rates of this deck may hold later in the call.
      uint32_t end = row + 1;
      while (!rows_[end - 1].last && rows_[end].deck == rows_[row].deck) ++end;
      return {begin, end, row, local, true};
    }
    if (!rows_[row].last) {
      ++row;
      if (rows_[row].deck != rows_[begin].deck) begin = row;
      continue;
    }
    node = nodes_[node].parent;
    if (node == kNone) return {};
    begin = row = nodes_[node].row;
  }
}

void DeckIndex::Walk(const Match& match, absl::Time answered, int64_t seconds,
                     const absl::TimeZone& line_zone, CallSegments& out) const {
  const DeckPart& deck = decks_[rows_[match.first].deck];
  const bool windowed = !deck.windows.empty() && match.end - match.begin > 1;
  const absl::TimeZone zone = windowed ? deck.zone.value_or(line_zone) : absl::TimeZone();
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
        for (uint32_t i = match.begin; i < match.end; ++i) {
          if (!Valid(rows_[i], match.local.day) || !Holds(rows_[i], local)) continue;
          row = i;
          break;
        }
      }
      const absl::Time until =
          deck.windows.NextChange(now, local, zone, answered + absl::Seconds(seconds));
      change =
          std::max(at + 1, absl::ToInt64Seconds(absl::Ceil(until - answered, absl::Seconds(1))));
    }
    const RateRow& it = rows_[row];
    const bool stepped = it.step_from > 0 && at >= it.step_from;
    const int64_t limit = !stepped && it.step_from > 0
                              ? std::min<int64_t>({seconds, change, it.step_from})
                              : std::min(seconds, change);
    const int64_t price = stepped ? it.step_per_minute_micros : it.per_minute_micros;
    const int32_t increment = stepped   ? it.step_increment
                              : at == 0 ? it.first_increment
                                        : it.next_increment;
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
