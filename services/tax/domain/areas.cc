#include "services/tax/domain/areas.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace broadbill::tax {
namespace {

constexpr int32_t kOpen = std::numeric_limits<int32_t>::max();
constexpr int32_t kAlways = std::numeric_limits<int32_t>::min();
constexpr uint32_t kPlus4 = 10000;

int32_t DayNumber(CivilDay day) {
  if (day.year() > 9999) return kOpen;
  if (day.year() < 1) return kAlways;
  return static_cast<int32_t>(day - CivilDay(1970, 1, 1));
}

CivilDay DayOf(int32_t number) {
  if (number == kOpen) return CivilDay::max();
  return number == kAlways ? CivilDay::min() : CivilDay(1970, 1, 1) + number;
}

// The number of a text of exactly `size` digits.
bool Digits(std::string_view text, size_t size, uint32_t& out) {
  if (text.size() != size) return false;
  out = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    out = out * 10 + static_cast<uint32_t>(c - '0');
  }
  return true;
}

// Upper case letters and digits only: "k1a 0b1" and "K1A0B1" are one code.
std::string Compact(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte)) out += static_cast<char>(std::toupper(byte));
  }
  return out;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string PlaceKey(const std::string& country, const std::string& region,
                     const std::string& city) {
  return absl::StrCat(country, "|", region, "|", city);
}

std::string ZipText(uint32_t key) {
  const std::string digits = absl::StrCat(key);
  return std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
}

std::string Zip4Text(uint32_t key) {
  const std::string plus4 = absl::StrCat(key % kPlus4);
  return absl::StrCat(ZipText(key / kPlus4), "-", std::string(4 - plus4.size(), '0'), plus4);
}

// Narrower first, then what began later, then by content, so that no order of rows decides.
template <class Range>
bool Better(const Range& a, const Range& b) {
  return std::make_tuple(a.high - a.low, -int64_t{a.from}, a.codes, a.version) <
         std::make_tuple(b.high - b.low, -int64_t{b.from}, b.codes, b.version);
}

}  // namespace

void AreaIndex::Ranges::Finish(uint32_t widest) {
  const auto narrow = std::partition(
      rows.begin(), rows.end(), [&](const Range& row) { return row.high - row.low <= widest; });
  wide.insert(wide.end(), narrow, rows.end());
  rows.erase(narrow, rows.end());
  std::sort(rows.begin(), rows.end(), [](const Range& a, const Range& b) {
    return std::tie(a.low, a.high, a.from) < std::tie(b.low, b.high, b.from);
  });
  reach.clear();
  for (const Range& row : rows) {
    reach.push_back(reach.empty() ? row.high : std::max(reach.back(), row.high));
  }
}

const AreaIndex::Range* AreaIndex::Ranges::Find(uint32_t key, int32_t day) const {
  const auto after = std::upper_bound(rows.begin(), rows.end(), key,
                                      [](uint32_t k, const Range& row) { return k < row.low; });
  const Range* best = nullptr;
  const auto offer = [&](const Range& row) {
    const bool holds = row.low <= key && row.high >= key && row.from <= day && day < row.to;
    if (holds && (best == nullptr || Better(row, *best))) best = &row;
  };
  for (auto i = static_cast<size_t>(after - rows.begin()); i > 0 && reach[i - 1] >= key; --i) {
    offer(rows[i - 1]);
  }
  for (const Range& row : wide) offer(row);
  return best;
}

uint32_t AreaIndex::CodesOf(std::vector<std::string> codes) {
  std::sort(codes.begin(), codes.end());
  codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
  const auto [at, fresh] =
      codes_index_.emplace(std::move(codes), static_cast<uint32_t>(codes_.size()));
  if (fresh) codes_.push_back(&at->first);
  return at->second;
}

uint32_t AreaIndex::VersionOf(const std::string& version) {
  const auto [at, fresh] = version_index_.emplace(version, static_cast<uint32_t>(versions_.size()));
  if (fresh) versions_.push_back(&at->first);
  return at->second;
}

void AreaIndex::Add(const AreaRow& row) {
  ++size_;
  Range range;
  range.from = DayNumber(row.valid.start);
  range.to = DayNumber(row.valid.end);
  range.codes = CodesOf(row.codes);
  range.version = VersionOf(row.data_version);
  if (row.zip_low.empty()) {
    places_.emplace(PlaceKey(row.country, row.region, Lower(row.city)), Place{row.city, range});
    return;
  }
  uint32_t plus4_low = 0;
  uint32_t plus4_high = 0;
  const bool zips = row.country == "US" && Digits(row.zip_low, 5, range.low) &&
                    Digits(row.zip_high, 5, range.high);
  if (!zips) {
    postal_.emplace(PlaceKey(row.country, "", Compact(row.zip_low)), Place{row.zip_low, range});
  } else if (Digits(row.plus4_low, 4, plus4_low) && Digits(row.plus4_high, 4, plus4_high)) {
    range.low = range.low * kPlus4 + plus4_low;
    range.high = range.high * kPlus4 + plus4_high;
    zip4_.rows.push_back(range);
  } else {
    zip5_.rows.push_back(range);
  }
}

void AreaIndex::Finish() {
  zip4_.Finish(2 * kPlus4);
  zip5_.Finish(50);
}

const AreaIndex::Place* AreaIndex::Best(const std::multimap<std::string, Place>& places,
                                        const std::string& key, int32_t day) {
  const Place* best = nullptr;
  const auto [begin, end] = places.equal_range(key);
  for (auto it = begin; it != end; ++it) {
    const Range& range = it->second.range;
    const bool holds = range.from <= day && day < range.to;
    if (holds && (best == nullptr || Better(range, best->range))) best = &it->second;
  }
  return best;
}

AreaMatch AreaIndex::Match(Precision precision, const Range& range, std::string text) const {
  return {precision, codes_[range.codes], versions_[range.version], std::move(text),
          DateInterval{DayOf(range.from), DayOf(range.to)}};
}

AreaMatch AreaIndex::Find(const std::string& country, const std::string& region,
                          const std::string& city, const std::string& postal_code,
                          CivilDay on) const {
  const int32_t day = DayNumber(on);
  const std::string postal = Compact(postal_code);
  uint32_t zip = 0;
  uint32_t plus4 = 0;
  if (country == "US" && Digits(std::string_view(postal).substr(0, 5), 5, zip)) {
    if (Digits(std::string_view(postal).substr(5), 4, plus4)) {
      if (const Range* found = zip4_.Find(zip * kPlus4 + plus4, day); found != nullptr) {
        return Match(Precision::kZip4, *found,
                     absl::StrCat(Zip4Text(found->low), "..", Zip4Text(found->high)));
      }
    }
    if (const Range* found = zip5_.Find(zip, day); found != nullptr) {
      return Match(Precision::kZip5, *found,
                   absl::StrCat(ZipText(found->low), "..", ZipText(found->high)));
    }
  }
  if (!postal.empty()) {
    const Place* found = Best(postal_, PlaceKey(country, "", postal), day);
    if (found != nullptr) return Match(Precision::kZip5, found->range, found->text);
  }
  for (const std::string& name : {Lower(city), std::string()}) {
    for (const std::string& part : {region, std::string()}) {
      const Place* found = Best(places_, PlaceKey(country, part, name), day);
      if (found == nullptr) continue;
      const bool whole = name.empty() && part.empty();
      return Match(whole ? Precision::kCountry : Precision::kCity, found->range, found->text);
    }
  }
  return {};
}

}  // namespace broadbill::tax
