#include <algorithm>
#include <map>

#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/work.h"

namespace broadbill::invoicing {
namespace {

// What the credited lines were: their taxes, nets, and how much was credited so far. A line and its
// discounts are a family: what is left of them together caps further credits.
struct Originals {
  std::vector<TaxRow> taxes;
  std::map<Uuid, int64_t> net, gone;
  std::map<Uuid, int64_t> left;  // of the family, by the line that heads it
};

absl::StatusOr<Originals> LoadOriginals(db::Pool& pool, const std::vector<Uuid>& accounts,
                                        const std::vector<Uuid>& documents,
                                        const std::vector<Uuid>& lines) {
  Originals out;
  ASSIGN_OR_RETURN(db::Tx tx, pool.Begin());
  ASSIGN_OR_RETURN(out.taxes,
                   db::Select<TaxRow>(tx,
                                      "WHERE account_id = ANY($1) AND document_id = ANY($2) "
                                      "ORDER BY position",
                                      accounts, documents));
  ASSIGN_OR_RETURN(
      const db::Result family,
      tx.Exec("SELECT line_id, amount, CASE WHEN line_id = ANY($3) THEN line_id ELSE "
              "parent_line_id END FROM line WHERE account_id = ANY($1) AND document_id = ANY($2) "
              "AND (line_id = ANY($3) OR parent_line_id = ANY($3))",
              accounts, documents, lines));
  std::vector<Uuid> members;
  std::map<Uuid, Uuid> head;
  for (int i = 0; i < family.size(); ++i) {
    const Uuid line = family.Get<Uuid>(i, 0);
    members.push_back(line);
    head[line] = family.Get<Uuid>(i, 2);
    out.net[line] = family.Get<int64_t>(i, 1);
    out.left[head[line]] += out.net[line];
  }
  ASSIGN_OR_RETURN(const db::Result credited,
                   tx.Exec("SELECT corrects_line_id, sum(amount)::int8 FROM line l "
                           "WHERE corrects_line_id = ANY($1) AND NOT EXISTS (SELECT 1 FROM voiding "
                           "v WHERE v.document_id = l.document_id) GROUP BY 1",
                           members));
  for (int i = 0; i < credited.size(); ++i) {
    const Uuid line = credited.Get<Uuid>(i, 0);
    out.gone[line] = -credited.Get<int64_t>(i, 1);
    out.left[head[line]] -= out.gone[line];
  }
  return out;
}

// The row that takes back the part of `original` that belongs to the credit of `amount`.
absl::StatusOr<TaxRow> CreditRow(const TaxRow& original, size_t index, const LineRow& line,
                                 int64_t whole, int64_t before) {
  // Of `all` on the line, what this credit takes after what others took.
  const auto taken = [&](int64_t all) {
    const auto part = [&](int64_t of) {
      return static_cast<int64_t>(RoundDiv(Int128{all} * of, whole));
    };
    return part(before) - part(before - line.amount);
  };
  TaxRow row = original;
  row.amount = taken(original.line_amounts[index]);
  row.base = taken(original.line_bases[index]);
  row.exempt = taken(original.line_exempts[index]);
  const Fraction of_base = Fraction::Ratio(line.amount, std::max<int64_t>(1, original.base));
  ASSIGN_OR_RETURN(row.unrounded, (Fraction::Of(original.unrounded) * of_base).ToDecimal());
  row.line_ids = {line.line_id};
  row.line_bases = {row.base};
  row.line_exempts = {row.exempt};
  row.line_amounts = {row.amount};
  return row;
}

// A line never falls below its credits: unused days give back at most what is left of the line,
// after what was credited by hand.
void CapCredits(Originals& originals, Draft& draft) {
  std::map<Uuid, int64_t> given;
  for (const LineRow& line : draft.lines) {
    if (IsCredit(line)) given[*line.corrects_line_id] -= line.amount;
  }
  for (LineRow& line : draft.lines) {
    if (!IsCredit(line) || line.kind != static_cast<int16_t>(LineKind::kCredit)) continue;
    const Uuid& corrected = *line.corrects_line_id;
    const int64_t over = given[corrected] - std::max<int64_t>(0, originals.left[corrected]);
    const int64_t less = std::min(over, -line.amount);
    if (less <= 0) continue;
    line.amount += less;
    line.derivation += ", at most what is left of the line";
    given[corrected] -= less;
    draft.document->net += less;
  }
}

absl::Status AddCredits(Originals& originals, Draft& draft) {
  CapCredits(originals, draft);
  for (const LineRow& line : draft.lines) {
    if (!IsCredit(line)) continue;
    const int64_t whole = originals.net[*line.corrects_line_id];
    int64_t& so_far = originals.gone[*line.corrects_line_id];
    for (const TaxRow& original : originals.taxes) {
      const auto at =
          std::find(original.line_ids.begin(), original.line_ids.end(), *line.corrects_line_id);
      if (at == original.line_ids.end() || whole == 0) continue;
      ASSIGN_OR_RETURN(
          TaxRow row, CreditRow(original, static_cast<size_t>(at - original.line_ids.begin()), line,
                                whole, so_far));
      row.account_id = draft.account_id;
      row.document_id = draft.document->document_id;
      row.position = static_cast<int32_t>(draft.taxes.size()) + 1;
      draft.taxes.push_back(std::move(row));
    }
    so_far -= line.amount;
  }
  return absl::OkStatus();
}

}  // namespace

// Credit lines take back the tax of the line they correct: of T tax on N net, after C credited in
// all, round(T × C ÷ N) is gone; so the last credit takes the rest exactly.
absl::Status Assembler::AddCreditTaxes(std::vector<AccountWork>& work) const {
  std::vector<Uuid> accounts_of;
  std::vector<Uuid> documents;
  std::vector<Uuid> lines;
  for (const AccountWork& one : work) {
    for (const LineRow& line : one.draft.lines) {
      if (!IsCredit(line)) continue;
      lines.push_back(*line.corrects_line_id);
      if (line.corrects_document_id.has_value()) documents.push_back(*line.corrects_document_id);
      if (accounts_of.empty() || accounts_of.back() != line.account_id) {
        accounts_of.push_back(line.account_id);
      }
    }
  }
  if (lines.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Originals originals, LoadOriginals(*pool_, accounts_of, documents, lines));
  for (AccountWork& one : work) RETURN_IF_ERROR(AddCredits(originals, one.draft));
  return absl::OkStatus();
}

}  // namespace broadbill::invoicing
