#pragma once

// Times of the week and holidays at which rates of their own apply, in a zone's local time.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/calendar/date.h"

namespace broadbill {

// A holiday; every year where `year` is 0.
struct Holiday {
  int year = 0;
  int month = 1;
  int day = 1;
};

// A window; several of one name hold together. The order of a deck's windows is their precedence,
// so holidays stand before weekdays.
struct TimeWindow {
  std::string name;
  uint8_t weekdays = 0x7f;        // bit 0 is Monday; unused with holidays
  std::vector<Holiday> holidays;  // only on these days
  int32_t from_minute = 0;        // of the local day
  int32_t to_minute = 1440;       // exclusive; before `from_minute` it is on the next day
};

// "peak Mon-Fri 08:00-18:00", "night 22:00-06:00", "holiday 2026-12-25", "holiday 01-01
// 00:00-12:00": a name, then days (weekdays, ranges and dates, by commas), then times; either may
// be left out. Several windows are separated by ';', the first that holds counts.
absl::StatusOr<std::vector<TimeWindow>> ParseWindows(const std::string& text);
std::string FormatWindows(const std::vector<TimeWindow>& windows);

// A moment as windows see it.
struct LocalTime {
  int32_t day = 0;     // since 1970-01-01
  int32_t second = 0;  // of the day by the clock on the wall
  int32_t offset = 0;  // seconds east of UTC
};
LocalTime LocalAt(absl::Time at, const absl::TimeZone& zone);

int32_t DayNumber(CivilDay day);

// The windows of a deck, made ready for many questions.
class WindowSet {
 public:
  WindowSet() = default;
  explicit WindowSet(std::vector<TimeWindow> windows);

  bool empty() const { return windows_.empty(); }
  const std::vector<TimeWindow>& windows() const { return windows_; }
  // Index of the first window of that name; −1: there is none.
  int32_t IndexOf(const std::string& name) const;
  // Does window `index` (or a later one of its name) hold at `local`?
  bool Holds(size_t index, const LocalTime& local) const;
  // The first instant after `at` at which another window may hold; not after `horizon`.
  absl::Time NextChange(absl::Time at, const LocalTime& local, const absl::TimeZone& zone,
                        absl::Time horizon) const;

 private:
  bool Contains(const TimeWindow& window, const LocalTime& local) const;

  std::vector<TimeWindow> windows_;
  std::vector<int32_t> edges_;  // seconds of a day at which some window begins or ends, ascending
};

}  // namespace broadbill
