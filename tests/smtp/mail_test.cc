#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/accounts/v1/company.pb.h"
#include "broadbill/accounts/v1/plan.pb.h"
#include "broadbill/accounts/v1/subscription.pb.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "broadbill/invoicing/v1/document.pb.h"
#include "broadbill/notification/v1/events.pb.h"
#include "broadbill/notification/v1/message.pb.h"
#include "broadbill/notification/v1/template.pb.h"
#include "broadbill/payments/v1/collections.pb.h"
#include "broadbill/payments/v1/method.pb.h"
#include "broadbill/payments/v1/payment.pb.h"
#include "libs/convert/convert.h"
#include "libs/feed/consumer.h"
#include "libs/status/error.h"
#include "services/broadbill/imports.h"
#include "tests/scenarios/runner/world.h"
#include "tests/smtp/mailbox.h"

namespace broadbill::scenarios {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace invoicing = broadbill::invoicing::v1;
namespace notification = broadbill::notification::v1;
namespace payments = broadbill::payments::v1;
using notification::Message;
using testing::Mailbox;

constexpr char kAccounts[] = "broadbill.accounts.v1.Accounts/";
constexpr char kInvoicing[] = "broadbill.invoicing.v1.Invoicing/";
constexpr char kNotification[] = "broadbill.notification.v1.Notification/";
constexpr absl::Duration kPatience = absl::Seconds(30);

// An internet provider with one plan, whose customers are billed on March 1.
struct Isp {
  explicit Isp(std::map<std::string, std::string> settings = {}) : world(std::move(settings)) {
    world.SetClock(CivilDay(2026, 3, 1));
    accounts::UpdateCompanyRequest company;
    company.set_company_id("default");
    company.mutable_company()->set_name("Nørth Star Broadband");
    company.mutable_company()->set_email("billing@northstar.example");
    Must<accounts::Company>(kAccounts, "UpdateCompany", company);
    const char* const areas = "country,region,postal_code,jurisdictions\nUS,MN,55401,US-27\n";
    REQUIRE(
        program::RunImport(*world.Channel("tax"), world.context(), "tax-areas", "areas.csv", areas)
            .ok());
    accounts::CreatePlanRequest plan;
    plan.mutable_plan()->set_code("fibre");
    plan.mutable_plan()->set_name("Fibre 500");
    plan.mutable_plan()->set_kind(accounts::Plan::OTHER);
    plan.mutable_plan()->set_tax_class("internet_access");
    plan.mutable_plan()->set_account_code("4000");
    plan.mutable_plan()->mutable_recurrence()->set_months(1);
    plan.mutable_plan()->add_prices()->mutable_amount()->set_value("49.99");
    Must<accounts::Plan>(kAccounts, "CreatePlan", plan);
  }

  template <class Response>
  Response Must(const std::string& service, const std::string& method,
                const google::protobuf::Message& request) {
    auto response = world.Call<Response>(service + method, request);
    INFO(method << ": " << response.status());
    REQUIRE(response.ok());
    return *std::move(response);
  }

  // An account with these contacts; name and first contact's mail are required.
  std::string Customer(const std::string& number, const std::vector<accounts::Contact>& contacts) {
    accounts::CreateAccountRequest request;
    accounts::Account* account = request.mutable_account();
    account->set_account_number(number);
    account->set_name("Customer " + number);
    account->set_time_zone("America/Chicago");
    account->set_cycle_day(1);
    for (const accounts::Contact& contact : contacts) *account->add_contacts() = contact;
    account->mutable_billing_address()->set_country_code("US");
    account->mutable_billing_address()->set_postal_code("55401");
    *request.add_locations()->mutable_address() = account->billing_address();
    const auto made = Must<accounts::Account>(kAccounts, "CreateAccount", request);
    accounts::ListLocationsRequest list;
    list.set_account_id(made.account_id());
    const auto locations =
        Must<accounts::ListLocationsResponse>(kAccounts, "ListLocations", list).locations();
    accounts::CreateSubscriptionRequest subscribe;
    subscribe.set_account_id(made.account_id());
    subscribe.mutable_subscription()->set_plan_id("fibre");
    subscribe.mutable_subscription()->set_location_id(locations[0].location_id());
    *subscribe.mutable_subscription()->mutable_start_date() =
        convert::ToProto(CivilDay(2026, 3, 1));
    Must<accounts::Subscription>(kAccounts, "CreateSubscription", subscribe);
    return made.account_id();
  }

  // A run as of today, and what follows from it and from all that came before.
  void Bill() {
    invoicing::CreateBillRunRequest request;
    *request.mutable_as_of() = convert::ToProto(world.today());
    request.set_mode(invoicing::BillRun::POST);
    auto run = Must<invoicing::BillRun>(kInvoicing, "CreateBillRun", request);
    invoicing::WatchBillRunRequest watch;
    watch.set_bill_run_id(run.bill_run_id());
    REQUIRE(world.Channel("invoicing")
                ->ReadStream(std::string(kInvoicing) + "WatchBillRun", watch, run, world.context(),
                             [] { return true; })
                .ok());
    REQUIRE(world.Settle().ok());
  }

  void Rename(const std::string& account, const std::string& name) {
    accounts::UpdateAccountRequest update;
    update.set_account_id(account);
    update.mutable_account()->set_name(name);
    Must<accounts::Account>(kAccounts, "UpdateAccount", update);
  }

  void Pay(const std::string& account, int64_t units) {
    payments::CreatePaymentRequest request;
    request.set_account_id(account);
    payments::Payment* payment = request.mutable_payment();
    payment->set_kind(payments::Payment::CHEQUE);
    payment->set_reference("cheque 17");
    payment->mutable_amount()->set_currency_code("USD");
    payment->mutable_amount()->set_units(units);
    Must<payments::Payment>("broadbill.payments.v1.Payments/", "CreatePayment", request);
  }

  std::vector<Message> Messages(const std::string& account = "", const std::string& code = "") {
    notification::ListMessagesRequest request;
    request.set_account_id(account);
    request.set_template_code(code);
    request.set_page_size(1000);
    const auto page =
        Must<notification::ListMessagesResponse>(kNotification, "ListMessages", request);
    return {page.messages().begin(), page.messages().end()};
  }
  Message Get(const Message& message) {
    notification::GetMessageRequest request;
    request.set_message_id(message.message_id());
    return Must<Message>(kNotification, "GetMessage", request);
  }
  notification::DeliverySummary Summary() {
    return Must<notification::DeliverySummary>(kNotification, "GetDeliverySummary",
                                               notification::GetDeliverySummaryRequest());
  }
  // Waits until the summary is as wanted; the last one seen when time is over.
  notification::DeliverySummary WaitFor(
      const std::function<bool(const notification::DeliverySummary&)>& wanted) {
    const absl::Time deadline = absl::Now() + kPatience;
    auto seen = Summary();
    while (!wanted(seen) && absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(50));
      seen = Summary();
    }
    return seen;
  }
  notification::DeliverySummary WaitDelivered(int64_t count) {
    return WaitFor([count](const auto& seen) { return seen.delivered() >= count; });
  }

  // What notification tells in its feed.
  std::vector<notification::Event> Events() {
    db::Pool pool({world.database_url(), "notification", "test"});
    std::map<int, int64_t> from;
    for (int i = 0; i < 64; ++i) from[i] = 0;
    std::vector<notification::Event> out;
    const auto rows = feed::ReadRows(pool, from, 10000);
    REQUIRE(rows.ok());
    for (const feed::Row& row : *rows) {
      for (const std::string& body : row.bodies) out.emplace_back().ParseFromString(body);
    }
    return out;
  }
  db::Result Sql(const std::string& sql) {
    db::Pool pool({world.database_url(), "notification", "test"});
    auto result = pool.Exec(sql);
    INFO(result.status());
    REQUIRE(result.ok());
    return *result;
  }

  World world;
};

accounts::Contact Contact(const std::string& name, const std::string& email, bool invoices = true,
                          bool notices = true) {
  accounts::Contact out;
  out.set_name(name);
  out.set_email(email);
  out.set_receives_invoices(invoices);
  out.set_receives_notices(notices);
  return out;
}

// The notification service in a process of its own, on the world's database and services; killed
// when this goes away.
class Replica {
 public:
  Replica(World& world, const Mailbox& mailbox) {
    const std::string services = absl::StrCat("127.0.0.1:", world.host().port());
    const std::vector<std::string> args = {
        (std::filesystem::canonical("/proc/self/exe").parent_path() / "broadbill-notification")
            .string(),
        "--database-url=" + world.database_url(),
        "--accounts-address=" + services,
        "--invoicing-address=" + services,
        "--payments-address=" + services,
        "--smtp-url=" + mailbox.url(),
        "--clock=2026-03-01"};
    const std::string key = "BROADBILL_INTERNAL_KEY=" + world.host().options().key.ToHex();
    std::vector<char*> argv, env;
    for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    env.push_back(const_cast<char*>(key.c_str()));
    env.push_back(nullptr);
    REQUIRE(posix_spawn(&pid_, argv[0], nullptr, nullptr, argv.data(), env.data()) == 0);
  }
  ~Replica() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = 0;
};

std::map<std::string, std::string> With(const Mailbox& mailbox) {
  return {{"smtp-url", mailbox.url()}, {"smtp-retry-seconds", "1"}};
}

}  // namespace

TEST_CASE("an invoice reaches its contacts with the PDF that invoicing keeps, once") {
  Mailbox mailbox;
  Isp isp(With(mailbox));
  const std::string account = isp.Customer(
      "A-1", {Contact("Åsa Lindström", "asa@customer.example", true, false),
              Contact("", "books@customer.example"), Contact("", "BOOKS@customer.example"),
              Contact("Bo", "bo@customer.example", false, true)});
  isp.Bill();
  REQUIRE(isp.WaitDelivered(2).delivered() == 2);

  const auto messages = isp.Messages(account, "invoice");
  REQUIRE(messages.size() == 2);
  invoicing::RenderDocumentRequest render;
  render.set_document_id(messages[0].document_id());
  const auto pdf =
      isp.Must<invoicing::RenderDocumentResponse>(kInvoicing, "RenderDocument", render);
  std::set<std::string> recipients, ids;
  for (const std::string& text : mailbox.Messages()) {
    const auto mail = testing::ParseMail(text);
    recipients.insert(mail.Header("Delivered-To"));
    ids.insert(mail.Header("Message-ID"));
    CHECK(mail.Header("From") ==
          "=?UTF-8?B?TsO4cnRoIFN0YXIgQnJvYWRiYW5k?= <billing@northstar.example>");
    REQUIRE(mail.parts.size() == 2);
    CHECK(absl::StrContains(mail.parts[0].content, "Total: $"));
    CHECK(absl::StrContains(mail.parts[0].content, "of March 1, 2026 for account A-1"));
    CHECK(absl::StrContains(mail.parts[1].headers, "filename=\"INV-2026-000001.pdf\""));
    CHECK(mail.parts[1].content == pdf.content());
  }
  CHECK(recipients == std::set<std::string>{"asa@customer.example", "books@customer.example"});
  CHECK(ids.size() == 2);

  const Message first = isp.Get(messages[0]);
  CHECK(first.state() == Message::DELIVERED);
  CHECK(first.has_delivered_at());
  CHECK(absl::StrContains(first.subject(), "Invoice INV-2026-000001 from Nørth Star Broadband"));
  CHECK(absl::StrContains(first.text_body(), "INV-2026-000001"));
  REQUIRE(first.attachments_size() == 1);
  CHECK(first.attachments(0).size() == static_cast<int64_t>(pdf.content().size()));
  REQUIRE(first.deliveries_size() == 1);
  CHECK(first.deliveries(0).ok());
  CHECK(first.deliveries(0).smtp_code() == 250);

  // The receipt goes to those who take notices.
  isp.Pay(account, 20);
  REQUIRE(isp.WaitDelivered(4).delivered() == 4);
  const auto receipts = isp.Messages(account, "receipt");
  REQUIRE(receipts.size() == 2);
  CHECK(absl::StrContains(isp.Get(receipts[0]).text_body(),
                          "we have received $20.00 on March 1, 2026"));
  CHECK(absl::StrContains(isp.Get(receipts[0]).text_body(), "Reference: cheque 17"));
  CHECK(isp.Events().size() == 4);
  CHECK(isp.Events()[0].message_delivered().message_id().substr(0, 4) == "msg_");

  // All feeds once more from the first event, which consumers notice at the account's next one: of
  // all that, only the next month's payment and invoice are told.
  isp.Sql("UPDATE feed_cursor SET pos = 0");
  isp.world.SetClock(CivilDay(2026, 4, 1));
  isp.Rename(account, "Lindström Bakery");
  isp.Pay(account, 1);
  isp.Bill();
  REQUIRE(isp.WaitDelivered(8).delivered() == 8);
  CHECK(
      isp.Sql("SELECT count(DISTINCT source) FROM feed_cursor WHERE pos > 0").Get<int64_t>(0, 0) ==
      3);
  CHECK(isp.Messages(account, "invoice").size() == 4);
  CHECK(isp.Messages(account, "receipt").size() == 4);
  CHECK(isp.Summary().queued() + isp.Summary().failed() + isp.Summary().suppressed() == 0);
  CHECK(mailbox.Messages().size() == 8);
}

TEST_CASE("a 4xx is tried again, a 5xx ends it at once and can be tried again by hand") {
  auto mailbox = std::make_unique<Mailbox>(
      std::vector<std::string>{"--fail-first", "1", "--reject", "gone@customer.example"});
  const int port = mailbox->port();
  Isp isp(With(*mailbox));
  const std::string account = isp.Customer("A-1", {Contact("", "asa@customer.example")});
  const std::string gone = isp.Customer("A-2", {Contact("", "gone@customer.example")});
  isp.Bill();
  auto seen = isp.WaitFor([](const auto& s) { return s.delivered() == 1 && s.failed() == 1; });
  REQUIRE(seen.delivered() == 1);
  REQUIRE(seen.failed() == 1);

  const Message delivered = isp.Get(isp.Messages(account)[0]);
  REQUIRE(delivered.deliveries_size() == 2);
  CHECK(delivered.deliveries(0).smtp_code() == 451);
  CHECK(delivered.deliveries(0).detail() == "451 4.3.0 try again later");
  CHECK_FALSE(delivered.deliveries(0).ok());
  CHECK(delivered.deliveries(1).smtp_code() == 250);
  CHECK(delivered.tries() == 2);
  CHECK(delivered.error().empty());

  Message failed = isp.Get(isp.Messages(gone)[0]);
  CHECK(failed.state() == Message::FAILED);
  CHECK(failed.tries() == 1);
  CHECK(failed.error() == "550 5.1.1 no such mailbox here");
  int failures = 0;
  for (const auto& event : isp.Events()) {
    if (!event.has_message_failed()) continue;
    ++failures;
    CHECK(event.message_failed().message_id() == failed.message_id());
    CHECK(event.account_id() == gone);
  }
  CHECK(failures == 1);

  // The mailbox exists now.
  mailbox.reset();
  mailbox = std::make_unique<Mailbox>(std::vector<std::string>{}, port);
  notification::RetryMessageRequest retry;
  retry.set_message_id(failed.message_id());
  CHECK(isp.Must<Message>(kNotification, "RetryMessage", retry).state() == Message::QUEUED);
  REQUIRE(isp.WaitDelivered(2).delivered() == 2);
  CHECK(isp.Get(failed).tries() == 2);
  REQUIRE(mailbox->Messages().size() == 1);
  const auto again = isp.world.Call<Message>(std::string(kNotification) + "RetryMessage", retry);
  CHECK(ReasonOf(again.status()) == "INVALID_STATE");
}

TEST_CASE("while the server is away mail waits without using up its tries") {
  auto mailbox = std::make_unique<Mailbox>();
  const int port = mailbox->port();
  Isp isp(With(*mailbox));
  mailbox.reset();
  for (int i = 0; i < 5; ++i) {
    isp.Customer(absl::StrCat("A-", i), {Contact("", absl::StrCat("a", i, "@customer.example"))});
  }
  isp.Bill();
  Message waiting;
  const absl::Time deadline = absl::Now() + kPatience;
  while (waiting.error().empty() && absl::Now() < deadline) {
    const auto all = isp.Messages();
    REQUIRE(all.size() == 5);
    waiting = all.back();
    absl::SleepFor(absl::Milliseconds(20));
  }
  CHECK(absl::StrContains(waiting.error(), "Failed to connect"));
  CHECK(waiting.state() == Message::QUEUED);
  CHECK(waiting.tries() == 0);
  CHECK(isp.Summary().queued() == 5);
  mailbox = std::make_unique<Mailbox>(std::vector<std::string>{}, port);
  CHECK(isp.WaitDelivered(5).delivered() == 5);
  CHECK(isp.Get(waiting).tries() == 1);
  CHECK(isp.Get(waiting).error().empty());
  CHECK(mailbox->Messages().size() == 5);
}

TEST_CASE("a worker's connection carries many messages, and a dead worker's lease runs out") {
  Mailbox mailbox({"--login", "isp:secret"});
  auto settings = With(mailbox);
  settings["smtp-user"] = "isp";
  settings["smtp-password"] = "secret";
  settings["mail-from"] = "North Star <no-reply@mail.example>";
  Isp isp(settings);
  constexpr int kCustomers = 40;
  for (int i = 0; i < kCustomers; ++i) {
    isp.Customer(absl::StrCat("A-", i), {Contact("", absl::StrCat("a", i, "@customer.example"))});
  }
  isp.Bill();
  REQUIRE(isp.WaitDelivered(kCustomers).delivered() == kCustomers);
  std::set<std::string> connections, recipients;
  for (const std::string& text : mailbox.Messages()) {
    const auto mail = testing::ParseMail(text);
    connections.insert(mail.Header("Received"));
    recipients.insert(mail.Header("Delivered-To"));
    CHECK(mail.Header("From") == "\"North Star\" <no-reply@mail.example>");
    CHECK(mail.Header("Reply-To") == "<billing@northstar.example>");
    CHECK(mail.Header("Return-Path") == "<no-reply@mail.example>");
  }
  CHECK(recipients.size() == kCustomers);
  CHECK(connections.size() <= 2);

  // As a worker leaves it that died after the server took the message and before its record: the
  // message goes out a second time when the lease is over, under the same id.
  isp.Sql(
      "DELETE FROM delivery WHERE message_id = (SELECT min(message_id::text)::uuid FROM message)");
  isp.Sql(
      "UPDATE message SET state = 1, delivered_at = NULL, tries = 0, leased = true, "
      "due_at = now() + interval '1 second' "
      "WHERE message_id = (SELECT min(message_id::text)::uuid FROM message)");
  REQUIRE(isp.Summary().delivered() == kCustomers - 1);
  REQUIRE(isp.WaitDelivered(kCustomers).delivered() == kCustomers);
  const auto mails = mailbox.Messages();
  REQUIRE(mails.size() == kCustomers + 1);
  std::set<std::string> ids;
  for (const std::string& text : mails) ids.insert(testing::ParseMail(text).Header("Message-ID"));
  CHECK(ids.size() == kCustomers);
}

TEST_CASE("killed again and again, workers lose no message and repeat only what they had in hand") {
  Mailbox mailbox;
  Isp isp;
  constexpr int kCustomers = 150;
  for (int i = 0; i < kCustomers; ++i) {
    isp.Customer(absl::StrCat("A-", i), {Contact("", absl::StrCat("a", i, "@customer.example"))});
  }
  isp.Bill();
  REQUIRE(isp.Summary().queued() == kCustomers);
  int kills = 0;
  for (int64_t delivered = 0; delivered < kCustomers && kills < 100;) {
    Replica replica(isp.world, mailbox);
    // Some get no further than their claim, some into the middle of a batch.
    const int64_t enough = delivered + 1 + kills % 4 * 9;
    delivered = isp.WaitFor([&](const auto& seen) {
                     return seen.delivered() >= std::min<int64_t>(enough, kCustomers);
                   })
                    .delivered();
    ++kills;
    // The leases of the dead, as if their time had come.
    isp.Sql("UPDATE message SET due_at = now() WHERE leased");
  }
  CHECK(isp.Summary().delivered() == kCustomers);
  CHECK(kills > 5);
  std::map<std::string, int> copies;  // by Message-ID
  for (const std::string& text : mailbox.Messages()) {
    ++copies[testing::ParseMail(text).Header("Message-ID")];
  }
  CHECK(copies.size() == kCustomers);
  const int repeats = static_cast<int>(mailbox.Messages().size()) - kCustomers;
  CHECK(repeats <= 2 * kills);  // two workers each
  CHECK(isp.Sql("SELECT count(*) FROM delivery WHERE ok").Get<int64_t>(0, 0) == kCustomers);
  CHECK(isp.Events().size() == kCustomers);
}

TEST_CASE("a declined card is told with its name and what comes next") {
  Isp isp;
  const std::string account = isp.Customer("A-1", {Contact("Ann", "ann@customer.example")});
  payments::CreatePaymentMethodRequest card;
  card.set_account_id(account);
  card.mutable_payment_method()->set_kind(payments::PaymentMethod::CARD);
  card.mutable_payment_method()->set_processor("simulator");
  card.mutable_payment_method()->set_token("sim_insufficient_once");
  card.mutable_payment_method()->set_label("Visa ending 4242");
  constexpr char kPayments[] = "broadbill.payments.v1.Payments/";
  const auto method =
      isp.Must<payments::PaymentMethod>(kPayments, "CreatePaymentMethod", card).payment_method_id();
  payments::SetAutopayRequest autopay;
  autopay.set_account_id(account);
  autopay.mutable_autopay()->set_enabled(true);
  autopay.mutable_autopay()->set_payment_method_id(method);
  isp.Must<payments::Autopay>(kPayments, "SetAutopay", autopay);
  isp.Bill();
  payments::RunCollectionsRequest collect;
  for (const int day : {1, 2}) {
    *collect.mutable_as_of() = convert::ToProto(CivilDay(2026, 3, day));
    isp.Must<payments::RunCollectionsResponse>(kPayments, "RunCollections", collect);
    REQUIRE(isp.world.Settle().ok());
  }
  const std::string declined = isp.Get(isp.Messages(account, "payment_declined").at(0)).text_body();
  CHECK(absl::StrContains(declined, "from Visa ending 4242."));
  CHECK(absl::StrContains(declined, "We will try again on March 2, 2026."));
  const std::string receipt = isp.Get(isp.Messages(account, "receipt").at(0)).text_body();
  CHECK(absl::StrContains(receipt, "Paid with: Visa ending 4242"));
}

TEST_CASE("without a mail server mail waits, and what nobody wants is kept with its reason") {
  Isp isp;
  const std::string account = isp.Customer("A-1", {Contact("Ann", "ann@customer.example")});
  const std::string silent = isp.Customer("A-2", {});

  notification::SetPreferencesRequest mute;
  mute.set_account_id(account);
  mute.mutable_preferences()->add_muted_templates("invoice");
  const std::string set_preferences = std::string(kNotification) + "SetPreferences";
  auto refused = isp.world.Call<notification::Preferences>(set_preferences, mute);
  REQUIRE(ViolationsOf(refused.status()).size() == 1);
  CHECK(ViolationsOf(refused.status())[0].field == "preferences.muted_templates");
  mute.mutable_preferences()->set_muted_templates(0, "receipt");
  const auto preferences =
      isp.Must<notification::Preferences>(kNotification, "SetPreferences", mute);
  mute.set_etag("0");
  CHECK(ReasonOf(isp.world.Call<notification::Preferences>(set_preferences, mute).status()) ==
        "ETAG_MISMATCH");
  mute.set_etag(preferences.etag());
  isp.Must<notification::Preferences>(kNotification, "SetPreferences", mute);
  mute.set_account_id("acc_" + std::string(26, '0'));
  mute.clear_etag();
  CHECK(ReasonOf(isp.world.Call<notification::Preferences>(set_preferences, mute).status()) ==
        "ACCOUNT_NOT_FOUND");

  // Changing an account says nothing about its contacts.
  isp.Rename(account, "Ann's Bakery");

  isp.Pay(account, 5);
  isp.Bill();
  const auto summary = isp.Summary();
  CHECK(summary.queued() == 1);
  CHECK(summary.suppressed() == 2);
  const Message invoice = isp.Messages(account, "invoice").at(0);
  CHECK(invoice.state() == Message::QUEUED);
  CHECK(invoice.recipient() == "ann@customer.example");
  CHECK(invoice.tries() == 0);
  CHECK(invoice.has_next_try_at());
  CHECK(absl::StartsWith(invoice.subject(), "Invoice INV-2026-00000"));
  CHECK(absl::EndsWith(invoice.subject(), " from Nørth Star Broadband"));
  CHECK(absl::StrContains(isp.Get(invoice).text_body(), "Hello Ann,"));
  CHECK(isp.Messages(account, "receipt").at(0).error() ==
        "the account has muted this kind of message");
  CHECK(isp.Messages(silent).at(0).error() == "no contact takes invoices by mail");
  CHECK(isp.Messages(silent).at(0).state() == Message::SUPPRESSED);

  // Pages, the newest first.
  notification::ListMessagesRequest request;
  request.set_page_size(2);
  auto page = isp.Must<notification::ListMessagesResponse>(kNotification, "ListMessages", request);
  REQUIRE(page.messages_size() == 2);
  CHECK(page.messages(0).message_id() > page.messages(1).message_id());
  request.set_page_token(page.next_page_token());
  page = isp.Must<notification::ListMessagesResponse>(kNotification, "ListMessages", request);
  CHECK(page.messages_size() == 1);
  CHECK(page.next_page_token().empty());
  request.clear_page_token();
  request.add_states(Message::SUPPRESSED);
  request.set_document_id(isp.Messages(silent)[0].document_id());
  page = isp.Must<notification::ListMessagesResponse>(kNotification, "ListMessages", request);
  REQUIRE(page.messages_size() == 1);
  CHECK(page.messages(0).account_id() == silent);
}

TEST_CASE("own templates hold for their language and company, and are checked when set") {
  Isp isp;
  notification::SetTemplateRequest set;
  set.set_template_code("invoice");
  notification::Template* own = set.mutable_template_();
  own->set_language("de");
  own->set_subject("Ihre Rechnung {{number}}");
  own->set_text_body("Hallo {{contact_name}}, {{amount}} bis {{due_date}}.\n");
  own->set_html_body("<p>Hallo {{contact_name}}</p>");
  const auto made = isp.Must<notification::Template>(kNotification, "SetTemplate", set);
  CHECK_FALSE(made.built_in());
  CHECK(made.etag() == "1");
  own->set_subject("Ihre Rechnung {{numer}}");
  own->set_text_body("");
  const std::string set_template = std::string(kNotification) + "SetTemplate";
  CHECK(ViolationsOf(isp.world.Call<notification::Template>(set_template, set).status()).size() ==
        2);
  own->set_subject("Rechnung\r\nBcc: x@y.example");
  own->set_text_body("x");
  CHECK(ViolationsOf(isp.world.Call<notification::Template>(set_template, set).status())[0].field ==
        "template.subject");
  own->set_subject("Rechnung {{number}}");
  set.set_etag("7");
  CHECK(ReasonOf(isp.world.Call<notification::Template>(set_template, set).status()) ==
        "ETAG_MISMATCH");
  set.set_template_code("birthday");
  CHECK(ReasonOf(isp.world.Call<notification::Template>(set_template, set).status()) ==
        "TEMPLATE_NOT_FOUND");

  notification::GetTemplateRequest get;
  get.set_template_code("invoice");
  get.set_language("de-AT");
  CHECK(isp.Must<notification::Template>(kNotification, "GetTemplate", get).language() == "de");
  get.set_language("fr");
  const auto built_in = isp.Must<notification::Template>(kNotification, "GetTemplate", get);
  CHECK(built_in.built_in());
  CHECK(built_in.placeholders_size() > 5);

  notification::ListTemplatesRequest list;
  list.set_page_size(4);
  auto page = isp.Must<notification::ListTemplatesResponse>(kNotification, "ListTemplates", list);
  REQUIRE(page.templates_size() == 4);
  CHECK(page.templates(0).template_code() == "credit_note");
  CHECK(page.templates(2).language() == "de");
  list.set_page_token(page.next_page_token());
  page = isp.Must<notification::ListTemplatesResponse>(kNotification, "ListTemplates", list);
  REQUIRE(page.templates_size() == 4);
  CHECK(page.templates(0).template_code() == "price_change");
  CHECK(page.templates(2).template_code() == "reminder");
  CHECK(page.templates(3).template_code() == "usage_threshold");
  CHECK(page.next_page_token().empty());

  notification::PreviewMessageRequest preview;
  preview.set_template_code("invoice");
  preview.set_language("de-DE");
  (*preview.mutable_values())["contact_name"] = "<Ann & Bo>";
  auto shown =
      isp.Must<notification::PreviewMessageResponse>(kNotification, "PreviewMessage", preview);
  CHECK(shown.subject() == "Ihre Rechnung INV-2026-000123");
  CHECK(shown.text_body() == "Hallo <Ann & Bo>, 54,47\u00a0USD bis 16. April 2026.\n");
  CHECK(shown.html_body() == "<p>Hallo &lt;Ann &amp; Bo&gt;</p>");
  (*preview.mutable_values())["shoe_size"] = "44";
  const auto refused = isp.world.Call<notification::PreviewMessageResponse>(
      std::string(kNotification) + "PreviewMessage", preview);
  CHECK(ReasonOf(refused.status()) == "INVALID_FIELD");
}

}  // namespace broadbill::scenarios
