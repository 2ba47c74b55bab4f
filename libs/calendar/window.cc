#include "libs/calendar/window.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill {
namespace {

constexpr std::array<const char*, 7> kDays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr int32_t kDaySeconds = 86400;

// 0 is Monday. 1970-01-01 was a Thursday.
int WeekdayOf(int32_t day) { return ((day + 3) % 7 + 7) % 7; }

CivilDay DayOf(int32_t number) { return CivilDay(1970, 1, 1) + number; }

int FindDay(const std::string& name) {
  for (int i = 0; i < 7; ++i) {
    if (name == kDays[static_cast<size_t>(i)]) return i;
  }
  return -1;
}

// "08:00", "8", "24:00"; −1 for anything else.
int32_t MinuteOf(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  int hour = -1;
  int minute = 0;
  const bool ok =
      parts.size() <= 2 && parts[0].size() <= 2 && absl::SimpleAtoi(parts[0], &hour) &&
      (parts.size() == 1 || (parts[1].size() == 2 && absl::SimpleAtoi(parts[1], &minute)));
  const bool fits = ok && hour >= 0 && hour <= 24 && minute >= 0 && minute < 60;
  return fits && hour * 60 + minute <= 1440 ? hour * 60 + minute : -1;
}

bool ReadTimes(const std::string& text, TimeWindow& out) {
  const std::vector<std::string> ends = absl::StrSplit(text, '-');
  if (ends.size() != 2) return false;
  out.from_minute = MinuteOf(ends[0]);
  out.to_minute = MinuteOf(ends[1]);
  return out.from_minute >= 0 && out.to_minute >= 0 && out.from_minute != out.to_minute;
}

bool ReadDate(const std::string& text, TimeWindow& out) {
  const bool yearly = text.size() == 5;
  // A leap year lets February 29 stand.
  const auto day = ParseDate(yearly ? "2000-" + text : text);
  if (!day.ok()) return false;
  out.holidays.push_back({yearly ? 0 : static_cast<int>(day->year()), day->month(), day->day()});
  return true;
}

// "Mon-Fri,Sun", "2026-12-25,01-01".
bool ReadDays(const std::string& text, TimeWindow& out) {
  out.weekdays = 0;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ','))) {
    const std::vector<std::string> ends = absl::StrSplit(part, '-');
    const int first = FindDay(ends[0]);
    const int last = ends.size() == 2 ? FindDay(ends[1]) : first;
    if (first < 0) {
      if (!ReadDate(part, out)) return false;
      continue;
    }
    if (last < 0 || ends.size() > 2) return false;
    for (int day = first;; day = (day + 1) % 7) {
      out.weekdays = static_cast<uint8_t>(out.weekdays | (1 << day));
      if (day == last) break;
    }
  }
  return out.weekdays == 0 || out.holidays.empty();
}

std::string Clock(int32_t minute) { return absl::StrFormat("%02d:%02d", minute / 60, minute % 60); }

}  // namespace

absl::StatusOr<std::vector<TimeWindow>> ParseWindows(const std::string& text) {
  std::vector<TimeWindow> out;
  for (const std::string& one : std::vector<std::string>(absl::StrSplit(text, ';'))) {
    const std::vector<std::string> words = absl::StrSplit(one, ' ', absl::SkipWhitespace());
    if (words.empty()) continue;
    TimeWindow window;
    window.name = words[0];
    bool ok = words.size() == 2 || words.size() == 3;
    const bool last_is_time =
        ok && words.back().find('-') != std::string::npos && ReadTimes(words.back(), window);
    if (!last_is_time) {
      window.from_minute = 0;
      window.to_minute = 1440;
    }
    const size_t days = words.size() - (last_is_time ? 1 : 0);
    ok = ok && days <= 2 && (days == 1 || ReadDays(words[1], window));
    if (!ok) {
      return InvalidArgumentError("INVALID_WINDOW",
                                  "'" + one + "' is no window like 'peak Mon-Fri 08:00-18:00'");
    }
    out.push_back(std::move(window));
  }
  return out;
}

std::string FormatWindows(const std::vector<TimeWindow>& windows) {
  std::string out;
  for (const TimeWindow& window : windows) {
    if (!out.empty()) out += "; ";
    out += window.name;
    std::string days;
    for (const Holiday& day : window.holidays) {
      absl::StrAppend(&days, days.empty() ? " " : ",");
      if (day.year > 0) absl::StrAppend(&days, absl::StrFormat("%04d-", day.year));
      absl::StrAppend(&days, absl::StrFormat("%02d-%02d", day.month, day.day));
    }
    if (window.holidays.empty() && window.weekdays != 0x7f) {
      for (size_t i = 0; i < 7; ++i) {
        if ((window.weekdays >> i & 1) == 0) continue;
        absl::StrAppend(&days, days.empty() ? " " : ",", kDays[i]);
      }
    }
    absl::StrAppend(&out, days, " ", Clock(window.from_minute), "-", Clock(window.to_minute));
  }
  return out;
}

LocalTime LocalAt(absl::Time at, const absl::TimeZone& zone) {
  const int64_t unix_seconds = absl::ToUnixSeconds(at);
  const int32_t offset = zone.At(at).offset;
  const int64_t local = unix_seconds + offset;
  int64_t day = local / kDaySeconds;
  if (local < day * kDaySeconds) --day;
  return {static_cast<int32_t>(day), static_cast<int32_t>(local - day * kDaySeconds), offset};
}

int32_t DayNumber(CivilDay day) {
  // Open ends stay outside every real day.
  if (day.year() < -9999) return INT32_MIN;
  if (day.year() > 9999) return INT32_MAX;
  return static_cast<int32_t>(day - CivilDay(1970, 1, 1));
}

WindowSet::WindowSet(std::vector<TimeWindow> windows) : windows_(std::move(windows)) {
  edges_.push_back(0);
  for (const TimeWindow& window : windows_) {
    edges_.push_back(window.from_minute * 60);
    edges_.push_back(window.to_minute * 60);
  }
  edges_.push_back(kDaySeconds);
  std::sort(edges_.begin(), edges_.end());
  edges_.erase(std::unique(edges_.begin(), edges_.end()), edges_.end());
}

int32_t WindowSet::IndexOf(const std::string& name) const {
  for (size_t i = 0; i < windows_.size(); ++i) {
    if (windows_[i].name == name) return static_cast<int32_t>(i);
  }
  return -1;
}

bool WindowSet::Contains(const TimeWindow& window, const LocalTime& local) const {
  const auto on = [&](int32_t day) {
    if (window.holidays.empty()) return (window.weekdays >> WeekdayOf(day) & 1) == 1;
    const CivilDay date = DayOf(day);
    return std::any_of(window.holidays.begin(), window.holidays.end(), [&](const Holiday& one) {
      return one.month == date.month() && one.day == date.day() &&
             (one.year == 0 || one.year == date.year());
    });
  };
  const int32_t from = window.from_minute * 60;
  const int32_t to = window.to_minute * 60;
  if (from < to) return local.second >= from && local.second < to && on(local.day);
  return (local.second >= from && on(local.day)) || (local.second < to && on(local.day - 1));
}

bool WindowSet::Holds(size_t index, const LocalTime& local) const {
  const std::string& name = windows_[index].name;
  for (size_t i = index; i < windows_.size(); ++i) {
    if ((i == index || windows_[i].name == name) && Contains(windows_[i], local)) return true;
  }
  return false;
}

absl::Time WindowSet::NextChange(absl::Time at, const LocalTime& local, const absl::TimeZone& zone,
                                 absl::Time horizon) const {
  const auto edge = std::upper_bound(edges_.begin(), edges_.end(), local.second);
  const int32_t wait = (edge == edges_.end() ? kDaySeconds : *edge) - local.second;
  const absl::Time whole = absl::FromUnixSeconds(absl::ToUnixSeconds(at));
  const absl::Time next = std::min(horizon, whole + absl::Seconds(wait));
  // Where the clock is set in between, the hours move: ask again from there.
  if (zone.At(next).offset == local.offset) return next;
  absl::TimeZone::CivilTransition transition;
  if (!zone.NextTransition(at, &transition)) return next;
  const absl::Time moved = zone.At(transition.to).trans;
  return std::min(next, moved > at ? moved : next);
}

}  // namespace broadbill
