#pragma once

// Writes what a batch of one partition's events tells, in the transaction that moves the cursor.
// Facts that are there already (by their own id) change nothing, sums by day neither.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/reporting/domain/books.h"
#include "services/reporting/store/rows.h"

namespace broadbill::reporting {

// First in every batch: the feeds of a partition are applied one after the other, so that each sees
// what the others wrote.
absl::Status LockPartition(db::Tx& tx, int partition);
// When the last event of the batch happened.
absl::Status NoteApplied(db::Tx& tx, const std::string& source, int partition, absl::Time at);

absl::Status ApplyAccounts(db::Tx& tx, int partition, const std::vector<AccountRow>& accounts);

// A tax of a posted document.
struct PostedTax {
  TaxRow tax;  // its id is set when written
  int64_t taxable = 0;
  int64_t exempt = 0;
  std::string exempt_reason;
  int64_t amount = 0;
};
struct PostedDocument {
  DocumentRow document;
  std::vector<BookEntry> books;
  std::vector<PostedTax> taxes;
};
absl::Status ApplyDocuments(db::Tx& tx, int partition, std::vector<PostedDocument> documents);

// Drafts that are new, and documents that are no drafts any more.
absl::Status ApplyDrafts(db::Tx& tx, const std::vector<DraftRow>& drafts,
                         const std::vector<Uuid>& gone_accounts,
                         const std::vector<Uuid>& gone_documents);

struct PostedEntry {
  EntryRow entry;
  std::optional<CivilDay> due_date;  // of the document it opens
};
// Transfer.Kind of payments.
inline constexpr int16_t kCreditNoteEntry = 2;
inline constexpr int16_t kRefundEntry = 5;
inline constexpr int16_t kReturnEntry = 8;
absl::Status ApplyEntries(db::Tx& tx, int partition, const std::vector<PostedEntry>& entries);

absl::Status ApplyPayments(db::Tx& tx, const std::vector<PaymentRow>& payments,
                           const std::vector<DeclineRow>& declines);

}  // namespace broadbill::reporting
