#include "services/accounts/app/read.h"

#include <algorithm>
#include <tuple>

#include "libs/convert/convert.h"
#include "libs/money/fraction.h"
#include "libs/status/macros.h"
#include "services/accounts/app/resolve.h"

namespace broadbill::accounts {
namespace {

bool IsPositive(const Decimal& value) { return !value.IsNegative() && !value.IsZero(); }

// A plan by id or code that this account can have; nullptr: none, told to `violations`.
const pb::Plan* FindPlan(const std::string& id_or_code, const std::string& field,
                         const Holdings& holdings, const Plans& plans, Violations& violations) {
  const auto found = std::find_if(plans.begin(), plans.end(), [&](const auto& plan) {
    return plan.second.plan_id() == id_or_code || plan.second.code() == id_or_code;
  });
  if (found == plans.end()) {
    violations.Add(field, "there is no plan '" + id_or_code + "'");
    return nullptr;
  }
  const pb::Plan& plan = found->second;
  if (!violations.Require(plan.currency_code() == holdings.account.currency, field,
                          "the plan's prices are in " + plan.currency_code() +
                              ", the account's in " + holdings.account.currency) ||
      !violations.Require(plan.state() != pb::Plan::RETIRED, field, "the plan is retired")) {
    return nullptr;
  }
  return &plan;
}

Uuid IdOf(const pb::Plan& plan) { return Uuid::Parse("pln", plan.plan_id()).value_or(Uuid()); }

void CheckLocation(const Uuid& location, const std::string& field, const Holdings& holdings,
                   Violations& violations) {
  const bool own = std::any_of(holdings.locations.begin(), holdings.locations.end(),
                               [&](const LocationRow& row) { return row.location_id == location; });
  violations.Require(own, field, "the account has no such location");
}

void ReadRecurrence(const pb::Recurrence& in, SubscriptionRow& row, Violations& violations) {
  row.months = in.months();
  row.days = in.days();
  violations.Require(in.months() == 0 || in.days() == 0, "subscription.recurrence",
                     "must give months or days, not both");
  violations.Require(in.months() >= 0 && in.months() <= 60, "subscription.recurrence.months",
                     "must be 1 to 60");
  violations.Require(in.days() >= 0 && in.days() <= 366, "subscription.recurrence.days",
                     "must be 1 to 366");
}

Fraction MonthlyPrice(const Decimal& price, const Recurrence& recurrence) {
  const Fraction whole = Fraction::Of(price);
  if (recurrence.months > 0) return whole * Fraction::Ratio(1, recurrence.months);
  return whole * Fraction::Ratio(1461, int64_t{48} * recurrence.days);  // 365.25 ÷ 12 days a month
}

// Whether `plan` costs less a month than what holds on `day`.
bool IsDowngrade(const Bundle& bundle, const pb::ChangePlan& in, const pb::Plan& plan,
                 const Plans& plans, CivilDay day) {
  for (const Segment& segment : SegmentsOf(bundle, plans)) {
    const auto old = plans.find(segment.plan_id);
    if (!segment.days.Contains(day) || old == plans.end()) continue;
    const bool keeps = in.keep_price_override() && segment.overridden;
    const Decimal price = keeps ? segment.price : PlanPriceOn(plan, day);
    return (MonthlyPrice(price, RecurrenceOf(bundle, plan)) -
            MonthlyPrice(segment.price, RecurrenceOf(bundle, old->second)))
        .IsNegative();
  }
  return false;
}

// The date of a change of plan (ChangePlan.when).
CivilDay ResolveWhen(const pb::ChangePlan& in, std::optional<CivilDay> asked, const Bundle& bundle,
                     const pb::Plan& plan, const Holdings& holdings, const Plans& plans,
                     CivilDay today) {
  const CivilDay now = std::max(today, bundle.row.start_date);
  const bool waits = in.when() == pb::ChangePlan::NEXT_BOUNDARY ||
                     (in.when() == pb::ChangePlan::WHEN_UNSPECIFIED && !asked.has_value() &&
                      IsDowngrade(bundle, in, plan, plans, now));
  if (!waits) return asked.value_or(now);
  const Cycles cycles = CyclesOf(holdings.account);
  const Periods periods =
      PeriodsOf(bundle, SegmentsOf(bundle, plans), plans, cycles, Among(holdings.bundles));
  return NextBoundary(periods, cycles, asked.value_or(today + 1));
}

Decimal ReadPositive(const broadbill::common::v1::Decimal& value, const std::string& field,
                     bool zero_ok, Violations& violations) {
  const Decimal number = convert::ReadDecimal(value, field, violations);
  violations.Require(zero_ok ? !number.IsNegative() : IsPositive(number), field,
                     zero_ok ? "must not be negative" : "must be more than 0");
  return number;
}

void ReadPlanChange(const pb::ChangePlan& in, std::optional<CivilDay> asked, const Bundle& bundle,
                    const Holdings& holdings, const Plans& plans, CivilDay today, ChangeRow& row,
                    Violations& violations) {
  row.kind = static_cast<int16_t>(ChangeKind::kPlan);
  row.keep_price = in.keep_price_override();
  const pb::Plan* plan = FindPlan(in.plan_id(), "change.plan.plan_id", holdings, plans, violations);
  if (plan == nullptr) return;
  row.plan_id = IdOf(*plan);
  row.effective = ResolveWhen(in, asked, bundle, *plan, holdings, plans, today);
}

void ReadOtherChange(const pb::SubscriptionChange& in, const Holdings& holdings, ChangeRow& row,
                     Violations& violations) {
  const auto kind = [&](ChangeKind value) { row.kind = static_cast<int16_t>(value); };
  switch (in.kind_case()) {
    case pb::SubscriptionChange::kQuantity:
      kind(ChangeKind::kQuantity);
      row.value =
          ReadPositive(in.quantity().quantity(), "change.quantity.quantity", false, violations);
      break;
    case pb::SubscriptionChange::kPrice:
      kind(ChangeKind::kPrice);
      row.value = ReadPositive(in.price().amount(), "change.price.amount", true, violations);
      row.reason = in.price().reason();
      violations.Require(!row.reason.empty(), "change.price.reason", "is required");
      break;
    case pb::SubscriptionChange::kClearPrice:
      kind(ChangeKind::kClearPrice);
      break;
    case pb::SubscriptionChange::kSuspend:
      kind(ChangeKind::kSuspend);
      row.reason = in.suspend().reason();
      break;
    case pb::SubscriptionChange::kResume:
      kind(ChangeKind::kResume);
      break;
    case pb::SubscriptionChange::kCancel:
      kind(ChangeKind::kCancel);
      row.reason = in.cancel().reason();
      row.no_refund = in.cancel().no_refund();
      break;
    case pb::SubscriptionChange::kMove:
      kind(ChangeKind::kMove);
      row.location_id =
          convert::ReadId("loc", in.move().location_id(), "change.move.location_id", violations);
      CheckLocation(*row.location_id, "change.move.location_id", holdings, violations);
      break;
    default:
      violations.Add("change.kind", "what changes is required");
      break;
  }
  violations.Require(row.reason.size() <= 200, "change.reason", "must have at most 200 characters");
}

SubscriptionRow ReadSubscriptionRow(const pb::Subscription& in, const Holdings& holdings,
                                    const Plans& plans, const Entry& entry,
                                    Violations& violations) {
  SubscriptionRow row;
  row.account_id = holdings.account.account_id;
  row.subscription_id = Uuid::Make(entry.now);
  row.external_id = in.external_id();
  row.location_id =
      convert::ReadOptionalId("loc", in.location_id(), "subscription.location_id", violations);
  if (row.location_id.has_value()) {
    CheckLocation(*row.location_id, "subscription.location_id", holdings, violations);
  } else if (holdings.locations.size() == 1) {
    row.location_id = holdings.locations.front().location_id;
  }
  row.start_date = convert::ReadDate(in.start_date(), "subscription.start_date", violations);
  row.end_date = convert::ReadOptionalDate(in.end_date(), "subscription.end_date", violations);
  row.paid_through =
      convert::ReadOptionalDate(in.paid_through(), "subscription.paid_through", violations);
  if (in.has_quantity()) {
    row.quantity = ReadPositive(in.quantity(), "subscription.quantity", false, violations);
  }
  if (in.has_price_override()) {
    row.price_override = ReadPositive(in.price_override().amount(),
                                      "subscription.price_override.amount", true, violations);
    row.override_reason = in.price_override().reason();
    violations.Require(!row.override_reason.empty(), "subscription.price_override.reason",
                       "is required");
  }
  ReadRecurrence(in.recurrence(), row, violations);
  row.description = in.description();
  row.setup_fee_waived = in.setup_fee_waived();
  row.coterminous_with = convert::ReadOptionalId("sub", in.coterminous_with(),
                                                 "subscription.coterminous_with", violations);
  const pb::Plan* plan =
      FindPlan(in.plan_id(), "subscription.plan_id", holdings, plans, violations);
  if (plan != nullptr) row.plan_id = IdOf(*plan);
  return row;
}

}  // namespace

IdentifierRow ReadIdentifier(const pb::Identifier& in, const Uuid& account, const Uuid& item,
                             CivilDay start, absl::Time now, Violations& violations) {
  IdentifierRow row;
  row.account_id = account;
  row.identifier_id = Uuid::Make(now);
  row.subscription_id = item;
  row.kind = in.kind();
  row.value = in.value();
  violations.Require(in.kind() != pb::Identifier::KIND_UNSPECIFIED, "identifier.kind",
                     "is required");
  violations.Require(!in.value().empty(), "identifier.value", "is required");
  row.from_date =
      convert::ReadOptionalDate(in.from_date(), "identifier.from_date", violations).value_or(start);
  row.to_date = convert::ReadOptionalDate(in.to_date(), "identifier.to_date", violations)
                    .value_or(CivilDay::max());
  violations.Require(row.to_date > row.from_date, "identifier.to_date", "must be after from_date");
  return row;
}

DiscountRow ReadDiscount(const pb::Discount& in, const Uuid& account, std::optional<Uuid> item,
                         absl::Time now, Violations& violations) {
  DiscountRow row;
  row.account_id = account;
  row.discount_id = Uuid::Make(now);
  row.subscription_id = item;
  row.label = in.label();
  violations.Require(!in.label().empty(), "discount.label", "is required");
  if (in.has_percent()) {
    row.percent = convert::ReadDecimal(in.percent(), "discount.percent", violations);
    violations.Require(IsPositive(*row.percent) && *row.percent <= Decimal::FromInt(100),
                       "discount.percent", "must be more than 0, at most 100");
  } else if (in.has_amount()) {
    row.amount = convert::ReadDecimal(in.amount(), "discount.amount", violations);
    violations.Require(IsPositive(*row.amount), "discount.amount", "must be more than 0");
  } else {
    violations.Add("discount.value", "percent or amount is required");
  }
  row.from_date = convert::ReadOptionalDate(in.from_date(), "discount.from_date", violations);
  row.to_date = convert::ReadOptionalDate(in.to_date(), "discount.to_date", violations);
  row.periods = in.periods();
  row.position = in.position();
  row.account_code = in.account_code();
  violations.Require(in.periods() >= 0 && in.periods() <= 1200, "discount.periods",
                     "must be 0 to 1200");
  violations.Require(!row.from_date || !row.to_date || *row.from_date < *row.to_date,
                     "discount.to_date", "must be after from_date");
  return row;
}

void CheckCoterminous(const Bundle& bundle, const Holdings& holdings, const Plans& plans,
                      Violations& violations) {
  const std::string field = "subscription.coterminous_with";
  const FindOther other = Among(holdings.bundles);
  const Bundle* with = other(*bundle.row.coterminous_with);
  if (!violations.Require(with != nullptr, field, "the account has no such subscription")) return;
  const std::vector<Segment> segments = SegmentsOf(*with, plans);
  violations.Require(!segments.empty() && segments.back().days.end > bundle.row.start_date, field,
                     "the other subscription has ended by the start of this one");
  const Cycles cycles = CyclesOf(holdings.account);
  const Periods periods = PeriodsOf(*with, segments, plans, cycles, other);
  const Recurrence theirs = ScheduleOn(periods, cycles, bundle.row.start_date).recurrence();
  const Recurrence own = RecurrenceOf(bundle, plans.at(bundle.row.plan_id));
  violations.Require(EndsTogether(own, theirs), field,
                     "the other's billing period must be this one's or a multiple of it");
}

absl::StatusOr<Bundle> ReadSubscription(const pb::Subscription& in, const Holdings& holdings,
                                        const Plans& plans, const Entry& entry) {
  Violations violations;
  Bundle out;
  out.row = ReadSubscriptionRow(in, holdings, plans, entry, violations);
  const SubscriptionRow& row = out.row;
  for (const pb::Identifier& identifier : in.identifiers()) {
    out.identifiers.push_back(ReadIdentifier(identifier, row.account_id, row.subscription_id,
                                             row.start_date, entry.now, violations));
  }
  for (const pb::Discount& discount : in.discounts()) {
    out.discounts.push_back(
        ReadDiscount(discount, row.account_id, row.subscription_id, entry.now, violations));
  }
  RETURN_IF_ERROR(violations.ToStatus());
  if (row.coterminous_with.has_value()) CheckCoterminous(out, holdings, plans, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return out;
}

absl::StatusOr<ChangeRow> ReadChange(const pb::SubscriptionChange& in, const Bundle& bundle,
                                     const Holdings& holdings, const Plans& plans,
                                     const Entry& entry) {
  ChangeRow row;
  row.account_id = bundle.row.account_id;
  row.subscription_id = bundle.row.subscription_id;
  row.change_id = Uuid::Make(entry.now);
  row.created_by = entry.who;
  row.created_at = entry.now;
  for (const ChangeRow& change : bundle.changes) {
    row.entered = std::max(row.entered, change.entered + 1);
  }
  Violations violations;
  const auto asked =
      convert::ReadOptionalDate(in.effective_date(), "change.effective_date", violations);
  if (in.kind_case() == pb::SubscriptionChange::kPlan) {
    ReadPlanChange(in.plan(), asked, bundle, holdings, plans, entry.today, row, violations);
  } else {
    row.effective = convert::ReadDate(in.effective_date(), "change.effective_date", violations);
    ReadOtherChange(in, holdings, row, violations);
  }
  RETURN_IF_ERROR(violations.ToStatus());
  if (row.effective < bundle.row.start_date) {
    return InvalidField("change.effective_date", "must not be before the subscription's start");
  }
  Bundle after = bundle;
  AddChange(row, after);
  RETURN_IF_ERROR(CheckHistory(ToHistory(after), LimitsIn(plans)));
  return row;
}

void AddChange(const ChangeRow& row, Bundle& bundle) {
  const auto before = [](const ChangeRow& a, const ChangeRow& b) {
    return std::tie(a.effective, a.entered) < std::tie(b.effective, b.entered);
  };
  bundle.changes.insert(std::upper_bound(bundle.changes.begin(), bundle.changes.end(), row, before),
                        row);
}

}  // namespace broadbill::accounts
