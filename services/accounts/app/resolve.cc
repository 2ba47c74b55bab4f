#include "services/accounts/app/resolve.h"

#include <algorithm>

#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "services/accounts/domain/benefits.h"

namespace broadbill::accounts {
namespace {

Decimal Dec(const broadbill::common::v1::Decimal& value) {
  const auto parsed = Decimal::Parse(value.value());
  return parsed.ok() ? *parsed : Decimal();
}

CivilDay Day(const google::type::Date& date, CivilDay otherwise) {
  return convert::IsUnset(date) ? otherwise : CivilDay(date.year(), date.month(), date.day());
}

PriceBook BookOf(const pb::Plan& plan) {
  PriceBook out;
  for (const pb::PlanPrice& price : plan.prices()) {
    out.push_back({Day(price.valid_from(), CivilDay(1970, 1, 1)), Dec(price.amount())});
  }
  std::sort(out.begin(), out.end(),
            [](const PriceFrom& a, const PriceFrom& b) { return a.valid_from < b.valid_from; });
  return out;
}

void SetTerms(const Segment& segment, const Bundle& bundle, const pb::Plan& plan,
              const AccountRow& account, pb::Terms* out) {
  out->set_plan_id(plan.plan_id());
  out->set_plan_code(plan.code());
  out->set_description(bundle.row.description.empty() ? plan.name() : bundle.row.description);
  out->set_kind(plan.kind());
  out->set_tax_class(plan.tax_class());
  out->set_account_code(plan.account_code());
  out->set_timing(plan.timing());
  *out->mutable_recurrence() = plan.recurrence();
  if (bundle.row.months > 0 || bundle.row.days > 0) {
    out->mutable_recurrence()->set_months(bundle.row.months);
    out->mutable_recurrence()->set_days(bundle.row.days);
  }
  // Without a price in the account's currency there is none: it must not be billed at zero.
  const bool priced = segment.overridden || plan.prices_size() > 0;
  if (priced && plan.currency_code() == account.currency) {
    *out->mutable_price() = convert::ToProto(segment.price);
  }
  *out->mutable_quantity() = convert::ToProto(segment.quantity);
  *out->mutable_proration() = plan.proration();
  *out->mutable_suspension() = plan.suspension();
  if (plan.has_term_discount_percent()) {
    *out->mutable_term_discount_percent() = plan.term_discount_percent();
  }
  if (plan.has_usage()) *out->mutable_usage() = plan.usage();
  if (plan.has_voice()) *out->mutable_voice() = plan.voice();
  out->set_bill_changes_now(plan.bill_changes_now());
  out->set_price_overridden(segment.overridden);
  out->set_first_invoice(
      plan.first_invoice() == pb::FIRST_INVOICE_UNSPECIFIED ? pb::PRORATE : plan.first_invoice());
}

AnchorRule RuleOf(const AccountRow& account) {
  switch (account.anchor_rule) {
    case pb::Account::START_MONTH:
      return AnchorRule::kCycleDayInStartMonth;
    case pb::Account::ANNIVERSARY:
      return AnchorRule::kAnniversary;
    default:
      return AnchorRule::kCycleDayOnOrAfterStart;
  }
}

const pb::Plan* Find(const Plans& plans, const Uuid& id) {
  const auto found = plans.find(id);
  return found == plans.end() ? nullptr : &found->second;
}

// The cancellation that ends the service; nullptr: there is none, or an agreed end comes first.
const ChangeRow* CancellationOf(const Bundle& bundle) {
  const ChangeRow* out = nullptr;
  for (const ChangeRow& row : bundle.changes) {
    if (static_cast<ChangeKind>(row.kind) != ChangeKind::kCancel) continue;
    if (out == nullptr || row.effective < out->effective) out = &row;
  }
  if (out != nullptr && bundle.row.end_date && *bundle.row.end_date <= out->effective) {
    return nullptr;
  }
  return out;
}

CivilDay RecordedOn(const ChangeRow& row, const AccountRow& account) {
  const auto zone = LoadZone(account.time_zone);
  return DateIn(row.created_at, zone.ok() ? *zone : absl::UTCTimeZone());
}

std::vector<PlanFrom> PlansOf(const std::vector<Segment>& segments) {
  std::vector<PlanFrom> out;
  for (const Segment& segment : segments) {
    if (out.empty() || out.back().plan_id != segment.plan_id) {
      out.push_back({segment.days.start, segment.plan_id});
    }
  }
  return out;
}

ContractOf ContractsIn(const Plans& plans) {
  return [&plans](const Uuid& id) -> std::optional<ContractDates> {
    const pb::Plan* plan = Find(plans, id);
    if (plan == nullptr || !plan->has_contract()) return std::nullopt;
    const pb::Contract& contract = plan->contract();
    return ContractDates{contract.months(), contract.renewal_months(), contract.notice_days()};
  };
}

bool AnyContract(const std::vector<Segment>& segments, const Plans& plans) {
  return std::any_of(segments.begin(), segments.end(), [&](const Segment& segment) {
    const pb::Plan* plan = Find(plans, segment.plan_id);
    return plan != nullptr && plan->has_contract();
  });
}

void SetEarlyEnd(const Bundle& bundle, const std::vector<Segment>& segments, const Plans& plans,
                 const AccountRow& account, pb::SnapshotItem* out) {
  const ChangeRow* cancel = CancellationOf(bundle);
  if (cancel == nullptr || WaivesFee(cancel->reason) || !AnyContract(segments, plans)) return;
  // What ended while another system billed it is that system's business.
  if (bundle.row.paid_through && *bundle.row.paid_through >= cancel->effective) return;
  const auto term = LeftEarly(PlansOf(segments), ContractsIn(plans), cancel->effective,
                              RecordedOn(*cancel, account));
  if (!term.has_value()) return;
  const pb::Plan& plan = plans.at(term->plan_id);
  pb::EarlyEnd* early = out->mutable_early_end();
  *early->mutable_term_start() = convert::ToProto(term->start);
  *early->mutable_term_end() = convert::ToProto(term->end);
  pb::Contract* contract = early->mutable_contract();
  *contract = plan.contract();
  if (contract->fee_description().empty()) contract->set_fee_description("Early termination fee");
  if (contract->fee_tax_class().empty()) contract->set_fee_tax_class("termination_fee");
  if (contract->fee_account_code().empty()) contract->set_fee_account_code(plan.account_code());
}

void SetSetupFee(const SubscriptionRow& row, const pb::Plan& plan, pb::SnapshotItem* out) {
  const bool billed_elsewhere = row.paid_through && *row.paid_through > row.start_date;
  if (!plan.has_setup_fee() || row.setup_fee_waived || billed_elsewhere) return;
  pb::OneTimeFee* fee = out->mutable_setup_fee();
  *fee = plan.setup_fee();
  if (fee->description().empty()) fee->set_description("Setup fee " + plan.name());
  if (fee->tax_class().empty()) fee->set_tax_class(plan.tax_class());
  if (fee->account_code().empty()) fee->set_account_code(plan.account_code());
}

// A reduction that comes with a plan: its id is a function of the subscription and of its name.
void AddBenefit(const Bundle& bundle, const std::string& label, const DateInterval& days,
                const Decimal& percent, const std::string& name, pb::SnapshotItem* out) {
  DiscountRow row;
  row.discount_id = Uuid::FromName(bundle.row.subscription_id, name);
  row.label = label;
  row.percent = percent;
  *out->add_discounts() = ToSnapshot(row, days);
}

void AddLoyalty(const Bundle& bundle, const std::vector<Segment>& segments, const Plans& plans,
                pb::SnapshotItem* out) {
  const std::vector<PlanFrom> spans = PlansOf(segments);
  for (size_t i = 0; i < spans.size(); ++i) {
    const pb::Plan* plan = Find(plans, spans[i].plan_id);
    if (plan == nullptr || plan->loyalty_size() == 0) continue;
    const CivilDay end = i + 1 < spans.size() ? spans[i + 1].start : segments.back().days.end;
    std::vector<LoyaltyFrom> steps;
    for (const pb::LoyaltyStep& step : plan->loyalty()) {
      steps.push_back({step.after_months(), Dec(step.percent())});
    }
    for (const Benefit& benefit :
         LoyaltyDays(bundle.row.start_date, {spans[i].start, end}, steps)) {
      AddBenefit(bundle, "Loyalty discount " + benefit.percent.ToString() + " %", benefit.days,
                 benefit.percent, "loyalty " + FormatDate(benefit.days.start), out);
    }
  }
}

// The days of a discount: its dates, or its first N billing periods. Days in front of the first
// whole period come on top.
DateInterval DaysOf(const DiscountRow& row, const Periods& periods, const Cycles& cycles) {
  const CivilDay from = row.from_date.value_or(periods.start);
  CivilDay to = row.to_date.value_or(CivilDay::max());
  if (row.periods > 0) to = std::min(to, EndOfPeriods(periods, cycles, from, row.periods));
  return {from, to};
}

void AddDiscounts(const Bundle& bundle, const std::vector<Segment>& segments, const Plans& plans,
                  const Periods& periods, const Cycles& cycles, pb::SnapshotItem* out) {
  const pb::Plan* first = Find(plans, segments.front().plan_id);
  if (first != nullptr && first->free_periods() > 0) {
    AddBenefit(bundle, "Free period", FreeDays(segments, periods, cycles, first->free_periods()),
               Decimal::FromInt(100), "free period", out);
  }
  AddLoyalty(bundle, segments, plans, out);
  for (const DiscountRow& discount : bundle.discounts) {
    *out->add_discounts() = ToSnapshot(discount, DaysOf(discount, periods, cycles));
  }
}

}  // namespace

FindOther Among(const std::vector<Bundle>& bundles) {
  return [&bundles](const Uuid& id) -> const Bundle* {
    for (const Bundle& bundle : bundles) {
      if (bundle.row.subscription_id == id) return &bundle;
    }
    return nullptr;
  };
}

bool WaivesFee(const std::string& reason) {
  return reason == "deceased" || reason == "withdrawal" || reason == "provider_fault" ||
         reason == "no_fee";
}

History ToHistory(const Bundle& bundle) {
  History out;
  out.start = bundle.row.start_date;
  out.end = bundle.row.end_date;
  out.plan_id = bundle.row.plan_id;
  out.quantity = bundle.row.quantity;
  out.price_override = bundle.row.price_override;
  out.location_id = bundle.row.location_id.value_or(Uuid());
  for (const ChangeRow& row : bundle.changes) {
    Change change;
    change.effective = row.effective;
    change.entered = row.entered;
    change.kind = static_cast<ChangeKind>(row.kind);
    change.plan_id = row.plan_id.value_or(Uuid());
    change.keep_price = row.keep_price;
    change.value = row.value.value_or(Decimal());
    change.location_id = row.location_id.value_or(Uuid());
    change.seasonal = change.kind == ChangeKind::kSuspend && row.reason == "seasonal";
    out.changes.push_back(change);
  }
  return out;
}

LimitsOf LimitsIn(const Plans& plans) {
  return [&plans](const Uuid& id) -> std::optional<HoldLimits> {
    const pb::Plan* plan = Find(plans, id);
    if (plan == nullptr || !plan->has_seasonal_hold()) return std::nullopt;
    const pb::SeasonalHold& hold = plan->seasonal_hold();
    return HoldLimits{hold.min_days(), hold.max_days_per_year(), hold.max_per_year()};
  };
}

std::vector<Segment> SegmentsOf(const Bundle& bundle, const Plans& plans) {
  History history = ToHistory(bundle);
  const bool held = std::any_of(history.changes.begin(), history.changes.end(),
                                [](const Change& change) { return change.seasonal; });
  if (held) EndHolds(history, LimitsIn(plans));
  return Segments(history, [&](const Uuid& id) {
    const pb::Plan* plan = Find(plans, id);
    return plan == nullptr ? PriceBook() : BookOf(*plan);
  });
}

Recurrence RecurrenceOf(const Bundle& bundle, const pb::Plan& plan) {
  const bool own = bundle.row.months > 0 || bundle.row.days > 0;
  const int months = own ? bundle.row.months : plan.recurrence().months();
  const int days = own ? bundle.row.days : plan.recurrence().days();
  return {days > 0 ? 0 : std::max(1, months), days};
}

Cycles CyclesOf(const AccountRow& account) {
  return {account.cycle_days,
          {account.cycle_day_values.begin(), account.cycle_day_values.end()},
          RuleOf(account)};
}

Periods PeriodsOf(const Bundle& bundle, const std::vector<Segment>& segments, const Plans& plans,
                  const Cycles& cycles, const FindOther& other) {
  Periods out;
  out.start = bundle.row.start_date;
  const auto add = [&](CivilDay from, const Uuid& id) {
    const pb::Plan* plan = Find(plans, id);
    if (plan == nullptr) return;
    const Recurrence recurrence = RecurrenceOf(bundle, *plan);
    if (out.recurrences.empty() || !(out.recurrences.back().second == recurrence)) {
      out.recurrences.emplace_back(from, recurrence);
    }
  };
  if (segments.empty()) add(out.start, bundle.row.plan_id);
  for (const Segment& segment : segments) add(segment.days.start, segment.plan_id);
  if (out.recurrences.empty()) out.recurrences.emplace_back(out.start, Recurrence());
  const pb::Plan* first = Find(plans, segments.empty() ? Uuid() : segments.front().plan_id);
  out.full_first = first != nullptr && first->first_invoice() == pb::FULL_THEN_STUB;
  if (!bundle.row.coterminous_with.has_value()) return out;
  const Bundle* with = other(*bundle.row.coterminous_with);
  if (with == nullptr) return out;
  out.anchor = SharedAnchor(PeriodsOf(*with, SegmentsOf(*with, plans), plans, cycles, other),
                            cycles, out.start);
  return out;
}

Decimal PlanPriceOn(const pb::Plan& plan, CivilDay day) { return PriceOn(BookOf(plan), day); }

std::optional<Term> ContractTermOn(const Bundle& bundle, const std::vector<Segment>& segments,
                                   const Plans& plans, const AccountRow& account, CivilDay today) {
  if (!AnyContract(segments, plans) || segments.back().days.end <= today) return std::nullopt;
  const ChangeRow* cancel = CancellationOf(bundle);
  const CivilDay recorded =
      cancel == nullptr ? today : std::min(today, RecordedOn(*cancel, account));
  return TermOn(PlansOf(segments), ContractsIn(plans), today, recorded);
}

pb::SnapshotDiscount ToSnapshot(const DiscountRow& row, const DateInterval& days) {
  pb::SnapshotDiscount out;
  out.set_discount_id(row.discount_id.ToText("dis"));
  out.set_label(row.label);
  if (row.percent) *out.mutable_percent() = convert::ToProto(*row.percent);
  if (row.amount) *out.mutable_amount() = convert::ToProto(*row.amount);
  *out.mutable_from_date() = convert::ToProto(days.start);
  if (days.end != CivilDay::max()) *out.mutable_to_date() = convert::ToProto(days.end);
  out.set_account_code(row.account_code);
  return out;
}

pb::SnapshotItem ToSnapshot(const Bundle& bundle, const Plans& plans, const AccountRow& account,
                            const FindOther& other) {
  const SubscriptionRow& row = bundle.row;
  pb::SnapshotItem out;
  out.set_item_id(row.subscription_id.ToText("sub"));
  out.set_external_id(row.external_id);
  if (row.location_id) out.set_location_id(row.location_id->ToText("loc"));
  *out.mutable_start_date() = convert::ToProto(row.start_date);
  if (row.paid_through) *out.mutable_paid_through() = convert::ToProto(*row.paid_through);
  out.set_no_refund(row.no_refund);
  const std::vector<Segment> segments = SegmentsOf(bundle, plans);
  for (const Segment& segment : segments) {
    const pb::Plan* plan = Find(plans, segment.plan_id);
    if (plan == nullptr) continue;
    pb::Segment* to = out.add_segments();
    *to->mutable_start_date() = convert::ToProto(segment.days.start);
    if (segment.days.end != CivilDay::max()) {
      *to->mutable_end_date() = convert::ToProto(segment.days.end);
    }
    to->set_cause(static_cast<pb::Segment::Cause>(segment.cause));
    to->set_suspended(segment.suspended);
    SetTerms(segment, bundle, *plan, account, to->mutable_terms());
    if (!segment.location_id.IsNil()) {
      to->set_location_id(segment.location_id.ToText("loc"));
      out.set_location_id(to->location_id());
    }
  }
  for (const ChangeRow& change : bundle.changes) {
    const bool cancel = static_cast<ChangeKind>(change.kind) == ChangeKind::kCancel;
    if (cancel && change.no_refund) out.set_no_refund(true);
  }
  for (const IdentifierRow& identifier : bundle.identifiers) {
    *out.add_identifiers() = ToProto(identifier);
  }
  if (segments.empty() || out.segments_size() == 0) return out;
  if (segments.back().days.end != CivilDay::max()) {
    *out.mutable_end_date() = convert::ToProto(segments.back().days.end);
  }
  const Cycles cycles = CyclesOf(account);
  Periods periods;
  periods.start = row.start_date;
  const bool by_period = row.coterminous_with.has_value() || !bundle.discounts.empty() ||
                         plans.at(segments.front().plan_id).free_periods() > 0;
  if (by_period) periods = PeriodsOf(bundle, segments, plans, cycles, other);
  if (periods.anchor.has_value()) *out.mutable_anchor_date() = convert::ToProto(*periods.anchor);
  AddDiscounts(bundle, segments, plans, periods, cycles, &out);
  SetSetupFee(row, plans.at(segments.front().plan_id), &out);
  SetEarlyEnd(bundle, segments, plans, account, &out);
  return out;
}

}  // namespace broadbill::accounts
