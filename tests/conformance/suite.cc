#include "tests/conformance/suite.h"

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/accounts/v1/plan.pb.h"
#include "broadbill/accounts/v1/subscription.pb.h"
#include "libs/convert/convert.h"
#include "services/broadbill/imports.h"

namespace broadbill::conformance {

namespace accounts = broadbill::accounts::v1;

Suite::Suite(const std::set<std::string>& services) : world_({}, services) {
  world_.SetClock(CivilDay(2026, 11, 25));
}

absl::StatusOr<ImportResult> Suite::Import(const std::string& kind, const std::string& name,
                                           const std::string& content,
                                           const std::map<std::string, std::string>& fields,
                                           bool dry_run) {
  const std::string& method = program::ImportKinds().at(kind).method;
  const size_t from = method.find('.') + 1;
  return program::RunImport(*world_.Channel(method.substr(from, method.find('.', from) - from)),
                            world_.context(), kind, name, content, fields, dry_run);
}

int64_t Suite::Count(const ImportResult& result, const std::string& name) {
  for (const auto& count : result.counts()) {
    if (count.name() == name) return count.count();
  }
  return -1;
}

std::vector<std::string> Suite::Places(const ImportResult& result) {
  std::vector<std::string> out;
  for (const auto& error : result.errors()) {
    out.push_back(absl::StrCat(error.line(), " ", error.column()));
  }
  return out;
}

std::pair<std::string, std::string> Suite::Subscribe(const std::string& name,
                                                     const std::string& kind,
                                                     const std::string& identifier,
                                                     const std::vector<std::string>& decks) {
  std::string& plan = plans_[decks];
  if (plan.empty()) {
    plan = absl::StrCat("plan_", plans_.size());
    accounts::CreatePlanRequest request;
    request.mutable_plan()->set_code(plan);
    request.mutable_plan()->set_name(plan);
    request.mutable_plan()->set_kind(accounts::Plan::OTHER);
    request.mutable_plan()->set_tax_class("voice");
    request.mutable_plan()->set_account_code("4000");
    request.mutable_plan()->mutable_recurrence()->set_months(1);
    request.mutable_plan()->add_prices()->mutable_amount()->set_value("10");
    for (const std::string& deck : decks) {
      request.mutable_plan()->mutable_voice()->add_deck_codes(deck);
    }
    const auto made = Call<accounts::Plan>("broadbill.accounts.v1.Accounts/CreatePlan", request);
    INFO(made.status().message());
    REQUIRE(made.ok());
  }
  accounts::CreateAccountRequest account;
  account.mutable_account()->set_account_number(name);
  account.mutable_account()->set_name(name);
  account.mutable_account()->set_time_zone(world_.time_zone);
  account.mutable_account()->mutable_billing_address()->set_country_code("US");
  account.mutable_account()->mutable_billing_address()->set_postal_code("55401");
  const auto made =
      Call<accounts::Account>("broadbill.accounts.v1.Accounts/CreateAccount", account);
  INFO(made.status().message());
  REQUIRE(made.ok());
  accounts::CreateSubscriptionRequest request;
  request.set_account_id(made->account_id());
  request.mutable_subscription()->set_plan_id(plan);
  *request.mutable_subscription()->mutable_start_date() = convert::ToProto(CivilDay(2000, 1, 1));
  auto* line = request.mutable_subscription()->add_identifiers();
  accounts::Identifier::Kind identifier_kind{};
  REQUIRE(accounts::Identifier::Kind_Parse(kind, &identifier_kind));
  line->set_kind(identifier_kind);
  line->set_value(identifier);
  const auto subscription =
      Call<accounts::Subscription>("broadbill.accounts.v1.Accounts/CreateSubscription", request);
  INFO(subscription.status().message());
  REQUIRE(subscription.ok());
  return {made->account_id(), subscription->subscription_id()};
}

void Suite::Settle() { REQUIRE(world_.Settle().ok()); }

}  // namespace broadbill::conformance
