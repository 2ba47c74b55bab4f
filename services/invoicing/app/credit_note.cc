#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/credit.h"
#include "services/invoicing/app/deposits.h"
#include "services/invoicing/app/whole.h"
#include "services/invoicing/app/work.h"
#include "services/invoicing/domain/differ.h"

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

// Makes the credit lines of a credit note: capped by what is left of each line and its discounts,
// tax in proportion.
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
    document_.due_from.reset();
    document_.created_at = now;
    // Who and where, as the original says it; the balances of its statement are not this one's.
    pb::Document parties;
    parties.ParseFromString(document_.parties.data);
    parties.clear_statement();
    parties.set_template_version(kTemplateVersion);
    document_.parties.data = parties.SerializeAsString();
    for (const LineRow& line : original.lines) {
      Family& family = families_[HeadOf(line)];
      family.members.push_back(line.line_id);
      family.net += line.amount;
      family.gone += credited_[line.line_id];
    }
  }

  int64_t Left(const LineRow& line) { return line.amount - credited_[line.line_id]; }
  // Of a line alone: not more than is left of it and its discounts together.
  int64_t LeftAlone(const LineRow& line) {
    const int64_t family = std::max<int64_t>(0, families_[HeadOf(line)].left());
    return line.amount >= 0 ? std::min(Left(line), family) : Left(line);
  }

  absl::Status Add(const LineRow& line, int64_t amount) {
    if (amount == 0) return absl::OkStatus();
    LineRow credit = line;
    credit.kind = static_cast<int16_t>(LineKind::kCredit);
    credit.amount = -amount;
    credit.derivation = reason_;
    RETURN_IF_ERROR(Keep(line, std::move(credit)));
    credited_[line.line_id] += amount;
    return absl::OkStatus();
  }

  // What is left of a line and its discounts.
  absl::Status AddWhole(const LineRow& line) {
    for (const LineRow& member : original_.lines) {
      const bool belongs = member.line_id == line.line_id || member.parent_line_id == line.line_id;
      if (belongs) RETURN_IF_ERROR(Add(member, Left(member)));
    }
    return absl::OkStatus();
  }

  // Days of a line, which can be billed again; `made` are the lines for them. Of a line that
  // nothing is left of no days come back: they would be billed again although they were given away.
  absl::Status AddDays(const LineRow& line, const std::vector<Line>& made, CoverageUpdate update) {
    if (line.amount > 0 && LeftAlone(line) <= 0) return absl::OkStatus();
    // The discounts' return goes off what the days give back, so the days may give that much more.
    int64_t limit = LeftAlone(line);
    for (const Line& one : made) limit += std::max<int64_t>(0, one.amount);
    if (line.amount >= 0) limit = std::min(limit, Left(line));
    for (const Line& one : made) {
      LineRow credit = line;
      credit.kind = static_cast<int16_t>(one.kind);
      credit.description = one.description;
      credit.account_code = one.account_code;
      credit.start_date = one.days.start;
      credit.end_date = one.days.end;
      credit.quantity = one.quantity;
      credit.unit_price = one.unit_price;
      credit.amount = std::max(one.amount, -limit);
      credit.derivation = one.derivation + " (" + reason_ + ")";
      const int64_t amount = credit.amount;
      RETURN_IF_ERROR(Keep(line, std::move(credit)));
      credited_[line.line_id] -= amount;
      limit += std::min<int64_t>(0, amount);
    }
    out_.coverage.push_back(std::move(update));
    return absl::OkStatus();
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
  static Uuid HeadOf(const LineRow& line) { return line.parent_line_id.value_or(line.line_id); }

  absl::Status Keep(const LineRow& line, LineRow credit) {
    credit.document_id = document_.document_id;
    credit.position = static_cast<int32_t>(out_.lines.size()) + 1;
    credit.line_id = Uuid::Make(now_);
    credit.parent_line_id.reset();
    credit.corrects_line_id = line.line_id;
    credit.corrects_document_id = original_.row.document_id;
    document_.net += credit.amount;
    Family& family = families_[HeadOf(line)];
    for (const TaxRow& tax : original_.taxes) {
      ASSIGN_OR_RETURN(auto row, TakeTax(tax, family, -credit.amount, credit.line_id));
      if (!row.has_value()) continue;
      row->document_id = document_.document_id;
      row->position = static_cast<int32_t>(out_.taxes.size()) + 1;
      document_.tax += row->inclusive ? 0 : row->amount;
      out_.taxes.push_back(*std::move(row));
    }
    family.gone -= credit.amount;
    out_.lines.push_back(std::move(credit));
    return absl::OkStatus();
  }

  const Whole& original_;
  std::map<Uuid, int64_t> credited_;
  std::map<Uuid, Family> families_;  // by the line that heads it
  const std::string reason_;
  const absl::Time now_;
  DocumentRow document_;
  Draft out_;
};

// Takes days of a line back, out of coverage too. False when none of them is covered by the line.
absl::StatusOr<bool> TakeDays(db::Tx& tx, const LineRow& line, const DateInterval& days,
                              const Whole& original, Crediting& crediting) {
  if (!line.item_id.has_value()) return false;
  ASSIGN_OR_RETURN(const Links links,
                   LoadLinks(tx, original.row.account_id, original.row.document_id));
  ASSIGN_OR_RETURN(const CoverageMap coverage, LoadCoverage(tx, links.accounts));
  const auto state = coverage.find(*line.item_id);
  if (state == coverage.end()) return false;
  ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(original.row.currency));
  Item item;
  item.item_id = *line.item_id;
  CoverageUpdate update{state->second.account_id(), item.item_id, state->second.version(), {}, {}};
  ItemBill bill;
  for (const Piece& piece : state->second.Pieces()) {
    const DateInterval common = piece.days.Intersect(days);
    if (piece.line_id != line.line_id || common.empty()) {
      bill.pieces.push_back(piece);
      continue;
    }
    update.replaced.push_back(piece);
    std::vector<Piece> rest;
    for (const DateInterval& kept :
         {DateInterval{piece.days.start, common.start}, DateInterval{common.end, piece.days.end}}) {
      if (kept.empty()) continue;
      ASSIGN_OR_RETURN(Piece part, PartOf(piece, kept));
      rest.push_back(std::move(part));
    }
    RETURN_IF_ERROR(Differ(item, exponent, {piece}, rest, bill));
  }
  if (update.replaced.empty()) return false;
  update.pieces = std::move(bill.pieces);
  RETURN_IF_ERROR(crediting.AddDays(line, bill.lines, std::move(update)));
  return true;
}

// One line of the request.
absl::Status CreditLine(db::Tx& tx, const pb::CreditLine& wanted, const std::string& at,
                        const Whole& original, Crediting& crediting, Violations& violations) {
  const auto line = std::find_if(
      original.lines.begin(), original.lines.end(),
      [&](const LineRow& row) { return row.line_id.ToText("lin") == wanted.line_id(); });
  if (line == original.lines.end()) {
    violations.Add(at + ".line_id", "is no line of the document");
    return absl::OkStatus();
  }
  if (wanted.has_interval()) {
    violations.Require(!wanted.has_amount(), at + ".interval", "cannot be given with an amount");
    const DateInterval days{
        convert::ReadDate(wanted.interval().start_date(), at + ".interval.start_date", violations),
        convert::ReadDate(wanted.interval().end_date(), at + ".interval.end_date", violations)};
    if (!violations.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const bool any, TakeDays(tx, *line, days, original, crediting));
    violations.Require(any, at + ".interval", "has no day that this line covers");
    return absl::OkStatus();
  }
  if (!wanted.has_amount()) return crediting.AddWhole(*line);
  const int64_t left = crediting.LeftAlone(*line);
  const int64_t amount =
      convert::ReadMoney(wanted.amount(), original.row.currency, at + ".amount", violations);
  const bool fits = line->amount >= 0 ? amount >= 0 && amount <= left : amount == left;
  const auto exponent = CurrencyExponent(original.row.currency);
  violations.Require(
      fits, at + ".amount",
      absl::StrCat("at most ", FormatMinor(left, exponent.value_or(2)), " is left of the line"));
  return fits ? crediting.Add(*line, amount) : absl::OkStatus();
}

absl::StatusOr<Draft> MakeCredit(db::Tx& tx, const Whole& original,
                                 const pb::CreateCreditNoteRequest& request, absl::Time now) {
  ASSIGN_OR_RETURN(auto credited, CreditedOf(tx, original));
  Crediting crediting(original, std::move(credited), request.reason(), now);
  if (request.lines_size() == 0) {  // everything that is left
    for (const LineRow& line : original.lines) {
      RETURN_IF_ERROR(crediting.Add(line, crediting.Left(line)));
    }
    return crediting.Finish();
  }
  Violations violations;
  for (int i = 0; i < request.lines_size(); ++i) {
    RETURN_IF_ERROR(CreditLine(tx, request.lines(i), absl::StrCat("lines[", i, "]"), original,
                               crediting, violations));
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
