#pragma once

// Call records of FreeSWITCH. Billable: an answer time and more than 0 seconds between answer and
// end; all else is skipped. Their identity is the channel's uuid.

#include <string_view>

#include "absl/status/statusor.h"
#include "services/rating/domain/records.h"

namespace broadbill::rating {

// mod_cdr_csv's default template, a record a line, without header: caller_id_name,
// caller_id_number, destination_number, context, start, answer and end stamp, duration, billsec,
// hangup_cause, uuid, bleg_uuid, accountcode, read_codec, write_codec. Stamps are in `zone`.
// MISSING_COLUMN refuses a file none of whose lines has all columns.
absl::StatusOr<Parsed<CallRecord>> ParseFreeswitchCsv(std::string_view text, absl::TimeZone zone);

// What mod_json_cdr writes, a record a line. Seconds are those from answer to end by their
// microseconds, a started one whole. Legs that another channel made (`originator`) are skipped:
// their call is in the first leg's record. MALFORMED_FILE for a file none of whose lines is one.
absl::StatusOr<Parsed<CallRecord>> ParseFreeswitchJson(std::string_view text);

}  // namespace broadbill::rating
