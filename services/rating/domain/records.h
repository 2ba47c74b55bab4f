#pragma once

// Records as switches and access servers write them, parsed into plain structs. A malformed record
// never stops the others: it is listed with its line and reason.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/csv/reader.h"
#include "services/rating/domain/usage.h"

namespace broadbill::rating {

// What records may say a time is: from 1970 to the year 9999, which messages and the database hold.
bool IsRecordTime(absl::Time at);

// Most bytes of names in records: of users as RADIUS can say them, and of all else.
inline constexpr size_t kUserNameBytesMax = 253;
inline constexpr size_t kNameBytesMax = 200;

struct RadiusRecord {
  std::string user_name;
  std::string session_id;  // with the NAS in front, so that two NAS do not mix
  UsageSample sample;
  int64_t line = 0;
};

// An access server said that all its sessions have ended: Accounting-On or -Off.
struct NasRestart {
  std::string nas;  // as session ids begin with it
  absl::Time at;
  bool off = false;

  bool operator==(const NasRestart&) const = default;
};

// What a file held.
template <class Record>
struct Parsed {
  std::vector<Record> records;
  std::vector<csv::RowError> errors;
  int64_t read = 0;     // records in the file
  int64_t skipped = 0;  // records that need no rating (Accounting-On, unanswered calls)
};

struct RadiusFile : Parsed<RadiusRecord> {
  std::vector<NasRestart> restarts;  // counted as skipped: nothing of them is rated
};

// FreeRADIUS `detail`: blocks of "\tAttribute = value" lines below a time stamp line (rlm_detail).
// `zone` is the server's: event times carry only its abbreviation, which also tells the two hours
// apart where clocks go back. The last record counts only when it is whole: the server may be
// writing it. MALFORMED_FILE for a file that is no text or has no record's form anywhere.
absl::StatusOr<RadiusFile> ParseDetail(std::string_view text, absl::TimeZone zone);

// A CSV export of `radacct`: one row per session with its last totals (gigawords are in them).
// Times without offset are in `zone`. Sessions that are open may lack session time and octets.
// MISSING_COLUMN refuses the file.
absl::StatusOr<RadiusFile> ParseRadacct(std::string_view text, absl::TimeZone zone);

struct UsageEventRecord {
  std::string id;
  std::string source;
  std::string subject;
  absl::Time at;
  std::string type;  // data, data.in, data.out
  int64_t octets = 0;
  int64_t line = 0;
};

// id,source,subject,time,type,quantity with header; times are RFC 3339.
absl::StatusOr<Parsed<UsageEventRecord>> ParseEvents(std::string_view text);

struct CallRecord {
  std::string key;  // what makes it this call: uniqueid + sequence, else its content and ordinal
  std::string account_code;
  std::string calling;  // as received
  std::string called;   // as received
  absl::Time answered;
  int64_t seconds = 0;
  int64_t line = 0;
};

// Asterisk's cdr-csv Master.csv, 16 to 21 columns, no header, a record a line. Billable: ANSWERED,
// with an answer time and more than 0 billable seconds; all else is skipped. A last line without
// line break is still being written and refused. MISSING_COLUMN refuses a file none of whose lines
// has all columns.
absl::StatusOr<Parsed<CallRecord>> ParseAsterisk(std::string_view text, absl::TimeZone zone);

}  // namespace broadbill::rating
