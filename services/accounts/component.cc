#include "services/accounts/component.h"

#include "libs/feedrpc/feedrpc.h"
#include "libs/status/macros.h"
#include "services/accounts/app/accounts_app.h"
#include "services/accounts/migrations.h"

namespace broadbill::accounts {

absl::Status Register(rpc::Host& host) {
  ASSIGN_OR_RETURN(auto pool, db::OpenPool(host.DatabaseUrl("accounts"), "accounts", Migrations()));
  AccountsApp* app = host.Own(std::make_unique<AccountsApp>(pool, host.clock()));
  RETURN_IF_ERROR(app->EnsureDefaultCompany());
  rpc::Service service("broadbill.accounts.v1.Accounts");
  service.Unary("CreateCompany", app, &AccountsApp::CreateCompany)
      .Unary("GetCompany", app, &AccountsApp::GetCompany)
      .Unary("ListCompanies", app, &AccountsApp::ListCompanies)
      .Unary("UpdateCompany", app, &AccountsApp::UpdateCompany)
      .Unary("CreateAccount", app, &AccountsApp::CreateAccount)
      .Unary("GetAccount", app, &AccountsApp::GetAccount)
      .Unary("ListAccounts", app, &AccountsApp::ListAccounts)
      .Unary("UpdateAccount", app, &AccountsApp::UpdateAccount)
      .Unary("ChangeCycleDay", app, &AccountsApp::ChangeCycleDay)
      .Unary("BatchGetContacts", app, &AccountsApp::BatchGetContacts)
      .Unary("CreateContact", app, &AccountsApp::CreateContact)
      .Unary("UpdateContact", app, &AccountsApp::UpdateContact)
      .Unary("ListContacts", app, &AccountsApp::ListContacts)
      .Unary("CreateLocation", app, &AccountsApp::CreateLocation)
      .Unary("UpdateLocation", app, &AccountsApp::UpdateLocation)
      .Unary("GetLocation", app, &AccountsApp::GetLocation)
      .Unary("ListLocations", app, &AccountsApp::ListLocations)
      .Unary("CreatePlan", app, &AccountsApp::CreatePlan)
      .Unary("UpdatePlan", app, &AccountsApp::UpdatePlan)
      .Unary("GetPlan", app, &AccountsApp::GetPlan)
      .Unary("ListPlans", app, &AccountsApp::ListPlans)
      .Unary("AddPlanPrice", app, &AccountsApp::AddPlanPrice)
      .Unary("ChangePrices", app, &AccountsApp::ChangePrices)
      .Unary("CreateSubscription", app, &AccountsApp::CreateSubscription)
      .Unary("GetSubscription", app, &AccountsApp::GetSubscription)
      .Unary("ListSubscriptions", app, &AccountsApp::ListSubscriptions)
      .Unary("CreateSubscriptionChange", app, &AccountsApp::CreateSubscriptionChange)
      .Unary("RevokeSubscriptionChange", app, &AccountsApp::RevokeSubscriptionChange)
      .Unary("CreateDiscount", app, &AccountsApp::CreateDiscount)
      .Unary("EndDiscount", app, &AccountsApp::EndDiscount)
      .Unary("ListDiscounts", app, &AccountsApp::ListDiscounts)
      .Unary("AddIdentifier", app, &AccountsApp::AddIdentifier)
      .Unary("EndIdentifier", app, &AccountsApp::EndIdentifier)
      .Unary("ListIdentifiers", app, &AccountsApp::ListIdentifiers)
      .Unary("ListServiceStates", app, &AccountsApp::ListServiceStates)
      .Unary("AcknowledgeServiceState", app, &AccountsApp::AcknowledgeServiceState)
      .Unary("ImportAccounts", app, &AccountsApp::ImportAccounts)
      .Unary("ImportPlans", app, &AccountsApp::ImportPlans)
      .Unary("ImportSubscriptions", app, &AccountsApp::ImportSubscriptions)
      .Unary("ImportSubscriptionChanges", app, &AccountsApp::ImportSubscriptionChanges)
      .Unary("ListBillableAccounts", app, &AccountsApp::ListBillableAccounts)
      .Unary("BatchGetBillingSnapshots", app, &AccountsApp::BatchGetBillingSnapshots);
  host.Add(std::move(service));
  feedrpc::Serve(host, "accounts", pool);
  feedrpc::Follow(host, "accounts", "rating", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnRatingEvents(tx, events);
                  });
  return absl::OkStatus();
}

}  // namespace broadbill::accounts
