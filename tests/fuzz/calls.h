#pragma once

// What holds for files of calls, whatever switch wrote them.

#include "services/rating/domain/records.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill::fuzz {

inline void CheckCall(const rating::CallRecord& record) {
  Require(!record.key.empty(), "a call has an identity");
  Require(record.seconds > 0 && record.seconds <= UINT32_MAX, "a call has 32 bits of seconds");
  RequireTime(record.answered);
  for (const std::string* text : {&record.account_code, &record.calling, &record.called}) {
    Require(csv::IsText(*text), "what the switch wrote is text");
    Require(text->size() <= 200, "what the switch wrote is not too long");
  }
}

inline void CheckCalls(const rating::Parsed<rating::CallRecord>& parsed) {
  RequireCounts(parsed);
  for (const rating::CallRecord& record : parsed.records) CheckCall(record);
}

// `more` is the file of `parsed` with a good record to "next" behind.
inline void CheckNext(const rating::Parsed<rating::CallRecord>& parsed,
                      const absl::StatusOr<rating::Parsed<rating::CallRecord>>& more) {
  Require(more.ok() && more->read == parsed.read + 1, "a line behind the others is read");
  Require(!more->records.empty() && more->records.back().called == "next",
          "a malformed line does not stop the next");
}

}  // namespace broadbill::fuzz
