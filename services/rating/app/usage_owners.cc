#include "services/rating/app/usage_owners.h"

#include <algorithm>
#include <map>

#include "libs/calendar/time_zone.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

// The first instant of a day; days without end are always.
absl::Time Begin(CivilDay day, const absl::TimeZone& zone) {
  if (day == CivilDay::max()) return absl::InfiniteFuture();
  return day <= CivilDay(1970, 1, 1) ? absl::InfinitePast() : StartOfDay(day, zone);
}

}  // namespace

absl::StatusOr<UsageOwners> UsageOwners::Load(db::Tx& tx, const std::vector<int16_t>& kinds,
                                              std::vector<std::string> subjects) {
  std::sort(subjects.begin(), subjects.end());
  subjects.erase(std::unique(subjects.begin(), subjects.end()), subjects.end());
  ASSIGN_OR_RETURN(
      std::vector<SubjectRow> rows,
      db::Select<SubjectRow>(tx, "WHERE kind = ANY($1) AND value = ANY($2)", kinds, subjects));
  std::stable_sort(rows.begin(), rows.end(),
                   [](const SubjectRow& a, const SubjectRow& b) { return a.value < b.value; });
  UsageOwners out;
  std::map<std::string, absl::TimeZone> zones;
  for (SubjectRow& row : rows) {
    const auto [zone, fresh] = zones.emplace(row.time_zone, absl::UTCTimeZone());
    if (fresh) {
      const auto loaded = LoadZone(row.time_zone);
      if (loaded.ok()) zone->second = *loaded;
    }
    const size_t at = out.owners_.size();
    out.spans_.emplace(row.value, std::make_pair(at, at)).first->second.second = at + 1;
    const absl::Time from = Begin(row.valid_from, zone->second);
    const absl::Time to = Begin(row.valid_to, zone->second);
    out.owners_.push_back({std::move(row), from, to});
  }
  return out;
}

const SubjectRow* UsageOwners::Find(std::string_view subject, absl::Time at) const {
  const auto span = spans_.find(absl::string_view(subject.data(), subject.size()));
  if (span == spans_.end()) return nullptr;
  for (size_t i = span->second.first; i < span->second.second; ++i) {
    if (at >= owners_[i].from && at < owners_[i].to) return &owners_[i].row;
  }
  return nullptr;
}

}  // namespace broadbill::rating
