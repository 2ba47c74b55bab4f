#include "tests/faults/state.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/status/macros.h"

namespace broadbill::faults {
namespace {

struct Query {
  const char* name;
  const char* sql;
};

// Account ids, item ids and rule ids are the input's and so the same in every trial; ids of
// documents and lines are not, and stand as numbers and positions.
constexpr Query kSections[] = {
    {"documents",
     "SELECT row(a.account_number, p.series, p.number, p.full_number, p.invoice_date, p.due_date, "
     "d.kind, d.account_version, d.currency, d.as_of, d.service_start, d.service_end, d.net, "
     "d.tax, "
     "d.total, d.held, md5(d.parties), c.full_number)::text FROM invoicing.posting p "
     "JOIN invoicing.document d USING (account_id, document_id) "
     "JOIN accounts.account a USING (account_id) "
     "LEFT JOIN invoicing.posting c ON c.document_id = d.corrects_document_id"},
    {"drafts",
     "SELECT row(d.account_id, d.kind, d.as_of, d.net, d.tax, d.total, d.held, v.reason)::text "
     "FROM invoicing.document d LEFT JOIN invoicing.voiding v USING (document_id) "
     "WHERE NOT EXISTS (SELECT FROM invoicing.posting p WHERE p.document_id = d.document_id)"},
    {"lines",
     "SELECT row(l.account_id, p.full_number, d.as_of, l.position, l.kind, l.item_id, "
     "l.location_id, "
     "l.description, l.start_date, l.end_date, l.quantity, l.unit_price, l.amount, l.tax_class, "
     "l.account_code, parent.position, old.position, oldp.full_number, l.derivation, l.source, "
     "CASE WHEN l.source LIKE 'payments.%' THEN '' ELSE l.source_id END)::text FROM invoicing.line "
     "l "
     "JOIN invoicing.document d USING (account_id, document_id) "
     "LEFT JOIN invoicing.posting p USING (document_id) "
     "LEFT JOIN invoicing.line parent ON parent.account_id = l.account_id AND parent.document_id = "
     "l.document_id AND parent.line_id = l.parent_line_id "
     "LEFT JOIN invoicing.line old ON old.account_id = l.account_id AND old.document_id = "
     "l.corrects_document_id AND old.line_id = l.corrects_line_id "
     "LEFT JOIN invoicing.posting oldp ON oldp.document_id = l.corrects_document_id"},
    {"taxes",
     "SELECT row(t.account_id, p.full_number, t.position, t.rule_id, t.tax_code, t.rate, t.base, "
     "t.exempt, t.exempt_reason, t.unrounded, t.amount, t.line_bases, t.line_exempts, "
     "t.line_amounts, (SELECT array_agg(l.position ORDER BY u.n) FROM unnest(t.line_ids) WITH "
     "ORDINALITY u(id, n) JOIN invoicing.line l ON l.account_id = t.account_id AND l.document_id = "
     "t.document_id AND l.line_id = u.id))::text FROM invoicing.document_tax t "
     "LEFT JOIN invoicing.posting p USING (document_id)"},
    {"coverage",
     "SELECT row(account_id, item_id, covered, covered_days, version)::text "
     "FROM invoicing.item_coverage"},
    {"usage billed", "SELECT row(u.*)::text FROM invoicing.usage_billed u"},
    {"charges",
     "SELECT row(c.account_id, c.source, c.kind, c.quantity, c.unit_price, c.due_date, c.state, "
     "p.full_number)::text FROM invoicing.pending_charge c "
     "LEFT JOIN invoicing.posting p USING (document_id)"},
    {"exceptions",
     "SELECT row(account_id, reason, message, amount, state)::text FROM invoicing.run_exception"},
    {"runs",
     "SELECT row(as_of, mode, state, accounts, chunks, next_post)::text FROM invoicing.bill_run"},
    {"receivables",
     "SELECT row(account_id, number, currency, invoice_date, due_date, total, open, fees)::text "
     "FROM payments.item"},
    {"credits",
     "SELECT row(account_id, kind, currency, amount, unapplied, refunded, value_date, "
     "posting_date)::text FROM payments.credit"},
    {"transfers",
     "SELECT row(t.account_id, t.kind, t.debit, t.credit, t.currency, t.amount, t.value_date, "
     "t.posting_date, p.full_number)::text FROM payments.transfer t "
     "LEFT JOIN invoicing.posting p USING (document_id)"},
    {"messages",
     "SELECT row(account_id, template, contact_id, recipient, number, currency, amount, day, due, "
     "method, reason)::text FROM notification.message"},
    {"attempts",
     "SELECT row(account_id, amount, number, scheduled, state, decline_code)::text "
     "FROM payments.attempt"},
};

// Each names what is broken, one row per case.
constexpr Query kInvariants[] = {
    {"numbers have gaps",
     "SELECT s.series FROM invoicing.series s LEFT JOIN invoicing.posting p USING (series) "
     "GROUP BY s.series, s.next_number HAVING count(p.number) <> s.next_number - 1 OR "
     "coalesce(min(p.number), 1) <> 1 OR coalesce(max(p.number), 0) <> s.next_number - 1"},
    {"numbers go back in date",
     "SELECT full_number FROM (SELECT full_number, invoice_date, lag(invoice_date) OVER (PARTITION "
     "BY series ORDER BY number) AS before FROM invoicing.posting) t WHERE before > invoice_date"},
    {"a document's total is not the sum of its lines and taxes",
     "SELECT d.document_id::text FROM invoicing.document d WHERE d.net <> (SELECT sum(amount) FROM "
     "invoicing.line l WHERE l.account_id = d.account_id AND l.document_id = d.document_id) OR "
     "d.tax <> coalesce((SELECT sum(amount) FROM invoicing.document_tax t WHERE t.account_id = "
     "d.account_id AND t.document_id = d.document_id AND NOT t.inclusive), 0)"},
    // Charges add their days, credits take theirs away; discount lines (kind 2) only follow.
    {"an item's covered days are not the days its lines charge",
     "SELECT coalesce(c.item_id, l.item_id)::text FROM invoicing.item_coverage c FULL JOIN (SELECT "
     "account_id, item_id, sum(CASE WHEN kind = 1 THEN end_date - start_date WHEN kind = 7 THEN "
     "start_date - end_date END) AS days FROM invoicing.line WHERE kind IN (1, 7) AND item_id IS "
     "NOT "
     "NULL AND document_id NOT IN (SELECT document_id FROM invoicing.voiding) GROUP BY 1, 2) l "
     "USING (account_id, item_id) WHERE coalesce(c.covered_days, 0) <> coalesce(l.days, 0)"},
    {"covered days that no line charges",
     "SELECT c.item_id::text FROM invoicing.item_coverage c JOIN (SELECT account_id, item_id, "
     "range_agg(daterange(start_date, end_date)) AS days FROM invoicing.line WHERE kind = 1 GROUP "
     "BY "
     "1, 2) l USING (account_id, item_id) WHERE NOT l.days @> c.covered"},
    {"a posted document is not a receivable or credit of its total",
     "SELECT p.full_number FROM invoicing.posting p JOIN invoicing.document d USING (account_id, "
     "document_id) LEFT JOIN payments.item i ON i.account_id = d.account_id AND i.document_id = "
     "d.document_id LEFT JOIN payments.credit c ON c.account_id = d.account_id AND c.credit_id = "
     "d.document_id WHERE d.total <> coalesce(i.total, 0) - coalesce(c.amount, 0)"},
    {"a receivable of no posted document",
     "SELECT i.number FROM payments.item i LEFT JOIN invoicing.posting p ON p.document_id = "
     "i.document_id WHERE p.document_id IS NULL AND i.number LIKE 'INV%'"},
    {"another number of events than of postings, drafts that wait and voids",
     "SELECT n::text FROM (SELECT (SELECT coalesce(sum(event_count), 0) FROM invoicing.feed) - "
     "(SELECT count(*) FROM invoicing.posting) - (SELECT count(*) FROM invoicing.document WHERE "
     "held) - (SELECT count(*) FROM invoicing.voiding) AS n) t WHERE n <> 0"},
    {"an account's ledger is not its open items less its credits",
     "SELECT account_id::text FROM (SELECT account_id, sum(amount) AS balance FROM (SELECT "
     "account_id, amount FROM payments.transfer WHERE debit IN ('ar', 'customer_credit') UNION ALL "
     "SELECT account_id, -amount FROM payments.transfer WHERE credit IN ('ar', 'customer_credit')) "
     "t GROUP BY 1) t FULL JOIN (SELECT account_id, sum(open) AS open FROM (SELECT account_id, "
     "open "
     "FROM payments.item UNION ALL SELECT account_id, -unapplied FROM payments.credit) o GROUP BY "
     "1) o USING (account_id) WHERE coalesce(balance, 0) <> coalesce(open, 0)"},
};

absl::StatusOr<std::vector<std::string>> Texts(db::Pool& pool, const std::string& sql) {
  ASSIGN_OR_RETURN(const db::Result rows, pool.Exec(sql));
  std::vector<std::string> out;
  for (int i = 0; i < rows.size(); ++i) out.push_back(rows.Get<std::string>(i, 0));
  return out;
}

absl::StatusOr<std::vector<std::string>> Consumers(db::Pool& pool) {
  return Texts(pool,
               "SELECT table_schema::text FROM information_schema.tables WHERE table_name = "
               "'feed_cursor' ORDER BY 1");
}

}  // namespace

absl::StatusOr<State> ReadState(db::Pool& pool) {
  State out;
  for (const Query& section : kSections) {
    ASSIGN_OR_RETURN(std::vector<std::string> rows, Texts(pool, section.sql));
    std::sort(rows.begin(), rows.end());
    out[section.name] = std::move(rows);
  }
  return out;
}

std::string Differences(const State& expected, const State& actual) {
  constexpr size_t kShown = 3;
  std::string out;
  for (const auto& [section, rows] : expected) {
    const std::vector<std::string>& others = actual.at(section);
    if (rows == others) continue;
    std::vector<std::string> missing;
    std::vector<std::string> extra;
    std::set_difference(rows.begin(), rows.end(), others.begin(), others.end(),
                        std::back_inserter(missing));
    std::set_difference(others.begin(), others.end(), rows.begin(), rows.end(),
                        std::back_inserter(extra));
    absl::StrAppend(&out, section, ": ", missing.size(), " rows missing, ", extra.size(),
                    " too many\n");
    for (size_t i = 0; i < std::min(kShown, missing.size()); ++i) {
      absl::StrAppend(&out, "  - ", missing[i], "\n");
    }
    for (size_t i = 0; i < std::min(kShown, extra.size()); ++i) {
      absl::StrAppend(&out, "  + ", extra[i], "\n");
    }
  }
  return out;
}

absl::StatusOr<std::vector<std::string>> BrokenInvariants(db::Pool& pool) {
  std::vector<std::string> out;
  for (const Query& invariant : kInvariants) {
    ASSIGN_OR_RETURN(const std::vector<std::string> cases, Texts(pool, invariant.sql));
    if (cases.empty()) continue;
    out.push_back(
        absl::StrCat(invariant.name, ": ", cases.size(), " cases, first ", cases.front()));
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> schemas, Consumers(pool));
  for (const std::string& schema : schemas) {
    ASSIGN_OR_RETURN(const std::vector<std::string> parked,
                     Texts(pool, "SELECT reason FROM " + schema + ".feed_parked"));
    if (!parked.empty()) {
      out.push_back(absl::StrCat(schema, " parked ", parked.size(), " events: ", parked.front()));
    }
  }
  return out;
}

absl::StatusOr<bool> FeedsCaughtUp(db::Pool& pool) {
  ASSIGN_OR_RETURN(const std::vector<std::string> schemas, Consumers(pool));
  for (const std::string& schema : schemas) {
    ASSIGN_OR_RETURN(const std::vector<std::string> sources,
                     Texts(pool, "SELECT DISTINCT source FROM " + schema + ".feed_cursor"));
    for (const std::string& source : sources) {
      ASSIGN_OR_RETURN(const db::Result behind,
                       pool.Exec("SELECT 1 FROM " + source + ".feed_head h JOIN " + schema +
                                     ".feed_cursor c USING (partition) WHERE c.source = $1 AND "
                                     "c.pos < h.pos LIMIT 1",
                                 source));
      if (!behind.empty()) return false;
    }
  }
  return true;
}

}  // namespace broadbill::faults
