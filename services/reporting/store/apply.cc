#include "services/reporting/store/apply.h"

#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/macros.h"

namespace broadbill::reporting {
namespace {

// The general ledger by day, collected before it is written.
class Ledger {
 public:
  explicit Ledger(int partition) : partition_(static_cast<int16_t>(partition)) {}

  void Add(CivilDay day, const Uuid& company, const std::string& currency, const std::string& code,
           int64_t debits, int64_t credits) {
    auto& [sum_debits, sum_credits] = days_[{day, company, currency, code}];
    sum_debits += debits;
    sum_credits += credits;
  }

  absl::Status Write(db::Tx& tx) const {
    std::vector<LedgerDayRow> rows;
    for (const auto& [key, sums] : days_) {
      const auto& [day, company, currency, code] = key;
      rows.push_back({partition_, day, company, currency, code, sums.first, sums.second});
    }
    return db::InsertArrays(tx, rows,
                            "ON CONFLICT (partition, posting_date, company_id, currency, code) DO "
                            "UPDATE SET debits = ledger_day.debits + excluded.debits, "
                            "credits = ledger_day.credits + excluded.credits")
        .status();
  }

 private:
  const int16_t partition_;
  std::map<std::tuple<CivilDay, Uuid, std::string, std::string>, std::pair<int64_t, int64_t>> days_;
};

// Taxes by day, collected before they are written.
class TaxDays {
 public:
  explicit TaxDays(int partition) : partition_(static_cast<int16_t>(partition)) {}

  void Add(const DocumentRow& document, std::vector<PostedTax>& taxes) {
    std::set<Uuid> seen;
    for (PostedTax& tax : taxes) {
      const Uuid id = IdOf(tax.tax);
      const Key key{document.invoice_date, document.company_id, document.currency,
                    document.kind == 2, id};
      Sums& sums = days_[key];
      sums.taxable += tax.taxable;
      sums.exempt += tax.exempt;
      sums.amount += tax.amount;
      if (seen.insert(id).second) ++sums.documents;
      if (tax.exempt != 0) exempts_[{key, tax.exempt_reason}] += tax.exempt;
    }
  }

  absl::Status Write(db::Tx& tx) const {
    std::vector<TaxRow> taxes;
    for (const auto& [id, row] : taxes_) taxes.push_back(row);
    RETURN_IF_ERROR(db::InsertArrays(tx, taxes, "ON CONFLICT DO NOTHING").status());
    std::vector<LedgerCodeRow> codes;
    for (const auto& [code, name] : accounts_) codes.push_back({code, name});
    RETURN_IF_ERROR(db::InsertArrays(tx, codes, "ON CONFLICT DO NOTHING").status());
    std::vector<TaxDayRow> days;
    for (const auto& [key, sums] : days_) {
      const auto& [day, company, currency, credit_notes, id] = key;
      days.push_back({partition_, day, company, currency, credit_notes, id, sums.taxable,
                      sums.exempt, sums.amount, sums.documents});
    }
    RETURN_IF_ERROR(db::InsertArrays(
                        tx, days,
                        "ON CONFLICT (partition, invoice_date, company_id, currency, credit_notes, "
                        "tax_id) DO UPDATE SET taxable = tax_day.taxable + excluded.taxable, "
                        "exempt = tax_day.exempt + excluded.exempt, "
                        "amount = tax_day.amount + excluded.amount, "
                        "documents = tax_day.documents + excluded.documents")
                        .status());
    std::vector<ExemptDayRow> exempts;
    for (const auto& [key, amount] : exempts_) {
      const auto& [day, company, currency, credit_notes, id] = key.first;
      exempts.push_back({partition_, day, company, currency, credit_notes, id, key.second, amount});
    }
    return db::InsertArrays(tx, exempts,
                            "ON CONFLICT (partition, invoice_date, company_id, currency, "
                            "credit_notes, tax_id, reason) DO UPDATE SET amount = "
                            "exempt_day.amount + excluded.amount")
        .status();
  }

 private:
  using Key = std::tuple<CivilDay, Uuid, std::string, bool, Uuid>;
  struct Sums {
    int64_t taxable = 0;
    int64_t exempt = 0;
    int64_t amount = 0;
    int64_t documents = 0;
  };

  // The same facts make the same id in every batch.
  Uuid IdOf(const TaxRow& tax) {
    const std::string name = absl::StrCat(tax.jurisdiction_id, "\x1f", tax.jurisdiction_code,
                                          "\x1f", tax.jurisdiction_name, "\x1f", tax.tax_code,
                                          "\x1f", tax.tax_name, "\x1f", tax.rate.ToString());
    const auto [at, fresh] = ids_.emplace(name, Uuid());
    if (fresh) {
      at->second = Uuid::FromName(Uuid(), name);
      TaxRow row = tax;
      row.tax_id = at->second;
      taxes_[row.tax_id] = row;
      accounts_[TaxAccount(tax.jurisdiction_code, tax.tax_code)] =
          absl::StrCat(tax.tax_name.empty() ? tax.jurisdiction_name : tax.tax_name, " payable");
    }
    return at->second;
  }

  const int16_t partition_;
  std::map<std::string, Uuid> ids_;
  std::map<Uuid, TaxRow> taxes_;
  std::map<std::string, std::string> accounts_;
  std::map<Key, Sums> days_;
  std::map<std::pair<Key, std::string>, int64_t> exempts_;
};

// Entries of accounts that no company was known for go over to the company.
absl::Status MoveToCompany(db::Tx& tx, int partition, const std::map<Uuid, Uuid>& companies) {
  std::vector<Uuid> ids;
  for (const auto& [account, company] : companies) ids.push_back(account);
  ASSIGN_OR_RETURN(
      const db::Result sums,
      tx.Exec("SELECT account_id, posting_date, currency, debit, credit, sum(amount)::int8 "
              "FROM entry WHERE account_id = ANY($1) GROUP BY 1, 2, 3, 4, 5",
              ids));
  Ledger ledger(partition);
  for (int i = 0; i < sums.size(); ++i) {
    const Uuid company = companies.at(sums.Get<Uuid>(i, 0));
    const auto day = sums.Get<CivilDay>(i, 1);
    const auto currency = sums.Get<std::string>(i, 2);
    const auto debit = sums.Get<std::string>(i, 3);
    const auto credit = sums.Get<std::string>(i, 4);
    const auto amount = sums.Get<int64_t>(i, 5);
    ledger.Add(day, Uuid(), currency, debit, -amount, 0);
    ledger.Add(day, Uuid(), currency, credit, 0, -amount);
    ledger.Add(day, company, currency, debit, amount, 0);
    ledger.Add(day, company, currency, credit, 0, amount);
  }
  return ledger.Write(tx);
}

// The companies of these accounts; accounts not known yet get a row without a company.
absl::StatusOr<std::map<Uuid, Uuid>> CompaniesOf(db::Tx& tx,
                                                 const std::vector<PostedEntry>& entries) {
  std::map<Uuid, AccountRow> missing;
  for (const PostedEntry& posted : entries) {
    AccountRow& row = missing[posted.entry.account_id];
    row.account_id = posted.entry.account_id;
    row.currency = posted.entry.currency;
  }
  std::vector<AccountRow> rows;
  std::vector<Uuid> ids;
  for (const auto& [id, row] : missing) {
    rows.push_back(row);
    ids.push_back(id);
  }
  RETURN_IF_ERROR(db::InsertArrays(tx, rows, "ON CONFLICT DO NOTHING").status());
  ASSIGN_OR_RETURN(
      const db::Result known,
      tx.Exec("SELECT account_id, company_id FROM account WHERE account_id = ANY($1)", ids));
  std::map<Uuid, Uuid> out;
  for (int i = 0; i < known.size(); ++i) out[known.Get<Uuid>(i, 0)] = known.Get<Uuid>(i, 1);
  return out;
}

// What entries change of items and balances.
class Subledger {
 public:
  void Add(const PostedEntry& posted) {
    const EntryRow& entry = posted.entry;
    BalanceRow& balance = balances_[{entry.account_id, entry.currency}];
    const int64_t receivable = (entry.debit == kReceivable ? entry.amount : 0) -
                               (entry.credit == kReceivable ? entry.amount : 0);
    const int64_t credit = (entry.credit == kCustomerCredit ? entry.amount : 0) -
                           (entry.debit == kCustomerCredit ? entry.amount : 0);
    balance.receivable += receivable;
    balance.credit += credit;
    if (receivable != 0) {
      ItemRow& item = ItemOf(posted, *entry.document_id);
      item.open += receivable;
    }
    if (credit == 0 || !entry.payment_id) return;
    if (entry.kind == kCreditNoteEntry) {
      ItemRow& item = ItemOf(posted, *entry.payment_id);
      item.credit_note = true;
      item.open -= credit;
    } else {
      applied_[{entry.account_id, *entry.payment_id}] -= credit;
    }
  }

  absl::Status Write(db::Tx& tx) const {
    std::vector<ItemRow> items;
    for (const auto& [key, row] : items_) items.push_back(row);
    RETURN_IF_ERROR(db::InsertArrays(tx, items,
                                     "ON CONFLICT (account_id, document_id) DO UPDATE SET open = "
                                     "item.open + excluded.open")
                        .status());
    std::vector<Uuid> accounts;
    std::vector<Uuid> credits;
    std::vector<int64_t> amounts;
    for (const auto& [key, amount] : applied_) {
      accounts.push_back(key.first);
      credits.push_back(key.second);
      amounts.push_back(amount);
    }
    // Payments have no item: only credit notes are listed with what is open of them.
    RETURN_IF_ERROR(tx.Exec("UPDATE item i SET open = i.open + u.amount FROM unnest($1, $2, $3) AS "
                            "u(account_id, document_id, amount) WHERE i.account_id = u.account_id "
                            "AND i.document_id = u.document_id AND i.credit_note",
                            accounts, credits, amounts)
                        .status());
    std::vector<BalanceRow> balances;
    for (const auto& [key, row] : balances_) {
      balances.push_back({key.first, key.second, row.receivable, row.credit});
    }
    return db::InsertArrays(tx, balances,
                            "ON CONFLICT (account_id, currency) DO UPDATE SET receivable = "
                            "balance.receivable + excluded.receivable, credit = balance.credit + "
                            "excluded.credit")
        .status();
  }

 private:
  ItemRow& ItemOf(const PostedEntry& posted, const Uuid& document) {
    const auto [at, fresh] =
        items_.emplace(std::pair(posted.entry.account_id, document), ItemRow());
    if (fresh) {
      at->second.account_id = posted.entry.account_id;
      at->second.document_id = document;
      at->second.currency = posted.entry.currency;
      at->second.due_date = posted.due_date.value_or(posted.entry.posting_date);
    }
    return at->second;
  }

  std::map<std::pair<Uuid, Uuid>, ItemRow> items_;
  std::map<std::pair<Uuid, Uuid>, int64_t> applied_;
  std::map<std::pair<Uuid, std::string>, BalanceRow> balances_;
};

std::set<Uuid> Ids(const db::Result& rows) {
  std::set<Uuid> out;
  for (int i = 0; i < rows.size(); ++i) out.insert(rows.Get<Uuid>(i, 0));
  return out;
}

}  // namespace

absl::Status LockPartition(db::Tx& tx, int partition) {
  return tx
      .Exec("SELECT 1 FROM feed_lock WHERE partition = $1 FOR UPDATE",
            static_cast<int16_t>(partition))
      .status();
}

absl::Status NoteApplied(db::Tx& tx, const std::string& source, int partition, absl::Time at) {
  return tx
      .Exec(
          "INSERT INTO feed_applied VALUES ($1, $2, $3) ON CONFLICT (source, partition) DO "
          "UPDATE SET at = greatest(feed_applied.at, excluded.at)",
          source, static_cast<int16_t>(partition), at)
      .status();
}

absl::Status ApplyAccounts(db::Tx& tx, int partition, const std::vector<AccountRow>& accounts) {
  std::vector<Uuid> ids;
  std::map<Uuid, Uuid> companies;
  for (const AccountRow& row : accounts) {
    ids.push_back(row.account_id);
    companies[row.account_id] = row.company_id;
  }
  ASSIGN_OR_RETURN(
      const db::Result orphans,
      tx.Exec("SELECT account_id FROM account WHERE account_id = ANY($1) AND company_id = $2", ids,
              Uuid()));
  std::map<Uuid, Uuid> moved;
  for (int i = 0; i < orphans.size(); ++i) {
    moved[orphans.Get<Uuid>(i, 0)] = companies[orphans.Get<Uuid>(i, 0)];
  }
  RETURN_IF_ERROR(db::InsertArrays(tx, accounts,
                                   "ON CONFLICT (account_id) DO UPDATE SET account_number = "
                                   "excluded.account_number, name = excluded.name, company_id = "
                                   "excluded.company_id, currency = excluded.currency, version = "
                                   "excluded.version WHERE excluded.version >= account.version")
                      .status());
  if (moved.empty()) return absl::OkStatus();
  return MoveToCompany(tx, partition, moved);
}

absl::Status ApplyDocuments(db::Tx& tx, int partition, std::vector<PostedDocument> documents) {
  std::vector<DocumentRow> rows;
  for (const PostedDocument& posted : documents) rows.push_back(posted.document);
  ASSIGN_OR_RETURN(const db::Result inserted,
                   db::InsertArrays(tx, rows, "ON CONFLICT DO NOTHING RETURNING document_id"));
  std::set<Uuid> fresh = Ids(inserted);
  Ledger ledger(partition);
  TaxDays taxes(partition);
  for (PostedDocument& posted : documents) {
    const DocumentRow& row = posted.document;
    if (fresh.erase(row.document_id) == 0) continue;
    for (const BookEntry& entry : posted.books) {
      ledger.Add(row.invoice_date, row.company_id, row.currency, entry.code, entry.debits,
                 entry.credits);
    }
    taxes.Add(row, posted.taxes);
  }
  RETURN_IF_ERROR(ledger.Write(tx));
  return taxes.Write(tx);
}

absl::Status ApplyDrafts(db::Tx& tx, const std::vector<DraftRow>& drafts,
                         const std::vector<Uuid>& gone_accounts,
                         const std::vector<Uuid>& gone_documents) {
  RETURN_IF_ERROR(db::InsertArrays(tx, drafts, "ON CONFLICT DO NOTHING").status());
  if (gone_documents.empty()) return absl::OkStatus();
  return tx
      .Exec(
          "DELETE FROM draft d USING unnest($1, $2) AS u(account_id, document_id) WHERE "
          "d.account_id = u.account_id AND d.document_id = u.document_id",
          gone_accounts, gone_documents)
      .status();
}

absl::Status ApplyEntries(db::Tx& tx, int partition, const std::vector<PostedEntry>& entries) {
  if (entries.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto companies, CompaniesOf(tx, entries));
  std::vector<EntryRow> rows;
  for (const PostedEntry& posted : entries) rows.push_back(posted.entry);
  ASSIGN_OR_RETURN(const db::Result inserted,
                   db::InsertArrays(tx, rows, "ON CONFLICT DO NOTHING RETURNING transfer_id"));
  std::set<Uuid> fresh = Ids(inserted);
  Ledger ledger(partition);
  Subledger subledger;
  for (const PostedEntry& posted : entries) {
    const EntryRow& row = posted.entry;
    if (fresh.erase(row.transfer_id) == 0) continue;
    const Uuid& company = companies.at(row.account_id);
    ledger.Add(row.posting_date, company, row.currency, row.debit, row.amount, 0);
    ledger.Add(row.posting_date, company, row.currency, row.credit, 0, row.amount);
    subledger.Add(posted);
  }
  RETURN_IF_ERROR(ledger.Write(tx));
  return subledger.Write(tx);
}

absl::Status ApplyPayments(db::Tx& tx, const std::vector<PaymentRow>& payments,
                           const std::vector<DeclineRow>& declines) {
  RETURN_IF_ERROR(db::InsertArrays(tx, payments, "ON CONFLICT DO NOTHING").status());
  return db::InsertArrays(tx, declines, "ON CONFLICT DO NOTHING").status();
}

}  // namespace broadbill::reporting
