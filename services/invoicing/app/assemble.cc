#include "services/invoicing/app/assemble.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "broadbill/invoicing/v1/pending_charge.pb.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/approval.h"
#include "services/invoicing/app/checks.h"
#include "services/invoicing/app/clients/snapshots.h"
#include "services/invoicing/app/deposits.h"
#include "services/invoicing/app/phases.h"
#include "services/invoicing/app/work.h"
#include "services/invoicing/domain/fees.h"
#include "services/invoicing/domain/schedule.h"
#include "services/invoicing/domain/settled.h"

namespace broadbill::invoicing {
namespace {

constexpr int kSoon = 31;  // days: what waits is billed at the latest that long after

void Fail(std::string message, AccountWork& one) {
  one.draft.problems.push_back({pb::RunException::INVALID_DATA, std::move(message)});
  one.failed = true;
}

absl::Status AddPart(const accounts::BillingSnapshot& snapshot, int exponent,
                     std::vector<Part>& parts) {
  Part part;
  part.snapshot = &snapshot;
  ASSIGN_OR_RETURN(part.account_id, Uuid::Parse("acc", snapshot.account_id()));
  part.terms = {ToSchedules(snapshot), ToDiscounts(snapshot.discounts()),
                snapshot.bill_ahead_days(), exponent};
  for (const auto& item : snapshot.items()) part.items.push_back(ToItem(item));
  parts.push_back(std::move(part));
  return absl::OkStatus();
}

absl::StatusOr<AccountWork> Start(const accounts::BillingSnapshot& snapshot,
                                  const accounts::Company* company) {
  AccountWork one;
  one.snapshot = &snapshot;
  one.company = company;
  ASSIGN_OR_RETURN(one.draft.account_id, Uuid::Parse("acc", snapshot.account_id()));
  one.draft.currency = snapshot.currency_code();
  const auto exponent = CurrencyExponent(snapshot.currency_code());
  if (!exponent.ok() || company == nullptr) {
    Fail("unknown currency or company", one);
    return one;
  }
  one.exponent = *exponent;
  if (!snapshot.parent_account_id().empty()) return one;  // stands on its payer's document
  if (std::string fault = FaultIn(snapshot); !fault.empty()) {
    Fail(std::move(fault), one);
    return one;
  }
  RETURN_IF_ERROR(AddPart(snapshot, one.exponent, one.parts));
  for (const accounts::BillingSnapshot& child : snapshot.children()) {
    if (child.currency_code() != snapshot.currency_code()) {
      Fail("account " + child.account_number() + " has another currency than its payer", one);
      return one;
    }
    if (std::string fault = FaultIn(child); !fault.empty()) {
      Fail(std::move(fault), one);
      return one;
    }
    RETURN_IF_ERROR(AddPart(child, one.exponent, one.parts));
    one.draft.children.push_back(one.parts.back().account_id);
  }
  return one;
}

// An item's state as far as it has to be looked at.
struct State {
  Encoded read;
  int64_t version = 0;
  uint64_t basis = 0;
  DateSet before;  // settled days, which are not looked at
};

absl::StatusOr<State> ReadState(const CoverageMap& coverage, const Item& item,
                                const AccountTerms& terms, CivilDay as_of) {
  State out;
  out.basis = BasisOf(item, terms);
  const auto found = coverage.find(item.item_id);
  if (found == coverage.end()) return out;
  const Coverage& state = found->second;
  out.version = state.version();
  // What a term gave, and is taken back, may be of any period.
  const bool settled = !item.early_end.has_value() && IsSettled(state.settled(), out.basis, as_of);
  out.read = settled ? state.Tail() : Encoded{{}, {}, state.Pieces()};
  if (!state.AgreesWith(out.read)) {
    return InternalError("COVERAGE",
                         "the coverage of " + item.item_id.ToText("sub") + " contradicts itself");
  }
  if (settled) {
    out.before = state.covered().Intersect({CivilDay::min(), out.read.settled.through});
  }
  return out;
}

// Keeps what was billed of an item; its pieces and lines.
void Keep(const Part& part, const Item& item, State& state, ItemBill& bill, AccountWork& one) {
  for (const DateInterval& days : bill.late.intervals()) one.late.Add(days);
  const auto at = static_cast<int>(one.draft.coverage.size());
  const auto first = static_cast<int>(one.recurring.size());
  CoverageUpdate update{part.account_id, item.item_id, state.version, std::move(bill.pieces),
                        std::move(bill.replaced)};
  update.head = std::move(state.read.head);
  update.before = std::move(state.before);
  if (bill.settled_through.has_value()) update.settled = {state.basis, *bill.settled_through};
  one.draft.coverage.push_back(std::move(update));
  for (Line& line : bill.lines) {
    if (line.parent >= 0) line.parent += first;
    one.recurring_item.push_back(at);
    one.recurring.push_back(std::move(line));
  }
}

// The items' lines and new coverage.
void BillItems(const CoverageMap& coverage, CivilDay as_of, const Part& part, AccountWork& one,
               std::vector<std::vector<Piece>>& states) {
  std::vector<State> before;
  std::vector<const std::vector<Piece>*> covered;
  std::vector<CivilDay> from;
  before.reserve(part.items.size());
  for (const Item& item : part.items) {
    auto state = ReadState(coverage, item, part.terms, as_of);
    if (!state.ok()) return Fail(std::string(state.status().message()), one);
    before.push_back(*std::move(state));
    covered.push_back(&before.back().read.pieces);
    from.push_back(before.back().read.settled.through);
  }
  auto bills = BillAccount(part.items, part.terms, covered, as_of, from);
  if (!bills.ok()) return Fail(std::string(bills.status().message()), one);
  for (size_t i = 0; i < part.items.size(); ++i) {
    ItemBill& bill = (*bills)[i];
    one.due = one.due || (bill.changed && (bill.fresh || bill.now));
    // Only the fee for leaving early asks what was billed.
    const bool asked = part.items[i].early_end.has_value();
    states.push_back(!asked ? std::vector<Piece>() : bill.changed ? bill.pieces : *covered[i]);
    if (bill.changed) Keep(part, part.items[i], before[i], bill, one);
  }
}

std::optional<Uuid> FirstLocation(const Part& part) {
  if (part.snapshot->locations_size() == 0) return std::nullopt;
  const auto first = Uuid::Parse("loc", part.snapshot->locations(0).location_id());
  return first.ok() ? std::optional<Uuid>(*first) : std::nullopt;
}

// The line of a charge; false when its amount cannot be computed.
bool AddLine(const ChargeRow& charge, const Part& part, const std::string& derivation,
             AccountWork& one) {
  Line line;
  line.kind = static_cast<LineKind>(charge.kind);
  line.item_id = charge.item_id;
  line.location_id = charge.location_id.has_value() ? charge.location_id : FirstLocation(part);
  line.description = charge.description;
  line.quantity = charge.quantity;
  line.unit_price = charge.unit_price;
  const auto amount =
      (Fraction::MinorUnits(charge.unit_price, one.exponent) * Fraction::Of(charge.quantity))
          .Round();
  if (!amount.ok()) {
    Fail("charge '" + charge.description + "' is too large", one);
    return false;
  }
  line.amount = *amount;
  line.tax_class = charge.tax_class;
  line.account_code = charge.account_code;
  line.derivation = derivation;
  line.source = charge.source;
  line.source_id = charge.source_id;
  line.corrects_line = charge.corrects_line_id.value_or(Uuid());
  line.corrects_document = charge.corrects_document_id.value_or(Uuid());
  one.charges.push_back(std::move(line));
  return true;
}

void AddCharge(const ChargeRow& charge, const Part& part, AccountWork& one) {
  const std::string derivation =
      absl::StrCat(charge.unit_price.ToString(), " × ", charge.quantity.ToString());
  if (!AddLine(charge, part, derivation, one)) return;
  if (charge.state == pb::PendingCharge::PENDING) {
    one.draft.charges.push_back(charge.charge_id);
  } else {
    one.draft.made_charges.push_back(charge);
  }
  one.due = one.due || charge.bill_alone;
}

// Fees that follow from the items and that no document has yet.
void AddFees(const Part& part, const std::vector<std::vector<Piece>>& states,
             const std::set<std::pair<std::string, std::string>>& known,
             const DraftContext& context, absl::Time now, AccountWork& one) {
  for (size_t i = 0; i < part.items.size() && i < states.size(); ++i) {
    const Item& item = part.items[i];
    if (!item.setup_fee.has_value() && !item.early_end.has_value()) continue;
    const auto fees = FeesOf(item, states[i], context.as_of, part.terms.ahead, one.exponent);
    if (!fees.ok()) return Fail(std::string(fees.status().message()), one);
    for (const Fee& fee : *fees) {
      ChargeRow row;
      row.account_id = part.account_id;
      row.charge_id = Uuid::Make(now);
      row.source = fee.source;
      row.source_id = item.item_id.ToText("sub");
      if (known.count({row.source, row.source_id}) > 0) continue;
      row.kind = static_cast<int16_t>(LineKind::kOneTime);
      row.item_id = item.item_id;
      row.location_id = fee.location_id;
      row.description = fee.description;
      row.quantity = fee.quantity;
      row.unit_price = fee.unit_price;
      row.tax_class = fee.tax_class;
      row.account_code = fee.account_code;
      row.due_date = fee.due;
      row.state = 2;
      row.created_at = now;
      if (AddLine(row, part, fee.derivation, one)) one.draft.fees.push_back(std::move(row));
    }
  }
}

// Corrections, late usage and fees in the middle of a cycle wait for the next cycle invoice, unless
// none falls due soon.
bool MayWait(const AccountWork& one, const CoverageMap& coverage, CivilDay as_of) {
  if (one.due) return false;
  for (const Part& part : one.parts) {
    for (const Item& item : part.items) {
      const auto state = coverage.find(item.item_id);
      const DateSet covered = state == coverage.end() ? DateSet() : state->second.covered();
      if (NextDue(item, part.terms.schedules, covered, as_of, part.terms.ahead, kSoon)) return true;
    }
  }
  return false;
}

LineRow ToRow(const Line& line, const DocumentRow& document, int32_t position, const Uuid& id) {
  LineRow row;
  row.account_id = document.account_id;
  row.document_id = document.document_id;
  row.position = position;
  row.line_id = id;
  row.kind = static_cast<int16_t>(line.kind);
  row.item_id = line.item_id;
  row.location_id = line.location_id;
  row.description = line.description;
  if (!line.days.empty()) {
    row.start_date = line.days.start;
    row.end_date = line.days.end;
  }
  row.quantity = line.quantity;
  row.unit_price = line.unit_price;
  row.amount = line.amount;
  row.tax_class = line.tax_class;
  row.account_code = line.account_code;
  if (!line.corrects_line.IsNil()) row.corrects_line_id = line.corrects_line;
  if (!line.corrects_document.IsNil()) row.corrects_document_id = line.corrects_document;
  row.derivation = line.derivation;
  row.source = line.source;
  row.source_id = line.kind == LineKind::kDiscount ? "" : line.source_id;
  return row;
}

absl::StatusOr<DocumentRow> StartDocument(const AccountWork& one, const DraftContext& context,
                                          absl::Time now) {
  DocumentRow document;
  document.account_id = one.draft.account_id;
  document.document_id = Uuid::Make(now);
  document.account_version = one.snapshot->version();
  ASSIGN_OR_RETURN(document.company_id, Uuid::Parse("co", one.snapshot->company_id()));
  document.run_id = context.run_id;
  document.chunk = context.chunk;
  document.currency = one.draft.currency;
  document.as_of = context.as_of;
  document.due_days = one.snapshot->terms_days();
  document.parties.data = PartiesOf(*one.snapshot, *one.company);
  document.language = one.snapshot->language();
  document.created_at = now;
  return document;
}

// With the cycle day as basis the due date counts from the first day of what is billed in advance,
// when the invoice lies before it.
void SetDueBasis(const std::vector<Line>& lines, const AccountWork& one, DocumentRow& document) {
  if (one.company->due_basis() != accounts::Company::CYCLE_DAY) return;
  std::optional<CivilDay> cycle;
  for (const Line& line : lines) {
    const bool ahead = line.kind == LineKind::kRecurring && line.days.start > document.as_of;
    if (ahead && (!cycle.has_value() || line.days.start < *cycle)) cycle = line.days.start;
  }
  document.due_from = cycle;
}

// Minor units that all lines of a document may come to together, each counted without its sign: far
// beyond any invoice, and small enough that no sum of lines, taxes or documents leaves 64 bits.
constexpr int64_t kMaxDocument = 1'000'000'000'000'000;

bool IsTooLarge(const AccountWork& one) {
  Int128 sum = 0;
  for (const auto* lines : {&one.recurring, &one.charges, &one.usage}) {
    for (const Line& line : *lines) sum += line.amount < 0 ? -Int128{line.amount} : line.amount;
  }
  return sum > kMaxDocument;
}

// Adds a line's row to its document's draft.
void AddRow(const Line& line, const std::vector<Uuid>& ids, size_t index, Draft& draft) {
  DocumentRow& document = *draft.document;
  LineRow row = ToRow(line, document, static_cast<int32_t>(draft.lines.size()) + 1, ids[index]);
  if (line.parent >= 0) row.parent_line_id = ids[static_cast<size_t>(line.parent)];
  if (row.start_date.has_value()) {
    document.service_start =
        std::min(document.service_start.value_or(*row.start_date), *row.start_date);
    document.service_end = std::max(document.service_end.value_or(*row.end_date), *row.end_date);
  }
  document.net += line.amount;
  draft.lines.push_back(std::move(row));
}

// A second document for the corrections, if the company wants them apart.
absl::Status StartNote(const std::vector<Line>& lines, const DraftContext& context, absl::Time now,
                       AccountWork& one) {
  if (one.company->correction_mode() != accounts::Company::CREDIT_NOTE) return absl::OkStatus();
  const auto is_correction = [](const Line& line) { return !line.corrects_line.IsNil(); };
  const auto corrections = std::count_if(lines.begin(), lines.end(), is_correction);
  if (corrections == 0 || static_cast<size_t>(corrections) == lines.size()) return absl::OkStatus();
  Draft note;
  note.account_id = one.draft.account_id;
  note.currency = one.draft.currency;
  note.children = one.draft.children;
  ASSIGN_OR_RETURN(note.document, StartDocument(one, context, now));
  note.twin = one.draft.document->document_id;
  one.draft.twin = note.document->document_id;
  one.note = std::move(note);
  return absl::OkStatus();
}

// The documents' rows; pieces learn the line and document that pay for them.
absl::Status BuildDocument(const DraftContext& context, absl::Time now, AccountWork& one) {
  Draft& draft = one.draft;
  const std::vector<Line> lines = one.Lines();
  ASSIGN_OR_RETURN(draft.document, StartDocument(one, context, now));
  RETURN_IF_ERROR(StartNote(lines, context, now, one));
  SetDueBasis(lines, one, *draft.document);
  std::vector<Uuid> ids;
  for (size_t i = 0; i < lines.size(); ++i) ids.push_back(Uuid::Make(now));
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    const bool apart = one.note.has_value() && !line.corrects_line.IsNil();
    AddRow(line, ids, i, apart ? *one.note : draft);
    if (line.piece >= 0 && i < one.recurring_item.size()) {
      auto& pieces = draft.coverage[static_cast<size_t>(one.recurring_item[i])].pieces;
      Piece& piece = pieces[static_cast<size_t>(line.piece)];
      piece.line_id = ids[i];
      piece.document_id = draft.document->document_id;
    }
  }
  // Pieces that no line pays for (nothing until the boundary) still belong to this document.
  for (CoverageUpdate& update : draft.coverage) {
    for (Piece& piece : update.pieces) {
      if (piece.document_id.IsNil()) piece.document_id = draft.document->document_id;
      if (piece.line_id.IsNil()) piece.line_id = ids.front();
    }
  }
  for (ChargeRow& fee : draft.fees) fee.document_id = draft.document->document_id;
  return absl::OkStatus();
}

void Total(Draft& draft) {
  if (!draft.document.has_value()) return;
  DocumentRow& document = *draft.document;
  for (const TaxRow& row : draft.taxes) document.tax += row.inclusive ? 0 : row.amount;
  document.total = document.net + document.tax;
  document.kind = document.total < 0 ? int16_t{2} : int16_t{1};
}

// The payable amount in steps of the company's smallest coin: a line without tax.
absl::Status RoundPayable(const AccountWork& one, Draft& draft) {
  const Decimal step = ToDecimal(one.company->payable_rounding());
  if (!draft.document.has_value() || step.IsZero()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int64_t minor, Fraction::MinorUnits(step, one.exponent).Round());
  DocumentRow& document = *draft.document;
  if (minor <= 1) return absl::OkStatus();
  Line line;
  line.kind = LineKind::kRounding;
  line.amount = static_cast<int64_t>(RoundToStep(document.total, minor)) - document.total;
  if (line.amount == 0) return absl::OkStatus();
  line.description = "Rounding";
  line.account_code = kRoundingSource;
  line.source = kRoundingSource;
  line.derivation = absl::StrCat("total in steps of ", step.ToString());
  draft.lines.push_back(ToRow(line, document, static_cast<int32_t>(draft.lines.size()) + 1,
                              Uuid::Make(document.created_at)));
  document.net += line.amount;
  document.total += line.amount;
  return absl::OkStatus();
}

void Clear(Draft& draft, bool keep_problems) {
  draft.coverage.clear();
  draft.charges.clear();
  draft.fees.clear();
  draft.made_charges.clear();
  draft.usage.clear();
  if (!keep_problems) draft.problems.clear();
}

// What drafts that are not saved would leave.
void Overlay(const std::vector<Draft>* after, CoverageMap& coverage) {
  if (after == nullptr) return;
  for (const Draft& draft : *after) {
    for (const CoverageUpdate& update : draft.coverage) {
      coverage.insert_or_assign(update.item_id, Coverage(update));
    }
  }
}

bool IsBilledBy(const std::vector<Draft>* after, const Uuid& charge) {
  return after != nullptr && std::any_of(after->begin(), after->end(), [&](const Draft& draft) {
           return std::find(draft.charges.begin(), draft.charges.end(), charge) !=
                  draft.charges.end();
         });
}

// Accounts and those they pay for.
std::vector<Uuid> EveryAccount(const std::vector<AccountWork>& work) {
  std::vector<Uuid> out;
  for (const AccountWork& one : work) {
    for (const Part& part : one.parts) out.push_back(part.account_id);
  }
  return out;
}

using Known = std::map<Uuid, std::set<std::pair<std::string, std::string>>>;

// Which fees of the accounts' items are on a document, or taken back.
Known KnownFees(const std::vector<ChargeRow>& charges, const std::vector<Draft>* after) {
  Known out;
  for (const ChargeRow& charge : charges) {
    out[charge.account_id].insert({charge.source, charge.source_id});
  }
  if (after == nullptr) return out;
  for (const Draft& draft : *after) {
    for (const ChargeRow& fee : draft.fees) {
      out[fee.account_id].insert({fee.source, fee.source_id});
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<AccountWork>> Assembler::BillRecurring(
    const accounts::BatchGetBillingSnapshotsResponse& snapshots,
    const DraftContext& context) const {
  std::map<std::string, const accounts::Company*> companies;
  for (const auto& company : snapshots.companies()) companies[company.company_id()] = &company;
  std::vector<AccountWork> work;
  for (const auto& snapshot : snapshots.snapshots()) {
    ASSIGN_OR_RETURN(AccountWork one, Start(snapshot, companies[snapshot.company_id()]));
    work.push_back(std::move(one));
  }
  const std::vector<Uuid> account_ids = EveryAccount(work);
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(CoverageMap coverage, LoadCoverage(tx, account_ids));
  ASSIGN_OR_RETURN(
      const auto charges,
      db::Select<ChargeRow>(tx,
                            "WHERE account_id = ANY($1) AND ((state = 1 AND due_date <= $2) OR "
                            "source IN ('setup', 'early_termination')) "
                            "ORDER BY due_date, charge_id",
                            account_ids, context.as_of));
  ASSIGN_OR_RETURN(const auto returns, FinalDeposits(tx, snapshots, context.as_of, clock_.Now()));
  tx.Rollback();
  Overlay(context.after, coverage);
  const Known known = KnownFees(charges, context.after);
  static const std::set<std::pair<std::string, std::string>> kNothing;
  std::multimap<Uuid, const ChargeRow*> charges_of;
  for (const ChargeRow& charge : charges) {
    const bool pending = charge.state == 1 && charge.due_date <= context.as_of;
    if (pending && !IsBilledBy(context.after, charge.charge_id)) {
      charges_of.emplace(charge.account_id, &charge);
    }
  }
  for (const ChargeRow& charge : returns) charges_of.emplace(charge.account_id, &charge);
  const absl::Time now = clock_.Now();
  for (AccountWork& one : work) {
    for (const Part& part : one.parts) {
      if (one.failed) break;
      std::vector<std::vector<Piece>> states;
      BillItems(coverage, context.as_of, part, one, states);
      const auto [begin, end] = charges_of.equal_range(part.account_id);
      for (auto it = begin; it != end; ++it) AddCharge(*it->second, part, one);
      const auto found = known.find(part.account_id);
      AddFees(part, states, found == known.end() ? kNothing : found->second, context, now, one);
    }
    one.may_wait = !one.failed && !context.at_once && MayWait(one, coverage, context.as_of);
  }
  return work;
}

absl::StatusOr<std::vector<Draft>> Assembler::MakeDrafts(const std::vector<Uuid>& account_ids,
                                                         const DraftContext& context) const {
  Stopwatch watch(peers_.metrics);
  accounts::BatchGetBillingSnapshotsResponse fetched;
  if (context.snapshots == nullptr) {
    ASSIGN_OR_RETURN(fetched, FetchSnapshots(*peers_.accounts, account_ids, {}));
  }
  const auto& snapshots = context.snapshots == nullptr ? fetched : *context.snapshots;
  watch.Lap("read snapshots");
  ASSIGN_OR_RETURN(std::vector<AccountWork> work, BillRecurring(snapshots, context));
  watch.Lap("compute items");
  RETURN_IF_ERROR(AddUsage(work, context));
  watch.Lap("usage");
  const absl::Time now = clock_.Now();
  for (AccountWork& one : work) {
    const bool any = !one.recurring.empty() || !one.charges.empty() || !one.usage.empty();
    if (!one.failed && IsTooLarge(one))
      Fail("the lines of the document are together too large", one);
    if (one.failed || (one.may_wait && !one.due)) {
      Clear(one.draft, one.failed);
    } else if (any) {
      RETURN_IF_ERROR(BuildDocument(context, now, one));
    }
  }
  watch.Lap("build documents");
  RETURN_IF_ERROR(AddTaxes(work, context.as_of));
  RETURN_IF_ERROR(AddCreditTaxes(work));
  watch.Lap("taxes");
  for (AccountWork& one : work) {
    Total(one.draft);
    if (!one.failed) RETURN_IF_ERROR(RoundPayable(one, one.draft));
    if (one.note.has_value()) {
      Total(*one.note);
      RETURN_IF_ERROR(RoundPayable(one, *one.note));
    }
    if (context.tolerance.has_value()) CheckForecast(context, one);
    const bool held = !one.draft.problems.empty();
    if (one.draft.document.has_value()) one.draft.document->held = held;
    if (one.note.has_value()) one.note->document->held = held;
  }
  RETURN_IF_ERROR(AddStatements(work, context.as_of));
  AddLogos(work);
  std::vector<Draft> out;
  for (AccountWork& one : work) {
    if (one.note.has_value()) one.note->logo = one.draft.logo;
    out.push_back(std::move(one.draft));
    if (one.note.has_value()) out.push_back(*std::move(one.note));
  }
  if (context.run_id.has_value()) RETURN_IF_ERROR(HoldForApproval(*pool_, *context.run_id, out));
  return out;
}

absl::StatusOr<accounts::BatchGetBillingSnapshotsResponse> Assembler::Suppose(
    const Uuid& account_id,
    const google::protobuf::RepeatedPtrField<accounts::HypotheticalChange>& changes) const {
  return FetchSnapshots(*peers_.accounts, {account_id}, changes);
}

absl::StatusOr<std::optional<CivilDay>> Assembler::NextBill(const DraftContext& context,
                                                            int days) const {
  ASSIGN_OR_RETURN(const std::vector<AccountWork> work, BillRecurring(*context.snapshots, context));
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(CoverageMap coverage, LoadCoverage(tx, EveryAccount(work)));
  tx.Rollback();
  Overlay(context.after, coverage);
  std::optional<CivilDay> next;
  for (const AccountWork& one : work) {
    for (const Part& part : one.parts) {
      for (const Item& item : part.items) {
        const auto due = NextDue(item, part.terms.schedules, coverage[item.item_id].covered(),
                                 context.as_of, part.terms.ahead, days);
        if (due.has_value() && (!next.has_value() || *due < *next)) next = due;
      }
    }
  }
  return next;
}

}  // namespace broadbill::invoicing
