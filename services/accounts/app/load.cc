#include <google/protobuf/util/json_util.h>

#include "broadbill/accounts/v1/events.pb.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/fraction.h"
#include "libs/status/macros.h"
#include "services/accounts/app/accounts_app.h"
#include "services/accounts/app/resolve.h"
#include "services/accounts/domain/service_state.h"

namespace broadbill::accounts {
namespace {

// Reason of the suspension that holds on `today`.
std::string SuspendedFor(const Bundle& bundle, CivilDay today) {
  std::string out;
  for (const ChangeRow& change : bundle.changes) {
    const bool suspends = static_cast<ChangeKind>(change.kind) == ChangeKind::kSuspend;
    if (suspends && change.effective <= today) out = change.reason;
  }
  return out;
}

std::optional<UsageCap> CapOf(const Bundle& bundle) {
  namespace common = broadbill::common::v1;
  if (!bundle.cap.has_value() || bundle.cap->action == 0) return std::nullopt;
  return UsageCap{bundle.cap->action == common::UsageTerms::BLOCK,
                  {bundle.cap->download_kbps, bundle.cap->upload_kbps}};
}

void SetAddress(const db::Bytes& bytes, broadbill::common::v1::Address* out) {
  out->ParseFromString(bytes.data);
}

}  // namespace

absl::StatusOr<Plans> LoadPlans(db::Tx& tx) {
  ASSIGN_OR_RETURN(const std::vector<PlanRow> rows, db::Select<PlanRow>(tx, ""));
  Plans out;
  for (const PlanRow& row : rows) out[row.plan_id] = ToProto(row);
  return out;
}

absl::StatusOr<std::vector<Bundle>> LoadBundles(db::Tx& tx, const std::vector<Uuid>& accounts,
                                                const std::vector<Uuid>& subscriptions) {
  // Of whole accounts the account alone finds all rows: one key of the index instead of two.
  const bool whole = subscriptions.empty();
  const auto select = [&]<class Row>(const std::string& where, const std::string& order,
                                     const std::vector<Uuid>& of_accounts,
                                     const std::vector<Uuid>& ids) {
    const std::string tail = "WHERE " + where + " ORDER BY " + order;
    return whole ? db::Select<Row>(tx, tail, of_accounts)
                 : db::Select<Row>(tx, tail, of_accounts, ids);
  };
  ASSIGN_OR_RETURN(
      std::vector<SubscriptionRow> rows,
      select.template operator()<SubscriptionRow>(
          whole ? "account_id = ANY($1)" : "(account_id = ANY($1) OR subscription_id = ANY($2))",
          "account_id, start_date, subscription_id", accounts, subscriptions));
  std::vector<Uuid> ids;
  std::vector<Uuid> owners;
  std::map<Uuid, size_t> at;
  std::vector<Bundle> out;
  for (SubscriptionRow& row : rows) {
    ids.push_back(row.subscription_id);
    if (owners.empty() || owners.back() != row.account_id) owners.push_back(row.account_id);
    at[row.subscription_id] = out.size();
    out.push_back({std::move(row), {}, {}, {}});
  }
  const std::string of =
      whole ? "account_id = ANY($1)" : "account_id = ANY($1) AND subscription_id = ANY($2)";
  ASSIGN_OR_RETURN(auto changes,
                   select.template operator()<ChangeRow>(of, "effective, entered", owners, ids));
  for (ChangeRow& row : changes) out[at[row.subscription_id]].changes.push_back(std::move(row));
  ASSIGN_OR_RETURN(auto discounts,
                   select.template operator()<DiscountRow>(of + " AND subscription_id IS NOT NULL",
                                                           "position, discount_id", owners, ids));
  for (DiscountRow& row : discounts) {
    out[at[*row.subscription_id]].discounts.push_back(std::move(row));
  }
  ASSIGN_OR_RETURN(auto identifiers,
                   select.template operator()<IdentifierRow>(of, "from_date, value", owners, ids));
  for (IdentifierRow& row : identifiers) {
    out[at[row.subscription_id]].identifiers.push_back(std::move(row));
  }
  return out;
}

absl::StatusOr<std::vector<Bundle>> LoadCoterminous(db::Tx& tx,
                                                    const std::vector<Bundle>& bundles) {
  std::vector<Uuid> accounts;
  for (const Bundle& bundle : bundles) {
    if (bundle.row.coterminous_with.has_value()) accounts.push_back(bundle.row.account_id);
  }
  if (accounts.empty()) return std::vector<Bundle>();
  return LoadBundles(tx, accounts, {});
}

pb::Company ToProto(const CompanyRow& row) {
  pb::Company out;
  (void)google::protobuf::util::JsonStringToMessage(row.body.text, &out);
  out.set_company_id(row.company_id.ToText("co"));
  out.set_code(row.code);
  out.set_etag(std::to_string(row.version));
  return out;
}

pb::Plan ToProto(const PlanRow& row) {
  pb::Plan out;
  (void)google::protobuf::util::JsonStringToMessage(row.body.text, &out);
  out.set_plan_id(row.plan_id.ToText("pln"));
  out.set_code(row.code);
  out.set_etag(std::to_string(row.version));
  return out;
}

pb::Account ToProto(const AccountRow& row, const std::vector<ContactRow>& contacts) {
  pb::Account out;
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_account_number(row.account_number);
  out.set_external_id(row.external_id);
  out.set_company_id(row.company_id.ToText("co"));
  if (row.parent_account_id) out.set_parent_account_id(row.parent_account_id->ToText("acc"));
  out.set_name(row.name);
  out.set_customer_class(row.customer_class);
  out.set_currency_code(row.currency);
  out.set_time_zone(row.time_zone);
  out.set_language(row.language);
  out.set_cycle_day(row.cycle_day_values.back());
  for (size_t i = 1; i < row.cycle_days.size(); ++i) {
    auto* change = out.add_cycle_day_changes();
    *change->mutable_from_date() = convert::ToProto(row.cycle_days[i]);
    change->set_cycle_day(row.cycle_day_values[i]);
  }
  out.set_anchor_rule(static_cast<pb::Account::AnchorRule>(row.anchor_rule));
  out.set_bill_ahead_days(row.bill_ahead_days);
  out.set_terms_days(row.terms_days);
  out.set_document_mode(static_cast<pb::Account::DocumentMode>(row.document_mode));
  out.set_state(static_cast<pb::Account::State>(row.state));
  SetAddress(row.billing_address, out.mutable_billing_address());
  out.set_tax_id(row.tax_id);
  out.set_group(row.account_group);
  for (const ContactRow& contact : contacts) {
    auto* to = out.add_contacts();
    to->set_contact_id(contact.contact_id.ToText("con"));
    to->set_name(contact.name);
    to->set_email(contact.email);
    to->set_phone(contact.phone);
    to->set_receives_invoices(contact.receives_invoices);
    to->set_receives_notices(contact.receives_notices);
    to->set_etag(std::to_string(row.version));
  }
  out.set_version(row.version);
  *out.mutable_created_at() = convert::ToProto(row.created_at);
  *out.mutable_updated_at() = convert::ToProto(row.updated_at);
  out.set_etag(std::to_string(row.version));
  return out;
}

pb::Location ToProto(const LocationRow& row) {
  pb::Location out;
  out.set_location_id(row.location_id.ToText("loc"));
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_external_id(row.external_id);
  out.set_name(row.name);
  SetAddress(row.address, out.mutable_address());
  return out;
}

pb::Discount ToProto(const DiscountRow& row) {
  pb::Discount out;
  out.set_discount_id(row.discount_id.ToText("dis"));
  out.set_account_id(row.account_id.ToText("acc"));
  if (row.subscription_id) out.set_subscription_id(row.subscription_id->ToText("sub"));
  out.set_label(row.label);
  if (row.percent) *out.mutable_percent() = convert::ToProto(*row.percent);
  if (row.amount) *out.mutable_amount() = convert::ToProto(*row.amount);
  if (row.from_date) *out.mutable_from_date() = convert::ToProto(*row.from_date);
  if (row.to_date) *out.mutable_to_date() = convert::ToProto(*row.to_date);
  out.set_periods(row.periods);
  out.set_position(row.position);
  out.set_account_code(row.account_code);
  return out;
}

pb::Identifier ToProto(const IdentifierRow& row) {
  pb::Identifier out;
  out.set_identifier_id(row.identifier_id.ToText("idn"));
  out.set_subscription_id(row.subscription_id.ToText("sub"));
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_kind(static_cast<pb::Identifier::Kind>(row.kind));
  out.set_value(row.value);
  *out.mutable_from_date() = convert::ToProto(row.from_date);
  if (row.to_date != CivilDay::max()) *out.mutable_to_date() = convert::ToProto(row.to_date);
  return out;
}

namespace {

void SetChange(const ChangeRow& row, pb::SubscriptionChange* out) {
  out->set_change_id(row.change_id.ToText("chg"));
  *out->mutable_effective_date() = convert::ToProto(row.effective);
  switch (static_cast<ChangeKind>(row.kind)) {
    case ChangeKind::kPlan:
      out->mutable_plan()->set_plan_id(row.plan_id->ToText("pln"));
      out->mutable_plan()->set_keep_price_override(row.keep_price);
      break;
    case ChangeKind::kQuantity:
      *out->mutable_quantity()->mutable_quantity() = convert::ToProto(*row.value);
      break;
    case ChangeKind::kPrice:
      *out->mutable_price()->mutable_amount() = convert::ToProto(*row.value);
      out->mutable_price()->set_reason(row.reason);
      break;
    case ChangeKind::kClearPrice:
      out->mutable_clear_price();
      break;
    case ChangeKind::kSuspend:
      out->mutable_suspend()->set_reason(row.reason);
      break;
    case ChangeKind::kResume:
      out->mutable_resume();
      break;
    case ChangeKind::kCancel:
      out->mutable_cancel()->set_reason(row.reason);
      out->mutable_cancel()->set_no_refund(row.no_refund);
      break;
    case ChangeKind::kMove:
      out->mutable_move()->set_location_id(row.location_id->ToText("loc"));
      break;
  }
  out->set_created_by(row.created_by);
  *out->mutable_created_at() = convert::ToProto(row.created_at);
}

}  // namespace

pb::ServiceState ServiceStateOf(const Bundle& bundle, const std::vector<Segment>& segments,
                                const Plans& plans, CivilDay today) {
  NetworkTerms terms;
  terms.suspended_for = SuspendedFor(bundle, today);
  terms.cap = CapOf(bundle);
  for (const Segment& segment : segments) {
    const auto plan = plans.find(segment.plan_id);
    if (!segment.days.Contains(today) || plan == plans.end()) continue;
    terms.calls = plan->second.has_voice();
    if (!plan->second.has_speed()) continue;
    terms.speed = Speed{plan->second.speed().download_kbps(), plan->second.speed().upload_kbps()};
  }
  const NetworkOrder order = OrderOf(segments, today, terms);
  pb::ServiceState out;
  out.set_subscription_id(bundle.row.subscription_id.ToText("sub"));
  out.set_account_id(bundle.row.account_id.ToText("acc"));
  out.set_desired(static_cast<pb::ServiceState::State>(order.state));
  out.set_reason(order.reason);
  if (order.speed.has_value()) {
    out.mutable_speed()->set_download_kbps(order.speed->download_kbps);
    out.mutable_speed()->set_upload_kbps(order.speed->upload_kbps);
  }
  out.set_acknowledged(static_cast<pb::ServiceState::State>(bundle.row.acknowledged));
  if (bundle.row.acknowledged_at) {
    *out.mutable_acknowledged_at() = convert::ToProto(*bundle.row.acknowledged_at);
  }
  out.set_revision(bundle.row.version + (bundle.cap.has_value() ? bundle.cap->changes : 0));
  if (bundle.cap.has_value() && order.reason == "usage_cap") {
    *out.mutable_desired_at() = convert::ToProto(bundle.cap->since);
  }
  return out;
}

pb::Subscription ToProto(const Bundle& bundle, const Plans& plans, const AccountRow& account,
                         CivilDay today) {
  const SubscriptionRow& row = bundle.row;
  const std::vector<Segment> segments = SegmentsOf(bundle, plans);
  pb::Subscription out;
  out.set_subscription_id(row.subscription_id.ToText("sub"));
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_external_id(row.external_id);
  if (row.location_id) out.set_location_id(row.location_id->ToText("loc"));
  out.set_plan_id(row.plan_id.ToText("pln"));
  if (const auto plan = plans.find(row.plan_id); plan != plans.end()) {
    out.set_plan_code(plan->second.code());
  }
  *out.mutable_quantity() = convert::ToProto(row.quantity);
  *out.mutable_start_date() = convert::ToProto(row.start_date);
  if (!segments.empty() && segments.back().days.end != CivilDay::max()) {
    *out.mutable_end_date() = convert::ToProto(segments.back().days.end);
  }
  if (row.price_override) {
    *out.mutable_price_override()->mutable_amount() = convert::ToProto(*row.price_override);
    out.mutable_price_override()->set_reason(row.override_reason);
  }
  if (row.months > 0 || row.days > 0) {
    out.mutable_recurrence()->set_months(row.months);
    out.mutable_recurrence()->set_days(row.days);
  }
  if (row.paid_through) *out.mutable_paid_through() = convert::ToProto(*row.paid_through);
  out.set_description(row.description);
  if (row.coterminous_with) out.set_coterminous_with(row.coterminous_with->ToText("sub"));
  out.set_setup_fee_waived(row.setup_fee_waived);
  if (const auto term = ContractTermOn(bundle, segments, plans, account, today)) {
    *out.mutable_contract_term()->mutable_start_date() = convert::ToProto(term->start);
    *out.mutable_contract_term()->mutable_end_date() = convert::ToProto(term->end);
    if (term->notice_by) {
      *out.mutable_contract_term()->mutable_notice_by() = convert::ToProto(*term->notice_by);
    }
  }
  for (const IdentifierRow& identifier : bundle.identifiers) {
    *out.add_identifiers() = ToProto(identifier);
  }
  for (const DiscountRow& discount : bundle.discounts) *out.add_discounts() = ToProto(discount);
  for (const ChangeRow& change : bundle.changes) SetChange(change, out.add_changes());
  *out.mutable_service_state() = ServiceStateOf(bundle, segments, plans, today);
  for (const Segment& segment : segments) {
    const auto plan = plans.find(segment.plan_id);
    if (segment.days.Contains(today) && plan != plans.end()) {
      out.set_plan_code(plan->second.code());
    }
  }
  // By its life alone: usage that is used up is no suspension.
  const NetworkState life = StateByLife(segments, today);
  out.set_state(life == NetworkState::kPending      ? pb::Subscription::SCHEDULED
                : life == NetworkState::kSuspended  ? pb::Subscription::SUSPENDED
                : life == NetworkState::kTerminated ? pb::Subscription::CANCELLED
                                                    : pb::Subscription::ACTIVE);
  out.set_etag(std::to_string(row.version));
  return out;
}

namespace {

void SetUsageCycle(const AccountRow& account, const Periods& periods, pb::UsageCycle* out) {
  for (size_t i = 0; i < account.cycle_days.size(); ++i) {
    auto* cycle = out->add_cycle_days();
    if (i > 0) *cycle->mutable_from_date() = convert::ToProto(account.cycle_days[i]);
    cycle->set_cycle_day(account.cycle_day_values[i]);
  }
  out->set_anchor_rule(static_cast<pb::Account::AnchorRule>(account.anchor_rule));
  if (periods.anchor) *out->mutable_anchor_date() = convert::ToProto(*periods.anchor);
  out->set_full_first(periods.full_first);
}

}  // namespace

void AddSubscriptionEvent(const Bundle& bundle, const std::vector<Bundle>& all, const Plans& plans,
                          const AccountRow& account, bool created, absl::Time at,
                          convert::Events& events) {
  pb::Event event;
  event.set_account_id(account.account_id.ToText("acc"));
  event.set_event_id(Uuid::Make(at).ToText("evt"));
  *event.mutable_at() = convert::ToProto(at);
  pb::SubscriptionChanged* out = event.mutable_subscription_changed();
  out->set_subscription_id(bundle.row.subscription_id.ToText("sub"));
  out->set_account_id(event.account_id());
  out->set_time_zone(account.time_zone);
  broadbill::common::v1::Address address;
  address.ParseFromString(account.billing_address.data);
  out->set_country_code(address.country_code());
  out->set_currency_code(account.currency);
  *out->mutable_start_date() = convert::ToProto(bundle.row.start_date);
  for (const IdentifierRow& identifier : bundle.identifiers) {
    *out->add_identifiers() = ToProto(identifier);
  }
  const auto zone = LoadZone(account.time_zone);
  const CivilDay today = DateIn(at, zone.ok() ? *zone : absl::UTCTimeZone());
  const std::vector<Segment> segments = SegmentsOf(bundle, plans);
  if (!segments.empty() && segments.back().days.end != CivilDay::max()) {
    *out->mutable_end_date() = convert::ToProto(segments.back().days.end);
  }
  for (const Segment& segment : segments) {
    const auto plan = plans.find(segment.plan_id);
    if (plan == plans.end()) continue;
    if (segment.days.Contains(today)) {
      out->set_plan_code(plan->second.code());
      const auto price = (Fraction::Of(segment.price) * Fraction::Of(segment.quantity)).ToDecimal();
      if (price.ok()) *out->mutable_recurring_price() = convert::ToProto(*price);
    }
    const bool same = out->plans_size() > 0 &&
                      out->plans(out->plans_size() - 1).plan_code() == plan->second.code();
    auto* span = same ? out->mutable_plans(out->plans_size() - 1) : out->add_plans();
    if (!same) *span->mutable_start_date() = convert::ToProto(segment.days.start);
    span->clear_end_date();
    if (segment.days.end != CivilDay::max()) {
      *span->mutable_end_date() = convert::ToProto(segment.days.end);
    }
    span->set_plan_code(plan->second.code());
    span->set_description(bundle.row.description.empty() ? plan->second.name()
                                                         : bundle.row.description);
    if (plan->second.has_usage()) *span->mutable_usage() = plan->second.usage();
    if (plan->second.has_voice()) *span->mutable_voice() = plan->second.voice();
  }
  SetUsageCycle(account, PeriodsOf(bundle, segments, plans, CyclesOf(account), Among(all)),
                out->mutable_usage_cycle());
  out->set_created(created);
  events.Add(account.account_id, event);
}

void AddPlanEvent(const PlanRow& row, absl::Time at, convert::Events& events) {
  pb::Event event;
  event.set_event_id(Uuid::Make(at).ToText("evt"));
  *event.mutable_at() = convert::ToProto(at);
  *event.mutable_plan_changed()->mutable_plan() = ToProto(row);
  events.Add(Uuid(), event);
}

void AddCompanyEvent(const CompanyRow& row, absl::Time at, convert::Events& events) {
  pb::Event event;
  event.set_event_id(Uuid::Make(at).ToText("evt"));
  *event.mutable_at() = convert::ToProto(at);
  *event.mutable_company_changed()->mutable_company() = ToProto(row);
  events.Add(Uuid(), event);
}

void AddAccountEvent(const AccountRow& account, const std::vector<ContactRow>& contacts,
                     bool created, absl::Time at, convert::Events& events) {
  pb::Event event;
  event.set_account_id(account.account_id.ToText("acc"));
  event.set_event_id(Uuid::Make(at).ToText("evt"));
  *event.mutable_at() = convert::ToProto(at);
  *event.mutable_account_changed()->mutable_account() = ToProto(account, contacts);
  event.mutable_account_changed()->set_created(created);
  events.Add(account.account_id, event);
}

}  // namespace broadbill::accounts
