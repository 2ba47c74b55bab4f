#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/deposits.h"
#include "services/invoicing/app/whole.h"

namespace broadbill::invoicing {
namespace {

// What was credited of each line of a document so far, drafts included, in minor units.
absl::StatusOr<std::map<Uuid, int64_t>> CreditedOf(db::Tx& tx, const Whole& original) {
  std::vector<Uuid> lines;
  for (const LineRow& line : original.lines) lines.push_back(line.line_id);
  ASSIGN_OR_RETURN(const db::Result sums,
                   tx.Exec("SELECT corrects_line_id, sum(amount)::int8 FROM line l "
                           "WHERE corrects_line_id = ANY($1) AND NOT EXISTS (SELECT 1 FROM voiding "
                           "v WHERE v.document_id = l.document_id) GROUP BY 1",
                           lines));
  std::map<Uuid, int64_t> out;
  for (int i = 0; i < sums.size(); ++i) out[sums.Get<Uuid>(i, 0)] = -sums.Get<int64_t>(i, 1);
  // Of a deposit also what waits to be given back.
  ASSIGN_OR_RETURN(const auto waiting,
                   WaitingReturns(tx, original.row.account_id, original.row.currency));
  for (const auto& [line, amount] : waiting) out[line] += amount;
  return out;
}

// Makes the credit lines of a credit note: capped by what is left of each line, tax in proportion.
class Crediting {
 public:
  Crediting(const Whole& original, std::map<Uuid, int64_t> credited, const std::string& reason,
            absl::Time now)
      : original_(original), credited_(std::move(credited)), reason_(reason), now_(now) {
    document_ = original.row;
    document_.document_id = Uuid::Make(now);
    document_.kind = 2;
    document_.run_id.reset();
    document_.corrects_document_id = original.row.document_id;
    document_.net = document_.tax = 0;
    document_.held = false;
    document_.created_at = now;
  }

  int64_t Left(const LineRow& line) { return line.amount - credited_[line.line_id]; }

  void Add(const LineRow& line, int64_t amount) {
    if (amount == 0) return;
    LineRow credit = line;
    credit.document_id = document_.document_id;
    credit.position = static_cast<int32_t>(out_.lines.size()) + 1;
    credit.line_id = Uuid::Make(now_);
    credit.kind = static_cast<int16_t>(LineKind::kCredit);
    credit.amount = -amount;
    credit.parent_line_id.reset();
    credit.corrects_line_id = line.line_id;
    credit.corrects_document_id = original_.row.document_id;
    credit.derivation = reason_;
    document_.net += credit.amount;
    AddTaxes(line, credit.line_id, amount);
    credited_[line.line_id] += amount;
    out_.lines.push_back(std::move(credit));
  }

  absl::StatusOr<Draft> Finish() {
    if (out_.lines.empty()) {
      return FailedPreconditionError("NOTHING_LEFT", "nothing is left to credit of these lines");
    }
    document_.total = document_.net + document_.tax;
    out_.account_id = document_.account_id;
    out_.currency = document_.currency;
    out_.document = document_;
    return std::move(out_);
  }

 private:
  // Of T tax on N net, after C credited in all, round(T × C ÷ N) is gone.
  void AddTaxes(const LineRow& line, const Uuid& credit_id, int64_t amount) {
    if (line.amount == 0) return;
    const int64_t before = credited_[line.line_id];
    const auto taken = [&](int64_t whole) {
      const auto part = [&](int64_t of) {
        return static_cast<int64_t>(RoundDiv(Int128{whole} * of, line.amount));
      };
      return part(before) - part(before + amount);
    };
    for (const TaxRow& tax : original_.taxes) {
      const auto at = std::find(tax.line_ids.begin(), tax.line_ids.end(), line.line_id);
      if (at == tax.line_ids.end()) continue;
      const auto index = static_cast<size_t>(at - tax.line_ids.begin());
      TaxRow row = tax;
      row.document_id = document_.document_id;
      row.position = static_cast<int32_t>(out_.taxes.size()) + 1;
      row.amount = taken(tax.line_amounts[index]);
      row.base = taken(tax.line_bases[index]);
      row.exempt = taken(tax.line_exempts[index]);
      row.unrounded = Decimal();
      row.line_ids = {credit_id};
      row.line_bases = {row.base};
      row.line_exempts = {row.exempt};
      row.line_amounts = {row.amount};
      document_.tax += row.inclusive ? 0 : row.amount;
      out_.taxes.push_back(std::move(row));
    }
  }

  const Whole& original_;
  std::map<Uuid, int64_t> credited_;
  const std::string reason_;
  const absl::Time now_;
  DocumentRow document_;
  Draft out_;
};

absl::StatusOr<Draft> MakeCredit(db::Tx& tx, const Whole& original,
                                 const pb::CreateCreditNoteRequest& request, absl::Time now) {
  ASSIGN_OR_RETURN(auto credited, CreditedOf(tx, original));
  Crediting crediting(original, std::move(credited), request.reason(), now);
  if (request.lines_size() == 0) {  // everything that is left
    for (const LineRow& line : original.lines) crediting.Add(line, crediting.Left(line));
    return crediting.Finish();
  }
  Violations violations;
  for (int i = 0; i < request.lines_size(); ++i) {
    const auto& wanted = request.lines(i);
    const auto line = std::find_if(
        original.lines.begin(), original.lines.end(),
        [&](const LineRow& row) { return row.line_id.ToText("lin") == wanted.line_id(); });
    if (line == original.lines.end()) {
      violations.Add(absl::StrCat("lines[", i, "].line_id"), "is no line of the document");
      continue;
    }
    const int64_t left = crediting.Left(*line);
    const int64_t amount =
        wanted.has_amount() ? convert::ReadMoney(wanted.amount(), original.row.currency,
                                                 absl::StrCat("lines[", i, "].amount"), violations)
                            : left;
    const bool fits = line->amount >= 0 ? amount >= 0 && amount <= left : amount == left;
    violations.Require(fits, absl::StrCat("lines[", i, "].amount"),
                       absl::StrCat("at most ", FormatMinor(left, 2), " is left of the line"));
    if (fits) crediting.Add(*line, amount);
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return crediting.Finish();
}

}  // namespace

absl::StatusOr<pb::Document> Credit(db::Tx& tx, const pb::CreateCreditNoteRequest& request,
                                    std::optional<CivilDay> date, absl::Time now,
                                    convert::Events& events) {
  ASSIGN_OR_RETURN(const Whole original, FindWhole(tx, request.document_id()));
  // One at a time: what is left of a line must not be given twice.
  RETURN_IF_ERROR(tx.Exec("SELECT 1 FROM document WHERE account_id = $1 AND document_id = $2 "
                          "FOR UPDATE",
                          original.row.account_id, original.row.document_id)
                      .status());
  if (!original.posting.has_value()) {
    return FailedPreconditionError("DOCUMENT_STATE", "only a posted document can be credited");
  }
  ASSIGN_OR_RETURN(const Draft draft, MakeCredit(tx, original, request, now));
  RETURN_IF_ERROR(SaveDrafts(tx, {draft}));
  std::vector<db::FeedEvent> made_events;
  if (request.post()) {
    const CivilDay day =
        date.value_or(std::max(original.posting->invoice_date, DateIn(now, absl::UTCTimeZone())));
    const PostingDate rule = date ? PostingDate::kExact : PostingDate::kEarliest;
    RETURN_IF_ERROR(PostDocuments(tx, {*draft.document}, day, rule, now, made_events));
  } else {
    DraftEvents({draft}, false, now, made_events);
  }
  pb::Event event;
  event.ParseFromString(made_events.front().body);
  events.Add(draft.account_id, event);
  ASSIGN_OR_RETURN(const Whole made, FindWhole(tx, draft.document->document_id.ToText("doc")));
  return WholeToProto(made);
}

absl::StatusOr<pb::Document> InvoicingApp::CreateCreditNote(
    const rpc::Context& context, const pb::CreateCreditNoteRequest& request) {
  Violations violations;
  violations.Require(!request.reason().empty(), "reason", "is required");
  const auto given = convert::ReadOptionalDate(request.posting_date(), "posting_date", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Document>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Document> {
        return Credit(tx, request, given, clock_.Now(), events);
      });
}

}  // namespace broadbill::invoicing
