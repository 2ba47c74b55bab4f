#include "services/rating/app/usage_owners.h"

#include <map>

#include "absl/container/flat_hash_set.h"
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
                                              const std::vector<std::string_view>& subjects) {
  absl::flat_hash_set<absl::string_view> once;
  std::vector<std::string> values;
  for (const std::string_view subject : subjects) {
    if (once.insert({subject.data(), subject.size()}).second) values.emplace_back(subject);
  }
  ASSIGN_OR_RETURN(
      std::vector<SubjectRow> rows,
      db::Select<SubjectRow>(tx, "WHERE kind = ANY($1) AND value = ANY($2)", kinds, values));
  UsageOwners out;
  out.owners_.reserve(rows.size());
  out.first_.reserve(rows.size());
  std::map<std::string, absl::TimeZone> zones;
  for (SubjectRow& row : rows) {
    const auto [zone, fresh] = zones.emplace(row.time_zone, absl::UTCTimeZone());
    if (fresh) {
      const auto loaded = LoadZone(row.time_zone);
      if (loaded.ok()) zone->second = *loaded;
    }
    const auto [first, lone] = out.first_.emplace(row.value, out.owners_.size());
    const size_t next = lone ? kNone : first->second;
    first->second = out.owners_.size();
    const absl::Time from = Begin(row.valid_from, zone->second);
    const absl::Time to = Begin(row.valid_to, zone->second);
    out.owners_.push_back({std::move(row), from, to, next});
  }
  return out;
}

const SubjectRow* UsageOwners::Find(std::string_view subject, absl::Time at) const {
  const auto first = first_.find(absl::string_view(subject.data(), subject.size()));
  if (first == first_.end()) return nullptr;
  for (size_t i = first->second; i != kNone; i = owners_[i].next) {
    if (at >= owners_[i].from && at < owners_[i].to) return &owners_[i].row;
  }
  return nullptr;
}

}  // namespace broadbill::rating
