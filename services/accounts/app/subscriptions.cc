#include <algorithm>

#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/accounts/app/accounts_app.h"
#include "services/accounts/app/edit.h"
#include "services/accounts/app/read.h"
#include "services/accounts/app/resolve.h"

namespace broadbill::accounts {
namespace {

absl::Status CheckFree(db::Tx& tx, const IdentifierRow& row) {
  ASSIGN_OR_RETURN(const db::Result taken,
                   tx.Exec("SELECT 1 FROM identifier WHERE kind = $1 AND value = $2 AND "
                           "from_date < $4 AND to_date > $3 AND identifier_id <> $5",
                           row.kind, row.value, row.from_date, row.to_date, row.identifier_id));
  if (taken.empty()) return absl::OkStatus();
  return AlreadyExistsError("IDENTIFIER_TAKEN",
                            "'" + row.value + "' belongs to another subscription in those days");
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
  RETURN_IF_ERROR(LoadCaps(tx, bundles));
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
  ASSIGN_OR_RETURN(std::vector<Bundle> bundles, LoadBundles(tx, {}, {subscription_id}));
  RETURN_IF_ERROR(LoadCaps(tx, bundles));
  ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
  ASSIGN_OR_RETURN(const std::vector<Bundle> others, LoadCoterminous(tx, bundles));
  AddSubscriptionEvent(bundles.front(), others, plans, account, created, now, events);
  return ToProto(bundles.front(), plans, account, Today(account.time_zone));
}

absl::StatusOr<Holdings> AccountsApp::LoadHoldings(db::Tx& tx, const Uuid& account_id) {
  Holdings out;
  ASSIGN_OR_RETURN(out.account, FindAccount(tx, account_id, true));
  ASSIGN_OR_RETURN(
      out.locations,
      db::Select<LocationRow>(tx, "WHERE account_id = $1 ORDER BY location_id", account_id));
  ASSIGN_OR_RETURN(out.bundles, LoadBundles(tx, {account_id}, {}));
  return out;
}

Entry AccountsApp::EntryOf(const rpc::Context& context, const AccountRow& account) const {
  return {context.principal.id, clock_.Now(), Today(account.time_zone)};
}

absl::StatusOr<pb::Subscription> AccountsApp::CreateSubscription(
    const rpc::Context& context, const pb::CreateSubscriptionRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Subscription>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Subscription> {
        ASSIGN_OR_RETURN(const Holdings holdings, LoadHoldings(tx, account));
        ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
        ASSIGN_OR_RETURN(const Bundle bundle,
                         ReadSubscription(request.subscription(), holdings, plans,
                                          EntryOf(context, holdings.account)));
        for (const IdentifierRow& identifier : bundle.identifiers) {
          RETURN_IF_ERROR(CheckFree(tx, identifier));
        }
        RETURN_IF_ERROR(db::InsertOne(tx, bundle.row).status());
        RETURN_IF_ERROR(db::Insert(tx, bundle.identifiers).status());
        RETURN_IF_ERROR(db::Insert(tx, bundle.discounts).status());
        return Changed(tx, account, bundle.row.subscription_id, true, events);
      });
}

absl::StatusOr<pb::Subscription> AccountsApp::GetSubscription(
    const rpc::Context&, const pb::GetSubscriptionRequest& request) {
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const Bundle bundle, FindBundle(tx, request.subscription_id()));
  ASSIGN_OR_RETURN(const AccountRow account, FindAccount(tx, bundle.row.account_id, false));
  ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
  return ToProto(bundle, plans, account, Today(account.time_zone));
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
  ASSIGN_OR_RETURN(std::vector<Bundle> bundles, LoadBundles(tx, accounts, ids));
  RETURN_IF_ERROR(LoadCaps(tx, bundles));
  ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
  pb::ListSubscriptionsResponse response;
  for (const Bundle& bundle : bundles) {
    ASSIGN_OR_RETURN(const AccountRow account, FindAccount(tx, bundle.row.account_id, false));
    *response.add_subscriptions() = ToProto(bundle, plans, account, Today(account.time_zone));
  }
  return response;
}

absl::StatusOr<pb::Subscription> AccountsApp::CreateSubscriptionChange(
    const rpc::Context& context, const pb::CreateSubscriptionChangeRequest& request) {
  return convert::Write<pb::Subscription>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Subscription> {
        ASSIGN_OR_RETURN(const Bundle found, FindBundle(tx, request.subscription_id()));
        ASSIGN_OR_RETURN(const Holdings holdings, LoadHoldings(tx, found.row.account_id));
        ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
        const Bundle& bundle = *Among(holdings.bundles)(found.row.subscription_id);
        RETURN_IF_ERROR(CheckEtag(request.etag(), bundle.row.version));
        ASSIGN_OR_RETURN(const ChangeRow row, ReadChange(request.change(), bundle, holdings, plans,
                                                         EntryOf(context, holdings.account)));
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        return Changed(tx, row.account_id, row.subscription_id, false, events);
      });
}

absl::StatusOr<pb::Subscription> AccountsApp::RevokeSubscriptionChange(
    const rpc::Context& context, const pb::RevokeSubscriptionChangeRequest& request) {
  return convert::Write<pb::Subscription>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Subscription> {
        ASSIGN_OR_RETURN(Bundle bundle, FindBundle(tx, request.subscription_id()));
        Violations violations;
        const Uuid change = convert::ReadId("chg", request.change_id(), "change_id", violations);
        RETURN_IF_ERROR(violations.ToStatus());
        RETURN_IF_ERROR(FindAccount(tx, bundle.row.account_id, true).status());
        ASSIGN_OR_RETURN(const Plans plans, LoadPlans(tx));
        RETURN_IF_ERROR(CheckEtag(request.etag(), bundle.row.version));
        std::erase_if(bundle.changes,
                      [&](const ChangeRow& row) { return row.change_id == change; });
        RETURN_IF_ERROR(CheckHistory(ToHistory(bundle), LimitsIn(plans)));
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
        ASSIGN_OR_RETURN(const Holdings holdings, LoadHoldings(tx, account));
        if (item.has_value() && Among(holdings.bundles)(*item) == nullptr) {
          return InvalidField("discount.subscription_id", "the account has no such subscription");
        }
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

absl::StatusOr<pb::Discount> AccountsApp::EndDiscount(const rpc::Context& context,
                                                      const pb::EndDiscountRequest& request) {
  Violations violations;
  const Uuid account_id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const Uuid id = convert::ReadId("dis", request.discount_id(), "discount_id", violations);
  const CivilDay to = convert::ReadDate(request.to_date(), "to_date", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Discount>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Discount> {
        ASSIGN_OR_RETURN(AccountRow account, FindAccount(tx, account_id, true));
        ASSIGN_OR_RETURN(auto rows,
                         db::Select<DiscountRow>(tx, "WHERE account_id = $1 AND discount_id = $2",
                                                 account_id, id));
        if (rows.empty()) {
          return NotFoundError("DISCOUNT_NOT_FOUND", "the account has no such discount");
        }
        DiscountRow& row = rows.front();
        if (row.from_date && to < *row.from_date) {
          return InvalidField("to_date", "must not be before from_date");
        }
        row.to_date = to;
        RETURN_IF_ERROR(tx.Exec("UPDATE discount SET to_date = $3 WHERE account_id = $1 AND "
                                "discount_id = $2",
                                account_id, id, to)
                            .status());
        if (row.subscription_id.has_value()) {
          RETURN_IF_ERROR(Changed(tx, account_id, *row.subscription_id, false, events).status());
        } else {
          RETURN_IF_ERROR(Touch(tx, account));
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

absl::StatusOr<pb::Identifier> AccountsApp::EndIdentifier(const rpc::Context& context,
                                                          const pb::EndIdentifierRequest& request) {
  Violations violations;
  const Uuid id = convert::ReadId("idn", request.identifier_id(), "identifier_id", violations);
  const CivilDay to = convert::ReadDate(request.to_date(), "to_date", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Identifier>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Identifier> {
        ASSIGN_OR_RETURN(const Bundle bundle, FindBundle(tx, request.subscription_id()));
        RETURN_IF_ERROR(FindAccount(tx, bundle.row.account_id, true).status());
        for (IdentifierRow row : bundle.identifiers) {
          if (row.identifier_id != id) continue;
          if (to <= row.from_date) return InvalidField("to_date", "must be after from_date");
          row.to_date = to;
          RETURN_IF_ERROR(CheckFree(tx, row));
          RETURN_IF_ERROR(tx.Exec("UPDATE identifier SET to_date = $3 WHERE account_id = $1 AND "
                                  "identifier_id = $2",
                                  row.account_id, id, to)
                              .status());
          RETURN_IF_ERROR(Changed(tx, row.account_id, row.subscription_id, false, events).status());
          return ToProto(row);
        }
        return NotFoundError("IDENTIFIER_NOT_FOUND", "the subscription has no such identifier");
      });
}

absl::StatusOr<pb::ListIdentifiersResponse> AccountsApp::ListIdentifiers(
    const rpc::Context&, const pb::ListIdentifiersRequest& request) {
  Violations violations;
  const auto account =
      convert::ReadOptionalId("acc", request.account_id(), "account_id", violations);
  const auto item =
      convert::ReadOptionalId("sub", request.subscription_id(), "subscription_id", violations);
  violations.Require(account.has_value() || item.has_value() || !request.value().empty() ||
                         request.kind() != pb::Identifier::KIND_UNSPECIFIED,
                     "account_id", "at least one filter is required");
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  Uuid after;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(after, Uuid::FromHex(token));
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(auto rows,
                   db::Select<IdentifierRow>(
                       tx,
                       "WHERE identifier_id > $1 AND ($2::uuid IS NULL OR account_id = $2) AND "
                       "($3::uuid IS NULL OR subscription_id = $3) AND ($4 = 0 OR kind = $4) AND "
                       "($5 = '' OR value = $5) ORDER BY identifier_id LIMIT $6",
                       after, account, item, static_cast<int32_t>(request.kind()), request.value(),
                       int64_t{size} + 1));
  pb::ListIdentifiersResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().identifier_id.ToHex()));
  }
  for (const IdentifierRow& row : rows) *response.add_identifiers() = ToProto(row);
  return response;
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
        return ToProto(bundle, plans, account, Today(account.time_zone)).service_state();
      });
}

}  // namespace broadbill::accounts
