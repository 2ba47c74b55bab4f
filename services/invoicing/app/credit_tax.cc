#include <algorithm>
#include <map>

#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/credit.h"
#include "services/invoicing/app/invoicing_app.h"
#include "services/invoicing/app/work.h"

namespace broadbill::invoicing {
namespace {

// What the credited lines were: their taxes, and their families by the line that heads them.
struct Originals {
  std::vector<TaxRow> taxes;
  std::map<Uuid, Uuid> head;  // of each member
  std::map<Uuid, Family> families;
  std::map<Uuid, CreditSeen> seen;  // by head, as read
};

absl::StatusOr<Originals> LoadOriginals(db::Pool& pool, const std::vector<Uuid>& accounts,
                                        const std::vector<Uuid>& documents,
                                        const std::vector<Uuid>& lines) {
  Originals out;
  ASSIGN_OR_RETURN(db::Tx tx, pool.Begin());
  ASSIGN_OR_RETURN(out.taxes,
                   db::Select<TaxRow>(tx,
                                      "WHERE account_id = ANY($1) AND document_id = ANY($2) "
                                      "ORDER BY document_id, position",
                                      accounts, documents));
  ASSIGN_OR_RETURN(
      const db::Result members,
      tx.Exec("SELECT line_id, amount, coalesce(parent_line_id, line_id), account_id, document_id "
              "FROM line WHERE account_id = ANY($1) AND document_id = ANY($2) AND "
              "(line_id = ANY($3) OR parent_line_id = ANY($3)) ORDER BY document_id, position",
              accounts, documents, lines));
  std::vector<Uuid> ids;
  for (int i = 0; i < members.size(); ++i) {
    const Uuid line = members.Get<Uuid>(i, 0);
    const Uuid head = members.Get<Uuid>(i, 2);
    ids.push_back(line);
    out.head[line] = head;
    out.families[head].members.push_back(line);
    out.families[head].net += members.Get<int64_t>(i, 1);
    out.seen[head] = {members.Get<Uuid>(i, 3), members.Get<Uuid>(i, 4), head, 0};
  }
  ASSIGN_OR_RETURN(const db::Result credited,
                   tx.Exec("SELECT corrects_line_id, sum(amount)::int8 FROM line l "
                           "WHERE corrects_line_id = ANY($1) AND NOT EXISTS (SELECT 1 FROM voiding "
                           "v WHERE v.document_id = l.document_id) GROUP BY 1",
                           ids));
  for (int i = 0; i < credited.size(); ++i) {
    const Uuid head = out.head[credited.Get<Uuid>(i, 0)];
    out.families[head].gone -= credited.Get<int64_t>(i, 1);
    out.seen[head].credited = out.families[head].gone;
  }
  return out;
}

// A line never falls below its credits: unused days give back at most what is left of the line and
// its discounts, after what was credited by hand.
void CapCredits(Originals& originals, Draft& draft) {
  std::map<Uuid, int64_t> given;
  for (const LineRow& line : draft.lines) {
    if (IsCredit(line)) given[originals.head[*line.corrects_line_id]] -= line.amount;
  }
  for (LineRow& line : draft.lines) {
    if (!IsCredit(line) || line.amount >= 0) continue;
    const Uuid& head = originals.head[*line.corrects_line_id];
    const int64_t over = given[head] - std::max<int64_t>(0, originals.families[head].left());
    const int64_t less = std::min(over, -line.amount);
    if (less <= 0) continue;
    line.amount += less;
    line.derivation += ", at most what is left of the line";
    given[head] -= less;
    draft.document->net += less;
  }
}

absl::Status AddCredits(Originals& originals, Draft& draft) {
  if (!draft.document.has_value()) return absl::OkStatus();
  CapCredits(originals, draft);
  for (const LineRow& line : draft.lines) {
    if (!IsCredit(line)) continue;
    const Uuid& head = originals.head[*line.corrects_line_id];
    Family& family = originals.families[head];
    const bool known = std::any_of(draft.seen.begin(), draft.seen.end(),
                                   [&](const CreditSeen& seen) { return seen.line_id == head; });
    if (!known) draft.seen.push_back(originals.seen[head]);
    for (const TaxRow& original : originals.taxes) {
      ASSIGN_OR_RETURN(auto row, TakeTax(original, family, -line.amount, line.line_id));
      if (!row.has_value()) continue;
      row->account_id = draft.account_id;
      row->document_id = draft.document->document_id;
      row->position = static_cast<int32_t>(draft.taxes.size()) + 1;
      draft.taxes.push_back(*std::move(row));
    }
    family.gone -= line.amount;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<TaxRow>> TakeTax(const TaxRow& original, const Family& family,
                                              int64_t credited, const Uuid& credit_line) {
  int64_t amount = 0;
  int64_t base = 0;
  int64_t exempt = 0;
  bool found = false;
  for (size_t i = 0; i < original.line_ids.size(); ++i) {
    if (std::find(family.members.begin(), family.members.end(), original.line_ids[i]) ==
        family.members.end()) {
      continue;
    }
    found = true;
    amount += original.line_amounts[i];
    base += original.line_bases[i];
    exempt += original.line_exempts[i];
  }
  if (!found || family.net == 0) return std::nullopt;
  // Of `all` of the family, what this credit takes after what others took.
  const auto taken = [&](int64_t all) {
    const auto part = [&](int64_t of) {
      return static_cast<int64_t>(RoundDiv(Int128{all} * of, family.net));
    };
    return part(family.gone) - part(family.gone + credited);
  };
  TaxRow row = original;
  row.amount = taken(amount);
  row.base = taken(base);
  row.exempt = taken(exempt);
  const Fraction of_base = Fraction::Ratio(-credited, std::max<int64_t>(1, original.base));
  ASSIGN_OR_RETURN(row.unrounded, (Fraction::Of(original.unrounded) * of_base).ToDecimal());
  row.line_ids = {credit_line};
  row.line_bases = {row.base};
  row.line_exempts = {row.exempt};
  row.line_amounts = {row.amount};
  return row;
}

absl::Status Assembler::AddCreditTaxes(std::vector<AccountWork>& work) const {
  std::vector<Uuid> accounts_of;
  std::vector<Uuid> documents;
  std::vector<Uuid> lines;
  const auto collect = [&](const AccountWork& one, const Draft& draft) {
    const size_t before = lines.size();
    for (const LineRow& line : draft.lines) {
      if (!IsCredit(line)) continue;
      lines.push_back(*line.corrects_line_id);
      if (line.corrects_document_id.has_value()) documents.push_back(*line.corrects_document_id);
    }
    if (lines.size() == before) return;
    for (const Part& part : one.parts) accounts_of.push_back(part.account_id);
  };
  for (const AccountWork& one : work) {
    collect(one, one.draft);
    if (one.note.has_value()) collect(one, *one.note);
  }
  if (lines.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Originals originals, LoadOriginals(*pool_, accounts_of, documents, lines));
  for (AccountWork& one : work) {
    RETURN_IF_ERROR(AddCredits(originals, one.draft));
    if (one.note.has_value()) RETURN_IF_ERROR(AddCredits(originals, *one.note));
  }
  return absl::OkStatus();
}

absl::Status CheckSeen(db::Tx& tx, const std::vector<Draft>& drafts) {
  std::vector<Uuid> accounts_of;
  std::vector<Uuid> documents;
  std::map<Uuid, int64_t> seen;
  for (const Draft& draft : drafts) {
    for (const CreditSeen& one : draft.seen) {
      // A draft that credits a line again saw the one before it.
      if (!seen.emplace(one.line_id, one.credited).second) continue;
      accounts_of.push_back(one.account_id);
      documents.push_back(one.document_id);
    }
  }
  if (seen.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(tx.Exec("SELECT 1 FROM document WHERE (account_id, document_id) IN "
                          "(SELECT * FROM unnest($1, $2)) ORDER BY document_id FOR UPDATE",
                          accounts_of, documents)
                      .status());
  std::vector<Uuid> heads;
  for (const auto& [head, credited] : seen) heads.push_back(head);
  ASSIGN_OR_RETURN(
      const db::Result now,
      tx.Exec("SELECT coalesce(m.parent_line_id, m.line_id), -sum(c.amount)::int8 FROM line m JOIN "
              "line c ON c.corrects_line_id = m.line_id WHERE (m.account_id, m.document_id) IN "
              "(SELECT * FROM unnest($1, $2)) AND coalesce(m.parent_line_id, m.line_id) = ANY($3) "
              "AND NOT EXISTS (SELECT 1 FROM voiding v WHERE v.document_id = c.document_id) "
              "GROUP BY 1",
              accounts_of, documents, heads));
  for (int i = 0; i < now.size(); ++i) seen[now.Get<Uuid>(i, 0)] -= now.Get<int64_t>(i, 1);
  const bool same =
      std::all_of(seen.begin(), seen.end(), [](const auto& one) { return one.second == 0; });
  if (same) return absl::OkStatus();
  return AbortedError("CREDIT_MOVED", "a line was credited by another document meanwhile");
}

}  // namespace broadbill::invoicing
