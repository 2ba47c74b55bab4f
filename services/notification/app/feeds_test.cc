#include <catch2/catch.hpp>
#include <thread>

#include "absl/time/clock.h"
#include "broadbill/accounts/v1/events.pb.h"
#include "broadbill/invoicing/v1/events.pb.h"
#include "broadbill/payments/v1/events.pb.h"
#include "broadbill/rating/v1/events.pb.h"
#include "libs/testing/test_database.h"
#include "services/notification/app/notification_app.h"
#include "services/notification/migrations.h"

namespace broadbill::notification {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1775001600);

struct Fixture {
  Fixture()
      : pool(*db::OpenPool(database.url(), "notification", Migrations())),
        clock(kNow),
        peers(nullptr, nullptr),
        app(pool, clock, peers) {}

  template <class Event>
  feed::Event Wrap(const Uuid& account, Event event) {
    event.set_account_id(account.ToText("acc"));
    event.set_event_id(Uuid::Make(kNow).ToText("evt"));
    return {Bucket(account), 1, 0, account, event.SerializeAsString(), kNow};
  }
  feed::Event Account(const Uuid& account, const std::vector<std::string>& emails) {
    accounts::v1::Event event;
    auto* out = event.mutable_account_changed()->mutable_account();
    out->set_account_id(account.ToText("acc"));
    out->set_company_id(Uuid::Make(kNow).ToText("co"));
    out->set_name("Ann");
    for (const std::string& email : emails) {
      auto* contact = out->add_contacts();
      contact->set_contact_id(Uuid::Make(kNow).ToText("con"));
      contact->set_email(email);
      contact->set_receives_invoices(true);
      contact->set_receives_notices(true);
    }
    return Wrap(account, event);
  }
  feed::Event Received(const Uuid& account, payments::v1::Payment::Kind kind) {
    payments::v1::Event event;
    event.mutable_payment_received()->set_currency_code("USD");
    event.mutable_payment_received()->set_amount_minor(500);
    event.mutable_payment_received()->set_kind(kind);
    return Wrap(account, event);
  }
  feed::Event Posted(const Uuid& account, int64_t total, bool credit = false) {
    invoicing::v1::Event event;
    auto* document = event.mutable_document_posted();
    document->set_document_id(Uuid::Make(kNow).ToText("doc"));
    document->set_kind(credit ? invoicing::v1::Document::CREDIT_NOTE
                              : invoicing::v1::Document::INVOICE);
    document->set_number("X-1");
    document->set_currency_code("USD");
    document->set_total_minor(total);
    return Wrap(account, event);
  }

  using Handler = absl::Status (NotificationApp::*)(db::Tx&, const std::vector<feed::Event>&);
  absl::Status Apply(Handler handler, const std::vector<feed::Event>& events) {
    return db::RunTx(*pool, [&](db::Tx& tx) { return (app.*handler)(tx, events); });
  }
  // "state recipient error" of an account's messages, by recipient.
  std::vector<std::string> Messages(const Uuid& account) {
    const auto rows = pool->Exec(
        "SELECT state::text || ' ' || template || ' ' || recipient || ' ' || error FROM message "
        "WHERE account_id = $1 ORDER BY template, recipient",
        account);
    std::vector<std::string> out;
    for (int i = 0; i < rows->size(); ++i) out.push_back(rows->Get<std::string>(i, 0));
    return out;
  }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
  FakeClock clock;
  Peers peers;
  NotificationApp app;
  const Uuid ann = Uuid::Make(kNow);
  const Uuid bo = Uuid::Make(kNow);
};

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("an event that overtakes its account waits for it") {
  Fixture f;
  REQUIRE(
      f.Apply(&NotificationApp::OnPaymentsEvents, {f.Received(f.ann, payments::v1::Payment::CHEQUE),
                                                   f.Received(f.bo, payments::v1::Payment::CHEQUE)})
          .ok());
  CHECK(f.Messages(f.ann) == Strings{"1 receipt  waits for the account, which is not known yet"});
  REQUIRE(f.Apply(&NotificationApp::OnAccountsEvents,
                  {f.Account(f.ann, {"a@x.example", "b@x.example"}), f.Account(f.bo, {})})
              .ok());
  CHECK(f.Messages(f.ann) == Strings{"1 receipt a@x.example ", "1 receipt b@x.example "});
  CHECK(f.Messages(f.bo) == Strings{"4 receipt  no contact takes notices by mail"});
  // A later change of the account touches nothing.
  REQUIRE(f.Apply(&NotificationApp::OnAccountsEvents, {f.Account(f.ann, {"c@x.example"})}).ok());
  CHECK(f.Messages(f.ann).size() == 2);
}

TEST_CASE("account and event at the same moment do not miss each other") {
  Fixture f;
  for (const bool known_stand_in : {false, true}) {
    for (const bool event_first : {false, true}) {
      const Uuid account = Uuid::Make(kNow);
      if (known_stand_in) {
        REQUIRE(f.Apply(&NotificationApp::OnPaymentsEvents,
                        {f.Received(account, payments::v1::Payment::CASH)})
                    .ok());
      }
      const auto received = f.Received(account, payments::v1::Payment::CHEQUE);
      const auto changed = f.Account(account, {"a@x.example"});
      auto first = f.pool->Begin();
      REQUIRE(first.ok());
      REQUIRE((event_first ? f.app.OnPaymentsEvents(*first, {received})
                           : f.app.OnAccountsEvents(*first, {changed}))
                  .ok());
      absl::Status second;
      std::thread other([&] {
        second = event_first ? f.Apply(&NotificationApp::OnAccountsEvents, {changed})
                             : f.Apply(&NotificationApp::OnPaymentsEvents, {received});
      });
      absl::SleepFor(absl::Milliseconds(100));
      REQUIRE(first->Commit().ok());
      other.join();
      REQUIRE(second.ok());
      INFO("stand-in " << known_stand_in << ", event first " << event_first);
      CHECK(f.Messages(account) == Strings(known_stand_in ? 2 : 1, "1 receipt a@x.example "));
    }
  }
}

TEST_CASE("an event given twice is told once, whatever its contacts have become") {
  Fixture f;
  const auto received = f.Received(f.ann, payments::v1::Payment::CHEQUE);
  REQUIRE(f.Apply(&NotificationApp::OnAccountsEvents, {f.Account(f.ann, {"a@x.example"})}).ok());
  REQUIRE(f.Apply(&NotificationApp::OnPaymentsEvents, {received, received}).ok());
  REQUIRE(f.Apply(&NotificationApp::OnAccountsEvents, {f.Account(f.ann, {"b@x.example"})}).ok());
  REQUIRE(f.Apply(&NotificationApp::OnPaymentsEvents, {received}).ok());
  CHECK(f.Messages(f.ann) == Strings{"1 receipt a@x.example "});
}

TEST_CASE("a price change is told with both prices") {
  Fixture f;
  accounts::v1::Event event;
  auto* change = event.mutable_price_change_announced();
  change->set_description("Fibre 500");
  change->set_currency_code("USD");
  change->mutable_old_price()->set_value("49.99");
  change->mutable_new_price()->set_value("54.99");
  change->mutable_valid_from()->set_year(2026);
  change->mutable_valid_from()->set_month(5);
  change->mutable_valid_from()->set_day(1);
  const feed::Event announced = f.Wrap(f.ann, event);
  const feed::Event account = f.Account(f.ann, {"a@x.example"});
  REQUIRE(f.Apply(&NotificationApp::OnAccountsEvents, {account, announced, announced}).ok());
  REQUIRE(f.Apply(&NotificationApp::OnAccountsEvents, {announced}).ok());
  CHECK(f.Messages(f.ann) == Strings{"1 price_change a@x.example "});
  const auto rows = f.pool->Exec("SELECT service, old_amount, amount, day::text FROM message");
  CHECK(rows->Get<std::string>(0, 0) == "Fibre 500");
  CHECK(rows->Get<int64_t>(0, 1) == 4999);
  CHECK(rows->Get<int64_t>(0, 2) == 5499);
  CHECK(rows->Get<std::string>(0, 3) == "2026-05-01");
}

TEST_CASE("of the thresholds that are reached in one step the highest is told") {
  Fixture f;
  REQUIRE(f.Apply(&NotificationApp::OnAccountsEvents, {f.Account(f.ann, {"a@x.example"})}).ok());
  rating::v1::Event event;
  auto* reached = event.mutable_usage_threshold_reached();
  reached->set_description("Fibre 500");
  reached->set_included_bytes(int64_t{100} << 30);
  reached->set_counted_bytes((int64_t{101} << 30) + (int64_t{1} << 29));
  reached->set_unit(common::v1::UsageTerms::GIB);
  reached->set_cap_action(common::v1::UsageTerms::THROTTLE);
  reached->mutable_period()->mutable_end_date()->set_year(2026);
  reached->mutable_period()->mutable_end_date()->set_month(5);
  reached->mutable_period()->mutable_end_date()->set_day(1);
  reached->set_percent(80);
  reached->set_superseded(true);
  const feed::Event lower = f.Wrap(f.ann, event);
  reached->set_percent(100);
  reached->set_superseded(false);
  const feed::Event higher = f.Wrap(f.ann, event);
  REQUIRE(f.Apply(&NotificationApp::OnRatingEvents, {lower, higher}).ok());
  REQUIRE(f.Apply(&NotificationApp::OnRatingEvents, {higher}).ok());
  CHECK(f.Messages(f.ann) == Strings{"1 usage_threshold a@x.example "});
  const auto rows = f.pool->Exec("SELECT number, reference, reason, due::text FROM message");
  CHECK(rows->Get<std::string>(0, 0) == "100");
  CHECK(rows->Get<std::string>(0, 1) == "101.50 of 100.00 GiB");
  CHECK(rows->Get<std::string>(0, 2) == "throttle");
  CHECK(rows->Get<std::string>(0, 3) == "2026-05-01");
}

TEST_CASE("what is told, and as what") {
  Fixture f;
  REQUIRE(f.Apply(&NotificationApp::OnAccountsEvents, {f.Account(f.ann, {"a@x.example"})}).ok());
  REQUIRE(f.Apply(&NotificationApp::OnPaymentsEvents,
                  {f.Received(f.ann, payments::v1::Payment::OPENING)})
              .ok());
  CHECK(f.Messages(f.ann).empty());
  REQUIRE(f.Apply(&NotificationApp::OnInvoicingEvents,
                  {f.Posted(f.ann, 100), f.Posted(f.ann, 0), f.Posted(f.ann, -100, true)})
              .ok());
  CHECK(f.Messages(f.ann) == Strings{"1 credit_note a@x.example ",
                                     "4 invoice  the document's total is zero",
                                     "1 invoice a@x.example "});
  CHECK(f.pool->Exec("SELECT sum(amount)::int8 FROM message")->Get<int64_t>(0, 0) == 200);
  payments::v1::Event reminder;
  reminder.mutable_reminder_due()->set_currency_code("USD");
  for (const char* code : {"reminder_2", "invoice", "", "Last call"}) {
    reminder.mutable_reminder_due()->set_template_(code);
    REQUIRE(f.Apply(&NotificationApp::OnPaymentsEvents, {f.Wrap(f.bo, reminder)}).ok());
  }
  const auto codes = f.pool->Exec(
      "SELECT string_agg(template, ' ' ORDER BY template) FROM message WHERE account_id = $1",
      f.bo);
  CHECK(codes->Get<std::string>(0, 0) == "reminder reminder reminder reminder_2");
}

}  // namespace broadbill::notification
