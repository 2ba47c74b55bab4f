#include "services/rating/store/key_filter.h"

#include <algorithm>

#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

constexpr size_t kBlockBytes = 64;  // a line of the processor's cache
constexpr int kBitsPerKey = 6;
constexpr int kBitOfBlock = 9;  // bits of a number below 512

uint64_t Number(const Uuid& key, size_t from, size_t bytes) {
  uint64_t out = 0;
  for (size_t i = from; i < from + bytes; ++i) out = out << 8 | key.bytes[i];
  return out;
}

// Where the block of a key begins. The first byte is the same in all keys of a slice.
size_t BlockOf(const Uuid& key, size_t bytes) {
  return (Number(key, 1, 4) * (bytes / kBlockBytes) >> 32) * kBlockBytes;
}

// Calls `at` with byte and mask of each bit of a key, until it answers false.
template <class Fn>
bool EachBit(const Uuid& key, size_t bytes, const Fn& at) {
  const size_t block = BlockOf(key, bytes);
  uint64_t rest = Number(key, 8, 8);
  for (int i = 0; i < kBitsPerKey; ++i, rest >>= kBitOfBlock) {
    const size_t bit = rest & (kBlockBytes * 8 - 1);
    if (!at(block + bit / 8, static_cast<uint8_t>(1 << bit % 8))) return false;
  }
  return true;
}

std::pair<Uuid, Uuid> RangeOf(int slice) {
  std::pair<Uuid, Uuid> out;
  out.first.bytes.fill(0);
  out.second.bytes.fill(0xff);
  out.first.bytes[0] = out.second.bytes[0] = static_cast<uint8_t>(slice);
  return out;
}

std::vector<Uuid> UuidsOf(const db::Result& rows) {
  std::vector<Uuid> out;
  out.reserve(static_cast<size_t>(rows.size()));
  for (int i = 0; i < rows.size(); ++i) out.push_back(rows.Get<Uuid>(i, 0));
  return out;
}

// The last filter of a slice takes keys until it is full, then the next begins.
class Appender {
 public:
  Appender(db::Tx& tx, int slice) : tx_(tx), slice_(static_cast<int16_t>(slice)) {}

  absl::Status Resume() {
    ASSIGN_OR_RETURN(const db::Result last,
                     tx_.Exec("SELECT part, keys, bits FROM event_key_filter WHERE slice = $1 "
                              "ORDER BY part DESC LIMIT 1",
                              slice_));
    if (last.empty()) return absl::OkStatus();
    part_ = last.Get<int32_t>(0, 0);
    keys_ = last.Get<int32_t>(0, 1);
    filter_ = KeyFilter(last.Get<db::Bytes>(0, 2).data);
    return absl::OkStatus();
  }
  absl::Status Add(const std::vector<Uuid>& keys) {
    for (const Uuid& key : keys) {
      if (keys_ == KeyFilter::KeysMax(part_)) {
        RETURN_IF_ERROR(Write());
        filter_ = KeyFilter(KeyFilter::KeysMax(++part_));
        keys_ = 0;
      }
      filter_.Add(key);
      ++keys_;
    }
    return Write();
  }

 private:
  absl::Status Write() {
    if (keys_ == 0) return absl::OkStatus();
    return tx_
        .Exec(
            "INSERT INTO event_key_filter (slice, part, keys, bits) VALUES ($1, $2, $3, $4) ON "
            "CONFLICT (slice, part) DO UPDATE SET keys = excluded.keys, bits = excluded.bits",
            slice_, part_, keys_, db::Bytes{filter_.bits()})
        .status();
  }

  db::Tx& tx_;
  const int16_t slice_;
  int32_t part_ = 0, keys_ = 0;
  KeyFilter filter_{KeyFilter::KeysMax(0)};
};

}  // namespace

void KeyFilter::Add(const Uuid& key) {
  EachBit(key, bits_.size(), [&](size_t byte, uint8_t mask) {
    bits_[byte] = static_cast<char>(static_cast<uint8_t>(bits_[byte]) | mask);
    return true;
  });
}

bool KeyFilter::MayHave(const Uuid& key) const {
  return EachBit(key, bits_.size(), [&](size_t byte, uint8_t mask) {
    return (static_cast<uint8_t>(bits_[byte]) & mask) != 0;
  });
}

absl::Status AddToFilters(db::Tx& tx, int slice, const std::vector<Uuid>& keys) {
  ASSIGN_OR_RETURN(const db::Result state,
                   tx.Exec("SELECT covered FROM event_key_slice WHERE slice = $1 FOR UPDATE",
                           static_cast<int16_t>(slice)));
  const bool covered = !state.empty() && state.Get<bool>(0, 0);
  if (covered && keys.empty()) return absl::OkStatus();
  Appender filters(tx, slice);
  if (covered) {
    RETURN_IF_ERROR(filters.Resume());
    RETURN_IF_ERROR(filters.Add(keys));
  } else {
    RETURN_IF_ERROR(
        tx.Exec("DELETE FROM event_key_filter WHERE slice = $1", static_cast<int16_t>(slice))
            .status());
    const auto [from, to] = RangeOf(slice);
    ASSIGN_OR_RETURN(const db::Result all,
                     tx.Exec("SELECT event_key FROM event_key_held WHERE event_key BETWEEN $1 AND "
                             "$2",
                             from, to));
    RETURN_IF_ERROR(filters.Add(UuidsOf(all)));
  }
  return tx
      .Exec("UPDATE event_key_slice SET version = version + 1, covered = true WHERE slice = $1",
            static_cast<int16_t>(slice))
      .status();
}

absl::Status KeyFilters::Read(db::Tx& tx, int slice, int64_t version, bool covered) {
  Slice& own = slices_[static_cast<size_t>(slice)];
  const auto drop_from = [&](size_t part) {
    for (size_t i = part; i < own.parts.size(); ++i) {
      bytes_ -= static_cast<int64_t>(own.parts[i].bits().size());
    }
    own.parts.erase(own.parts.begin() + static_cast<std::ptrdiff_t>(part), own.parts.end());
  };
  // All but the last were full when they were read.
  drop_from(own.whole && covered && !own.parts.empty() ? own.parts.size() - 1 : 0);
  own.whole = false;
  own.version = -1;
  if (covered) {
    ASSIGN_OR_RETURN(const db::Result rows,
                     tx.Exec("SELECT bits FROM event_key_filter WHERE slice = $1 AND part >= $2 "
                             "ORDER BY part",
                             static_cast<int16_t>(slice), static_cast<int32_t>(own.parts.size())));
    for (int i = 0; i < rows.size(); ++i) {
      own.parts.emplace_back(rows.Get<db::Bytes>(i, 0).data);
      bytes_ += static_cast<int64_t>(own.parts.back().bits().size());
    }
    own.whole = bytes_ <= bytes_max_;
    if (!own.whole) drop_from(0);
  }
  own.version = version;
  return absl::OkStatus();
}

absl::Status KeyFilters::Refresh(db::Tx& tx) {
  RETURN_IF_ERROR(tx.ExecScript("LOCK TABLE event_key_held IN ACCESS SHARE MODE"));
  ASSIGN_OR_RETURN(const db::Result now,
                   tx.Exec("SELECT slice, version, covered FROM event_key_slice"));
  const auto is_old = [&](int row) {
    return slices_[static_cast<size_t>(now.Get<int16_t>(row, 0))].version <
           now.Get<int64_t>(row, 1);
  };
  bool old = false;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (int i = 0; i < now.size(); ++i) old = old || is_old(i);
  }
  if (!old) return absl::OkStatus();
  absl::WriterMutexLock lock(&mutex_);
  for (int i = 0; i < now.size(); ++i) {
    if (!is_old(i)) continue;
    RETURN_IF_ERROR(Read(tx, now.Get<int16_t>(i, 0), now.Get<int64_t>(i, 1), now.Get<bool>(i, 2)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Uuid>> KeyFilters::MayBeHeld(db::Tx& tx, const std::vector<Uuid>& keys) {
  RETURN_IF_ERROR(Refresh(tx));
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<Uuid> out;
  for (const Uuid& key : keys) {
    const Slice& slice = slices_[key.bytes[0]];
    const bool may =
        !slice.whole || std::any_of(slice.parts.begin(), slice.parts.end(),
                                    [&](const KeyFilter& part) { return part.MayHave(key); });
    if (may) out.push_back(key);
  }
  return out;
}

}  // namespace broadbill::rating
