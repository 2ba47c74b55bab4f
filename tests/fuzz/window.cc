// Windows of the week as decks say them: the first line; what follows are moments.

#include "libs/calendar/window.h"

#include <algorithm>

#include "tests/fuzz/fuzz.h"

namespace broadbill {
namespace {

bool Same(const TimeWindow& a, const TimeWindow& b) {
  return a.name == b.name && a.weekdays == b.weekdays && a.from_minute == b.from_minute &&
         a.to_minute == b.to_minute &&
         std::equal(a.holidays.begin(), a.holidays.end(), b.holidays.begin(), b.holidays.end(),
                    [](const Holiday& x, const Holiday& y) {
                      return x.year == y.year && x.month == y.month && x.day == y.day;
                    });
}

// No window begins or ends before the next change.
void CheckChange(const WindowSet& set, absl::Time at, const absl::TimeZone& zone) {
  const absl::Time horizon = at + absl::Hours(72);
  const LocalTime local = LocalAt(at, zone);
  fuzz::Require(local.second >= 0 && local.second < 86400, "a second of the day is one");
  const absl::Time change = set.NextChange(at, local, zone, horizon);
  fuzz::Require(change > at && change <= horizon, "the next change is ahead");
  const int64_t span = absl::ToInt64Seconds(change - at);
  for (const int64_t after : {int64_t{1}, span / 3, span / 2, span - 1}) {
    if (after <= 0 || after >= span) continue;
    const LocalTime then = LocalAt(at + absl::Seconds(after), zone);
    for (size_t i = 0; i < set.windows().size(); ++i) {
      fuzz::Require(set.Holds(i, local) == set.Holds(i, then), "nothing changes before the change");
    }
  }
}

}  // namespace

FUZZ_TARGET(window) {
  static const absl::TimeZone zones[] = {fuzz::Zone("America/New_York"),
                                         fuzz::Zone("Australia/Lord_Howe"),
                                         fuzz::Zone("America/St_Johns")};
  const size_t end = std::min(input.find('\n'), input.size());
  const auto windows = ParseWindows(std::string(input.substr(0, end)));
  if (!windows.ok()) return;
  for (const TimeWindow& window : *windows) {
    fuzz::Require(!window.name.empty(), "a window has a name");
    fuzz::Require(window.from_minute >= 0 && window.from_minute <= 1440, "it begins in the day");
    fuzz::Require(window.to_minute >= 0 && window.to_minute <= 1440, "it ends in the day");
    fuzz::Require(window.weekdays != 0 || !window.holidays.empty(), "it holds on some day");
  }
  const std::string text = FormatWindows(*windows);
  const auto again = ParseWindows(text);
  fuzz::Require(again.ok(), "windows as written out are windows");
  fuzz::Require(std::equal(windows->begin(), windows->end(), again->begin(), again->end(), Same),
                "windows as written out are the same");
  fuzz::Require(FormatWindows(*again) == text, "there is one way to write windows out");
  if (windows->size() > 100) return;
  const WindowSet set(*windows);
  fuzz::Bytes bytes(input.substr(end));
  bytes.Take(1);
  for (int i = 0; i < 4 && !bytes.empty(); ++i) {
    const absl::TimeZone& zone = zones[bytes.Take(1) % 3];
    CheckChange(set, absl::FromUnixSeconds(static_cast<int64_t>(bytes.Take(4))), zone);
  }
}

}  // namespace broadbill
