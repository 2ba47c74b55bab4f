#include "libs/calendar/date.h"

#include <algorithm>
#include <cstdio>

#include "libs/status/error.h"

namespace broadbill {

absl::StatusOr<CivilDay> ParseDate(std::string_view text) {
  const auto bad = [&] {
    return InvalidArgumentError(
        "INVALID_DATE", "'" + std::string(text.substr(0, 40)) + "' is not a date like 2026-03-01");
  };
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return bad();
  int parts[3] = {0, 0, 0};
  size_t part = 0;
  for (const char c : text) {
    if (c == '-') {
      ++part;
    } else if (c < '0' || c > '9' || part > 2) {
      return bad();
    } else {
      parts[part] = parts[part] * 10 + (c - '0');
    }
  }
  const CivilDay day(parts[0], parts[1], parts[2]);
  if (part != 2 || day.year() != parts[0] || day.month() != parts[1] || day.day() != parts[2]) {
    return bad();
  }
  return day;
}

std::string FormatDate(CivilDay day) {
  char out[40];
  std::snprintf(out, sizeof out, "%04lld-%02d-%02d", static_cast<long long>(day.year()),
                day.month(), day.day());
  return out;
}

DateInterval DateInterval::Intersect(const DateInterval& other) const {
  const CivilDay from = std::max(start, other.start);
  return {from, std::max(from, std::min(end, other.end))};
}

std::string DateInterval::ToString() const { return FormatDate(start) + ".." + FormatDate(end); }

DateSet::DateSet(const std::vector<DateInterval>& intervals) {
  for (const DateInterval& interval : intervals) Add(interval);
}

void DateSet::Add(const DateInterval& interval) {
  if (interval.empty()) return;
  DateInterval merged = interval;
  std::vector<DateInterval> out;
  for (const DateInterval& have : intervals_) {
    if (have.end < merged.start || have.start > merged.end) {
      out.push_back(have);
    } else {
      merged = {std::min(merged.start, have.start), std::max(merged.end, have.end)};
    }
  }
  out.insert(std::upper_bound(
                 out.begin(), out.end(), merged,
                 [](const DateInterval& a, const DateInterval& b) { return a.start < b.start; }),
             merged);
  intervals_ = std::move(out);
}

void DateSet::Subtract(const DateInterval& interval) {
  if (interval.empty()) return;
  std::vector<DateInterval> out;
  for (const DateInterval& have : intervals_) {
    const DateInterval before{have.start, std::min(have.end, interval.start)};
    const DateInterval after{std::max(have.start, interval.end), have.end};
    if (!before.empty()) out.push_back(before);
    if (!after.empty()) out.push_back(after);
  }
  intervals_ = std::move(out);
}

DateSet DateSet::Intersect(const DateInterval& interval) const {
  DateSet out;
  for (const DateInterval& have : intervals_) out.Add(have.Intersect(interval));
  return out;
}

bool DateSet::Contains(CivilDay day) const {
  return std::any_of(intervals_.begin(), intervals_.end(),
                     [&](const DateInterval& have) { return have.Contains(day); });
}

int64_t DateSet::days() const {
  int64_t out = 0;
  for (const DateInterval& have : intervals_) out += have.days();
  return out;
}

std::string DateSet::ToMultirange() const {
  std::string out = "{";
  for (const DateInterval& have : intervals_) {
    if (out.size() > 1) out += ",";
    out += "[" + FormatDate(have.start) + "," + FormatDate(have.end) + ")";
  }
  return out + "}";
}

}  // namespace broadbill
