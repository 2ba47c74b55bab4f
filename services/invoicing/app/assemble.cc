#include "services/invoicing/app/assemble.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "broadbill/rating/v1/period_usage.pb.h"
#include "broadbill/tax/v1/calculation.pb.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"

namespace broadbill::invoicing {
namespace {

namespace rating = broadbill::rating::v1;
namespace tax = broadbill::tax::v1;
constexpr int kUsagePeriods = 3;  // closed periods asked again for late usage

CivilDay Day(const google::type::Date& date, CivilDay otherwise) {
  return convert::IsUnset(date) ? otherwise : CivilDay(date.year(), date.month(), date.day());
}

Decimal Dec(const broadbill::common::v1::Decimal& value) {
  const auto parsed = Decimal::Parse(value.value());
  return parsed.ok() ? *parsed : Decimal();
}

Proration Method(accounts::Proration::Method method) {
  switch (method) {
    case accounts::Proration::THIRTY_DAY: return Proration::kThirtyDay;
    case accounts::Proration::FULL: return Proration::kFull;
    case accounts::Proration::NONE: return Proration::kNone;
    default: return Proration::kActual;
  }
}

Terms ToTerms(const accounts::Terms& in) {
  Terms out;
  out.plan_code = in.plan_code();
  out.description = in.description();
  out.tax_class = in.tax_class();
  out.account_code = in.account_code();
  out.arrears = in.timing() == accounts::ARREARS;
  out.recurrence = {in.recurrence().days() > 0 ? 0 : std::max(1, in.recurrence().months()),
                    in.recurrence().days()};
  out.price = Dec(in.price());
  out.quantity = Dec(in.quantity());
  out.start = Method(in.proration().start());
  out.change = Method(in.proration().change());
  out.quantity_change = Method(in.proration().quantity());
  out.suspend = Method(in.proration().suspend());
  out.cancel = Method(in.proration().cancel());
  out.suspension = in.suspension().mode() == accounts::SuspensionPolicy::STOP
                       ? SuspensionMode::kStop
                   : in.suspension().mode() == accounts::SuspensionPolicy::HOLD
                       ? SuspensionMode::kHold
                       : SuspensionMode::kKeep;
  out.hold_price = Dec(in.suspension().hold_price());
  out.term_discount_percent = Dec(in.term_discount_percent());
  out.bill_changes_now = in.bill_changes_now();
  return out;
}

Item ToItem(const accounts::SnapshotItem& in,
            const google::protobuf::RepeatedPtrField<accounts::SnapshotDiscount>& account_discounts) {
  Item out;
  const auto id = Uuid::Parse("sub", in.item_id());
  if (id.ok()) out.item_id = *id;
  const auto location = Uuid::Parse("loc", in.location_id());
  if (location.ok()) out.location_id = *location;
  if (in.has_paid_through()) out.paid_through = Day(in.paid_through(), CivilDay::min());
  out.no_refund = in.no_refund();
  for (const accounts::Segment& segment : in.segments()) {
    out.segments.push_back({{Day(segment.start_date(), CivilDay::min()),
                             Day(segment.end_date(), CivilDay::max())},
                            static_cast<Cause>(segment.cause()), segment.suspended(),
                            ToTerms(segment.terms())});
  }
  const auto add = [&](const accounts::SnapshotDiscount& discount) {
    Discount to;
    const auto discount_id = Uuid::Parse("dis", discount.discount_id());
    if (discount_id.ok()) to.id = *discount_id;
    to.label = discount.label();
    if (discount.has_percent()) to.percent = Dec(discount.percent());
    if (discount.has_amount()) to.amount = Dec(discount.amount());
    to.days = {Day(discount.from_date(), CivilDay(1970, 1, 1)),
               Day(discount.to_date(), CivilDay::max())};
    to.account_code = discount.account_code();
    out.discounts.push_back(std::move(to));
  };
  for (const auto& discount : in.discounts()) add(discount);
  // A percent off the whole account is the same percent off each line; amounts of the account are
  // spread over lines elsewhere.
  for (const auto& discount : account_discounts) {
    if (discount.has_percent()) add(discount);
  }
  return out;
}

Schedules ToSchedules(const accounts::BillingSnapshot& in) {
  Schedules out;
  for (const auto& cycle : in.cycle_days()) {
    out.cycle_days.push_back({Day(cycle.from_date(), CivilDay(1970, 1, 1)), cycle.cycle_day()});
  }
  if (out.cycle_days.empty()) out.cycle_days.push_back({CivilDay(1970, 1, 1), 1});
  out.rule = in.anchor_rule() == accounts::Account::START_MONTH
                 ? AnchorRule::kCycleDayInStartMonth
             : in.anchor_rule() == accounts::Account::ANNIVERSARY
                 ? AnchorRule::kAnniversary
                 : AnchorRule::kCycleDayOnOrAfterStart;
  return out;
}

std::string MonthText(const DateInterval& days) {
  return FormatDate(days.start) + " to " + FormatDate(days.end - 1);
}

// Seller, customer and locations as they are now; kept with the document for ever.
std::string PartiesOf(const accounts::BillingSnapshot& snapshot, const accounts::Company& company) {
  pb::Document parties;
  pb::Party* seller = parties.mutable_seller();
  seller->set_name(company.name());
  *seller->mutable_address() = company.address();
  seller->set_tax_id(company.tax_id());
  seller->set_email(company.email());
  seller->set_phone(company.phone());
  seller->set_website(company.website());
  seller->set_payment_instructions(company.payment_instructions());
  seller->set_logo_text(company.logo_text());
  seller->set_logo_color(company.logo_color());
  seller->set_iban(company.iban());
  seller->set_bic(company.bic());
  // The number prefix travels with the seller's account number field.
  seller->set_account_number(company.number_prefix());
  pb::Party* customer = parties.mutable_customer();
  customer->set_name(snapshot.name());
  *customer->mutable_address() = snapshot.billing_address();
  customer->set_tax_id(snapshot.tax_id());
  customer->set_email(snapshot.email());
  customer->set_account_number(snapshot.account_number());
  customer->set_customer_class(snapshot.customer_class());
  for (const auto& location : snapshot.locations()) {
    pb::DocumentLocation* to = parties.add_locations();
    to->set_location_id(location.location_id());
    to->set_name(location.name());
    *to->mutable_address() = location.address();
  }
  return parties.SerializeAsString();
}

}  // namespace

struct Assembler::Work {
  const accounts::BillingSnapshot* snapshot = nullptr;
  const accounts::Company* company = nullptr;
  Draft draft;
  Schedules schedules;
  std::vector<Item> items;
  std::vector<Line> lines;
  std::vector<ItemBill> bills;   // by item
  std::vector<int> line_item;    // item index of each line, −1: none
  int exponent = 2;
  bool fresh = false;            // something other than a mid-cycle correction
  bool failed = false;
};

namespace {

// Corrections in the middle of a cycle wait for the next cycle invoice, unless a plan bills them at
// once or no further invoice will come.
bool MayWait(const std::vector<Item>& items, const std::vector<ItemBill>& bills, CivilDay as_of) {
  for (const ItemBill& bill : bills) {
    if (bill.changed && (bill.fresh || bill.now)) return false;
  }
  return std::any_of(items.begin(), items.end(), [&](const Item& item) {
    return !item.segments.empty() && item.segments.back().days.end > as_of;
  });
}

}  // namespace

absl::StatusOr<std::vector<Draft>> Assembler::MakeDrafts(const std::vector<Uuid>& account_ids,
                                                         const DraftContext& context) const {
  accounts::BatchGetBillingSnapshotsRequest request;
  for (const Uuid& id : account_ids) request.add_account_ids(id.ToText("acc"));
  const rpc::Context caller = rpc::BackgroundContext("invoicing");
  ASSIGN_OR_RETURN(const auto snapshots,
                   peers_.accounts->Call<accounts::BatchGetBillingSnapshotsResponse>(
                       "broadbill.accounts.v1.Accounts/BatchGetBillingSnapshots", request, caller));
  std::map<std::string, const accounts::Company*> companies;
  for (const auto& company : snapshots.companies()) companies[company.company_id()] = &company;
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const CoverageMap coverage, LoadCoverage(tx, account_ids));
  ASSIGN_OR_RETURN(const auto charges,
                   db::Select<ChargeRow>(tx,
                                         "WHERE account_id = ANY($1) AND state = 1 AND "
                                         "due_date <= $2 ORDER BY due_date, charge_id",
                                         account_ids, context.as_of));
  tx.Rollback();
  std::vector<Work> work;
  for (const auto& snapshot : snapshots.snapshots()) {
    Work one;
    one.snapshot = &snapshot;
    one.company = companies[snapshot.company_id()];
    ASSIGN_OR_RETURN(one.draft.account_id, Uuid::Parse("acc", snapshot.account_id()));
    one.draft.currency = snapshot.currency_code();
    one.schedules = ToSchedules(snapshot);
    const auto exponent = CurrencyExponent(snapshot.currency_code());
    if (!exponent.ok() || one.company == nullptr) {
      one.draft.problems.push_back({pb::RunException::INVALID_DATA, "unknown currency or company"});
      one.failed = true;
      work.push_back(std::move(one));
      continue;
    }
    one.exponent = *exponent;
    for (const auto& item : snapshot.items()) one.items.push_back(ToItem(item, snapshot.discounts()));
    for (const Item& item : one.items) {
      const auto state = coverage.find(item.item_id);
      auto bill = BillItem(item, one.schedules,
                           state == coverage.end() ? std::vector<Piece>() : state->second.pieces,
                           context.as_of, snapshot.bill_ahead_days(), one.exponent);
      if (!bill.ok()) {
        one.draft.problems.push_back(
            {pb::RunException::INVALID_DATA, std::string(bill.status().message())});
        one.failed = true;
        bill = ItemBill();
      }
      one.bills.push_back(*std::move(bill));
    }
    work.push_back(std::move(one));
  }
  for (Work& one : work) {
    const bool wait = MayWait(one.items, one.bills, context.as_of);
    for (size_t i = 0; i < one.items.size() && !wait; ++i) {
      const ItemBill& bill = one.bills[i];
      if (!bill.changed) continue;
      const auto state = coverage.find(one.items[i].item_id);
      one.draft.coverage.push_back({one.draft.account_id, one.items[i].item_id,
                                    state == coverage.end() ? 0 : state->second.version,
                                    bill.pieces});
      const auto first = static_cast<int>(one.lines.size());
      for (Line line : bill.lines) {
        if (line.parent >= 0) line.parent += first;
        one.line_item.push_back(static_cast<int>(one.draft.coverage.size()) - 1);
        one.lines.push_back(std::move(line));
      }
    }
    for (const ChargeRow& charge : charges) {
      if (charge.account_id != one.draft.account_id) continue;
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
      const auto amount = (Fraction::MinorUnits(charge.unit_price, one.exponent) *
                           Fraction::Of(charge.quantity))
                              .Round();
      line.amount = amount.ok() ? *amount : 0;
      line.tax_class = charge.tax_class;
      line.account_code = charge.account_code;
      line.derivation = absl::StrCat(charge.unit_price.ToString(), " × ",
                                     charge.quantity.ToString());
      line.source = charge.source;
      line.source_id = charge.source_id;
      one.lines.push_back(std::move(line));
      one.line_item.push_back(-1);
      one.draft.charges.push_back(charge.charge_id);
    }
  }
  RETURN_IF_ERROR(AddUsage(work, context));
  const absl::Time now = clock_.Now();
  for (Work& one : work) {
    Draft& draft = one.draft;
    if (one.failed) {
      draft.coverage.clear();
      draft.charges.clear();
      draft.usage.clear();
      continue;
    }
    if (one.lines.empty()) continue;
    DocumentRow document;
    document.account_id = draft.account_id;
    document.document_id = Uuid::Make(now);
    document.account_version = one.snapshot->version();
    ASSIGN_OR_RETURN(document.company_id, Uuid::Parse("co", one.snapshot->company_id()));
    document.run_id = context.run_id;
    document.chunk = context.chunk;
    document.currency = draft.currency;
    document.as_of = context.as_of;
    document.due_days = one.snapshot->terms_days();
    document.parties.data = PartiesOf(*one.snapshot, *one.company);
    document.language = one.snapshot->language();
    document.created_at = now;
    std::vector<Uuid> ids;
    for (size_t i = 0; i < one.lines.size(); ++i) ids.push_back(Uuid::Make(now));
    for (size_t i = 0; i < one.lines.size(); ++i) {
      const Line& line = one.lines[i];
      LineRow row;
      row.account_id = draft.account_id;
      row.document_id = document.document_id;
      row.position = static_cast<int32_t>(i) + 1;
      row.line_id = ids[i];
      row.kind = static_cast<int16_t>(line.kind);
      row.item_id = line.item_id;
      row.location_id = line.location_id;
      row.description = line.description;
      if (!line.days.empty()) {
        row.start_date = line.days.start;
        row.end_date = line.days.end;
        document.service_start =
            std::min(document.service_start.value_or(line.days.start), line.days.start);
        document.service_end = std::max(document.service_end.value_or(line.days.end), line.days.end);
      }
      row.quantity = line.quantity;
      row.unit_price = line.unit_price;
      row.amount = line.amount;
      row.tax_class = line.tax_class;
      row.account_code = line.account_code;
      if (line.parent >= 0) row.parent_line_id = ids[static_cast<size_t>(line.parent)];
      if (!line.corrects_line.IsNil()) row.corrects_line_id = line.corrects_line;
      if (!line.corrects_document.IsNil()) row.corrects_document_id = line.corrects_document;
      row.derivation = line.derivation;
      row.source = line.source;
      row.source_id = line.kind == LineKind::kDiscount ? "" : line.source_id;
      document.net += line.amount;
      if (line.piece >= 0) {
        auto& pieces = draft.coverage[static_cast<size_t>(one.line_item[i])].pieces;
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
        if (piece.line_id.IsNil() && !ids.empty()) piece.line_id = ids.front();
      }
    }
    document.total = document.net;
    draft.document = std::move(document);
  }
  RETURN_IF_ERROR(AddTaxes(work, context));
  RETURN_IF_ERROR(AddCreditTaxes(work));
  std::vector<Draft> out;
  for (Work& one : work) {
    if (one.draft.document.has_value()) {
      DocumentRow& document = *one.draft.document;
      document.tax = 0;
      for (const TaxRow& row : one.draft.taxes) document.tax += row.inclusive ? 0 : row.amount;
      document.total = document.net + document.tax;
      document.kind = document.total < 0 ? int16_t{2} : int16_t{1};
      document.held = !one.draft.problems.empty();
    }
    out.push_back(std::move(one.draft));
  }
  return out;
}

absl::Status Assembler::AddUsage(std::vector<Work>& work, const DraftContext& context) const {
  struct Asked {
    size_t work;
    size_t item;
    const accounts::Terms* terms;
    DateInterval period;
  };
  std::vector<Asked> asked;
  rating::BatchGetPeriodUsageRequest request;
  std::vector<Uuid> account_ids;
  for (size_t w = 0; w < work.size(); ++w) {
    Work& one = work[w];
    for (size_t i = 0; i < one.items.size(); ++i) {
      const auto& item = one.snapshot->items(static_cast<int>(i));
      for (const DateInterval& full :
           ClosedUsagePeriods(one.items[i], one.schedules, context.as_of, kUsagePeriods)) {
        for (const auto& segment : item.segments()) {
          const DateInterval days =
              full.Intersect({Day(segment.start_date(), CivilDay::min()),
                              Day(segment.end_date(), CivilDay::max())});
          const auto& terms = segment.terms();
          if (days.empty() || (!terms.has_usage() && !terms.has_voice())) continue;
          // Segments with the same terms of usage are one stretch.
          if (!asked.empty() && asked.back().work == w && asked.back().item == i &&
              asked.back().period.end == days.start && asked.back().terms->plan_code() == terms.plan_code() &&
              days.start > full.start) {
            asked.back().period.end = days.end;
            auto* last = request.mutable_queries(request.queries_size() - 1);
            *last->mutable_period()->mutable_end_date() = convert::ToProto(days.end);
            continue;
          }
          asked.push_back({w, i, &terms, days});
          auto* query = request.add_queries();
          query->set_account_id(one.snapshot->account_id());
          query->set_item_id(item.item_id());
          *query->mutable_period() = convert::ToProto(days);
          *query->mutable_full_period() = convert::ToProto(full);
          query->set_time_zone(one.snapshot->time_zone());
          query->set_currency_code(one.snapshot->currency_code());
          if (terms.has_usage()) *query->mutable_usage() = terms.usage();
          if (terms.has_voice()) *query->mutable_voice() = terms.voice();
          account_ids.push_back(one.draft.account_id);
        }
      }
    }
  }
  if (asked.empty()) return absl::OkStatus();
  std::vector<rating::PeriodUsage> answers;
  constexpr int kBatch = 3000;
  for (int begin = 0; begin < request.queries_size(); begin += kBatch) {
    rating::BatchGetPeriodUsageRequest part;
    for (int i = begin; i < std::min(begin + kBatch, request.queries_size()); ++i) {
      *part.add_queries() = request.queries(i);
    }
    ASSIGN_OR_RETURN(const auto response,
                     peers_.rating->Call<rating::BatchGetPeriodUsageResponse>(
                         "broadbill.rating.v1.Rating/BatchGetPeriodUsage", part,
                         rpc::BackgroundContext("invoicing")));
    answers.insert(answers.end(), response.usages().begin(), response.usages().end());
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto billed_rows,
                   db::Select<UsageBilledRow>(tx, "WHERE account_id = ANY($1)", account_ids));
  tx.Rollback();
  std::map<std::tuple<Uuid, std::string, CivilDay>, int64_t> billed;
  for (const UsageBilledRow& row : billed_rows) {
    billed[{row.item_id, row.meter, row.period_start}] = row.billed_minor;
  }
  for (size_t q = 0; q < asked.size(); ++q) {
    const Asked& ask = asked[q];
    Work& one = work[ask.work];
    const Item& item = one.items[ask.item];
    const rating::PeriodUsage& usage = answers[q];
    if (usage.unrated_count() > 0) {
      one.draft.problems.push_back(
          {pb::RunException::UNRATED_USAGE,
           absl::StrCat(usage.unrated_count(), " usage records of ", MonthText(ask.period),
                        " wait unrated")});
    }
    const auto bill = [&](const std::string& meter, int64_t amount, LineKind kind,
                          const std::string& text, const std::string& derivation,
                          const std::string& tax_class, const std::string& account_code) {
      const auto key = std::make_tuple(item.item_id, meter, ask.period.start);
      const auto before = billed.find(key);
      const int64_t already = before == billed.end() ? 0 : before->second;
      if (amount == already) return;
      Line line;
      line.kind = kind;
      line.item_id = item.item_id;
      line.location_id = item.location_id;
      line.description = before == billed.end() ? text : "Correction: " + text;
      line.days = ask.period;
      line.amount = amount - already;
      line.tax_class = tax_class.empty() ? ask.terms->tax_class() : tax_class;
      line.account_code = account_code.empty() ? ask.terms->account_code() : account_code;
      line.derivation = derivation;
      line.source = "usage";
      line.source_id = meter;
      one.lines.push_back(std::move(line));
      one.line_item.push_back(-1);
      one.draft.usage.push_back(
          {one.draft.account_id, item.item_id, meter, ask.period.start, amount});
    };
    if (usage.has_data()) {
      const auto& terms = ask.terms->usage();
      const std::string text = terms.description().empty()
                                   ? ask.terms->description() + " data overage"
                                   : terms.description();
      bill(usage.data().meter(), usage.data().amount_minor(), LineKind::kUsage, text,
           usage.data().derivation(), terms.tax_class(), terms.account_code());
    }
    for (const rating::VoiceGroup& group : usage.voice_groups()) {
      const auto amount =
          Fraction::MinorUnits(Dec(group.amount()), one.exponent).Round();
      bill("voice:" + group.destination(), amount.ok() ? *amount : 0, LineKind::kVoice,
           "Calls: " + group.destination(),
           absl::StrCat(group.calls(), " calls, ", group.billed_seconds(), " s, ",
                        group.amount().value()),
           ask.terms->voice().tax_class(), ask.terms->voice().account_code());
    }
  }
  return absl::OkStatus();
}

namespace {

bool IsCredit(const LineRow& line) { return line.corrects_line_id.has_value(); }

TaxRow ToRow(const tax::TaxAmount& in, const DocumentRow& document, int32_t position) {
  TaxRow row;
  row.account_id = document.account_id;
  row.document_id = document.document_id;
  row.position = position;
  row.rule_id = in.rule_id();
  row.jurisdiction_id = in.jurisdiction_id();
  row.jurisdiction_code = in.jurisdiction_code();
  row.jurisdiction_name = in.jurisdiction_name();
  row.tax_code = in.tax_code();
  row.name = in.tax_name();
  row.category = in.category();
  row.rate = Dec(in.rate());
  row.fixed = in.fixed();
  row.inclusive = in.inclusive();
  row.base = in.base_minor();
  row.exempt = in.exempt_minor();
  row.exempt_reason = in.exempt_reason();
  row.unrounded = Dec(in.unrounded());
  row.amount = in.amount_minor();
  return row;
}

}  // namespace

absl::Status Assembler::AddTaxes(std::vector<Work>& work, const DraftContext& context) const {
  tax::BatchCalculateRequest request;
  std::set<std::string> locations;
  std::map<std::string, Work*> by_key;
  std::map<std::string, Uuid> line_ids;
  for (Work& one : work) {
    if (!one.draft.document.has_value()) continue;
    tax::TaxDocument* document = request.add_documents();
    document->set_document_key(one.draft.document->document_id.ToText("doc"));
    by_key[document->document_key()] = &one;
    document->set_account_id(one.snapshot->account_id());
    document->set_company_id(one.snapshot->company_id());
    document->set_customer_class(one.snapshot->customer_class());
    document->set_customer_tax_id(one.snapshot->tax_id());
    document->set_currency_code(one.snapshot->currency_code());
    *document->mutable_tax_date() = convert::ToProto(context.as_of);
    for (const LineRow& line : one.draft.lines) {
      if (IsCredit(line)) continue;  // keeps the original's tax
      tax::TaxLine* to = document->add_lines();
      to->set_line_id(line.line_id.ToText("lin"));
      to->set_tax_class(line.tax_class);
      to->set_net_minor(line.amount);
      *to->mutable_quantity() = convert::ToProto(line.quantity);
      if (line.start_date.has_value()) {
        *to->mutable_interval() = convert::ToProto(DateInterval{*line.start_date, *line.end_date});
      }
      to->set_recurring(line.kind == static_cast<int16_t>(LineKind::kRecurring));
      if (line.location_id.has_value()) to->set_location_id(line.location_id->ToText("loc"));
    }
    for (const auto& location : one.snapshot->locations()) {
      if (!locations.insert(location.location_id()).second) continue;
      tax::TaxLocation* to = request.add_locations();
      to->set_location_id(location.location_id());
      *to->mutable_address() = location.address();
    }
  }
  if (request.documents_size() == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const auto response,
                   peers_.tax->Call<tax::BatchCalculateResponse>(
                       "broadbill.tax.v1.Tax/BatchCalculate", request,
                       rpc::BackgroundContext("invoicing")));
  for (const tax::TaxedDocument& taxed : response.documents()) {
    Draft& draft = by_key.at(taxed.document_key())->draft;
    for (const tax::TaxProblem& problem : taxed.problems()) {
      draft.problems.push_back({pb::RunException::MISSING_TAX_AREA, problem.message()});
    }
    for (const tax::TaxAmount& amount : taxed.taxes()) {
      TaxRow row =
          ToRow(amount, *draft.document, static_cast<int32_t>(draft.taxes.size()) + 1);
      for (const tax::TaxLineShare& share : amount.shares()) {
        ASSIGN_OR_RETURN(const Uuid line, Uuid::Parse("lin", share.line_id()));
        row.line_ids.push_back(line);
        row.line_bases.push_back(share.base_minor());
        row.line_exempts.push_back(share.exempt_minor());
        row.line_amounts.push_back(share.amount_minor());
      }
      draft.taxes.push_back(std::move(row));
    }
  }
  return absl::OkStatus();
}

// Credit lines take back the tax of the line they correct: of T tax on N net, after C credited in
// all, round(T × C ÷ N) is gone; so the last credit takes the rest exactly.
absl::Status Assembler::AddCreditTaxes(std::vector<Work>& work) const {
  std::vector<Uuid> documents;
  std::vector<Uuid> lines;
  for (const Work& one : work) {
    for (const LineRow& line : one.draft.lines) {
      if (!IsCredit(line)) continue;
      lines.push_back(*line.corrects_line_id);
      if (line.corrects_document_id.has_value()) documents.push_back(*line.corrects_document_id);
    }
  }
  if (lines.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto originals,
                   db::Select<TaxRow>(tx, "WHERE document_id = ANY($1) ORDER BY position",
                                      documents));
  ASSIGN_OR_RETURN(const db::Result nets,
                   tx.Exec("SELECT line_id, amount FROM line WHERE document_id = ANY($1) AND "
                           "line_id = ANY($2)",
                           documents, lines));
  ASSIGN_OR_RETURN(const db::Result credited,
                   tx.Exec("SELECT corrects_line_id, sum(amount)::int8 FROM line "
                           "WHERE corrects_line_id = ANY($1) GROUP BY 1",
                           lines));
  tx.Rollback();
  std::map<Uuid, int64_t> net;
  std::map<Uuid, int64_t> gone;
  for (int i = 0; i < nets.size(); ++i) net[nets.Get<Uuid>(i, 0)] = nets.Get<int64_t>(i, 1);
  for (int i = 0; i < credited.size(); ++i) {
    gone[credited.Get<Uuid>(i, 0)] = -credited.Get<int64_t>(i, 1);
  }
  for (Work& one : work) {
    Draft& draft = one.draft;
    for (const LineRow& line : draft.lines) {
      if (!IsCredit(line)) continue;
      const int64_t whole = net[*line.corrects_line_id];
      int64_t& so_far = gone[*line.corrects_line_id];
      const int64_t after = so_far - line.amount;
      for (const TaxRow& original : originals) {
        const auto at = std::find(original.line_ids.begin(), original.line_ids.end(),
                                  *line.corrects_line_id);
        if (at == original.line_ids.end() || whole == 0) continue;
        const auto index = static_cast<size_t>(at - original.line_ids.begin());
        const int64_t share = original.line_amounts[index];
        const auto part = [&](int64_t of) {
          return static_cast<int64_t>(RoundDiv(Int128{share} * of, whole));
        };
        TaxRow row = original;
        row.account_id = draft.account_id;
        row.document_id = draft.document->document_id;
        row.position = static_cast<int32_t>(draft.taxes.size()) + 1;
        row.amount = -(part(after) - part(so_far));
        row.base = original.line_bases[index] == 0 ? 0 : line.amount;
        row.exempt = original.line_exempts[index] == 0 ? 0 : line.amount;
        const auto unrounded = (Fraction::Of(original.unrounded) *
                                Fraction::Ratio(line.amount, std::max<int64_t>(1, original.base)))
                                   .ToDecimal();
        row.unrounded = unrounded.ok() ? *unrounded : Decimal();
        row.line_ids = {line.line_id};
        row.line_bases = {row.base};
        row.line_exempts = {row.exempt};
        row.line_amounts = {row.amount};
        draft.taxes.push_back(std::move(row));
      }
      so_far = after;
    }
  }
  return absl::OkStatus();
}

}  // namespace broadbill::invoicing
