#include <algorithm>
#include <tuple>

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

int64_t InOctets(const UsageEventRecord& record) {
  return record.type == "data.out" ? 0 : record.octets;
}
int64_t OutOctets(const UsageEventRecord& record) {
  return record.type == "data.out" ? record.octets : 0;
}

// The first half as a number, which orders ids as they are ordered and is compared at once.
uint64_t FirstHalf(const Uuid& id) {
  uint64_t out = 0;
  for (size_t i = 0; i < 8; ++i) out = out << 8 | id.bytes[i];
  return out;
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
    const uint64_t first = FirstHalf(a.key.event_key), second = FirstHalf(b.key.event_key);
    return first != second ? first < second : a.key.event_key < b.key.event_key;
  });
  return out;
}

template <class Row>
absl::Status MakeMonthsOf(db::Tx& tx, const char* table, const std::vector<Row>& rows,
                          absl::Time now) {
  std::set<absl::CivilMonth> months;
  absl::Time begin = absl::InfiniteFuture(), end = absl::InfinitePast();  // of the last month
  for (const Row& row : rows) {
    if (row.at >= begin && row.at < end) continue;
    const absl::CivilMonth month = absl::ToCivilMonth(row.at, absl::UTCTimeZone());
    begin = absl::FromCivil(month, absl::UTCTimeZone());
    end = absl::FromCivil(month + 1, absl::UTCTimeZone());
    months.insert(month);
  }
  return MakeUsageMonths(tx, table, months, now);
}

}  // namespace

absl::Status Ingest::AddSamples(const std::vector<RadiusRecord>& records) {
  std::vector<std::string_view> names;
  names.reserve(records.size());
  for (const RadiusRecord& record : records) names.push_back(record.user_name);
  ASSIGN_OR_RETURN(const UsageOwners owners,
                   UsageOwners::Load(tx_, subjects(), {kRadiusUser}, names));
  std::vector<SampleRow> rows;
  std::set<Uuid> watched;
  for (size_t i = 0; i < records.size(); ++i) {
    const RadiusRecord& record = records[i];
    const UsageSample& sample = record.sample;
    const SubjectRow* owner = owners.Find(i, sample.at);
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
  RETURN_IF_ERROR(MakeMonthsOf(tx_, SampleRow::kTable, rows, now_));
  ASSIGN_OR_RETURN(const int64_t kept, db::CopyNew(tx_, rows));
  counts_.applied += kept;
  counts_.duplicates += static_cast<int64_t>(rows.size()) - kept;
  if (kept > 0) {
    RETURN_IF_ERROR(TouchUsage(tx_, now_, {watched.begin(), watched.end()}));
  }
  return Flush();
}

absl::StatusOr<std::vector<KeyedEvent>> Ingest::NewEvents(
    const std::vector<UsageEventRecord>& records) {
  const auto conflict = [&](const UsageEventRecord& record) {
    counts_.conflicts.push_back(absl::StrCat(record.source, "\x1f", record.id));
  };
  std::vector<KeyedEvent> events = Keyed(records);
  std::vector<EventKeyRow> keys;
  keys.reserve(events.size());
  size_t firsts = 0;  // of each id, at the front of `events`
  for (const KeyedEvent& event : events) {
    if (keys.empty() || keys.back().event_key != event.key.event_key) {
      keys.push_back(event.key);
      events[firsts++] = event;
    } else if (keys.back().content == event.key.content) {
      ++counts_.duplicates;
    } else {
      conflict(*event.record);
    }
  }
  ASSIGN_OR_RETURN(const std::vector<Claimed> claimed, ClaimEventKeys(tx_, keys, filters()));
  size_t fresh = 0;
  for (size_t i = 0; i < firsts; ++i) {
    const UsageEventRecord& record = *events[i].record;
    // What waited has its id since it came, whatever was corrected of it.
    const bool again =
        !again_.empty() && again_.count(WaitingKey(kWaitingEvent, EventKey(record)).data) > 0;
    if (claimed[i] == Claimed::kNew || again) {
      events[fresh++] = events[i];
    } else if (claimed[i] == Claimed::kSame) {
      ++counts_.duplicates;
    } else {
      conflict(record);
    }
  }
  events.resize(fresh);
  return events;
}

absl::Status Ingest::AddEvents(const std::vector<UsageEventRecord>& records) {
  ASSIGN_OR_RETURN(const std::vector<KeyedEvent> fresh, NewEvents(records));
  std::vector<std::string_view> names;
  names.reserve(fresh.size());
  for (const KeyedEvent& event : fresh) names.push_back(event.record->subject);
  ASSIGN_OR_RETURN(const UsageOwners owners,
                   UsageOwners::Load(tx_, subjects(), {kRadiusUser, kMeterSubject}, names));
  std::vector<OwnedEvent> owned;
  owned.reserve(fresh.size());
  for (size_t i = 0; i < fresh.size(); ++i) {
    const UsageEventRecord& record = *fresh[i].record;
    const SubjectRow* owner = owners.Find(i, record.at);
    if (owner == nullptr) {
      Wait(kWaitingEvent, EventKey(record), kUnknownSubject,
           "no subscription has the subject '" + record.subject + "' on that day", record.subject,
           record.at, record.line, std::nullopt, Pack(record));
      continue;
    }
    owned.push_back({FirstHalf(owner->account_id), record.at, owner, &fresh[i]});
  }
  RETURN_IF_ERROR(MakeMonthsOf(tx_, EventRow::kTable, owned, now_));
  RETURN_IF_ERROR(CopyEvents(std::move(owned)));
  return Flush();
}

absl::Status Ingest::CopyEvents(std::vector<OwnedEvent> events) {
  // About in order of the table's key: what is written together in its index comes together.
  std::sort(events.begin(), events.end(), [](const OwnedEvent& a, const OwnedEvent& b) {
    return std::tie(a.account, a.at) < std::tie(b.account, b.at);
  });
  db::CopyBuffer<EventRow> buffer;
  std::vector<ChangedQuarter> changed;
  changed.reserve(events.size());
  for (const auto& [account, at, owner, event] : events) {
    const UsageEventRecord& record = *event->record;
    buffer.Add({owner->account_id, owner->item_id, at, event->key.event_key, record.source,
                record.id, InOctets(record), OutOctets(record), import_id_});
    changed.emplace_back(owner->item_id, QuarterOf(at));
  }
  RETURN_IF_ERROR(buffer.Send(tx_));
  counts_.applied += buffer.rows();
  return TouchQuarters(tx_, now_, changed);
}

}  // namespace broadbill::rating
