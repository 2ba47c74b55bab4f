#include "services/invoicing/app/assemble.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "broadbill/invoicing/v1/pending_charge.pb.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/approval.h"
#include "services/invoicing/app/clients/snapshots.h"
#include "services/invoicing/app/deposits.h"
#include "services/invoicing/app/phases.h"
#include "services/invoicing/app/work.h"
#include "services/invoicing/domain/schedule.h"

namespace broadbill::invoicing {
namespace {

constexpr int kSoon = 31;  // days: what waits is billed at the latest that long after

AccountWork Start(const accounts::BillingSnapshot& snapshot, const accounts::Company* company,
                  const Uuid& account_id) {
  AccountWork one;
  one.snapshot = &snapshot;
  one.company = company;
  one.draft.account_id = account_id;
  one.draft.currency = snapshot.currency_code();
  one.schedules = ToSchedules(snapshot);
  const auto exponent = CurrencyExponent(snapshot.currency_code());
  if (!exponent.ok() || company == nullptr) {
    one.draft.problems.push_back({pb::RunException::INVALID_DATA, "unknown currency or company"});
    one.failed = true;
    return one;
  }
  one.exponent = *exponent;
  if (std::string fault = FaultIn(snapshot); !fault.empty()) {
    one.draft.problems.push_back({pb::RunException::INVALID_DATA, std::move(fault)});
    one.failed = true;
    return one;
  }
  for (const auto& item : snapshot.items()) one.items.push_back(ToItem(item, snapshot.discounts()));
  return one;
}

// The items' lines and new coverage.
void BillItems(const CoverageMap& coverage, CivilDay as_of, AccountWork& one) {
  static const std::vector<Piece> kNone;
  const int ahead = one.snapshot->bill_ahead_days();
  for (const Item& item : one.items) {
    const auto state = coverage.find(item.item_id);
    one.covered.push_back(state == coverage.end() ? DateSet() : CoveredDays(state->second.pieces));
    if (state != coverage.end() && !state->second.sound) {
      // Billed by what it says, days would be charged or given back twice.
      one.draft.problems.push_back(
          {pb::RunException::INVALID_DATA,
           "the coverage of " + item.item_id.ToText("sub") + " contradicts itself"});
      one.failed = true;
      continue;
    }
    auto bill =
        BillItem(item, one.schedules, state == coverage.end() ? kNone : state->second.pieces, as_of,
                 ahead, one.exponent);
    if (!bill.ok()) {
      one.draft.problems.push_back(
          {pb::RunException::INVALID_DATA, std::string(bill.status().message())});
      one.failed = true;
      bill = ItemBill();
    }
    one.due = one.due || (bill->changed && (bill->fresh || bill->now));
    if (bill->changed) {
      const auto at = static_cast<int>(one.draft.coverage.size());
      const auto first = static_cast<int>(one.recurring.size());
      one.draft.coverage.push_back({one.draft.account_id, item.item_id,
                                    state == coverage.end() ? 0 : state->second.version,
                                    std::move(bill->pieces), std::move(bill->replaced)});
      for (Line& line : bill->lines) {
        if (line.parent >= 0) line.parent += first;
        one.recurring_item.push_back(at);
        one.recurring.push_back(std::move(line));
      }
    }
  }
}

void AddCharge(const ChargeRow& charge, AccountWork& one) {
  Line line;
  line.kind = static_cast<LineKind>(charge.kind);
  line.item_id = charge.item_id;
  line.location_id = charge.location_id;
  if (!line.location_id.has_value() && one.snapshot->locations_size() > 0) {
    const auto first = Uuid::Parse("loc", one.snapshot->locations(0).location_id());
    if (first.ok()) line.location_id = *first;
  }
  line.description = charge.description;
  line.quantity = charge.quantity;
  line.unit_price = charge.unit_price;
  const auto amount =
      (Fraction::MinorUnits(charge.unit_price, one.exponent) * Fraction::Of(charge.quantity))
          .Round();
  if (!amount.ok()) {
    one.failed = true;
    one.draft.problems.push_back(
        {pb::RunException::INVALID_DATA, "charge '" + charge.description + "' is too large"});
    return;
  }
  line.amount = *amount;
  line.tax_class = charge.tax_class;
  line.account_code = charge.account_code;
  line.derivation = absl::StrCat(charge.unit_price.ToString(), " × ", charge.quantity.ToString());
  line.source = charge.source;
  line.source_id = charge.source_id;
  line.corrects_line = charge.corrects_line_id.value_or(Uuid());
  line.corrects_document = charge.corrects_document_id.value_or(Uuid());
  one.charges.push_back(std::move(line));
  if (charge.state == pb::PendingCharge::PENDING) {
    one.draft.charges.push_back(charge.charge_id);
  } else {
    one.draft.made_charges.push_back(charge);
  }
  one.due = one.due || charge.bill_alone;
}

// Corrections, late usage and fees in the middle of a cycle wait for the next cycle invoice, unless
// none falls due soon.
bool MayWait(const AccountWork& one, CivilDay as_of) {
  if (one.due) return false;
  for (size_t i = 0; i < one.items.size(); ++i) {
    // Days that are covered make no invoice of their own: a year that was billed and became months
    // must not wait for its end.
    const auto next = NextDue(one.items[i], one.schedules, one.covered[i], as_of,
                              one.snapshot->bill_ahead_days(), kSoon);
    if (next.has_value()) return true;
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

// The document's rows; pieces learn the line and document that pay for them.
absl::Status BuildDocument(const DraftContext& context, absl::Time now, AccountWork& one) {
  Draft& draft = one.draft;
  const std::vector<Line> lines = one.Lines();
  ASSIGN_OR_RETURN(DocumentRow document, StartDocument(one, context, now));
  std::vector<Uuid> ids;
  for (size_t i = 0; i < lines.size(); ++i) ids.push_back(Uuid::Make(now));
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    LineRow row = ToRow(line, document, static_cast<int32_t>(i) + 1, ids[i]);
    if (line.parent >= 0) row.parent_line_id = ids[static_cast<size_t>(line.parent)];
    if (row.start_date.has_value()) {
      document.service_start =
          std::min(document.service_start.value_or(*row.start_date), *row.start_date);
      document.service_end = std::max(document.service_end.value_or(*row.end_date), *row.end_date);
    }
    document.net += line.amount;
    if (line.piece >= 0 && i < one.recurring_item.size()) {
      auto& pieces = draft.coverage[static_cast<size_t>(one.recurring_item[i])].pieces;
      Piece& piece = pieces[static_cast<size_t>(line.piece)];
      piece.line_id = ids[i];
      piece.document_id = document.document_id;
    }
    draft.lines.push_back(std::move(row));
  }
  // Pieces that no line pays for (nothing until the boundary) still belong to this document.
  for (CoverageUpdate& update : draft.coverage) {
    for (Piece& piece : update.pieces) {
      if (piece.document_id.IsNil()) piece.document_id = document.document_id;
      if (piece.line_id.IsNil()) piece.line_id = ids.front();
    }
  }
  draft.document = std::move(document);
  return absl::OkStatus();
}

void Total(Draft& draft) {
  if (!draft.document.has_value()) return;
  DocumentRow& document = *draft.document;
  for (const TaxRow& row : draft.taxes) document.tax += row.inclusive ? 0 : row.amount;
  document.total = document.net + document.tax;
  document.kind = document.total < 0 ? int16_t{2} : int16_t{1};
  document.held = !draft.problems.empty();
}

void Clear(Draft& draft, bool keep_problems) {
  draft.coverage.clear();
  draft.charges.clear();
  draft.made_charges.clear();
  draft.usage.clear();
  if (!keep_problems) draft.problems.clear();
}

}  // namespace

absl::StatusOr<std::vector<AccountWork>> Assembler::BillRecurring(
    const accounts::BatchGetBillingSnapshotsResponse& snapshots,
    const std::vector<Uuid>& account_ids, CivilDay as_of) const {
  std::map<std::string, const accounts::Company*> companies;
  for (const auto& company : snapshots.companies()) companies[company.company_id()] = &company;
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const CoverageMap coverage, LoadCoverage(tx, account_ids));
  ASSIGN_OR_RETURN(const auto charges,
                   db::Select<ChargeRow>(tx,
                                         "WHERE account_id = ANY($1) AND state = 1 AND "
                                         "due_date <= $2 ORDER BY due_date, charge_id",
                                         account_ids, as_of));
  ASSIGN_OR_RETURN(const auto returns, FinalDeposits(tx, snapshots, as_of, clock_.Now()));
  tx.Rollback();
  std::multimap<Uuid, const ChargeRow*> charges_of;
  for (const ChargeRow& charge : charges) charges_of.emplace(charge.account_id, &charge);
  for (const ChargeRow& charge : returns) charges_of.emplace(charge.account_id, &charge);
  std::vector<AccountWork> work;
  for (const auto& snapshot : snapshots.snapshots()) {
    ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse("acc", snapshot.account_id()));
    work.push_back(Start(snapshot, companies[snapshot.company_id()], id));
    AccountWork& one = work.back();
    if (one.failed) continue;
    BillItems(coverage, as_of, one);
    const auto [begin, end] = charges_of.equal_range(id);
    for (auto it = begin; it != end; ++it) AddCharge(*it->second, one);
  }
  return work;
}

absl::StatusOr<std::vector<Draft>> Assembler::MakeDrafts(const std::vector<Uuid>& account_ids,
                                                         const DraftContext& context) const {
  Stopwatch watch(peers_.metrics);
  ASSIGN_OR_RETURN(const auto snapshots, FetchSnapshots(*peers_.accounts, account_ids));
  watch.Lap("read snapshots");
  ASSIGN_OR_RETURN(std::vector<AccountWork> work,
                   BillRecurring(snapshots, account_ids, context.as_of));
  watch.Lap("compute items");
  RETURN_IF_ERROR(AddUsage(work, context.as_of));
  watch.Lap("usage");
  const absl::Time now = clock_.Now();
  for (AccountWork& one : work) {
    const bool any = !one.recurring.empty() || !one.charges.empty() || !one.usage.empty();
    const bool wait = !one.failed && MayWait(one, context.as_of);
    if (one.failed || wait) {
      Clear(one.draft, one.failed);
    } else if (any) {
      RETURN_IF_ERROR(BuildDocument(context, now, one));
    }
  }
  watch.Lap("build documents");
  RETURN_IF_ERROR(AddTaxes(work, context.as_of));
  RETURN_IF_ERROR(AddCreditTaxes(work));
  watch.Lap("taxes");
  std::vector<Draft> out;
  for (AccountWork& one : work) {
    Total(one.draft);
    out.push_back(std::move(one.draft));
  }
  if (context.run_id.has_value()) RETURN_IF_ERROR(HoldForApproval(*pool_, *context.run_id, out));
  return out;
}

}  // namespace broadbill::invoicing
