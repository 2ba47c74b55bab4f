#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/accounts/v1/company.pb.h"
#include "broadbill/accounts/v1/identifier.pb.h"
#include "broadbill/accounts/v1/imports.pb.h"
#include "broadbill/accounts/v1/location.pb.h"
#include "broadbill/accounts/v1/plan.pb.h"
#include "broadbill/accounts/v1/snapshot.pb.h"
#include "broadbill/accounts/v1/subscription.pb.h"
#include "broadbill/common/v1/import_result.pb.h"
#include "libs/calendar/clock.h"
#include "libs/convert/write.h"
#include "libs/db/pool.h"
#include "libs/feed/consumer.h"
#include "libs/rpc/context.h"
#include "libs/status/error.h"
#include "services/accounts/store/rows.h"

namespace broadbill::accounts {

namespace pb = broadbill::accounts::v1;
using ImportResult = broadbill::common::v1::ImportResult;

// A subscription with all that hangs on it.
struct Bundle {
  SubscriptionRow row;
  std::vector<ChangeRow> changes;
  std::vector<DiscountRow> discounts;
  std::vector<IdentifierRow> identifiers;
  std::optional<UsageCapRow> cap = {};  // where what the network should do is asked
};

// Plans by id, parsed.
using Plans = std::map<Uuid, pb::Plan>;

// load.cc: set-based reading.
absl::StatusOr<Plans> LoadPlans(db::Tx& tx);
absl::StatusOr<std::vector<Bundle>> LoadBundles(db::Tx& tx, const std::vector<Uuid>& accounts,
                                                const std::vector<Uuid>& subscriptions);
// What the co-terminous ones among them end with: all of their accounts.
absl::StatusOr<std::vector<Bundle>> LoadCoterminous(db::Tx& tx, const std::vector<Bundle>& bundles);
// usage_caps.cc: fills `cap`.
absl::Status LoadCaps(db::Tx& tx, std::vector<Bundle>& bundles);
pb::Company ToProto(const CompanyRow& row);
pb::Plan ToProto(const PlanRow& row);
pb::Account ToProto(const AccountRow& row, const std::vector<ContactRow>& contacts);
pb::Location ToProto(const LocationRow& row);
pb::Subscription ToProto(const Bundle& bundle, const Plans& plans, const AccountRow& account,
                         CivilDay today);
pb::Discount ToProto(const DiscountRow& row);
pb::Identifier ToProto(const IdentifierRow& row);
// The feed event of a subscription's present state; `all` holds what it is co-terminous with.
void AddSubscriptionEvent(const Bundle& bundle, const std::vector<Bundle>& all, const Plans& plans,
                          const AccountRow& account, bool created, absl::Time at,
                          convert::Events& events);
// Plans and companies belong to no account: partition 0.
void AddPlanEvent(const PlanRow& row, absl::Time at, convert::Events& events);
void AddCompanyEvent(const CompanyRow& row, absl::Time at, convert::Events& events);
void AddAccountEvent(const AccountRow& account, const std::vector<ContactRow>& contacts,
                     bool created, absl::Time at, convert::Events& events);

// validate.cc: messages to rows; what is wrong goes to `violations`.
AccountRow ReadAccount(const pb::Account& in, const pb::Company& company, absl::Time now,
                       Violations& violations);
std::vector<ContactRow> ReadContacts(const pb::Account& in, const Uuid& account_id, absl::Time now,
                                     Violations& violations);
LocationRow ReadLocation(const pb::Location& in, const Uuid& account_id, absl::Time now,
                         const std::string& field, Violations& violations);
// Fills defaults (months 1, actual proration, keep suspension) and checks.
void NormalisePlan(pb::Plan& plan, const std::string& default_currency, Violations& violations);

struct Holdings;  // read.h
struct Entry;

class AccountsApp {
 public:
  AccountsApp(std::shared_ptr<db::Pool> pool, const Clock& clock)
      : pool_(std::move(pool)), clock_(clock) {}

  // Makes the company "default" when there is none.
  absl::Status EnsureDefaultCompany();

  // companies.cc, accounts.cc
  absl::StatusOr<pb::Company> CreateCompany(const rpc::Context&, const pb::CreateCompanyRequest&);
  absl::StatusOr<pb::Company> GetCompany(const rpc::Context&, const pb::GetCompanyRequest&);
  absl::StatusOr<pb::ListCompaniesResponse> ListCompanies(const rpc::Context&,
                                                          const pb::ListCompaniesRequest&);
  absl::StatusOr<pb::Company> UpdateCompany(const rpc::Context&, const pb::UpdateCompanyRequest&);
  absl::StatusOr<pb::Account> CreateAccount(const rpc::Context&, const pb::CreateAccountRequest&);
  absl::StatusOr<pb::Account> GetAccount(const rpc::Context&, const pb::GetAccountRequest&);
  absl::StatusOr<pb::ListAccountsResponse> ListAccounts(const rpc::Context&,
                                                        const pb::ListAccountsRequest&);
  absl::StatusOr<pb::Account> UpdateAccount(const rpc::Context&, const pb::UpdateAccountRequest&);
  absl::StatusOr<pb::Account> ChangeCycleDay(const rpc::Context&, const pb::ChangeCycleDayRequest&);
  absl::StatusOr<pb::BatchGetContactsResponse> BatchGetContacts(const rpc::Context&,
                                                                const pb::BatchGetContactsRequest&);
  absl::StatusOr<pb::Contact> CreateContact(const rpc::Context&, const pb::CreateContactRequest&);
  absl::StatusOr<pb::Contact> UpdateContact(const rpc::Context&, const pb::UpdateContactRequest&);
  absl::StatusOr<pb::ListContactsResponse> ListContacts(const rpc::Context&,
                                                        const pb::ListContactsRequest&);
  absl::StatusOr<pb::Location> CreateLocation(const rpc::Context&,
                                              const pb::CreateLocationRequest&);
  absl::StatusOr<pb::Location> UpdateLocation(const rpc::Context&,
                                              const pb::UpdateLocationRequest&);
  absl::StatusOr<pb::Location> GetLocation(const rpc::Context&, const pb::GetLocationRequest&);
  absl::StatusOr<pb::ListLocationsResponse> ListLocations(const rpc::Context&,
                                                          const pb::ListLocationsRequest&);

  // plans.cc
  absl::StatusOr<pb::Plan> CreatePlan(const rpc::Context&, const pb::CreatePlanRequest&);
  absl::StatusOr<pb::Plan> GetPlan(const rpc::Context&, const pb::GetPlanRequest&);
  absl::StatusOr<pb::ListPlansResponse> ListPlans(const rpc::Context&, const pb::ListPlansRequest&);
  absl::StatusOr<pb::Plan> UpdatePlan(const rpc::Context&, const pb::UpdatePlanRequest&);
  absl::StatusOr<pb::Plan> AddPlanPrice(const rpc::Context&, const pb::AddPlanPriceRequest&);
  absl::StatusOr<pb::ChangePricesResponse> ChangePrices(const rpc::Context&,
                                                        const pb::ChangePricesRequest&);

  // subscriptions.cc
  absl::StatusOr<pb::Subscription> CreateSubscription(const rpc::Context&,
                                                      const pb::CreateSubscriptionRequest&);
  absl::StatusOr<pb::Subscription> GetSubscription(const rpc::Context&,
                                                   const pb::GetSubscriptionRequest&);
  absl::StatusOr<pb::ListSubscriptionsResponse> ListSubscriptions(
      const rpc::Context&, const pb::ListSubscriptionsRequest&);
  absl::StatusOr<pb::Subscription> CreateSubscriptionChange(
      const rpc::Context&, const pb::CreateSubscriptionChangeRequest&);
  absl::StatusOr<pb::Subscription> RevokeSubscriptionChange(
      const rpc::Context&, const pb::RevokeSubscriptionChangeRequest&);
  absl::StatusOr<pb::Discount> CreateDiscount(const rpc::Context&,
                                              const pb::CreateDiscountRequest&);
  absl::StatusOr<pb::Discount> EndDiscount(const rpc::Context&, const pb::EndDiscountRequest&);
  absl::StatusOr<pb::ListDiscountsResponse> ListDiscounts(const rpc::Context&,
                                                          const pb::ListDiscountsRequest&);
  absl::StatusOr<pb::Identifier> AddIdentifier(const rpc::Context&,
                                               const pb::AddIdentifierRequest&);
  absl::StatusOr<pb::Identifier> EndIdentifier(const rpc::Context&,
                                               const pb::EndIdentifierRequest&);
  absl::StatusOr<pb::ListIdentifiersResponse> ListIdentifiers(const rpc::Context&,
                                                              const pb::ListIdentifiersRequest&);
  absl::StatusOr<pb::ListServiceStatesResponse> ListServiceStates(
      const rpc::Context&, const pb::ListServiceStatesRequest&);
  absl::StatusOr<pb::ServiceState> AcknowledgeServiceState(
      const rpc::Context&, const pb::AcknowledgeServiceStateRequest&);

  // imports.cc
  absl::StatusOr<ImportResult> ImportAccounts(const rpc::Context&,
                                              const pb::ImportAccountsRequest&);
  absl::StatusOr<ImportResult> ImportPlans(const rpc::Context&, const pb::ImportPlansRequest&);
  absl::StatusOr<ImportResult> ImportSubscriptions(const rpc::Context&,
                                                   const pb::ImportSubscriptionsRequest&);
  absl::StatusOr<ImportResult> ImportSubscriptionChanges(
      const rpc::Context&, const pb::ImportSubscriptionChangesRequest&);

  // usage_caps.cc: rating's feed.
  absl::Status OnRatingEvents(db::Tx& tx, const std::vector<feed::Event>& events);

  // snapshots.cc
  absl::StatusOr<pb::ListBillableAccountsResponse> ListBillableAccounts(
      const rpc::Context&, const pb::ListBillableAccountsRequest&);
  absl::StatusOr<pb::BatchGetBillingSnapshotsResponse> BatchGetBillingSnapshots(
      const rpc::Context&, const pb::BatchGetBillingSnapshotsRequest&);

 private:
  absl::StatusOr<CompanyRow> FindCompany(db::Tx& tx, const std::string& id_or_code);
  absl::StatusOr<AccountRow> FindAccount(db::Tx& tx, const Uuid& account_id, bool lock);
  // A new version of an account; `row` follows.
  absl::Status Touch(db::Tx& tx, AccountRow& row);
  // NOTICE_TOO_SHORT when customers would learn of a new price too late.
  absl::Status CheckNotice(db::Tx& tx, const pb::Plan& plan, const pb::ChangePricesRequest& request,
                           CivilDay from);
  // Whether the account may be paid for by its parent: locks it.
  absl::Status CheckParent(db::Tx& tx, const AccountRow& child);
  // One account, locked, with all that hangs on it.
  absl::StatusOr<Holdings> LoadHoldings(db::Tx& tx, const Uuid& account_id);
  Entry EntryOf(const rpc::Context& context, const AccountRow& account) const;
  absl::StatusOr<Bundle> FindBundle(db::Tx& tx, const std::string& subscription_id);
  // Bumps the account's version and tells the feed about the subscription's present state.
  absl::StatusOr<pb::Subscription> Changed(db::Tx& tx, const Uuid& account_id,
                                           const Uuid& subscription_id, bool created,
                                           convert::Events& events);
  absl::Status ChangedMany(db::Tx& tx, const std::vector<Uuid>& subscription_ids, bool created,
                           convert::Events& events);
  // Tells the feed about the present state of subscriptions.
  absl::Status Announce(db::Tx& tx, const std::vector<Bundle>& bundles, bool created,
                        convert::Events& events);
  CivilDay Today(const std::string& time_zone) const;

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
};

}  // namespace broadbill::accounts
