// Payments of accounts that payments knows by its feed, by asking, or not at all.

#include <catch2/catch.hpp>

#include "absl/time/clock.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/payments/v1/events.pb.h"
#include "broadbill/payments/v1/payment.pb.h"
#include "libs/convert/convert.h"
#include "libs/db/pool.h"
#include "libs/feed/consumer.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::touchless {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace payments = broadbill::payments::v1;

}  // namespace

TEST_CASE("an unknown account gets no payment, a new one does, and the event tells the balance") {
  scenarios::World world;
  world.SetClock(CivilDay(2026, 3, 1));
  payments::CreatePaymentRequest request;
  request.set_account_id(Uuid::Make(absl::Now()).ToText("acc"));
  *request.mutable_payment()->mutable_amount() = convert::ToMoney(5000, "USD");
  const auto pay = [&] {
    return world.Call<payments::Payment>("broadbill.payments.v1.Payments/CreatePayment", request);
  };
  CHECK(ReasonOf(pay().status()) == "ACCOUNT_NOT_FOUND");
  request.set_account_id("acc_nonsense");
  CHECK(ViolationsOf(pay().status()).size() == 1);

  accounts::CreateAccountRequest account;
  account.mutable_account()->set_account_number("A1");
  account.mutable_account()->set_name("A1");
  account.mutable_account()->mutable_billing_address()->set_country_code("US");
  const auto made =
      world.Call<accounts::Account>("broadbill.accounts.v1.Accounts/CreateAccount", account);
  REQUIRE(made.ok());
  request.set_account_id(made->account_id());
  REQUIRE(pay().ok());
  *request.mutable_payment()->mutable_amount() = convert::ToMoney(1000, "USD");
  const auto second = pay();
  REQUIRE(second.ok());

  // What the customer's receipt says: in credit by 50.00, then by 60.00.
  db::Pool pool(db::Pool::Options{world.database_url(), "payments", "test", 2, absl::Seconds(5)});
  std::map<int, int64_t> from;
  for (int partition = 0; partition < kBuckets; ++partition) from[partition] = 0;
  const auto rows = feed::ReadRows(pool, from, 1000);
  REQUIRE(rows.ok());
  std::vector<int64_t> balances;
  for (const feed::Row& row : *rows) {
    for (const std::string& body : row.bodies) {
      payments::Event event;
      REQUIRE(event.ParseFromString(body));
      if (event.has_payment_received()) {
        balances.push_back(event.payment_received().balance_minor());
      }
    }
  }
  CHECK(balances == std::vector<int64_t>{-5000, -6000});
}

}  // namespace broadbill::touchless
