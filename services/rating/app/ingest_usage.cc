#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/status/macros.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/live_usage.h"
#include "services/rating/app/stored_record.h"
#include "services/rating/app/usage_owners.h"
#include "services/rating/store/event_keys.h"
#include "services/rating/store/usage_keys.h"
#include "services/rating/store/usage_months.h"

namespace broadbill::rating {
namespace {

// An event and who it is.
struct KeyedEvent {
  const UsageEventRecord* record;
  EventKeyRow key;
};

int64_t InOctets(const UsageEventRecord& record) {
  return record.type == "data.out" ? 0 : record.octets;
}
int64_t OutOctets(const UsageEventRecord& record) {
  return record.type == "data.out" ? record.octets : 0;
}

// In order of key; those of one key in the order they came.
std::vector<KeyedEvent> Keyed(const std::vector<UsageEventRecord>& records) {
  std::vector<KeyedEvent> out;
  out.reserve(records.size());
  for (const UsageEventRecord& record : records) {
    out.push_back(
        {&record,
         {EventKeyOf(record.source, record.id),
          EventContentOf(record.subject, record.at, InOctets(record), OutOctets(record))}});
  }
  std::stable_sort(out.begin(), out.end(), [](const KeyedEvent& a, const KeyedEvent& b) {
    return a.key.event_key < b.key.event_key;
  });
  return out;
}

template <class Row>
absl::Status MakeMonthsOf(db::Tx& tx, const std::vector<Row>& rows, absl::Time now) {
  std::set<absl::CivilMonth> months;
  absl::Time begin = absl::InfiniteFuture(), end = absl::InfinitePast();  // of the last month
  for (const Row& row : rows) {
    if (row.at >= begin && row.at < end) continue;
    const absl::CivilMonth month = absl::ToCivilMonth(row.at, absl::UTCTimeZone());
    begin = absl::FromCivil(month, absl::UTCTimeZone());
    end = absl::FromCivil(month + 1, absl::UTCTimeZone());
    months.insert(month);
  }
  return MakeUsageMonths(tx, Row::kTable, months, now);
}

}  // namespace

absl::Status Ingest::AddSamples(const std::vector<RadiusRecord>& records) {
  std::vector<std::string> names;
  for (const RadiusRecord& record : records) names.push_back(record.user_name);
  ASSIGN_OR_RETURN(const UsageOwners owners,
                   UsageOwners::Load(tx_, {kRadiusUser}, std::move(names)));
  std::vector<SampleRow> rows;
  std::set<Uuid> watched;
  for (const RadiusRecord& record : records) {
    const UsageSample& sample = record.sample;
    const SubjectRow* owner = owners.Find(record.user_name, sample.at);
    if (owner == nullptr) {
      const std::string raw = Pack(record);
      Wait(kWaitingSample, SampleKey(raw), kUnknownSubject,
           "no subscription has the user name '" + record.user_name + "' on that day",
           record.user_name, sample.at, record.line, std::nullopt, raw);
      continue;
    }
    const auto in = static_cast<int64_t>(sample.in_octets);
    const auto out = static_cast<int64_t>(sample.out_octets);
    rows.push_back({owner->account_id, owner->item_id, sample.at,
                    SampleKeyOf(record.session_id, sample.session_seconds, in, out),
                    record.session_id, sample.session_seconds, in, out, sample.wide, import_id_});
    if (owner->watched) watched.insert(owner->item_id);
  }
  RETURN_IF_ERROR(MakeMonthsOf(tx_, rows, now_));
  ASSIGN_OR_RETURN(const int64_t kept, db::CopyNew(tx_, rows));
  counts_.applied += kept;
  counts_.duplicates += static_cast<int64_t>(rows.size()) - kept;
  if (kept > 0) {
    RETURN_IF_ERROR(TouchUsage(tx_, now_, {watched.begin(), watched.end()}));
  }
  return Flush();
}

absl::StatusOr<std::vector<const UsageEventRecord*>> Ingest::NewEvents(
    const std::vector<UsageEventRecord>& records) {
  std::vector<KeyedEvent> events = Keyed(records);
  const auto conflict = [&](const UsageEventRecord& record) {
    counts_.conflicts.push_back(absl::StrCat(record.source, "\x1f", record.id));
  };
  std::vector<EventKeyRow> keys;
  std::vector<const UsageEventRecord*> firsts;
  for (const KeyedEvent& event : events) {
    if (keys.empty() || keys.back().event_key != event.key.event_key) {
      keys.push_back(event.key);
      firsts.push_back(event.record);
    } else if (keys.back().content == event.key.content) {
      ++counts_.duplicates;
    } else {
      conflict(*event.record);
    }
  }
  ASSIGN_OR_RETURN(const std::vector<Claimed> claimed, ClaimEventKeys(tx_, keys));
  std::vector<const UsageEventRecord*> out;
  for (size_t i = 0; i < keys.size(); ++i) {
    // What waited has its id since it came, whatever was corrected of it.
    const bool again =
        !again_.empty() && again_.count(WaitingKey(kWaitingEvent, EventKey(*firsts[i])).data) > 0;
    if (claimed[i] == Claimed::kNew || again) {
      out.push_back(firsts[i]);
    } else if (claimed[i] == Claimed::kSame) {
      ++counts_.duplicates;
    } else {
      conflict(*firsts[i]);
    }
  }
  return out;
}

absl::Status Ingest::AddEvents(const std::vector<UsageEventRecord>& records) {
  ASSIGN_OR_RETURN(const std::vector<const UsageEventRecord*> fresh, NewEvents(records));
  std::vector<std::string> names;
  names.reserve(fresh.size());
  for (const UsageEventRecord* record : fresh) names.push_back(record->subject);
  ASSIGN_OR_RETURN(const UsageOwners owners,
                   UsageOwners::Load(tx_, {kRadiusUser, kMeterSubject}, std::move(names)));
  std::vector<EventRow> rows;
  rows.reserve(fresh.size());
  absl::flat_hash_set<const SubjectRow*> touched;
  for (const UsageEventRecord* record : fresh) {
    const SubjectRow* owner = owners.Find(record->subject, record->at);
    if (owner == nullptr) {
      Wait(kWaitingEvent, EventKey(*record), kUnknownSubject,
           "no subscription has the subject '" + record->subject + "' on that day", record->subject,
           record->at, record->line, std::nullopt, Pack(*record));
      continue;
    }
    rows.push_back({owner->account_id, owner->item_id, record->at,
                    EventKeyOf(record->source, record->id), record->source, record->id,
                    InOctets(*record), OutOctets(*record), import_id_});
    if (owner->watched) touched.insert(owner);
  }
  RETURN_IF_ERROR(MakeMonthsOf(tx_, rows, now_));
  RETURN_IF_ERROR(db::Copy(tx_, rows));
  counts_.applied += static_cast<int64_t>(rows.size());
  std::set<Uuid> watched;
  for (const SubjectRow* owner : touched) watched.insert(owner->item_id);
  RETURN_IF_ERROR(TouchUsage(tx_, now_, {watched.begin(), watched.end()}));
  return Flush();
}

}  // namespace broadbill::rating
