#pragma once

// The way of every usage record: whose is it (subject on its day), can it be rated, keep it once;
// or let it wait with a reason.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "services/rating/app/decks.h"
#include "services/rating/app/stored_record.h"
#include "services/rating/app/usage_owners.h"
#include "services/rating/domain/records.h"
#include "services/rating/store/event_keys.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

// What an import or retry did.
struct IngestCounts {
  int64_t applied = 0;  // new records kept
  int64_t duplicates = 0;
  int64_t waiting = 0;
  int64_t malformed = 0;               // rows of a file that cannot be read and were not known yet
  std::vector<std::string> conflicts;  // events with a known id and other content
};

inline constexpr char kUnknownSubject[] = "UNKNOWN_SUBJECT";  // reason to wait

// An event with its id and content as they are kept.
struct KeyedEvent {
  const UsageEventRecord* record;
  EventKeyRow key;
};

// An event and whose it is.
struct OwnedEvent {
  uint64_t account;  // first half of its id
  absl::Time at;
  const SubjectRow* owner;
  const KeyedEvent* event;
};

// What a process that ingests usage knows by heart.
struct UsageCaches {
  SubjectCache subjects;
  KeyFilters filters;
};

// First thing in a transaction that makes subjects known: either it sees the records that wait for
// them, or those who bring such records see the subjects.
absl::Status LockSubjects(db::Tx& tx);

class Ingest {
 public:
  // `import_id`: the file that the records come with. `decks`: what is loaded already; none: calls
  // load theirs. `caches`: of subjects and ids; none: all are
  // asked for.
  Ingest(db::Tx& tx, absl::Time now, std::string source_name,
         std::optional<Uuid> import_id = std::nullopt, DeckCache* decks = nullptr,
         UsageCaches* caches = nullptr)
      : tx_(tx),
        now_(now),
        source_name_(std::move(source_name)),
        import_id_(import_id),
        decks_(decks),
        caches_(caches) {}

  absl::Status AddSamples(const std::vector<RadiusRecord>& records);
  absl::Status AddRestarts(const std::vector<NasRestart>& restarts);
  // Keeps them waiting: MALFORMED_PACKET.
  absl::Status AddPackets(const std::vector<RawPacket>& packets);
  absl::Status AddEvents(const std::vector<UsageEventRecord>& records);
  absl::Status AddCalls(const std::vector<CallRecord>& records, const std::string& country);
  // Takes waiting records (of these reasons; none = all; of these subjects; none = all) and gives
  // them another try.
  absl::Status Retry(const std::vector<std::string>& reasons,
                     const std::vector<std::string>& subjects);
  // The same for these, which are not in the queue any more. What waits on has the name it had.
  absl::Status RetryRows(const std::vector<WaitingRow>& rows);
  // Keeps rows of a file that cannot be read; waiting rows but for their keys.
  absl::Status KeepMalformed(std::vector<WaitingRow> rows);

  const IngestCounts& counts() const { return counts_; }

 private:
  SubjectCache* subjects() const { return caches_ == nullptr ? nullptr : &caches_->subjects; }
  KeyFilters* filters() const { return caches_ == nullptr ? nullptr : &caches_->filters; }
  // Those whose id nobody had, or that waited themselves; the others are counted.
  absl::StatusOr<std::vector<KeyedEvent>> NewEvents(const std::vector<UsageEventRecord>& records);
  absl::Status CopyEvents(std::vector<OwnedEvent> events);
  void Wait(int16_t kind, const std::string& key, const std::string& reason,
            const std::string& message, const std::string& subject, absl::Time at, int64_t line,
            std::optional<Uuid> item_id, const std::string& raw);
  // Reads packets that wait once more; readings of those that can be read are added to `samples`.
  absl::Status RetryPackets(std::vector<RawPacket> packets, std::vector<RadiusRecord>& samples);
  absl::Status Flush();
  // Subjects that became known since they were looked for, by a transaction that could not see what
  // waits for them here.
  absl::Status LookAgain(const std::vector<std::string>& unknown);
  // Retry; returns how many records were taken.
  absl::StatusOr<int64_t> Again(const std::vector<std::string>& reasons,
                                const std::vector<std::string>& subjects);

  db::Tx& tx_;
  const absl::Time now_;
  const std::string source_name_;
  std::optional<Uuid> import_id_;
  DeckCache* const decks_;
  UsageCaches* const caches_;
  std::map<std::string, WaitingRow> again_;  // what is tried again, by what its key is now
  IngestCounts counts_;
  std::vector<WaitingRow> waiting_;
  bool looked_again_ = false;
};

}  // namespace broadbill::rating
