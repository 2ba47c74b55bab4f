#include <catch2/catch.hpp>
#include <functional>
#include <set>

#include "broadbill/accounts/v1/events.pb.h"
#include "libs/convert/convert.h"
#include "libs/feed/consumer.h"
#include "libs/testing/test_database.h"
#include "services/accounts/app/accounts_app.h"
#include "services/accounts/migrations.h"

namespace broadbill::accounts {
namespace {

CivilDay Date(const std::string& text) { return *ParseDate(text); }
std::string Text(const google::type::Date& date) {
  return convert::IsUnset(date) ? "" : FormatDate(CivilDay(date.year(), date.month(), date.day()));
}

// The reason of a refusal and the first field it names.
template <class T>
std::string Why(const absl::StatusOr<T>& result) {
  if (result.ok()) return "";
  const auto fields = ViolationsOf(result.status());
  return ReasonOf(result.status()) + (fields.empty() ? "" : " " + fields.front().field);
}

struct Fixture {
  Fixture() : pool(*db::OpenPool(database.url(), "accounts", Migrations())), app(pool, clock) {
    REQUIRE(app.EnsureDefaultCompany().ok());
    context.principal.id = "test";
    On("2026-03-10");
  }
  // Noon in Chicago.
  void On(const std::string& day) {
    clock.Set(absl::FromCivil(Date(day), absl::UTCTimeZone()) + absl::Hours(18));
  }
  pb::Account Account(const std::string& number, const std::string& parent = "") {
    pb::CreateAccountRequest request;
    request.mutable_account()->set_name(number);
    request.mutable_account()->set_account_number(number);
    request.mutable_account()->set_parent_account_id(parent);
    request.add_locations()->mutable_address()->set_country_code("US");
    const auto made = app.CreateAccount(context, request);
    REQUIRE(made.ok());
    return *made;
  }
  absl::StatusOr<pb::Plan> TryPlan(const std::function<void(pb::Plan&)>& set) {
    pb::CreatePlanRequest request;
    pb::Plan& plan = *request.mutable_plan();
    plan.set_code("p" + std::to_string(++plans));
    plan.set_name("Fibre");
    plan.set_tax_class("internet_access");
    plan.set_account_code("4000");
    plan.add_prices()->mutable_amount()->set_value("49.99");
    set(plan);
    return app.CreatePlan(context, request);
  }
  std::string Plan(const std::function<void(pb::Plan&)>& set = [](pb::Plan&) {}) {
    const auto made = TryPlan(set);
    REQUIRE(made.ok());
    return made->code();
  }
  absl::StatusOr<pb::Subscription> TrySubscribe(
      const std::string& account, const std::string& plan, const std::string& from,
      const std::function<void(pb::Subscription&)>& set = [](pb::Subscription&) {}) {
    pb::CreateSubscriptionRequest request;
    request.set_account_id(account);
    request.mutable_subscription()->set_plan_id(plan);
    *request.mutable_subscription()->mutable_start_date() = convert::ToProto(Date(from));
    set(*request.mutable_subscription());
    return app.CreateSubscription(context, request);
  }
  std::string Subscribe(const std::string& account, const std::string& plan,
                        const std::string& from) {
    const auto made = TrySubscribe(account, plan, from);
    REQUIRE(made.ok());
    return made->subscription_id();
  }
  absl::StatusOr<pb::Subscription> TryChange(
      const std::string& subscription, const std::string& on,
      const std::function<void(pb::SubscriptionChange&)>& set) {
    pb::CreateSubscriptionChangeRequest request;
    request.set_subscription_id(subscription);
    if (!on.empty()) {
      *request.mutable_change()->mutable_effective_date() = convert::ToProto(Date(on));
    }
    set(*request.mutable_change());
    return app.CreateSubscriptionChange(context, request);
  }
  pb::BillingSnapshot Snapshot(const std::string& account,
                               const std::vector<pb::HypotheticalChange>& changes = {}) {
    pb::BatchGetBillingSnapshotsRequest request;
    request.add_account_ids(account);
    for (const auto& change : changes) *request.add_changes() = change;
    const auto answer = app.BatchGetBillingSnapshots(context, request);
    REQUIRE(answer.ok());
    REQUIRE(answer->snapshots_size() == 1);
    return answer->snapshots(0);
  }
  std::vector<pb::Event> Events() {
    std::map<int, int64_t> beginning;
    for (int partition = 0; partition < kBuckets; ++partition) beginning[partition] = 0;
    const auto rows = feed::ReadRows(*pool, beginning, 1000000);
    REQUIRE(rows.ok());
    std::vector<pb::Event> out;
    for (const feed::Row& row : *rows) {
      for (const std::string& body : row.bodies) {
        out.emplace_back();
        REQUIRE(out.back().ParseFromString(body));
        if (out.back().account_id().empty()) CHECK(row.partition == 0);
      }
    }
    return out;
  }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
  FakeClock clock{absl::FromUnixSeconds(1773165600)};
  AccountsApp app;
  rpc::Context context;
  int plans = 0;
};

void Contract(pb::Plan& plan) {
  plan.mutable_contract()->set_months(12);
  plan.mutable_contract()->set_renewal_months(12);
  plan.mutable_contract()->set_notice_days(30);
  plan.mutable_contract()->set_early_termination(pb::Contract::FIXED);
  plan.mutable_contract()->mutable_fee_amount()->set_value("150");
}

}  // namespace

TEST_CASE("no two companies put the same before their numbers") {
  Fixture f;
  const auto create = [&](const std::string& code, const std::string& prefix) {
    pb::CreateCompanyRequest request;
    request.mutable_company()->set_code(code);
    request.mutable_company()->set_name(code);
    request.mutable_company()->set_currency_code("USD");
    request.mutable_company()->set_time_zone("America/Chicago");
    request.mutable_company()->set_number_prefix(prefix);
    return f.app.CreateCompany(f.context, request);
  };
  CHECK(Why(create("north", "")) == "INVALID_FIELD company.number_prefix");
  const auto north = create("north", "N-");
  REQUIRE(north.ok());
  CHECK(Why(create("south", "N-")) == "INVALID_FIELD company.number_prefix");
  REQUIRE(create("south", "S-").ok());

  pb::UpdateCompanyRequest change;
  change.set_company_id("north");
  change.mutable_company()->set_number_prefix("S-");
  CHECK(Why(f.app.UpdateCompany(f.context, change)) == "INVALID_FIELD company.number_prefix");
  change.mutable_company()->set_number_prefix("N-");
  CHECK(f.app.UpdateCompany(f.context, change).ok());

  // Its documents keep the prefix that it had: nobody else may have it, it may have it again.
  change.mutable_company()->set_number_prefix("NN-");
  CHECK(f.app.UpdateCompany(f.context, change).ok());
  CHECK(Why(create("west", "N-")) == "INVALID_FIELD company.number_prefix");
  CHECK(create("west", "W-").ok());
  change.mutable_company()->set_number_prefix("N-");
  CHECK(f.app.UpdateCompany(f.context, change).ok());
}

TEST_CASE("what a plan may promise") {
  Fixture f;
  const auto why = [&](const std::function<void(pb::Plan&)>& set) { return Why(f.TryPlan(set)); };
  CHECK(why(Contract).empty());
  CHECK(why([](pb::Plan& p) { p.mutable_contract(); }) == "INVALID_FIELD plan.contract.months");
  CHECK(why([](pb::Plan& p) {
          Contract(p);
          p.mutable_contract()->clear_fee_amount();
        }) == "INVALID_FIELD plan.contract.fee_amount");
  CHECK(why([](pb::Plan& p) { p.mutable_setup_fee()->mutable_amount()->set_value("0"); }) ==
        "INVALID_FIELD plan.setup_fee.amount");
  CHECK(why([](pb::Plan& p) { p.set_free_periods(61); }) == "INVALID_FIELD plan.free_periods");
  CHECK(why([](pb::Plan& p) {
          for (const int months : {24, 12}) {
            p.add_loyalty()->set_after_months(months);
            p.mutable_loyalty()->rbegin()->mutable_percent()->set_value("5");
          }
        }) == "INVALID_FIELD plan.loyalty.after_months");
  CHECK(why([](pb::Plan& p) {
          p.mutable_seasonal_hold()->set_min_days(30);
          p.mutable_seasonal_hold()->set_max_days_per_year(20);
        }) == "INVALID_FIELD plan.seasonal_hold.min_days");
  const auto plan = f.TryPlan([](pb::Plan&) {});
  CHECK(plan->first_invoice() == pb::PRORATE);
}

TEST_CASE("a snapshot has terms, moves, fees and reductions resolved") {
  Fixture f;
  const pb::Account account = f.Account("A1");
  const std::string plan = f.Plan([](pb::Plan& p) {
    p.mutable_setup_fee()->mutable_amount()->set_value("49");
    p.set_free_periods(1);
    p.set_first_invoice(pb::PRORATE_AND_NEXT);
  });
  pb::CreateLocationRequest place;
  place.set_account_id(account.account_id());
  place.mutable_location()->mutable_address()->set_country_code("US");
  const auto cabin = f.app.CreateLocation(f.context, place);
  REQUIRE(cabin.ok());
  const pb::Account other = f.Account("A2");
  const std::string first = f.Snapshot(account.account_id()).locations(0).location_id();
  const auto at_first = [&](pb::Subscription& s) { s.set_location_id(first); };
  const auto item = f.TrySubscribe(account.account_id(), plan, "2026-03-10", at_first);
  REQUIRE(item.ok());
  const auto move_to = [](const std::string& id) {
    return [id](pb::SubscriptionChange& c) { c.mutable_move()->set_location_id(id); };
  };
  const std::string elsewhere = f.Snapshot(other.account_id()).locations(0).location_id();
  CHECK(Why(f.TryChange(item->subscription_id(), "2026-04-10", move_to(elsewhere))) ==
        "INVALID_FIELD change.move.location_id");
  REQUIRE(f.TryChange(item->subscription_id(), "2026-04-10", move_to(cabin->location_id())).ok());
  const pb::SnapshotItem seen = f.Snapshot(account.account_id()).items(0);
  REQUIRE(seen.segments_size() == 2);
  CHECK(seen.segments(0).location_id() == first);
  CHECK(seen.segments(0).cause() == pb::Segment::START);
  CHECK(seen.segments(1).location_id() == cabin->location_id());
  CHECK(seen.segments(1).cause() == pb::Segment::MOVE);
  CHECK(seen.location_id() == cabin->location_id());
  CHECK(seen.segments(0).terms().first_invoice() == pb::PRORATE_AND_NEXT);
  CHECK(seen.setup_fee().description() == "Setup fee Fibre");
  CHECK(seen.setup_fee().tax_class() == "internet_access");
  REQUIRE(seen.discounts_size() == 1);
  CHECK(seen.discounts(0).label() == "Free period");
  CHECK(Text(seen.discounts(0).to_date()) == "2026-05-01");
  // Neither waived nor for what another system billed.
  const auto waived = [](pb::Subscription& s) { s.set_setup_fee_waived(true); };
  REQUIRE(f.TrySubscribe(other.account_id(), plan, "2026-03-10", waived).ok());
  const auto imported = [](pb::Subscription& s) {
    *s.mutable_paid_through() = convert::ToProto(Date("2026-04-01"));
  };
  REQUIRE(f.TrySubscribe(other.account_id(), plan, "2026-03-10", imported).ok());
  const pb::BillingSnapshot without = f.Snapshot(other.account_id());
  REQUIRE(without.items_size() == 2);
  for (const auto& one : without.items()) CHECK_FALSE(one.has_setup_fee());
}

TEST_CASE("contract terms, renewals and early ends") {
  Fixture f;
  const pb::Account account = f.Account("A1");
  const std::string plan = f.Plan(Contract);
  const std::string item = f.Subscribe(account.account_id(), plan, "2026-03-10");
  pb::GetSubscriptionRequest get;
  get.set_subscription_id(item);
  auto term = f.app.GetSubscription(f.context, get)->contract_term();
  CHECK(Text(term.end_date()) == "2027-03-10");
  CHECK(Text(term.notice_by()) == "2027-02-07");
  f.On("2027-02-08");
  term = f.app.GetSubscription(f.context, get)->contract_term();
  CHECK(Text(term.start_date()) == "2026-03-10");
  CHECK(Text(term.end_date()) == "2028-03-10");
  const auto cancel = [](const std::string& reason) {
    return [reason](pb::SubscriptionChange& c) { c.mutable_cancel()->set_reason(reason); };
  };
  auto change = f.TryChange(item, "2027-06-10", cancel("moved"));
  REQUIRE(change.ok());
  const pb::EarlyEnd early = f.Snapshot(account.account_id()).items(0).early_end();
  CHECK(Text(early.term_start()) == "2027-03-10");
  CHECK(Text(early.term_end()) == "2028-03-10");
  CHECK(early.contract().fee_description() == "Early termination fee");
  CHECK(early.contract().fee_tax_class() == "termination_fee");
  CHECK(early.contract().fee_account_code() == "4000");
  // Some reasons cost nothing.
  pb::RevokeSubscriptionChangeRequest revoke;
  revoke.set_subscription_id(item);
  revoke.set_change_id(change->changes(0).change_id());
  REQUIRE(f.app.RevokeSubscriptionChange(f.context, revoke).ok());
  REQUIRE(f.TryChange(item, "2027-06-10", cancel("provider_fault")).ok());
  CHECK_FALSE(f.Snapshot(account.account_id()).items(0).has_early_end());
}

TEST_CASE("the feed tells a subscription as it is on the day") {
  Fixture f;
  const std::string account = f.Account("A1").account_id();
  const std::string slow = f.Plan();
  const std::string fast =
      f.Plan([](pb::Plan& p) { p.mutable_prices(0)->mutable_amount()->set_value("79.99"); });
  const std::string item = f.Subscribe(account, slow, "2026-03-01");
  REQUIRE(f.TryChange(item, "2026-03-05", [](pb::SubscriptionChange& c) {
             c.mutable_quantity()->mutable_quantity()->set_value("3");
           }).ok());
  REQUIRE(f.TryChange(item, "2026-04-01", [&](pb::SubscriptionChange& c) {
             c.mutable_plan()->set_plan_id(fast);
           }).ok());
  REQUIRE(
      f.TryChange(item, "2026-05-01", [](pb::SubscriptionChange& c) { c.mutable_cancel(); }).ok());
  pb::SubscriptionChanged last;
  for (const pb::Event& event : f.Events()) {
    if (event.has_subscription_changed()) last = event.subscription_changed();
  }
  CHECK(last.plan_code() == slow);
  CHECK(last.recurring_price().value() == "149.97");
  CHECK(Text(last.end_date()) == "2026-05-01");
  REQUIRE(last.plans_size() == 2);
  CHECK(Text(last.plans(0).end_date()) == "2026-04-01");
  CHECK(last.plans(1).plan_code() == fast);
}

TEST_CASE("revoking a change leaves a history that makes sense") {
  Fixture f;
  const pb::Account account = f.Account("A1");
  const std::string item = f.Subscribe(account.account_id(), f.Plan(), "2026-03-01");
  const auto suspended =
      f.TryChange(item, "2026-03-12", [](pb::SubscriptionChange& c) { c.mutable_suspend(); });
  REQUIRE(suspended.ok());
  REQUIRE(
      f.TryChange(item, "2026-03-14", [](pb::SubscriptionChange& c) { c.mutable_resume(); }).ok());
  pb::RevokeSubscriptionChangeRequest revoke;
  revoke.set_subscription_id(item);
  revoke.set_change_id(suspended->changes(0).change_id());
  CHECK(Why(f.app.RevokeSubscriptionChange(f.context, revoke)) ==
        "CHANGE_ORDER change.effective_date");
}

TEST_CASE("a change that is only thought of: the same checks, nothing kept") {
  Fixture f;
  const pb::Account account = f.Account("A1");
  const std::string item = f.Subscribe(account.account_id(), f.Plan(), "2026-03-01");
  const std::string fast =
      f.Plan([](pb::Plan& p) { p.mutable_prices(0)->mutable_amount()->set_value("79.99"); });
  const std::string before = f.Snapshot(account.account_id()).SerializeAsString();
  const size_t events = f.Events().size();
  pb::HypotheticalChange upgrade;
  upgrade.set_subscription_id(item);
  upgrade.mutable_change()->mutable_plan()->set_plan_id(fast);
  pb::HypotheticalChange fresh;
  fresh.set_account_id(account.account_id());
  fresh.mutable_subscription()->set_plan_id(fast);
  *fresh.mutable_subscription()->mutable_start_date() = convert::ToProto(Date("2026-04-01"));
  const pb::BillingSnapshot seen = f.Snapshot(account.account_id(), {upgrade, fresh});
  REQUIRE(seen.items_size() == 2);
  CHECK(Text(seen.items(0).segments(1).start_date()) == "2026-03-10");  // an upgrade: today
  CHECK(seen.items(0).segments(1).terms().price().value() == "79.99");
  CHECK(Text(seen.items(1).start_date()) == "2026-04-01");
  CHECK(f.Snapshot(account.account_id()).SerializeAsString() == before);
  CHECK(f.Events().size() == events);
  pb::BatchGetBillingSnapshotsRequest request;
  request.add_account_ids(account.account_id());
  pb::HypotheticalChange* wrong = request.add_changes();
  wrong->set_subscription_id(item);
  wrong->mutable_change()->mutable_resume();
  *wrong->mutable_change()->mutable_effective_date() = convert::ToProto(Date("2026-03-12"));
  CHECK(Why(f.app.BatchGetBillingSnapshots(f.context, request)) ==
        "CHANGE_ORDER change.effective_date");
  request.set_account_ids(0, f.Account("A2").account_id());
  CHECK(Why(f.app.BatchGetBillingSnapshots(f.context, request)) == "INVALID_FIELD changes");
}

TEST_CASE("an account that another one pays for") {
  Fixture f;
  const pb::Account payer = f.Account("PAYER");
  const pb::Account child = f.Account("CHILD", payer.account_id());
  const pb::Account alone = f.Account("ALONE");
  f.Subscribe(child.account_id(), f.Plan(), "2026-03-01");
  const auto set_parent = [&](const pb::Account& account, const std::string& parent) {
    pb::UpdateAccountRequest request;
    request.set_account_id(account.account_id());
    request.mutable_account()->set_parent_account_id(parent);
    request.mutable_update_mask()->add_paths("parent_account_id");
    return Why(f.app.UpdateAccount(f.context, request));
  };
  const std::string refused = "INVALID_FIELD account.parent_account_id";
  CHECK(set_parent(alone, child.account_id()) == refused);  // a child pays for nobody
  CHECK(set_parent(payer, alone.account_id()) == refused);  // a payer is no child
  CHECK(set_parent(alone, alone.account_id()) == refused);
  CHECK(set_parent(alone, Uuid::Make(absl::Now()).ToText("acc")) == refused);
  pb::CreateAccountRequest yen;
  yen.mutable_account()->set_name("Yen");
  yen.mutable_account()->set_currency_code("JPY");
  yen.mutable_account()->set_parent_account_id(payer.account_id());
  CHECK(Why(f.app.CreateAccount(f.context, yen)) == refused);

  const pb::BillingSnapshot seen = f.Snapshot(payer.account_id());
  REQUIRE(seen.children_size() == 1);
  CHECK(seen.items_size() == 0);
  CHECK(seen.children(0).account_number() == "CHILD");
  CHECK(seen.children(0).parent_account_id() == payer.account_id());
  CHECK(seen.children(0).items_size() == 1);
  CHECK(seen.children(0).locations_size() == 1);
  const auto billable = [&](const std::string& only) {
    pb::ListBillableAccountsRequest request;
    if (!only.empty()) request.add_account_ids(only);
    std::set<std::string> out;
    const auto answer = f.app.ListBillableAccounts(f.context, request);
    REQUIRE(answer.ok());
    for (const auto& row : answer->accounts()) out.insert(row.account_id());
    return out;
  };
  CHECK(billable("") == std::set<std::string>{payer.account_id(), alone.account_id()});
  CHECK(billable(child.account_id()) == std::set<std::string>{payer.account_id()});
  CHECK(set_parent(child, "").empty());
  CHECK(billable(child.account_id()) == std::set<std::string>{child.account_id()});
  CHECK(f.Snapshot(payer.account_id()).children_size() == 0);
}

TEST_CASE("a run of one cycle day takes the accounts whose day it is on the run's date") {
  Fixture f;
  const pb::Account account = f.Account("A1");
  pb::ChangeCycleDayRequest change;
  change.set_account_id(account.account_id());
  change.set_cycle_day(15);
  *change.mutable_effective_date() = convert::ToProto(Date("2026-06-15"));
  REQUIRE(f.app.ChangeCycleDay(f.context, change).ok());
  const auto listed = [&](const std::string& day, int32_t cycle) {
    pb::ListBillableAccountsRequest request;
    request.add_cycle_days(cycle);
    if (!day.empty()) *request.mutable_as_of() = convert::ToProto(Date(day));
    const auto answer = f.app.ListBillableAccounts(f.context, request);
    REQUIRE(answer.ok());
    return answer->accounts_size() == 1;
  };
  CHECK(listed("2026-06-14", 1));
  CHECK(!listed("2026-06-14", 15));
  CHECK(listed("2026-06-15", 15));
  CHECK(!listed("2026-06-15", 1));
  // Without a date: the last one recorded.
  CHECK(listed("", 15));
}

TEST_CASE("contacts, companies and plans tell about their changes") {
  Fixture f;
  const pb::Account account = f.Account("A1");
  pb::CreateContactRequest create;
  create.set_account_id(account.account_id());
  create.mutable_contact()->set_email("ann@x.example");
  create.mutable_contact()->set_receives_invoices(true);
  const auto contact = f.app.CreateContact(f.context, create);
  REQUIRE(contact.ok());
  pb::UpdateContactRequest update;
  update.set_account_id(account.account_id());
  update.set_contact_id(contact->contact_id());
  update.mutable_contact()->set_email("ann");
  CHECK(Why(f.app.UpdateContact(f.context, update)) == "INVALID_FIELD account.contacts.email");
  update.mutable_contact()->set_email("ann@y.example");
  update.set_etag("1");
  CHECK(Why(f.app.UpdateContact(f.context, update)) == "ETAG_MISMATCH");
  update.clear_etag();
  const auto updated = f.app.UpdateContact(f.context, update);
  REQUIRE(updated.ok());
  CHECK(updated->receives_invoices());
  update.mutable_update_mask()->add_paths("mail");
  CHECK(Why(f.app.UpdateContact(f.context, update)) == "INVALID_FIELD update_mask");
  pb::UpdateCompanyRequest company;
  company.set_company_id("default");
  company.mutable_company()->set_phone("+16125550100");
  REQUIRE(f.app.UpdateCompany(f.context, company).ok());
  pb::UpdatePlanRequest plan;
  plan.set_plan_id(f.Plan());
  plan.mutable_plan()->set_name("Fibre 500");
  REQUIRE(f.app.UpdatePlan(f.context, plan).ok());
  plan.mutable_plan()->set_currency_code("EUR");
  CHECK(Why(f.app.UpdatePlan(f.context, plan)) == "INVALID_FIELD plan.currency_code");
  std::string mail, phone, name;
  for (const pb::Event& event : f.Events()) {
    if (event.has_account_changed() && event.account_changed().account().contacts_size() > 0) {
      mail = event.account_changed().account().contacts(0).email();
    }
    if (event.has_company_changed()) phone = event.company_changed().company().phone();
    if (event.has_plan_changed()) name = event.plan_changed().plan().name();
  }
  CHECK(mail == "ann@y.example");
  CHECK(phone == "+16125550100");
  CHECK(name == "Fibre 500");
}

TEST_CASE("a mass change of prices counts and tells") {
  Fixture f;
  const std::string plan = f.Plan();
  const std::string other = f.Plan();
  for (const char* number : {"A1", "A2", "A3", "A4"}) {
    const std::string account = f.Account(number).account_id();
    const std::string item = f.Subscribe(account, plan, "2026-03-01");
    if (std::string(number) == "A2") {
      REQUIRE(f.TryChange(item, "2026-03-05", [](pb::SubscriptionChange& c) {
                 c.mutable_price()->mutable_amount()->set_value("40");
                 c.mutable_price()->set_reason("loyal");
               }).ok());
    }
    if (std::string(number) == "A3") {
      REQUIRE(f.TryChange(item, "2026-04-30", [](pb::SubscriptionChange& c) {
                 c.mutable_cancel();
               }).ok());
    }
    if (std::string(number) == "A4") {
      REQUIRE(f.TryChange(item, "2026-06-01", [&](pb::SubscriptionChange& c) {
                 c.mutable_plan()->set_plan_id(other);
               }).ok());
    }
  }
  pb::ChangePricesRequest request;
  request.add_plan_ids(plan);
  request.mutable_percent()->set_value("2.5");
  *request.mutable_valid_from() = convert::ToProto(Date("2026-05-01"));
  request.set_notice_days(60);
  CHECK(Why(f.app.ChangePrices(f.context, request)) == "NOTICE_TOO_SHORT valid_from");
  request.set_notice_days(30);
  request.set_notify(true);
  request.set_validate_only(true);
  const auto dry = f.app.ChangePrices(f.context, request);
  REQUIRE(dry.ok());
  request.set_validate_only(false);
  const auto answer = f.app.ChangePrices(f.context, request);
  REQUIRE(answer.ok());
  CHECK(dry->SerializeAsString() == answer->SerializeAsString());
  // 49.99 × 1.025 = 51.23975.
  CHECK(answer->plans(0).new_price().value() == "51.24");
  CHECK(answer->plans(0).subscriptions() == 2);
  CHECK(answer->plans(0).overridden() == 1);
  int announced = 0;
  for (const pb::Event& event : f.Events()) {
    if (!event.has_price_change_announced()) continue;
    ++announced;
    CHECK(event.price_change_announced().old_price().value() == "49.99");
    CHECK(Text(event.price_change_announced().valid_from()) == "2026-05-01");
  }
  CHECK(announced == 2);
}

TEST_CASE("files know payers, contracts, moves and items that end together") {
  Fixture f;
  const auto errors = [](const absl::StatusOr<ImportResult>& result) {
    std::string out = result.ok() ? "" : std::string(StdView(result.status().message()));
    if (!result.ok()) return out;
    for (const auto& error : result->errors()) {
      out += std::to_string(error.line()) + " " + error.column() + " " + error.reason() + "\n";
    }
    return out;
  };
  const auto accounts = [&](const std::string& content) {
    pb::ImportAccountsRequest request;
    request.set_content("account_number,name,location_id,parent\n" + content);
    return errors(f.app.ImportAccounts(f.context, request));
  };
  CHECK(accounts("C1,C,c1,B1\nB1,B,b1,P1\nP1,P,p1,\nX,X,x,NOBODY\n") ==
        "2 parent INVALID_VALUE\n3 parent INVALID_VALUE\n5 parent UNKNOWN_REFERENCE\n");
  CHECK(accounts("C1,C,c1,P1\nP1,P,p1,\n").empty());
  pb::ImportPlansRequest plans;
  plans.set_content(
      "code,name,tax_class,account_code,price,months,first_invoice,contract_months,"
      "renewal_months,notice_days,early_termination,termination_fee,setup_fee,free_periods,"
      "loyalty,seasonal_hold,hold_days_per_year\n"
      "year,Year,internet_access,4000,599.88,12,,24,12,30,remaining_months,20,49,2,12:5 24:10,"
      "yes,90\n"
      "month,Month,internet_access,4000,49.99,1,full_then_stub,,,,,,,,,,\n");
  CHECK(errors(f.app.ImportPlans(f.context, plans)).empty());
  plans.set_content(
      "code,name,tax_class,account_code,price,contract_months,early_termination,setup_fee,loyalty\n"
      "bad,Bad,internet_access,4000,1,12,fixed,0,24:5 12:10\n");
  CHECK(errors(f.app.ImportPlans(f.context, plans)) ==
        "2 termination_fee INVALID_VALUE\n2 setup_fee INVALID_VALUE\n2 loyalty INVALID_VALUE\n");
  pb::GetPlanRequest get;
  get.set_plan_id("year");
  const pb::Plan year = *f.app.GetPlan(f.context, get);
  CHECK(year.contract().early_termination() == pb::Contract::REMAINING_MONTHS);
  CHECK(year.contract().notice_days() == 30);
  CHECK(year.loyalty(1).percent().value() == "10");
  CHECK(year.seasonal_hold().max_days_per_year() == 90);
  const auto subscriptions = [&](const std::string& content) {
    pb::ImportSubscriptionsRequest request;
    request.set_content(
        "account_number,plan,start_date,subscription_id,changes,coterminous_with\n" + content);
    return errors(f.app.ImportSubscriptions(f.context, request));
  };
  CHECK(subscriptions("C1,month,2026-03-01,S1,2026-03-05 resume,\n") == "2 changes CHANGE_ORDER\n");
  CHECK(subscriptions("C1,month,2026-03-01,S1,2026-03-05 move nowhere,\n") ==
        "2 changes UNKNOWN_REFERENCE\n");
  CHECK(subscriptions("C1,month,2026-03-01,S1,,S2\nC1,month,2026-03-01,S2,,S1\n") ==
        "2 coterminous_with INVALID_VALUE\n3 coterminous_with INVALID_VALUE\n");
  CHECK(subscriptions("C1,year,2026-03-01,S1,,S2\nC1,month,2026-03-01,S2,,\n"
                      "P1,month,2026-03-01,S3,,S2\n") ==
        "2 coterminous_with INVALID_VALUE\n4 coterminous_with INVALID_VALUE\n");
  CHECK(subscriptions("C1,month,2026-03-20,S1,2026-03-25 move c1,S2\n"
                      "C1,year,2026-02-14,S2,2026-05-01 suspend seasonal,\n")
            .empty());
  pb::ListAccountsRequest list;
  list.set_account_number("P1");
  const std::string payer = f.app.ListAccounts(f.context, list)->accounts(0).account_id();
  const pb::BillingSnapshot seen = f.Snapshot(payer).children(0);
  REQUIRE(seen.items_size() == 2);
  CHECK(seen.items(1).external_id() == "S1");
  CHECK(Text(seen.items(1).anchor_date()) == "2026-03-01");
  // The hold ends after its 90 days.
  CHECK(Text(seen.items(0).segments(1).end_date()) == "2026-07-30");
  const auto changes = [&](const std::string& content) {
    pb::ImportSubscriptionChangesRequest request;
    request.set_content("subscription_id,effective_date,change,value,reason\n" + content);
    return errors(f.app.ImportSubscriptionChanges(f.context, request));
  };
  CHECK(changes("S1,2026-04-01,resume,,\nS2,2026-06-01,resume,,\n") ==
        "2 effective_date CHANGE_ORDER\n");
  CHECK(changes("S1,2026-04-01,suspend,,unpaid\nS1,2026-04-05,resume,,\n").empty());
}

}  // namespace broadbill::accounts
