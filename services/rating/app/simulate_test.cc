#include <catch2/catch.hpp>

#include "libs/convert/convert.h"
#include "libs/status/error.h"
#include "libs/testing/test_database.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/migrations.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {
namespace {

namespace common = broadbill::common::v1;

struct Fixture {
  Fixture()
      : pool(*db::OpenPool(database.url(), "rating", Migrations())),
        clock(absl::FromCivil(absl::CivilSecond(2026, 3, 10, 12, 0, 0), absl::UTCTimeZone())),
        app(pool, clock) {}

  // An item whose plan offers the top-up "extra", twice a period, from 1 March 2026 on.
  void Sell(const Uuid& account, const Uuid& item) {
    common::UsageTerms usage;
    usage.mutable_allowance()->set_value("100");
    common::UsageTopUp* offer = usage.add_top_ups();
    offer->set_code("extra");
    offer->mutable_units()->set_value("50");
    offer->mutable_price()->set_value("10.00");
    offer->set_period_maximum(2);
    ItemTermsRow terms{account, item, CivilDay(2026, 3, 1), CivilDay::max(), "UTC", "US",
                       "USD",   {}};
    terms.usage.data = usage.SerializeAsString();
    UsageCycleRow cycle{
        account,      item, CivilDay(2026, 3, 1), CivilDay::max(), {CivilDay(1970, 1, 1)}, {1}, 0,
        std::nullopt, false};
    const absl::Status saved = db::RunTx(*pool, [&](db::Tx& tx) {
      const absl::Status done = db::Copy(tx, std::vector<ItemTermsRow>{terms});
      return done.ok() ? db::Copy(tx, std::vector<UsageCycleRow>{cycle}) : done;
    });
    REQUIRE(saved.ok());
  }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
  FakeClock clock;
  RatingApp app;
  rpc::Context context = rpc::BackgroundContext("test");
};

}  // namespace

TEST_CASE("a simulated quantity: tiers with their steps, a cap that does not charge, wrong terms") {
  Fixture fixture;
  pb::SimulateUsageRequest request;
  request.set_currency_code("EUR");
  request.mutable_quantity()->set_value("25");
  common::UsageTerms* terms = request.mutable_terms();
  terms->mutable_allowance()->set_value("10");
  terms->mutable_price()->set_model(common::UsagePrice::GRADUATED);
  auto* first = terms->mutable_price()->add_tiers();
  first->mutable_up_to()->set_value("10");
  first->mutable_price()->set_value("1.00");
  terms->mutable_price()->add_tiers()->mutable_price()->set_value("0.50");
  auto answer = fixture.app.SimulateUsage(fixture.context, request);
  REQUIRE(answer.ok());
  CHECK(answer->amount_minor() == 1250);
  CHECK(answer->total_minor() == 1250);
  CHECK(answer->unrounded().value() == "12.5");
  CHECK(answer->lines_size() >= 2);
  CHECK(!answer->derivation().empty());
  request.set_billed_minor(1000);
  CHECK(fixture.app.SimulateUsage(fixture.context, request)->amount_minor() == 250);
  terms->set_cap_action(common::UsageTerms::NOTHING);
  CHECK(fixture.app.SimulateUsage(fixture.context, request)->total_minor() == 0);
  terms->mutable_price()->mutable_tiers(1)->mutable_up_to()->set_value("5");
  CHECK(fixture.app.SimulateUsage(fixture.context, request).status().code() ==
        absl::StatusCode::kInvalidArgument);
  request.clear_terms();
  CHECK(ReasonOf(fixture.app.SimulateUsage(fixture.context, request).status()) == "INVALID_FIELD");
}

TEST_CASE("a simulated call: the rate of its window, a bundle, no rate and no number") {
  Fixture fixture;
  pb::ImportDeckRequest deck;
  deck.set_deck_code("retail");
  deck.set_currency_code("USD");
  deck.set_content(
      "prefix,destination,rate_per_minute,connect_fee,first_increment,next_increment\n"
      "49,Germany,0.06,0.10,60,60\n");
  REQUIRE(fixture.app.ImportDeck(fixture.context, deck).ok());
  pb::SimulateCallRequest request;
  request.add_deck_codes("retail");
  request.set_called_number("011 49 30 123456");
  request.set_seconds(61);
  auto answer = fixture.app.SimulateCall(fixture.context, request);
  REQUIRE(answer.ok());
  CHECK(answer->outcome() == pb::SimulateCallResponse::RATED);
  CHECK(answer->called_number() == "+4930123456");
  CHECK(answer->billed_seconds() == 120);
  CHECK(answer->amount().value() == "0.22");
  CHECK(answer->currency_code() == "USD");
  CHECK(!answer->derivation().empty());
  common::VoiceBundle* bundle = request.add_bundles();
  bundle->set_name("world");
  bundle->mutable_minutes()->set_value("1");
  answer = fixture.app.SimulateCall(fixture.context, request);
  REQUIRE(answer.ok());
  CHECK(answer->bundle_seconds() == 60);
  CHECK(answer->charged_seconds() == 60);
  request.set_called_number("011 81 3 1234 5678");
  CHECK(fixture.app.SimulateCall(fixture.context, request)->outcome() ==
        pb::SimulateCallResponse::NO_RATE);
  request.set_called_number("7");
  CHECK(fixture.app.SimulateCall(fixture.context, request)->outcome() ==
        pb::SimulateCallResponse::NO_NUMBER);
  request.clear_deck_codes();
  CHECK(ReasonOf(fixture.app.SimulateCall(fixture.context, request).status()) == "INVALID_FIELD");
}

TEST_CASE("a top-up is bought once for a request id, and no more than the period can have") {
  Fixture fixture;
  const Uuid account = Uuid::Make(fixture.clock.Now());
  const Uuid item = Uuid::Make(fixture.clock.Now());
  fixture.Sell(account, item);
  fixture.context.method = "broadbill.rating.v1.Rating/BuyTopUp";
  pb::BuyTopUpRequest request;
  request.set_account_id(account.ToText("acc"));
  request.set_item_id(item.ToText("sub"));
  request.set_code("extra");
  request.set_request_id("one");
  const auto bought = fixture.app.BuyTopUp(fixture.context, request);
  REQUIRE(bought.ok());
  REQUIRE(bought->top_ups_size() == 1);
  CHECK(bought->top_ups(0).bytes() == 50000000000);
  CHECK(bought->top_ups(0).description() == "50 GB top-up");
  const auto again = fixture.app.BuyTopUp(fixture.context, request);
  REQUIRE(again.ok());
  CHECK(again->top_ups(0).top_up_id() == bought->top_ups(0).top_up_id());
  request.set_request_id("two");
  request.set_count(2);
  CHECK(ReasonOf(fixture.app.BuyTopUp(fixture.context, request).status()) == "TOP_UP_MAXIMUM");
  request.set_request_id("three");
  request.set_count(1);
  CHECK(fixture.app.BuyTopUp(fixture.context, request).ok());
  pb::ListTopUpsRequest list;
  list.set_account_id(account.ToText("acc"));
  list.set_item_id(item.ToText("sub"));
  CHECK(fixture.app.ListTopUps(fixture.context, list)->top_ups_size() == 2);
  // The next period can have two again; another account has nothing of it.
  fixture.clock.Set(fixture.clock.Now() + absl::Hours(24 * 25));
  request.set_request_id("four");
  CHECK(fixture.app.BuyTopUp(fixture.context, request).ok());
  request.set_request_id("five");
  request.set_account_id(item.ToText("acc"));
  CHECK(ReasonOf(fixture.app.BuyTopUp(fixture.context, request).status()) == "ITEM_NOT_FOUND");
}

}  // namespace broadbill::rating
