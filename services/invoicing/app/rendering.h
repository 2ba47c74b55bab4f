#pragma once

// Documents as files, from their rows.

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/invoicing/app/whole.h"
#include "services/invoicing/app/work.h"

namespace broadbill::invoicing {

// In hexadecimal.
std::string Sha256(const std::string& text);

// Balances of a statement in minor units.
struct StatementMinor {
  int64_t previous = 0, payments = 0, adjustments = 0, now = 0;
  // Owed without the new document.
  int64_t before() const { return previous + payments + adjustments; }
};
StatementMinor ToMinor(const pb::StatementBalances& statement, const std::string& currency);

// Payable rounding, or what a credit note takes back of it.
inline bool IsRounding(const LineRow& line) { return line.source == kRoundingSource; }

inline int64_t RoundingOf(const Whole& whole) {
  int64_t sum = 0;
  for (const LineRow& line : whole.lines) sum += IsRounding(line) ? line.amount : 0;
  return sum;
}

// Numbers and dates of the posted documents that this one takes back from, oldest first.
absl::StatusOr<std::vector<std::pair<std::string, CivilDay>>> CorrectedBy(db::Tx& tx,
                                                                          const Whole& whole);

// FAILED_PRECONDITION: a draft (DOCUMENT_STATE), something the standard demands is missing
// (EINVOICE_INCOMPLETE), or taxes it has no words for (EINVOICE_UNSUPPORTED).
absl::StatusOr<std::string> RenderUbl(db::Tx& tx, const Whole& whole);

}  // namespace broadbill::invoicing
