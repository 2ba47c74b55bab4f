#include "services/invoicing/app/clients/snapshots.h"

#include <algorithm>

#include "broadbill/invoicing/v1/document.pb.h"
#include "libs/convert/convert.h"
#include "services/invoicing/app/work.h"

namespace broadbill::invoicing {

namespace pb = broadbill::invoicing::v1;

CivilDay ToDay(const google::type::Date& date, CivilDay otherwise) {
  return convert::IsUnset(date) ? otherwise : CivilDay(date.year(), date.month(), date.day());
}

Decimal ToDecimal(const broadbill::common::v1::Decimal& value) {
  const auto parsed = Decimal::Parse(value.value());
  return parsed.ok() ? *parsed : Decimal();
}

namespace {

Proration Method(accounts::Proration::Method method) {
  switch (method) {
    case accounts::Proration::THIRTY_DAY:
      return Proration::kThirtyDay;
    case accounts::Proration::FULL:
      return Proration::kFull;
    case accounts::Proration::NONE:
      return Proration::kNone;
    default:
      return Proration::kActual;
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
  out.price = ToDecimal(in.price());
  out.quantity = ToDecimal(in.quantity());
  out.start = Method(in.proration().start());
  out.change = Method(in.proration().change());
  out.quantity_change = Method(in.proration().quantity());
  out.suspend = Method(in.proration().suspend());
  out.cancel = Method(in.proration().cancel());
  out.suspension =
      in.suspension().mode() == accounts::SuspensionPolicy::STOP   ? SuspensionMode::kStop
      : in.suspension().mode() == accounts::SuspensionPolicy::HOLD ? SuspensionMode::kHold
                                                                   : SuspensionMode::kKeep;
  out.hold_price = ToDecimal(in.suspension().hold_price());
  out.term_discount_percent = ToDecimal(in.term_discount_percent());
  out.bill_changes_now = in.bill_changes_now();
  out.first_invoice = in.first_invoice() == accounts::PRORATE_AND_NEXT
                          ? FirstInvoice::kProrateAndNext
                      : in.first_invoice() == accounts::FULL_THEN_STUB ? FirstInvoice::kFullThenStub
                                                                       : FirstInvoice::kProrate;
  return out;
}

EarlyEnd ToEarlyEnd(const accounts::EarlyEnd& in) {
  const accounts::Contract& contract = in.contract();
  EarlyEnd out;
  out.term = {ToDay(in.term_start(), CivilDay::min()), ToDay(in.term_end(), CivilDay::min())};
  switch (contract.early_termination()) {
    case accounts::Contract::FIXED:
      out.kind = EarlyTermination::kFixed;
      break;
    case accounts::Contract::REMAINING_MONTHS:
      out.kind = EarlyTermination::kRemainingMonths;
      break;
    case accounts::Contract::CLAW_BACK:
      out.kind = EarlyTermination::kClawBack;
      break;
    default:
      out.kind = EarlyTermination::kNoFee;
  }
  out.fee = {ToDecimal(contract.fee_amount()), contract.fee_description(), contract.fee_tax_class(),
             contract.fee_account_code()};
  return out;
}

}  // namespace

namespace {

bool IsNumber(const broadbill::common::v1::Decimal& value) {
  return Decimal::Parse(value.value()).ok();
}

std::string FaultIn(const accounts::Segment& segment, const std::string& currency,
                    CivilDay& not_before) {
  const accounts::Terms& terms = segment.terms();
  const std::string name = "'" + terms.description() + "'";
  if (!terms.has_price() || !IsNumber(terms.price())) return name + " has no price in " + currency;
  if (!IsNumber(terms.quantity())) return name + " has no quantity";
  if (terms.suspension().mode() == accounts::SuspensionPolicy::HOLD &&
      !IsNumber(terms.suspension().hold_price())) {
    return name + " has no hold price";
  }
  const CivilDay start = ToDay(segment.start_date(), CivilDay::min());
  const CivilDay end = ToDay(segment.end_date(), CivilDay::max());
  if (end <= start || start < not_before) {
    return name + " has contradicting dates: " + DateInterval{start, end}.ToString();
  }
  not_before = end;
  return "";
}

std::string FaultIn(const accounts::SnapshotDiscount& discount) {
  const std::string name = "discount '" + discount.label() + "'";
  if (discount.has_percent() ? !IsNumber(discount.percent()) : !IsNumber(discount.amount())) {
    return name + " has no value";
  }
  const DateInterval days{ToDay(discount.from_date(), CivilDay(1970, 1, 1)),
                          ToDay(discount.to_date(), CivilDay::max())};
  // Of no days it is without effect; only an end before its beginning contradicts it.
  if (days.end < days.start) return name + " ends before it begins: " + days.ToString();
  return "";
}

}  // namespace

std::string FaultIn(const accounts::BillingSnapshot& in) {
  for (const auto& discount : in.discounts()) {
    if (std::string fault = FaultIn(discount); !fault.empty()) return fault;
  }
  for (const accounts::SnapshotItem& item : in.items()) {
    if (!Uuid::Parse("sub", item.item_id()).ok()) return "an item without id";
    CivilDay not_before = CivilDay::min();
    for (const accounts::Segment& segment : item.segments()) {
      std::string fault = FaultIn(segment, in.currency_code(), not_before);
      if (!fault.empty()) return fault;
    }
    for (const auto& discount : item.discounts()) {
      if (std::string fault = FaultIn(discount); !fault.empty()) return fault;
    }
  }
  return "";
}

absl::StatusOr<accounts::BatchGetBillingSnapshotsResponse> FetchSnapshots(
    rpc::Channel& channel, const std::vector<Uuid>& account_ids,
    const google::protobuf::RepeatedPtrField<accounts::HypotheticalChange>& changes) {
  accounts::BatchGetBillingSnapshotsRequest request;
  *request.mutable_changes() = changes;
  for (const Uuid& id : account_ids) request.add_account_ids(id.ToText("acc"));
  return channel.Call<accounts::BatchGetBillingSnapshotsResponse>(
      "broadbill.accounts.v1.Accounts/BatchGetBillingSnapshots", request,
      rpc::BackgroundContext("invoicing"));
}

std::vector<Discount> ToDiscounts(
    const google::protobuf::RepeatedPtrField<accounts::SnapshotDiscount>& in) {
  std::vector<Discount> out;
  for (const accounts::SnapshotDiscount& discount : in) {
    Discount to;
    const auto discount_id = Uuid::Parse("dis", discount.discount_id());
    if (discount_id.ok()) to.id = *discount_id;
    to.label = discount.label();
    if (discount.has_percent()) to.percent = ToDecimal(discount.percent());
    if (discount.has_amount()) to.amount = ToDecimal(discount.amount());
    to.days = {ToDay(discount.from_date(), CivilDay(1970, 1, 1)),
               ToDay(discount.to_date(), CivilDay::max())};
    to.account_code = discount.account_code();
    out.push_back(std::move(to));
  }
  return out;
}

Item ToItem(const accounts::SnapshotItem& in) {
  Item out;
  const auto id = Uuid::Parse("sub", in.item_id());
  if (id.ok()) out.item_id = *id;
  const auto location = Uuid::Parse("loc", in.location_id());
  if (location.ok()) out.location_id = *location;
  if (in.has_paid_through()) out.paid_through = ToDay(in.paid_through(), CivilDay::min());
  if (in.has_anchor_date()) out.anchor_date = ToDay(in.anchor_date(), CivilDay::min());
  out.no_refund = in.no_refund();
  for (const accounts::Segment& segment : in.segments()) {
    out.segments.push_back(
        {{ToDay(segment.start_date(), CivilDay::min()), ToDay(segment.end_date(), CivilDay::max())},
         static_cast<Cause>(segment.cause()),
         segment.suspended(),
         ToTerms(segment.terms())});
    const auto delivered = Uuid::Parse("loc", segment.location_id());
    if (delivered.ok()) out.segments.back().location_id = *delivered;
  }
  out.discounts = ToDiscounts(in.discounts());
  if (in.has_setup_fee()) {
    const accounts::OneTimeFee& fee = in.setup_fee();
    out.setup_fee =
        OneTimeFee{ToDecimal(fee.amount()), fee.description(), fee.tax_class(), fee.account_code()};
  }
  if (in.has_early_end()) out.early_end = ToEarlyEnd(in.early_end());
  return out;
}

Schedules ToSchedules(const accounts::BillingSnapshot& in) {
  Schedules out;
  for (const auto& cycle : in.cycle_days()) {
    out.cycle_days.push_back({ToDay(cycle.from_date(), CivilDay(1970, 1, 1)), cycle.cycle_day()});
  }
  if (out.cycle_days.empty()) out.cycle_days.push_back({CivilDay(1970, 1, 1), 1});
  out.rule = in.anchor_rule() == accounts::Account::START_MONTH ? AnchorRule::kCycleDayInStartMonth
             : in.anchor_rule() == accounts::Account::ANNIVERSARY
                 ? AnchorRule::kAnniversary
                 : AnchorRule::kCycleDayOnOrAfterStart;
  return out;
}

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
  const auto add_locations = [&](const accounts::BillingSnapshot& of) {
    for (const auto& location : of.locations()) {
      pb::DocumentLocation* to = parties.add_locations();
      to->set_location_id(location.location_id());
      to->set_name(location.name());
      *to->mutable_address() = location.address();
    }
  };
  add_locations(snapshot);
  for (const accounts::BillingSnapshot& child : snapshot.children()) add_locations(child);
  parties.set_template_version(kTemplateVersion);
  return parties.SerializeAsString();
}

}  // namespace broadbill::invoicing
