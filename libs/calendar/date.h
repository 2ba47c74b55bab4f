#pragma once

// Civil dates. Intervals are half-open: [start, end); an end date is the first day without.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"

namespace broadbill {

using CivilDay = absl::CivilDay;

// "2026-03-10". INVALID_ARGUMENT for anything that is not a real date in that form.
absl::StatusOr<CivilDay> ParseDate(std::string_view text);
std::string FormatDate(CivilDay day);

struct DateInterval {
  CivilDay start;
  CivilDay end;

  bool operator==(const DateInterval&) const = default;
  bool empty() const { return end <= start; }
  int64_t days() const { return empty() ? 0 : end - start; }
  bool Contains(CivilDay day) const { return day >= start && day < end; }
  // Empty when they do not meet.
  DateInterval Intersect(const DateInterval& other) const;
  std::string ToString() const;  // "2026-03-10..2026-04-01"
};

// A set of days as sorted, disjoint, non-touching intervals.
class DateSet {
 public:
  DateSet() = default;
  explicit DateSet(const std::vector<DateInterval>& intervals);

  void Add(const DateInterval& interval);
  void Subtract(const DateInterval& interval);
  DateSet Intersect(const DateInterval& interval) const;
  bool Contains(CivilDay day) const;
  int64_t days() const;
  bool empty() const { return intervals_.empty(); }
  const std::vector<DateInterval>& intervals() const { return intervals_; }
  bool operator==(const DateSet&) const = default;
  // PostgreSQL's datemultirange text: "{[2026-03-10,2026-04-01)}".
  std::string ToMultirange() const;

 private:
  std::vector<DateInterval> intervals_;
};

}  // namespace broadbill
