#include <algorithm>

#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/accounts/app/accounts_app.h"
#include "services/accounts/domain/history.h"

namespace broadbill::accounts {
namespace {

absl::StatusOr<Uuid> PlanId(db::Tx& tx, const std::string& id_or_code, const std::string& field) {
  const auto id = Uuid::Parse("pln", id_or_code);
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT plan_id FROM plan WHERE plan_id = $1 OR code = $2",
                           id.ok() ? *id : Uuid(), id_or_code));
  if (rows.empty()) return InvalidField(field, "there is no plan '" + id_or_code + "'");
  return rows.Get<Uuid>(0, 0);
}

absl::Status CheckFree(db::Tx& tx, const IdentifierRow& row) {
  ASSIGN_OR_RETURN(const db::Result taken,
                   tx.Exec("SELECT 1 FROM identifier WHERE kind = $1 AND value = $2 AND "
                           "from_date < $4 AND to_date > $3 AND identifier_id <> $5",
                           row.kind, row.value, row.from_date, row.to_date, row.identifier_id));
  if (taken.empty()) return absl::OkStatus();
  return AlreadyExistsError("IDENTIFIER_TAKEN",
                            "'" + row.value + "' belongs to another subscription in those days");
}

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
    violations.Require(!row.percent->IsNegative() && *row.percent <= Decimal::FromInt(100),
                       "discount.percent", "must be 0 to 100");
  } else if (in.has_amount()) {
    row.amount = convert::ReadDecimal(in.amount(), "discount.amount", violations);
    violations.Require(!row.amount->IsNegative(), "discount.amount", "must not be negative");
    // Spreading an amount over an account's lines is not built yet; refusing beats ignoring it.
    violations.Require(item.has_value(), "discount.subscription_id",
                       "an amount is taken off one subscription; off the whole account give a "
                       "percent");
  } else {
    violations.Add("discount.value", "percent or amount is required");
  }
  row.from_date = convert::ReadOptionalDate(in.from_date(), "discount.from_date", violations);
  row.to_date = convert::ReadOptionalDate(in.to_date(), "discount.to_date", violations);
  row.periods = in.periods();
  row.position = in.position();
  row.account_code = in.account_code();
  violations.Require(in.periods() >= 0, "discount.periods", "must not be negative");
  return row;
}

absl::StatusOr<ChangeRow> ReadChange(db::Tx& tx, const pb::SubscriptionChange& in,
                                     const Bundle& bundle, const std::string& who, absl::Time now) {
  ChangeRow row;
  row.account_id = bundle.row.account_id;
  row.subscription_id = bundle.row.subscription_id;
  row.change_id = Uuid::Make(now);
  row.created_by = who;
  row.created_at = now;
  for (const ChangeRow& change : bundle.changes) {
    row.entered = std::max(row.entered, change.entered + 1);
  }
  Violations violations;
  row.effective = convert::ReadDate(in.effective_date(), "change.effective_date", violations);
  if (violations.empty()) {
    violations.Require(row.effective >= bundle.row.start_date, "change.effective_date",
                       "must not be before the subscription's start");
  }
  const auto positive = [&](const broadbill::common::v1::Decimal& value, const char* field,
                            bool zero_ok) {
    const Decimal number = convert::ReadDecimal(value, field, violations);
    violations.Require(!number.IsNegative() && (zero_ok || !number.IsZero()), field,
                       zero_ok ? "must not be negative" : "must be more than 0");
    return number;
  };
  switch (in.kind_case()) {
    case pb::SubscriptionChange::kPlan: {
      row.kind = static_cast<int16_t>(ChangeKind::kPlan);
      ASSIGN_OR_RETURN(row.plan_id, PlanId(tx, in.plan().plan_id(), "change.plan.plan_id"));
      row.keep_price = in.plan().keep_price_override();
      break;
    }
    case pb::SubscriptionChange::kQuantity:
      row.kind = static_cast<int16_t>(ChangeKind::kQuantity);
      row.value = positive(in.quantity().quantity(), "change.quantity.quantity", false);
      break;
    case pb::SubscriptionChange::kPrice:
      row.kind = static_cast<int16_t>(ChangeKind::kPrice);
      row.value = positive(in.price().amount(), "change.price.amount", true);
      row.reason = in.price().reason();
      violations.Require(!row.reason.empty(), "change.price.reason", "is required");
      break;
    case pb::SubscriptionChange::kClearPrice:
      row.kind = static_cast<int16_t>(ChangeKind::kClearPrice);
      break;
    case pb::SubscriptionChange::kSuspend:
      row.kind = static_cast<int16_t>(ChangeKind::kSuspend);
      row.reason = in.suspend().reason();
      break;
    case pb::SubscriptionChange::kResume:
      row.kind = static_cast<int16_t>(ChangeKind::kResume);
      break;
    case pb::SubscriptionChange::kCancel:
      row.kind = static_cast<int16_t>(ChangeKind::kCancel);
      row.reason = in.cancel().reason();
      row.no_refund = in.cancel().no_refund();
      break;
    default:
      violations.Add("change.kind", "what changes is required");
      break;
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return row;
}

}  // namespace

absl::StatusOr<Bundle> AccountsApp::FindBundle(db::Tx& tx, const std::string& subscription_id) {
  Violations violations;
  const Uuid id = convert::ReadId("sub", subscription_id, "subscription_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(std::vector<Bundle> bundles, LoadBundles(tx, {}, {id}));
  if (bundles.empty()) {
    return NotFoundError("SUBSCRIPTION_NOT_FOUND", "there is no subscription " + subscription_id);
  }
  return bundles.front();
}

absl::StatusOr<pb::Subscription> AccountsApp::Changed(db::Tx& tx, const Uuid& account_id,
                                                      const Uuid& subscription_id, bool created,
                                                      convert::Events& events) {
  const absl::Time now = clock_.Now();
  RETURN_IF_ERROR(tx.Exec("UPDATE account SET version = version + 1, updated_at = $2 "
                          "WHERE account_id = $1",
                          account_id, now)
                      .status());
  RETURN_IF_ERROR(tx.Exec("UPDATE subscription SET version = version + 1 "
                          "WHERE subscription_id = $1",
                          subscription_id)
                      .status());
  ASSIGN_OR_RETURN(const AccountRow account, FindAccount(tx, account_id, false));
  ASSIGN_OR_RETURN(const std::vector<Bundle> bundles, LoadBundles(tx, {}, {subscription_id}));
  ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
  AddSubscriptionEvent(bundles.front(), plans, account, created, now, events);
  return ToProto(bundles.front(), plans, Today(account.time_zone));
}

absl::StatusOr<pb::Subscription> AccountsApp::CreateSubscription(
    const rpc::Context& context, const pb::CreateSubscriptionRequest& request) {
  const pb::Subscription& in = request.subscription();
  return convert::Write<pb::Subscription>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Subscription> {
        const absl::Time now = clock_.Now();
        Violations violations;
        SubscriptionRow row;
        row.account_id = convert::ReadId("acc", request.account_id(), "account_id", violations);
        row.subscription_id = Uuid::Make(now);
        row.external_id = in.external_id();
        row.location_id = convert::ReadOptionalId("loc", in.location_id(),
                                                  "subscription.location_id", violations);
        row.start_date = convert::ReadDate(in.start_date(), "subscription.start_date", violations);
        row.end_date =
            convert::ReadOptionalDate(in.end_date(), "subscription.end_date", violations);
        row.paid_through =
            convert::ReadOptionalDate(in.paid_through(), "subscription.paid_through", violations);
        if (in.has_quantity()) {
          row.quantity = convert::ReadDecimal(in.quantity(), "subscription.quantity", violations);
          violations.Require(!row.quantity.IsNegative() && !row.quantity.IsZero(),
                             "subscription.quantity", "must be more than 0");
        }
        if (in.has_price_override()) {
          row.price_override = convert::ReadDecimal(
              in.price_override().amount(), "subscription.price_override.amount", violations);
          row.override_reason = in.price_override().reason();
        }
        row.months = in.recurrence().months();
        row.days = in.recurrence().days();
        row.description = in.description();
        RETURN_IF_ERROR(violations.ToStatus());
        RETURN_IF_ERROR(FindAccount(tx, row.account_id, true).status());
        ASSIGN_OR_RETURN(row.plan_id, PlanId(tx, in.plan_id(), "subscription.plan_id"));
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        std::vector<IdentifierRow> identifiers;
        std::vector<DiscountRow> discounts;
        for (const pb::Identifier& identifier : in.identifiers()) {
          identifiers.push_back(ReadIdentifier(identifier, row.account_id, row.subscription_id,
                                               row.start_date, now, violations));
        }
        for (const pb::Discount& discount : in.discounts()) {
          discounts.push_back(
              ReadDiscount(discount, row.account_id, row.subscription_id, now, violations));
        }
        RETURN_IF_ERROR(violations.ToStatus());
        for (const IdentifierRow& identifier : identifiers) {
          RETURN_IF_ERROR(CheckFree(tx, identifier));
        }
        RETURN_IF_ERROR(db::Insert(tx, identifiers).status());
        RETURN_IF_ERROR(db::Insert(tx, discounts).status());
        return Changed(tx, row.account_id, row.subscription_id, true, events);
      });
}

absl::StatusOr<pb::Subscription> AccountsApp::GetSubscription(
    const rpc::Context&, const pb::GetSubscriptionRequest& request) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const Bundle bundle, FindBundle(tx, request.subscription_id()));
  ASSIGN_OR_RETURN(const AccountRow account, FindAccount(tx, bundle.row.account_id, false));
  ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
  return ToProto(bundle, plans, Today(account.time_zone));
}

absl::StatusOr<pb::ListSubscriptionsResponse> AccountsApp::ListSubscriptions(
    const rpc::Context&, const pb::ListSubscriptionsRequest& request) {
  Violations violations;
  const auto account_id =
      convert::ReadOptionalId("acc", request.account_id(), "account_id", violations);
  violations.Require(account_id.has_value() || !request.external_id().empty(), "account_id",
                     "account_id or external_id is required");
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  std::vector<Uuid> ids;
  if (!request.external_id().empty()) {
    ASSIGN_OR_RETURN(const db::Result rows,
                     tx.Exec("SELECT subscription_id FROM subscription WHERE external_id = $1",
                             request.external_id()));
    for (int i = 0; i < rows.size(); ++i) ids.push_back(rows.Get<Uuid>(i, 0));
  }
  const std::vector<Uuid> accounts =
      account_id.has_value() ? std::vector<Uuid>{*account_id} : std::vector<Uuid>{};
  ASSIGN_OR_RETURN(const std::vector<Bundle> bundles, LoadBundles(tx, accounts, ids));
  ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
  pb::ListSubscriptionsResponse response;
  for (const Bundle& bundle : bundles) {
    ASSIGN_OR_RETURN(const AccountRow account, FindAccount(tx, bundle.row.account_id, false));
    *response.add_subscriptions() = ToProto(bundle, plans, Today(account.time_zone));
  }
  return response;
}

absl::StatusOr<pb::Subscription> AccountsApp::CreateSubscriptionChange(
    const rpc::Context& context, const pb::CreateSubscriptionChangeRequest& request) {
  return convert::Write<pb::Subscription>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Subscription> {
        ASSIGN_OR_RETURN(Bundle bundle, FindBundle(tx, request.subscription_id()));
        RETURN_IF_ERROR(FindAccount(tx, bundle.row.account_id, true).status());
        if (!request.etag().empty() && request.etag() != std::to_string(bundle.row.version)) {
          return AbortedError("ETAG_MISMATCH", "it was changed meanwhile; read it again");
        }
        ASSIGN_OR_RETURN(const ChangeRow row, ReadChange(tx, request.change(), bundle,
                                                         context.principal.id, clock_.Now()));
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        return Changed(tx, row.account_id, row.subscription_id, false, events);
      });
}

absl::StatusOr<pb::Subscription> AccountsApp::RevokeSubscriptionChange(
    const rpc::Context& context, const pb::RevokeSubscriptionChangeRequest& request) {
  return convert::Write<pb::Subscription>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Subscription> {
        ASSIGN_OR_RETURN(const Bundle bundle, FindBundle(tx, request.subscription_id()));
        Violations violations;
        const Uuid change = convert::ReadId("chg", request.change_id(), "change_id", violations);
        RETURN_IF_ERROR(violations.ToStatus());
        RETURN_IF_ERROR(FindAccount(tx, bundle.row.account_id, true).status());
        ASSIGN_OR_RETURN(const db::Result gone,
                         tx.Exec("DELETE FROM subscription_change WHERE account_id = $1 AND "
                                 "subscription_id = $2 AND change_id = $3",
                                 bundle.row.account_id, bundle.row.subscription_id, change));
        if (gone.affected() == 0) return NotFoundError("CHANGE_NOT_FOUND", "no such change");
        return Changed(tx, bundle.row.account_id, bundle.row.subscription_id, false, events);
      });
}

absl::StatusOr<pb::Discount> AccountsApp::CreateDiscount(const rpc::Context& context,
                                                         const pb::CreateDiscountRequest& request) {
  return convert::Write<pb::Discount>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Discount> {
        Violations violations;
        const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
        const auto item = convert::ReadOptionalId("sub", request.discount().subscription_id(),
                                                  "discount.subscription_id", violations);
        const DiscountRow row =
            ReadDiscount(request.discount(), account, item, clock_.Now(), violations);
        RETURN_IF_ERROR(violations.ToStatus());
        RETURN_IF_ERROR(FindAccount(tx, account, true).status());
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        if (item.has_value()) {
          RETURN_IF_ERROR(Changed(tx, account, *item, false, events).status());
        } else {
          RETURN_IF_ERROR(
              tx.Exec("UPDATE account SET version = version + 1 WHERE account_id = $1", account)
                  .status());
        }
        return ToProto(row);
      });
}

absl::StatusOr<pb::ListDiscountsResponse> AccountsApp::ListDiscounts(
    const rpc::Context&, const pb::ListDiscountsRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<DiscountRow>(
                       tx, "WHERE account_id = $1 ORDER BY discount_id LIMIT 1000", account));
  pb::ListDiscountsResponse response;
  for (const DiscountRow& row : rows) *response.add_discounts() = ToProto(row);
  return response;
}

absl::StatusOr<pb::Identifier> AccountsApp::AddIdentifier(const rpc::Context& context,
                                                          const pb::AddIdentifierRequest& request) {
  return convert::Write<pb::Identifier>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Identifier> {
        ASSIGN_OR_RETURN(const Bundle bundle, FindBundle(tx, request.subscription_id()));
        Violations violations;
        const IdentifierRow row =
            ReadIdentifier(request.identifier(), bundle.row.account_id, bundle.row.subscription_id,
                           bundle.row.start_date, clock_.Now(), violations);
        RETURN_IF_ERROR(violations.ToStatus());
        RETURN_IF_ERROR(CheckFree(tx, row));
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        RETURN_IF_ERROR(Changed(tx, row.account_id, row.subscription_id, false, events).status());
        return ToProto(row);
      });
}

absl::StatusOr<pb::ListServiceStatesResponse> AccountsApp::ListServiceStates(
    const rpc::Context& context, const pb::ListServiceStatesRequest& request) {
  pb::ListSubscriptionsRequest list;
  list.set_account_id(request.account_id());
  ASSIGN_OR_RETURN(const auto found, ListSubscriptions(context, list));
  pb::ListServiceStatesResponse response;
  for (const pb::Subscription& subscription : found.subscriptions()) {
    const pb::ServiceState& state = subscription.service_state();
    if (request.unacknowledged_only() && state.desired() == state.acknowledged()) continue;
    *response.add_service_states() = state;
  }
  return response;
}

absl::StatusOr<pb::ServiceState> AccountsApp::AcknowledgeServiceState(
    const rpc::Context& context, const pb::AcknowledgeServiceStateRequest& request) {
  return convert::Write<pb::ServiceState>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::ServiceState> {
        ASSIGN_OR_RETURN(Bundle bundle, FindBundle(tx, request.subscription_id()));
        bundle.row.acknowledged = request.applied();
        RETURN_IF_ERROR(tx.Exec("UPDATE subscription SET acknowledged = $2, acknowledged_at = $3 "
                                "WHERE subscription_id = $1",
                                bundle.row.subscription_id, bundle.row.acknowledged, clock_.Now())
                            .status());
        ASSIGN_OR_RETURN(const AccountRow account, FindAccount(tx, bundle.row.account_id, false));
        ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
        return ToProto(bundle, plans, Today(account.time_zone)).service_state();
      });
}

}  // namespace broadbill::accounts
