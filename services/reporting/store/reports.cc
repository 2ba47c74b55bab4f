#include "services/reporting/store/reports.h"

#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "libs/status/macros.h"

namespace broadbill::reporting {
namespace {

const char* DateColumn(const AsOf& as_of) {
  return as_of.by_value_date ? "value_date" : "posting_date";
}

// What entries after day $1 added to the open amount of invoices; `more` narrows the entries.
std::string LaterItems(const AsOf& as_of, const std::string& more = "") {
  return absl::StrCat(
      "WITH later AS (SELECT account_id, document_id, sum(CASE WHEN debit = 'ar' THEN amount ELSE "
      "-amount END)::int8 AS open FROM entry WHERE ",
      DateColumn(as_of), " > $1 AND (debit = 'ar' OR credit = 'ar')", more, " GROUP BY 1, 2) ");
}

// What entries after day $1 added to balances.
std::string LaterBalances(const AsOf& as_of) {
  return absl::StrCat(
      "WITH later AS (SELECT account_id, currency, "
      "sum(CASE 'ar' WHEN debit THEN amount WHEN credit THEN -amount ELSE 0 END)::int8 AS "
      "receivable, sum(CASE 'customer_credit' WHEN credit THEN amount WHEN debit THEN -amount "
      "ELSE 0 END)::int8 AS credit FROM entry WHERE ",
      DateColumn(as_of), " > $1 GROUP BY 1, 2) ");
}

// Needs the company only when it is asked for: `alias` is the table with an account_id.
const char* OfCompany(const std::optional<Uuid>& company) {
  return company ? "account_id IN (SELECT account_id FROM account WHERE company_id = $2)"
                 : "$2::uuid IS NULL";
}

std::vector<OpenByDueDate> ReadOpen(const db::Result& rows) {
  std::vector<OpenByDueDate> out;
  for (int i = 0; i < rows.size(); ++i) {
    out.push_back({rows.Get<Uuid>(i, 0), rows.Get<std::string>(i, 1), rows.Get<CivilDay>(i, 2),
                   rows.Get<int64_t>(i, 3)});
  }
  return out;
}

constexpr char kPostedWhere[] =
    "WHERE ($1::date IS NULL OR d.invoice_date >= $1) AND ($2::date IS NULL OR d.invoice_date < "
    "$2) "
    "AND ($3::uuid IS NULL OR d.company_id = $3) AND ($4::uuid IS NULL OR d.account_id = $4) "
    "AND ($5::uuid IS NULL OR d.run_id = $5) ";
// A document that payments has not booked yet is open as a whole.
constexpr char kPostedFrom[] = "FROM document d LEFT JOIN item i USING (account_id, document_id) ";
constexpr char kDraftWhere[] =
    "WHERE ($1::uuid IS NULL OR d.company_id = $1) AND ($2::uuid IS NULL OR d.run_id = $2) ";

std::vector<DocumentTotal> ReadTotals(const db::Result& rows) {
  std::vector<DocumentTotal> out;
  for (int i = 0; i < rows.size(); ++i) {
    const auto at = [&](int column) { return rows.Get<int64_t>(i, column); };
    out.push_back({rows.Get<std::string>(i, 0), at(1), at(2), at(3), at(4), at(5), at(6)});
  }
  return out;
}

constexpr char kSums[] =
    "count(*) FILTER (WHERE d.kind = 1), count(*) FILTER (WHERE d.kind = 2), sum(d.net)::int8, "
    "sum(d.tax)::int8, sum(d.total)::int8, ";

using TaxKey = std::tuple<std::string, Uuid, std::string, bool>;

// Exempt amounts by reason, for the same groups as the tax report's rows.
absl::StatusOr<std::map<TaxKey, std::vector<std::pair<std::string, int64_t>>>> Exempts(
    db::Tx& tx, const Days& days, bool by_month) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT CASE WHEN $4 THEN to_char(invoice_date, 'YYYY-MM') ELSE '' END, tax_id, "
              "currency, credit_notes, reason, sum(amount)::int8 FROM exempt_day "
              "WHERE ($1::date IS NULL OR invoice_date >= $1) AND ($2::date IS NULL OR "
              "invoice_date < $2) AND ($3::uuid IS NULL OR company_id = $3) "
              "GROUP BY 1, 2, 3, 4, 5 ORDER BY reason COLLATE \"C\"",
              days.from, days.to, days.company, by_month));
  std::map<TaxKey, std::vector<std::pair<std::string, int64_t>>> out;
  for (int i = 0; i < rows.size(); ++i) {
    out[{rows.Get<std::string>(i, 0), rows.Get<Uuid>(i, 1), rows.Get<std::string>(i, 2),
         rows.Get<bool>(i, 3)}]
        .emplace_back(rows.Get<std::string>(i, 4), rows.Get<int64_t>(i, 5));
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<OpenByDueDate>> OpenTotals(db::Tx& tx, const AsOf& as_of) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec(absl::StrCat(LaterItems(as_of),
                           "SELECT '00000000-0000-0000-0000-000000000000'::uuid, i.currency, "
                           "i.due_date, sum(i.open - coalesce(l.open, 0))::int8 FROM item i LEFT "
                           "JOIN later l USING (account_id, document_id) WHERE NOT i.credit_note "
                           "AND i.open <> coalesce(l.open, 0) AND ",
                           OfCompany(as_of.company), " GROUP BY 2, 3 ORDER BY 2, 3"),
              as_of.day, as_of.company));
  return ReadOpen(rows);
}

absl::StatusOr<std::vector<OpenByDueDate>> OpenOf(db::Tx& tx, const AsOf& as_of,
                                                  const std::vector<Uuid>& accounts) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec(absl::StrCat(LaterItems(as_of, " AND account_id = ANY($2)"),
                           "SELECT account_id, i.currency, i.due_date, "
                           "sum(i.open - coalesce(l.open, 0))::int8 FROM item i LEFT JOIN later l "
                           "USING (account_id, document_id) WHERE account_id = ANY($2) AND NOT "
                           "i.credit_note AND i.open <> coalesce(l.open, 0) GROUP BY 1, 2, 3 "
                           "ORDER BY 1, 2, 3"),
              as_of.day, accounts));
  return ReadOpen(rows);
}

absl::StatusOr<std::vector<BalanceTotal>> BalanceTotals(db::Tx& tx, const AsOf& as_of) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec(absl::StrCat(LaterBalances(as_of),
                           "SELECT currency, count(*) FILTER (WHERE receivable <> 0), "
                           "sum(receivable)::int8, sum(credit)::int8 FROM (SELECT b.currency, "
                           "b.receivable - coalesce(l.receivable, 0) AS receivable, b.credit - "
                           "coalesce(l.credit, 0) AS credit FROM balance b LEFT JOIN later l USING "
                           "(account_id, currency) WHERE ",
                           OfCompany(as_of.company), ") x GROUP BY currency ORDER BY currency"),
              as_of.day, as_of.company));
  std::vector<BalanceTotal> out;
  for (int i = 0; i < rows.size(); ++i) {
    out.push_back({rows.Get<std::string>(i, 0), rows.Get<int64_t>(i, 1), rows.Get<int64_t>(i, 2),
                   rows.Get<int64_t>(i, 3)});
  }
  return out;
}

absl::StatusOr<std::vector<BalanceAt>> BalancesAt(db::Tx& tx, const AsOf& as_of, Which which,
                                                  const AccountKey& after, int64_t limit) {
  const char* kept = which == Which::kAll      ? "true"
                     : which == Which::kMoving ? "(receivable <> 0 OR credit <> 0)"
                                               : "receivable <> credit";
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec(
          absl::StrCat(
              LaterBalances(as_of),
              "SELECT * FROM (SELECT a.account_id, coalesce(b.currency, a.currency) COLLATE \"C\" "
              "AS currency, a.account_number, a.name, coalesce(b.receivable, 0) - "
              "coalesce(l.receivable, 0) AS receivable, coalesce(b.credit, 0) - "
              "coalesce(l.credit, 0) AS credit FROM account a LEFT JOIN balance b USING "
              "(account_id) LEFT JOIN later l ON l.account_id = a.account_id AND l.currency = "
              "b.currency WHERE a.account_id >= $3 AND ($2::uuid IS NULL OR a.company_id = $2)) x "
              "WHERE (account_id, currency) > ($3, $4) AND ",
              kept, " ORDER BY account_id, currency LIMIT $5"),
          as_of.day, as_of.company, after.account_id, after.currency, limit));
  std::vector<BalanceAt> out;
  for (int i = 0; i < rows.size(); ++i) {
    out.push_back({rows.Get<Uuid>(i, 0), rows.Get<std::string>(i, 1), rows.Get<std::string>(i, 2),
                   rows.Get<std::string>(i, 3), rows.Get<int64_t>(i, 4), rows.Get<int64_t>(i, 5)});
  }
  return out;
}

absl::StatusOr<std::vector<ListedDocument>> Posted(db::Tx& tx, const DocumentFilter& filter,
                                                   CivilDay after_date,
                                                   const std::string& after_number, int64_t limit) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec(absl::StrCat("SELECT ", db::ColumnList<DocumentRow>("d."),
                                        ", coalesce(i.open, d.total) ", kPostedFrom, kPostedWhere,
                                        "AND (d.invoice_date, d.number) > ($6, $7) "
                                        "ORDER BY d.invoice_date, d.number LIMIT $8"),
                           filter.from, filter.to, filter.company, filter.account, filter.run,
                           after_date, after_number, limit));
  std::vector<ListedDocument> out;
  for (int i = 0; i < rows.size(); ++i) {
    out.push_back(
        {db::ReadRow<DocumentRow>(rows, i), rows.Get<int64_t>(i, db::ColumnCount<DocumentRow>())});
  }
  return out;
}

absl::StatusOr<std::vector<DocumentTotal>> PostedTotals(db::Tx& tx, const DocumentFilter& filter) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec(absl::StrCat("SELECT d.currency, ", kSums, "sum(coalesce(i.open, d.total))::int8 ",
                           kPostedFrom, kPostedWhere, "GROUP BY d.currency ORDER BY d.currency"),
              filter.from, filter.to, filter.company, filter.account, filter.run));
  return ReadTotals(rows);
}

absl::StatusOr<std::vector<ListedDocument>> Drafts(db::Tx& tx, const DocumentFilter& filter,
                                                   const Uuid& after, int64_t limit) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec(absl::StrCat("SELECT ", db::ColumnList<DraftRow>("d."),
                           ", coalesce(a.account_number, '') FROM draft d LEFT JOIN account a "
                           "USING (account_id) ",
                           kDraftWhere, "AND d.document_id > $3 ORDER BY d.document_id LIMIT $4"),
              filter.company, filter.run, after, limit));
  std::vector<ListedDocument> out;
  for (int i = 0; i < rows.size(); ++i) {
    const auto draft = db::ReadRow<DraftRow>(rows, i);
    ListedDocument listed;
    listed.row.account_id = draft.account_id;
    listed.row.document_id = draft.document_id;
    listed.row.kind = draft.kind;
    listed.row.company_id = draft.company_id;
    listed.row.run_id = draft.run_id;
    listed.row.currency = draft.currency;
    listed.row.invoice_date = draft.as_of;
    listed.row.net = draft.net;
    listed.row.tax = draft.tax;
    listed.row.total = draft.total;
    listed.row.customer_name = draft.customer_name;
    listed.row.account_number = rows.Get<std::string>(i, db::ColumnCount<DraftRow>());
    out.push_back(std::move(listed));
  }
  return out;
}

absl::StatusOr<std::vector<DocumentTotal>> DraftTotals(db::Tx& tx, const DocumentFilter& filter) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec(absl::StrCat("SELECT d.currency, ", kSums, "0::int8 FROM draft d ",
                                        kDraftWhere, "GROUP BY d.currency ORDER BY d.currency"),
                           filter.company, filter.run));
  return ReadTotals(rows);
}

absl::StatusOr<std::vector<TaxSum>> TaxSums(db::Tx& tx, const Days& days, bool by_month) {
  ASSIGN_OR_RETURN(auto exempts, Exempts(tx, days, by_month));
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec(absl::StrCat(
                  "SELECT CASE WHEN $4 THEN to_char(d.invoice_date, 'YYYY-MM') ELSE '' END AS "
                  "month, d.currency, d.credit_notes, sum(d.taxable)::int8, sum(d.exempt)::int8, "
                  "sum(d.amount)::int8, sum(d.documents)::int8, ",
                  db::ColumnList<TaxRow>("t."),
                  " FROM tax_day d JOIN tax t USING (tax_id) WHERE ($1::date IS NULL OR "
                  "d.invoice_date >= $1) AND ($2::date IS NULL OR d.invoice_date < $2) AND "
                  "($3::uuid IS NULL OR d.company_id = $3) GROUP BY 1, 2, 3, t.tax_id "
                  "ORDER BY 1, t.jurisdiction_code COLLATE \"C\", t.tax_code COLLATE \"C\", "
                  "t.rate, d.credit_notes, d.currency, t.tax_id"),
              days.from, days.to, days.company, by_month));
  std::vector<TaxSum> out;
  for (int i = 0; i < rows.size(); ++i) {
    TaxSum sum;
    sum.month = rows.Get<std::string>(i, 0);
    sum.currency = rows.Get<std::string>(i, 1);
    sum.credit_notes = rows.Get<bool>(i, 2);
    sum.taxable = rows.Get<int64_t>(i, 3);
    sum.exempt = rows.Get<int64_t>(i, 4);
    sum.amount = rows.Get<int64_t>(i, 5);
    sum.documents = rows.Get<int64_t>(i, 6);
    sum.tax = db::ReadRow<TaxRow>(rows, i, 7);
    const auto found = exempts.find({sum.month, sum.tax.tax_id, sum.currency, sum.credit_notes});
    if (found != exempts.end()) sum.exempt_by_reason = std::move(found->second);
    out.push_back(std::move(sum));
  }
  return out;
}

absl::StatusOr<std::vector<PaymentSum>> PaymentSums(db::Tx& tx, const Days& days, bool by_day) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec(absl::StrCat(
                  "SELECT CASE WHEN $4 THEN day END, kind, currency, sum(payments)::int8, "
                  "sum(received)::int8, sum(declines)::int8, sum(declined)::int8, "
                  "sum(refunded)::int8, sum(returned)::int8 FROM ("
                  "SELECT account_id, value_date AS day, kind, currency, 1 AS payments, "
                  "amount AS received, 0 AS declines, 0 AS declined, 0 AS refunded, 0 AS returned "
                  "FROM payment UNION ALL "
                  "SELECT account_id, day, kind, currency, 0, 0, 1, amount, 0, 0 FROM decline "
                  "UNION ALL "
                  "SELECT e.account_id, e.value_date, coalesce(p.kind, 0)::int2, e.currency, 0, 0, "
                  "0, 0, "
                  "CASE e.kind WHEN 5 THEN e.amount ELSE 0 END, "
                  "CASE e.kind WHEN 8 THEN e.amount ELSE 0 END FROM entry e LEFT JOIN payment p "
                  "USING (account_id, payment_id) WHERE e.kind IN (5, 8)) x "
                  "WHERE ($1::date IS NULL OR day >= $1) AND ($3::date IS NULL OR day < $3) AND ",
                  OfCompany(days.company), " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"),
              days.from, days.company, days.to, by_day));
  std::vector<PaymentSum> out;
  for (int i = 0; i < rows.size(); ++i) {
    const auto at = [&](int column) { return rows.Get<int64_t>(i, column); };
    out.push_back({rows.GetOptional<CivilDay>(i, 0), rows.Get<int16_t>(i, 1),
                   rows.Get<std::string>(i, 2), at(3), at(4), at(5), at(6), at(7), at(8)});
  }
  return out;
}

absl::StatusOr<std::vector<LedgerSum>> LedgerSums(db::Tx& tx, CivilDay day,
                                                  const std::optional<Uuid>& company) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec(
          "SELECT d.code, coalesce(n.name, ''), d.currency, sum(d.debits)::int8, "
          "sum(d.credits)::int8 FROM ledger_day d LEFT JOIN ledger_code n USING (code) "
          "WHERE d.posting_date <= $1 AND ($2::uuid IS NULL OR d.company_id = $2) "
          "GROUP BY d.code, n.name, d.currency HAVING sum(d.debits) <> 0 OR sum(d.credits) <> 0 "
          "ORDER BY d.code COLLATE \"C\", d.currency COLLATE \"C\"",
          day, company));
  std::vector<LedgerSum> out;
  for (int i = 0; i < rows.size(); ++i) {
    out.push_back({rows.Get<std::string>(i, 0), rows.Get<std::string>(i, 1),
                   rows.Get<std::string>(i, 2), rows.Get<int64_t>(i, 3), rows.Get<int64_t>(i, 4)});
  }
  return out;
}

absl::StatusOr<FeedState> ReadFeedState(db::Tx& tx, const std::string& source) {
  FeedState out;
  out.source = source;
  ASSIGN_OR_RETURN(const db::Result cursors,
                   tx.Exec("SELECT partition, pos FROM feed_cursor WHERE source = $1", source));
  for (int i = 0; i < cursors.size(); ++i) {
    out.cursors.emplace_back(cursors.Get<int16_t>(i, 0), cursors.Get<int64_t>(i, 1));
  }
  ASSIGN_OR_RETURN(const db::Result parked,
                   tx.Exec("SELECT count(*) FROM feed_parked WHERE source = $1", source));
  out.parked = parked.Get<int64_t>(0, 0);
  ASSIGN_OR_RETURN(const db::Result at,
                   tx.Exec("SELECT max(at) FROM feed_applied WHERE source = $1", source));
  out.applied_at = at.GetOptional<absl::Time>(0, 0);
  return out;
}

}  // namespace broadbill::reporting
