#include "services/rating/app/usage_owners.h"

#include <algorithm>
#include <map>

#include "absl/container/flat_hash_set.h"
#include "libs/calendar/time_zone.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// The first instant of a day; days without end are always.
absl::Time Begin(CivilDay day, const absl::TimeZone& zone) {
  if (day == CivilDay::max()) return absl::InfiniteFuture();
  return day <= CivilDay(1970, 1, 1) ? absl::InfinitePast() : StartOfDay(day, zone);
}

using Owners = absl::flat_hash_map<std::string, std::vector<SubjectOwner>>;

absl::StatusOr<Owners> Read(db::Tx& tx, const std::vector<std::string>& subjects) {
  ASSIGN_OR_RETURN(std::vector<SubjectRow> rows,
                   db::Select<SubjectRow>(tx, "WHERE value = ANY($1)", subjects));
  Owners out;
  out.reserve(subjects.size());
  for (const std::string& subject : subjects) out[subject];
  std::map<std::string, absl::TimeZone> zones;
  for (SubjectRow& row : rows) {
    const auto [zone, fresh] = zones.emplace(row.time_zone, absl::UTCTimeZone());
    if (fresh) {
      const auto loaded = LoadZone(row.time_zone);
      if (loaded.ok()) zone->second = *loaded;
    }
    const absl::Time from = Begin(row.valid_from, zone->second);
    const absl::Time to = Begin(row.valid_to, zone->second);
    out[row.value].push_back({std::move(row), from, to});
  }
  return out;
}

}  // namespace

absl::Status SubjectsChanged(db::Tx& tx) {
  return tx.Exec("UPDATE subject_version SET version = version + 1").status();
}

// What was read at a later version than `version` was committed before, so it is as good.
std::shared_ptr<SubjectCache::Known> SubjectCache::Of(int64_t version) {
  absl::MutexLock lock(&mutex_);
  bool full = false;
  if (known_ != nullptr) {
    absl::ReaderMutexLock reading(&known_->mutex);
    full = known_->owners.size() >= subjects_max_;
  }
  if (known_ == nullptr || known_->version < version || full) {
    known_ = std::make_shared<Known>(version);
  }
  return known_;
}

absl::StatusOr<UsageOwners> UsageOwners::Load(db::Tx& tx, SubjectCache* cache,
                                              const std::vector<int16_t>& kinds,
                                              const std::vector<std::string_view>& subjects) {
  SubjectCache own;
  if (cache == nullptr) cache = &own;
  // The version first: what is read behind it is at least as new.
  ASSIGN_OR_RETURN(const db::Result version, tx.Exec("SELECT version FROM subject_version"));
  UsageOwners out;
  out.kinds_ = kinds;
  out.known_ = cache->Of(version.empty() ? 0 : version.Get<int64_t>(0, 0));
  out.of_.resize(subjects.size(), nullptr);
  SubjectCache::Known& known = *out.known_;
  std::vector<std::string> missing;
  {
    absl::flat_hash_set<absl::string_view> once;
    absl::ReaderMutexLock lock(&known.mutex);
    for (size_t i = 0; i < subjects.size(); ++i) {
      const auto found = known.owners.find(View(subjects[i]));
      if (found != known.owners.end()) {
        out.of_[i] = found->second.get();
      } else if (once.insert(View(subjects[i])).second) {
        missing.emplace_back(subjects[i]);
      }
    }
  }
  if (missing.empty()) return out;
  ASSIGN_OR_RETURN(Owners read, Read(tx, missing));
  absl::WriterMutexLock lock(&known.mutex);
  for (auto& [subject, owners] : read) {
    auto& slot = known.owners[subject];
    // Another thread may have read it too, and others point at what is there.
    if (slot == nullptr) {
      slot = std::make_unique<const std::vector<SubjectOwner>>(std::move(owners));
    }
  }
  for (size_t i = 0; i < subjects.size(); ++i) {
    if (out.of_[i] == nullptr) out.of_[i] = known.owners.find(View(subjects[i]))->second.get();
  }
  return out;
}

const SubjectRow* UsageOwners::Find(size_t index, absl::Time at) const {
  for (const SubjectOwner& owner : *of_[index]) {
    const bool kind = std::find(kinds_.begin(), kinds_.end(), owner.row.kind) != kinds_.end();
    if (kind && at >= owner.from && at < owner.to) return &owner.row;
  }
  return nullptr;
}

}  // namespace broadbill::rating
