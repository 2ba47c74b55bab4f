#pragma once

// Where a postal address lies: the index of all areas. A state's boundary file has up to some
// million ranges, so a range is a few numbers here and sets of jurisdictions are kept once.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "libs/calendar/date.h"

namespace broadbill::tax {

enum class Precision { kNone, kCountry, kCity, kZip5, kZip4 };

// One row of area data, as files have it.
struct AreaRow {
  std::string country;                // ISO 3166-1
  std::string region;                 // "" = not compared
  std::string zip_low, zip_high;      // postal codes, inclusive; "" = by city, region or country
  std::string plus4_low, plus4_high;  // "" = the whole ZIP
  std::string city;                   // lower case; "" = not compared
  std::vector<std::string> codes;     // jurisdictions
  DateInterval valid;
  std::string data_version;
};

struct AreaMatch {
  Precision precision = Precision::kNone;
  const std::vector<std::string>* codes = nullptr;  // sorted; of the index, nullptr: no match
  const std::string* data_version = nullptr;
  std::string matched;  // "55401-0001..55401-9999", a city, ""
  DateInterval valid;
};

class AreaIndex {
 public:
  AreaIndex() = default;
  AreaIndex(const AreaIndex&) = delete;
  AreaIndex& operator=(const AreaIndex&) = delete;

  void Add(const AreaRow& row);
  // After the last Add, before the first Find.
  void Finish();

  // By ZIP+4, then ZIP or postal code, then city and region, then country, on a day. Of several
  // rows of one precision the narrowest range wins, then the one that began last.
  AreaMatch Find(const std::string& country, const std::string& region, const std::string& city,
                 const std::string& postal_code, CivilDay day) const;

  size_t size() const { return size_; }

 private:
  // Inclusive keys: the ZIP, or ZIP × 10,000 + the four digits after it.
  struct Range {
    uint32_t low = 0, high = 0;
    int32_t from = 0, to = 0;  // days since 1970-01-01; to = INT32_MAX while open
    uint32_t codes = 0, version = 0;
  };
  struct Ranges {
    std::vector<Range> rows;      // by low
    std::vector<uint32_t> reach;  // the highest `high` up to here
    std::vector<Range> wide;      // apart, so that none of them makes every search walk far
    void Finish(uint32_t widest);
    // The best row that holds `key` on `day`; nullptr when none does.
    const Range* Find(uint32_t key, int32_t day) const;
  };
  struct Place {
    std::string text;  // what matched
    Range range;
  };

  uint32_t CodesOf(std::vector<std::string> codes);
  uint32_t VersionOf(const std::string& version);
  static const Place* Best(const std::multimap<std::string, Place>& places, const std::string& key,
                           int32_t day);
  AreaMatch Match(Precision precision, const Range& range, std::string text) const;

  Ranges zip4_, zip5_;                                 // of the United States
  std::multimap<std::string, Place> postal_, places_;  // others by postal code; by city or region
  std::map<std::vector<std::string>, uint32_t> codes_index_;
  std::map<std::string, uint32_t> version_index_;
  std::vector<const std::vector<std::string>*> codes_;
  std::vector<const std::string*> versions_;
  size_t size_ = 0;
};

}  // namespace broadbill::tax
