#pragma once

// Reads the read models. A past day is what stands now less the entries after that day, so recent
// days cost little however long the history is.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/reporting/store/rows.h"

namespace broadbill::reporting {

// What a report of a day looks at.
struct AsOf {
  CivilDay day;
  bool by_value_date = false;  // else by posting date
  std::optional<Uuid> company;
};

// A place in a list of accounts; the default is before the first.
struct AccountKey {
  Uuid account_id;
  std::string currency;
};

struct OpenByDueDate {
  Uuid account_id;  // nil in totals
  std::string currency;
  CivilDay due_date;
  int64_t open = 0;
};
// Open amounts of invoices, over all accounts.
absl::StatusOr<std::vector<OpenByDueDate>> OpenTotals(db::Tx& tx, const AsOf& as_of);
// Of these accounts.
absl::StatusOr<std::vector<OpenByDueDate>> OpenOf(db::Tx& tx, const AsOf& as_of,
                                                  const std::vector<Uuid>& accounts);

struct BalanceTotal {
  std::string currency;
  int64_t open_accounts = 0;  // accounts that owe something
  int64_t receivable = 0;
  int64_t credit = 0;
};
absl::StatusOr<std::vector<BalanceTotal>> BalanceTotals(db::Tx& tx, const AsOf& as_of);

struct BalanceAt {
  Uuid account_id;
  std::string currency;
  std::string account_number;
  std::string name;
  int64_t receivable = 0;
  int64_t credit = 0;
};
// Which accounts a list holds.
enum class Which {
  kAll,
  kMoving,   // that owe or hold something
  kNonzero,  // whose balance is not 0
};
// In order of account and currency.
absl::StatusOr<std::vector<BalanceAt>> BalancesAt(db::Tx& tx, const AsOf& as_of, Which which,
                                                  const AccountKey& after, int64_t limit);

struct DocumentFilter {
  std::optional<CivilDay> from;
  std::optional<CivilDay> to;  // the first day after
  std::optional<Uuid> company;
  std::optional<Uuid> account;
  std::optional<Uuid> run;
};
// A posted document, or a draft (no number; `date` is what it was computed for).
struct ListedDocument {
  DocumentRow row;
  int64_t open = 0;
};
struct DocumentTotal {
  std::string currency;
  int64_t invoices = 0;
  int64_t credit_notes = 0;
  int64_t net = 0;
  int64_t tax = 0;
  int64_t total = 0;
  int64_t open = 0;
};
// In order of date and number, after the given place.
absl::StatusOr<std::vector<ListedDocument>> Posted(db::Tx& tx, const DocumentFilter& filter,
                                                   CivilDay after_date,
                                                   const std::string& after_number, int64_t limit);
absl::StatusOr<std::vector<DocumentTotal>> PostedTotals(db::Tx& tx, const DocumentFilter& filter);
// In order of id; dates and account of the filter are not looked at.
absl::StatusOr<std::vector<ListedDocument>> Drafts(db::Tx& tx, const DocumentFilter& filter,
                                                   const Uuid& after, int64_t limit);
absl::StatusOr<std::vector<DocumentTotal>> DraftTotals(db::Tx& tx, const DocumentFilter& filter);

// Days [from, to) of a company, or all.
struct Days {
  std::optional<CivilDay> from;
  std::optional<CivilDay> to;
  std::optional<Uuid> company;
};

struct TaxSum {
  std::string month;  // "2026-03"; empty unless asked for
  TaxRow tax;
  std::string currency;
  bool credit_notes = false;
  int64_t taxable = 0;
  int64_t exempt = 0;
  int64_t amount = 0;
  int64_t documents = 0;
  std::vector<std::pair<std::string, int64_t>> exempt_by_reason;
};
// In order of month, jurisdiction, tax, rate and kind.
absl::StatusOr<std::vector<TaxSum>> TaxSums(db::Tx& tx, const Days& days, bool by_month);

struct PaymentSum {
  std::optional<CivilDay> day;
  int16_t kind = 0;  // Payment.Kind; 0: credit that was no payment
  std::string currency;
  int64_t payments = 0;
  int64_t received = 0;
  int64_t declines = 0;
  int64_t declined = 0;
  int64_t refunded = 0;
  int64_t returned = 0;
};
// In order of day, kind and currency.
absl::StatusOr<std::vector<PaymentSum>> PaymentSums(db::Tx& tx, const Days& days, bool by_day);

struct LedgerSum {
  std::string code;
  std::string name;  // of tax accounts
  std::string currency;
  int64_t debits = 0;
  int64_t credits = 0;
};
// By posting date, up to and including the day. In order of code and currency.
absl::StatusOr<std::vector<LedgerSum>> LedgerSums(db::Tx& tx, CivilDay day,
                                                  const std::optional<Uuid>& company);

struct FeedState {
  std::string source;
  std::vector<std::pair<int, int64_t>> cursors;  // partition, position
  int64_t parked = 0;
  std::optional<absl::Time> applied_at;
};
absl::StatusOr<FeedState> ReadFeedState(db::Tx& tx, const std::string& source);

}  // namespace broadbill::reporting
