// The service over real PostgreSQL, fed through real feeds: events go into the feeds of accounts,
// invoicing and payments as those services append them, the followers apply them, the RPCs answer.

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <map>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "broadbill/accounts/v1/events.pb.h"
#include "broadbill/invoicing/v1/events.pb.h"
#include "broadbill/payments/v1/events.pb.h"
#include "broadbill/reporting/v1/export.pb.h"
#include "libs/convert/convert.h"
#include "libs/csv/reader.h"
#include "libs/feedrpc/feedrpc.h"
#include "libs/money/money.h"
#include "libs/rpc/host.h"
#include "libs/status/error.h"
#include "libs/testing/test_database.h"
#include "services/reporting/component.h"
#include "services/reporting/domain/aging.h"

namespace broadbill::reporting {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace invoicing = broadbill::invoicing::v1;
namespace payments = broadbill::payments::v1;
namespace pb = broadbill::reporting::v1;

const absl::Time kStart = absl::FromUnixSeconds(1767268800);  // 2026-01-01 12:00 UTC
const CivilDay kFirst(2026, 1, 1);

Uuid NewId() { return Uuid::Make(kStart); }

struct Customer {
  Uuid id;
  Uuid company;
  std::string currency = "USD";
  std::string number;
  std::string name;
};

template <class Event>
Event MakeEvent(const Uuid& account) {
  Event event;
  event.set_account_id(account.ToText("acc"));
  event.set_event_id(NewId().ToText("evt"));
  *event.mutable_at() = convert::ToProto(kStart);
  return event;
}

template <class Event>
db::FeedEvent ToFeed(const Uuid& account, const Event& event) {
  return {event.GetTypeName(), account, event.SerializeAsString()};
}

struct Fixture {
  Fixture() : clock(kStart), host(Options()) {
    // The services whose feeds are followed live here as far as their feeds go.
    for (const char* source : {"accounts", "invoicing", "payments"}) {
      pools[source] = *db::OpenPool(database.url(), source, {});
      feedrpc::Serve(host, source, pools[source]);
    }
    host.Add(rpc::Service("broadbill.accounts.v1.Accounts"));
    host.Add(rpc::Service("broadbill.invoicing.v1.Invoicing"));
    host.Add(rpc::Service("broadbill.payments.v1.Payments"));
    const absl::Status registered = Register(host);
    INFO(registered);
    REQUIRE(registered.ok());
    REQUIRE(host.Start().ok());
  }
  ~Fixture() { host.Stop(absl::Seconds(2)); }
  rpc::HostOptions Options() {
    rpc::HostOptions options;
    options.database_url = database.url();
    options.clock = &clock;
    return options;
  }

  void Append(const std::string& source, const std::vector<db::FeedEvent>& events) {
    const absl::Status status =
        db::RunTx(*pools[source], [&](db::Tx& tx) { return db::AppendFeed(tx, events, kStart); });
    INFO(status);
    REQUIRE(status.ok());
    db::SignalFeed(source);
  }
  void Settle(absl::Duration timeout = absl::Seconds(60)) {
    REQUIRE(feedrpc::WaitCaughtUp(host, timeout).ok());
  }
  template <class Response>
  absl::StatusOr<Response> Try(const char* method, const google::protobuf::Message& request) {
    return host.ChannelTo("reporting")
        ->Call<Response>(absl::StrCat("broadbill.reporting.v1.Reporting/", method), request,
                         rpc::BackgroundContext("test"));
  }
  template <class Response>
  Response Call(const char* method, const google::protobuf::Message& request) {
    auto response = Try<Response>(method, request);
    INFO(response.status());
    REQUIRE(response.ok());
    return *std::move(response);
  }
  // Every row of every read model, in an order of its own.
  std::string Dump() {
    auto pool = *db::OpenPool(database.url(), "reporting_reader", {});
    std::string out;
    for (const char* table :
         {"account", "document", "draft", "entry", "item", "balance", "payment", "decline",
          "ledger_day", "ledger_code", "tax", "tax_day", "exempt_day"}) {
      const auto rows = pool->Exec(absl::StrCat(
          "SELECT count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM "
          "reporting.",
          table, " t"));
      REQUIRE(rows.ok());
      absl::StrAppend(&out, table, " ", rows->Get<int64_t>(0, 0), " ", rows->Get<std::string>(0, 1),
                      "\n");
    }
    return out;
  }
  // Everything is read again from the first event on: the followers notice with the next event that
  // their cursors were moved.
  void ReplayAll(const Customer& customer) {
    auto pool = *db::OpenPool(database.url(), "reporting_reader", {});
    REQUIRE(pool->Exec("UPDATE reporting.feed_cursor SET pos = 0").ok());
    Append("accounts", {ToFeed(customer.id, MakeEvent<accounts::Event>(customer.id))});
    Append("invoicing", {ToFeed(customer.id, MakeEvent<invoicing::Event>(customer.id))});
    Append("payments", {ToFeed(customer.id, MakeEvent<payments::Event>(customer.id))});
  }

  testing::TestDatabase database;
  FakeClock clock;
  rpc::Host host;
  std::map<std::string, std::shared_ptr<db::Pool>> pools;
};

// ---- events, as the services write them

db::FeedEvent AccountEvent(const Customer& customer, int64_t version = 1) {
  auto event = MakeEvent<accounts::Event>(customer.id);
  accounts::Account* account = event.mutable_account_changed()->mutable_account();
  account->set_account_id(customer.id.ToText("acc"));
  account->set_account_number(customer.number);
  account->set_name(customer.name);
  account->set_company_id(customer.company.ToText("co"));
  account->set_currency_code(customer.currency);
  account->set_version(version);
  return ToFeed(customer.id, event);
}

struct Entry {
  Uuid account;
  std::string currency;
  payments::Transfer::Kind kind = payments::Transfer::INVOICE;
  std::string debit;
  std::string credit;
  int64_t amount = 0;
  CivilDay value;
  CivilDay posting;
  Uuid document;
  Uuid payment;
  std::optional<CivilDay> due;
};

db::FeedEvent TransfersEvent(const Uuid& account, const std::vector<Entry>& entries) {
  auto event = MakeEvent<payments::Event>(account);
  for (const Entry& entry : entries) {
    auto* out = event.mutable_transfers_posted()->add_transfers();
    out->set_transfer_id(NewId().ToText("xfr"));
    out->set_transaction_id(out->transfer_id());
    out->set_account_id(account.ToText("acc"));
    out->set_kind(entry.kind);
    out->set_debit_account(entry.debit);
    out->set_credit_account(entry.credit);
    out->set_currency_code(entry.currency);
    out->set_amount_minor(entry.amount);
    *out->mutable_value_date() = convert::ToProto(entry.value);
    *out->mutable_posting_date() = convert::ToProto(entry.posting);
    if (!entry.document.IsNil()) out->set_document_id(entry.document.ToText("doc"));
    if (!entry.payment.IsNil()) out->set_payment_id(entry.payment.ToText("pay"));
    if (entry.due) *out->mutable_due_date() = convert::ToProto(*entry.due);
  }
  return ToFeed(account, event);
}

invoicing::DocumentPosted MakeDocument(const Customer& customer, const Uuid& id,
                                       const std::string& number, CivilDay date, CivilDay due) {
  invoicing::DocumentPosted out;
  out.set_document_id(id.ToText("doc"));
  out.set_kind(invoicing::Document::INVOICE);
  out.set_number(number);
  out.set_account_id(customer.id.ToText("acc"));
  out.set_account_number(customer.number);
  out.set_company_id(customer.company.ToText("co"));
  out.set_currency_code(customer.currency);
  out.set_customer_name(customer.name);
  *out.mutable_invoice_date() = convert::ToProto(date);
  *out.mutable_due_date() = convert::ToProto(due);
  return out;
}

void AddLine(const std::string& code, int64_t amount, invoicing::DocumentPosted& out) {
  auto* line = out.add_lines();
  line->set_line_id(NewId().ToText("lin"));
  line->set_account_code(code);
  line->set_amount_minor(amount);
  out.set_net_minor(out.net_minor() + amount);
  out.set_total_minor(out.total_minor() + amount);
}

void AddTax(const std::string& jurisdiction, int64_t taxable, int64_t exempt, int64_t amount,
            invoicing::DocumentPosted& out) {
  auto* tax = out.add_taxes();
  tax->set_rule_id("rul_" + jurisdiction);
  tax->set_jurisdiction_id("jur_" + jurisdiction);
  tax->set_jurisdiction_code(jurisdiction);
  tax->set_jurisdiction_name("The " + jurisdiction);
  tax->set_tax_code("sales");
  tax->set_name(jurisdiction + " sales tax");
  tax->mutable_rate()->set_value("6.875");
  tax->set_base_minor(taxable);
  tax->set_exempt_minor(exempt);
  if (exempt != 0) tax->set_exempt_reason(taxable < 50 ? "resale" : "ITFA");
  tax->set_amount_minor(amount);
  out.set_tax_minor(out.tax_minor() + amount);
  out.set_total_minor(out.total_minor() + amount);
}

db::FeedEvent PostedEvent(const Uuid& account, const invoicing::DocumentPosted& document) {
  auto event = MakeEvent<invoicing::Event>(account);
  *event.mutable_document_posted() = document;
  return ToFeed(account, event);
}

// ---- a random provider, and what its reports must say

struct Open {
  Uuid id;
  CivilDay due;
  CivilDay date;
  int64_t left = 0;
};
struct Credit {
  Uuid id;
  CivilDay value;
  int64_t left = 0;
};

class History {
 public:
  History(uint64_t seed, int customers) : dice_(seed) {
    companies_ = {NewId(), NewId()};
    for (int i = 0; i < customers; ++i) {
      Customer customer;
      customer.id = Uuid::Make(kStart + absl::Milliseconds(i));
      customer.company = companies_[static_cast<size_t>(i % 2)];
      customer.currency = i % 5 == 4 ? "JPY" : "USD";
      customer.number = absl::StrCat("A", 1000 + i);
      customer.name = absl::StrCat("Customer \"", i, "\", Ltd.");
      customers_.push_back(customer);
    }
  }

  // One day of all customers.
  void Live(CivilDay day, std::vector<db::FeedEvent>& sales, std::vector<db::FeedEvent>& money) {
    for (const Customer& customer : customers_) {
      if (Chance(8)) Invoice(customer, day, sales, money);
      if (Chance(8)) Pay(customer, day, money);
      if (Chance(2)) CreditNote(customer, day, sales, money);
      if (Chance(2)) Refund(customer, day, money);
    }
  }

  const std::vector<Customer>& customers() const { return customers_; }
  const std::vector<Uuid>& companies() const { return companies_; }
  const std::map<std::string, int64_t>& taxes() const { return taxes_; }
  int64_t documents() const { return documents_; }

  // By account and currency: buckets, then unapplied credit.
  std::map<std::string, std::pair<Aging, int64_t>> AgingAt(CivilDay day, bool by_value,
                                                           const Uuid* company) const {
    std::map<std::pair<Uuid, Uuid>, int64_t> open;
    std::map<Uuid, int64_t> credit;
    for (const Entry& entry : entries_) {
      if ((by_value ? entry.value : entry.posting) > day) continue;
      if (entry.debit == "ar") open[{entry.account, entry.document}] += entry.amount;
      if (entry.credit == "ar") open[{entry.account, entry.document}] -= entry.amount;
      if (entry.credit == "customer_credit") credit[entry.account] += entry.amount;
      if (entry.debit == "customer_credit") credit[entry.account] -= entry.amount;
    }
    std::map<std::string, std::pair<Aging, int64_t>> out;
    for (const Customer& customer : customers_) {
      if (company != nullptr && customer.company != *company) continue;
      auto& [aging, unapplied] = out[customer.id.ToText("acc")];
      unapplied = credit[customer.id];
      for (const auto& [key, amount] : open) {
        if (key.first == customer.id && amount != 0) aging.Add(due_.at(key.second), day, amount);
      }
    }
    return out;
  }

 private:
  bool Chance(int percent) { return static_cast<int>(dice_() % 100) < percent; }
  int64_t Amount(int64_t most) {
    return 1 + static_cast<int64_t>(dice_() % static_cast<uint64_t>(most));
  }

  void Keep(std::vector<Entry> entries, std::vector<db::FeedEvent>& money) {
    if (entries.empty()) return;
    money.push_back(TransfersEvent(entries.front().account, entries));
    entries_.insert(entries_.end(), entries.begin(), entries.end());
  }

  void Invoice(const Customer& customer, CivilDay day, std::vector<db::FeedEvent>& sales,
               std::vector<db::FeedEvent>& money) {
    const Open item{NewId(), day + static_cast<int>(Amount(30)), day, 0};
    auto document =
        MakeDocument(customer, item.id, absl::StrCat("INV-", 100000 + ++documents_), day, item.due);
    for (int64_t lines = Amount(3); lines > 0; --lines) {
      AddLine(absl::StrCat(4000 + 100 * Amount(3)), Amount(9000), document);
    }
    if (Chance(60)) AddLine("4100", -Amount(document.net_minor() - 1), document);
    AddTaxes(document);
    Post(customer, item, document, day, sales, money);
  }

  void AddTaxes(invoicing::DocumentPosted& document) {
    const int64_t net = document.net_minor();
    for (const char* jurisdiction : {"US-27", "US-27-053"}) {
      const int64_t exempt = Chance(50) ? net / 3 : 0;
      const int64_t tax = (net - exempt) / 16;
      AddTax(jurisdiction, net - exempt, exempt, tax, document);
      taxes_[jurisdiction] += tax;
    }
  }

  void Post(const Customer& customer, Open item, const invoicing::DocumentPosted& document,
            CivilDay day, std::vector<db::FeedEvent>& sales, std::vector<db::FeedEvent>& money) {
    sales.push_back(PostedEvent(customer.id, document));
    item.left = document.total_minor();
    due_[item.id] = item.due;
    if (item.left == 0) return;
    std::vector<Entry> entries = {{customer.id, customer.currency, payments::Transfer::INVOICE,
                                   "ar", "sales_clearing", item.left, day, day, item.id, Uuid(),
                                   item.due}};
    open_[customer.id].push_back(item);
    Allocate(customer, day, entries);
    Keep(std::move(entries), money);
  }

  // Credit to the oldest due date, as payments does.
  void Allocate(const Customer& customer, CivilDay day, std::vector<Entry>& entries) {
    auto& items = open_[customer.id];
    std::stable_sort(items.begin(), items.end(),
                     [](const Open& a, const Open& b) { return a.due < b.due; });
    for (Credit& credit : credits_[customer.id]) {
      for (Open& item : items) {
        const int64_t amount = std::min(credit.left, item.left);
        if (amount == 0) continue;
        credit.left -= amount;
        item.left -= amount;
        entries.push_back({customer.id, customer.currency, payments::Transfer::ALLOCATION,
                           "customer_credit", "ar", amount, std::max(credit.value, item.date), day,
                           item.id, credit.id, std::nullopt});
      }
    }
  }

  void Pay(const Customer& customer, CivilDay day, std::vector<db::FeedEvent>& money) {
    const Credit credit{NewId(), day - static_cast<int>(Amount(10) - 1), Amount(15000)};
    std::vector<Entry> entries = {{customer.id, customer.currency, payments::Transfer::PAYMENT,
                                   "cash", "customer_credit", credit.left, credit.value, day,
                                   Uuid(), credit.id, std::nullopt}};
    credits_[customer.id].push_back(credit);
    Allocate(customer, day, entries);
    Keep(std::move(entries), money);
    auto event = MakeEvent<payments::Event>(customer.id);
    auto* received = event.mutable_payment_received();
    received->set_payment_id(credit.id.ToText("pay"));
    received->set_kind(Chance(50) ? payments::Payment::CARD : payments::Payment::CHEQUE);
    received->set_currency_code(customer.currency);
    received->set_amount_minor(credit.left);
    *received->mutable_value_date() = convert::ToProto(credit.value);
    *received->mutable_posting_date() = convert::ToProto(day);
    money.push_back(ToFeed(customer.id, event));
  }

  void CreditNote(const Customer& customer, CivilDay day, std::vector<db::FeedEvent>& sales,
                  std::vector<db::FeedEvent>& money) {
    const Uuid id = NewId();
    auto document =
        MakeDocument(customer, id, absl::StrCat("CN-", 100000 + ++documents_), day, day);
    document.set_kind(invoicing::Document::CREDIT_NOTE);
    AddLine("4100", -Amount(5000), document);
    AddTaxes(document);
    sales.push_back(PostedEvent(customer.id, document));
    const int64_t amount = -document.total_minor();
    std::vector<Entry> entries = {{customer.id, customer.currency, payments::Transfer::CREDIT_NOTE,
                                   "sales_clearing", "customer_credit", amount, day, day, id, id,
                                   std::nullopt}};
    credits_[customer.id].push_back({id, day, amount});
    Allocate(customer, day, entries);
    Keep(std::move(entries), money);
  }

  void Refund(const Customer& customer, CivilDay day, std::vector<db::FeedEvent>& money) {
    for (Credit& credit : credits_[customer.id]) {
      if (credit.left == 0) continue;
      const int64_t amount = Amount(credit.left);
      credit.left -= amount;
      Keep({{customer.id, customer.currency, payments::Transfer::REFUND, "customer_credit", "cash",
             amount, day, day, Uuid(), credit.id, std::nullopt}},
           money);
      return;
    }
  }

  std::mt19937_64 dice_;
  std::vector<Uuid> companies_;
  std::vector<Customer> customers_;
  std::vector<Entry> entries_;
  std::map<Uuid, std::vector<Open>> open_;
  std::map<Uuid, std::vector<Credit>> credits_;
  std::map<Uuid, CivilDay> due_;
  std::map<std::string, int64_t> taxes_;
  int64_t documents_ = 0;
};

int64_t Minor(const google::type::Money& money) {
  const auto exponent = CurrencyExponent(money.currency_code());
  const auto minor = FromUnitsNanos(money.units(), money.nanos(), exponent.ok() ? *exponent : 2);
  return minor.ok() ? *minor : 0;
}

Aging ToAging(const pb::ArAgingRow& row) {
  return {{Minor(row.current()), Minor(row.days_1_30()), Minor(row.days_31_60()),
           Minor(row.days_61_90()), Minor(row.over_90())}};
}

// The service's aging against the entries', for one day.
void CheckAging(Fixture& f, const History& history, CivilDay day, bool by_value,
                const Uuid* company) {
  INFO(FormatDate(day) << (by_value ? " by value" : ""));
  auto expected = history.AgingAt(day, by_value, company);
  std::map<std::string, std::pair<Aging, int64_t>> sums;
  for (const Customer& customer : history.customers()) {
    const auto found = expected.find(customer.id.ToText("acc"));
    if (found == expected.end()) continue;
    auto& [aging, credit] = sums[customer.currency];
    for (size_t i = 0; i < kAgingBuckets; ++i) aging.buckets[i] += found->second.first.buckets[i];
    credit += found->second.second;
  }
  pb::GetArAgingRequest request;
  *request.mutable_as_of() = convert::ToProto(day);
  request.set_by_value_date(by_value);
  request.set_by_account(true);
  request.set_page_size(7);
  if (company != nullptr) request.set_company_id(company->ToText("co"));
  std::set<std::string> seen;
  do {
    const auto report = f.Call<pb::ArAgingReport>("GetArAging", request);
    for (const auto& row : report.totals()) {
      CHECK(ToAging(row).buckets == sums[row.currency_code()].first.buckets);
      CHECK(Minor(row.total()) == sums[row.currency_code()].first.total());
      CHECK(Minor(row.unapplied_credit()) == sums[row.currency_code()].second);
    }
    for (const auto& row : report.accounts()) {
      REQUIRE(seen.insert(row.account_id()).second);
      REQUIRE(expected.count(row.account_id()) == 1);
      CHECK(ToAging(row).buckets == expected[row.account_id()].first.buckets);
      CHECK(Minor(row.unapplied_credit()) == expected[row.account_id()].second);
    }
    request.set_page_token(report.next_page_token());
  } while (!request.page_token().empty());
  for (const auto& [account, row] : expected) {
    CHECK(seen.count(account) == (row.first.total() != 0 || row.second != 0 ? 1 : 0));
  }
}

// What a day's reports say, to compare with what they say later.
std::string DayReports(Fixture& f, CivilDay day) {
  pb::GetArAgingRequest aging;
  *aging.mutable_as_of() = convert::ToProto(day);
  aging.set_by_account(true);
  aging.set_page_size(1000);
  pb::GetAccountBalancesRequest balances;
  *balances.mutable_as_of() = aging.as_of();
  balances.set_page_size(1000);
  pb::GetTrialBalanceRequest trial;
  *trial.mutable_as_of() = aging.as_of();
  pb::GetTaxReportRequest taxes;
  *taxes.mutable_to_date() = convert::ToProto(day + 1);
  return absl::StrCat(
      f.Call<pb::ArAgingReport>("GetArAging", aging).DebugString(),
      f.Call<pb::AccountBalancesReport>("GetAccountBalances", balances).DebugString(),
      f.Call<pb::TrialBalance>("GetTrialBalance", trial).DebugString(),
      f.Call<pb::TaxReport>("GetTaxReport", taxes).DebugString());
}

void CheckTaxes(Fixture& f, const History& history) {
  const auto taxes = f.Call<pb::TaxReport>("GetTaxReport", pb::GetTaxReportRequest());
  std::map<std::string, int64_t> by_jurisdiction;
  for (const auto& row : taxes.rows()) {
    by_jurisdiction[row.jurisdiction_code()] += Minor(row.tax());
    CHECK(Minor(row.gross()) == Minor(row.exempt()) + Minor(row.taxable()));
  }
  CHECK(by_jurisdiction == history.taxes());
  pb::GetTaxReportRequest monthly;
  monthly.set_by_month(true);
  const auto months = f.Call<pb::TaxReport>("GetTaxReport", monthly);
  REQUIRE(months.totals_size() == taxes.totals_size());
  for (int i = 0; i < taxes.totals_size(); ++i) {
    CHECK(months.totals(i).DebugString() == taxes.totals(i).DebugString());
  }
  std::set<std::string> names;
  for (const auto& row : months.rows()) names.insert(row.month());
  CHECK(names == std::set<std::string>{"2026-01", "2026-02", "2026-03", "2026-04", "2026-05"});
}

void CheckBooks(Fixture& f, const History& history) {
  const auto trial = f.Call<pb::TrialBalance>("GetTrialBalance", pb::GetTrialBalanceRequest());
  CHECK(trial.balanced());
  std::map<std::string, int64_t> books;
  for (const auto& row : trial.rows()) {
    if (row.currency_code() == "USD") books[row.code()] = Minor(row.balance());
  }
  CHECK(books["sales_clearing"] == 0);
  // Companies make up the whole.
  int64_t receivable = 0;
  for (const Uuid& company : history.companies()) {
    pb::GetTrialBalanceRequest one;
    one.set_company_id(company.ToText("co"));
    const auto part = f.Call<pb::TrialBalance>("GetTrialBalance", one);
    CHECK(part.balanced());
    for (const auto& row : part.rows()) {
      if (row.code() == "ar" && row.currency_code() == "USD") receivable += Minor(row.balance());
    }
  }
  CHECK(receivable == books["ar"]);
}

std::vector<db::FeedEvent> AccountEvents(const History& history) {
  std::vector<db::FeedEvent> out;
  for (const Customer& customer : history.customers()) out.push_back(AccountEvent(customer));
  return out;
}

void LiveDay(Fixture& f, History& history, CivilDay day) {
  std::vector<db::FeedEvent> sales;
  std::vector<db::FeedEvent> money;
  history.Live(day, sales, money);
  f.Append("invoicing", sales);
  f.Append("payments", money);
}

}  // namespace

TEST_CASE("random histories: any past day is what it was, and everything adds up") {
  Fixture f;
  History history(20261124, 40);
  f.Append("accounts", AccountEvents(history));
  std::map<CivilDay, std::string> before;
  for (int n = 0; n < 150; ++n) {
    const CivilDay day = kFirst + n;
    LiveDay(f, history, day);
    if (n % 25 != 24) continue;
    f.Settle();
    before[day] = DayReports(f, day);
    CheckAging(f, history, day, false, nullptr);
  }
  f.Settle();
  for (const auto& [day, reports] : before) {
    INFO(FormatDate(day));
    CHECK(DayReports(f, day) == reports);
  }
  for (const int n : {0, 3, 31, 77, 120, 149, 170, 300}) {
    CheckAging(f, history, kFirst + n, false, nullptr);
    CheckAging(f, history, kFirst + n, true, nullptr);
    CheckAging(f, history, kFirst + n, false, &history.companies()[0]);
  }

  CheckTaxes(f, history);
  CheckBooks(f, history);

  // Reading everything again changes nothing.
  const std::string rows = f.Dump();
  f.ReplayAll(history.customers().front());
  f.Settle();
  CHECK(f.Dump() == rows);
}

TEST_CASE("payments may tell of a customer before accounts does") {
  Fixture f;
  const Customer customer{NewId(), NewId(), "USD", "A1", "Ann"};
  const Uuid document = NewId();
  f.Append("payments",
           {TransfersEvent(customer.id, {{customer.id, "USD", payments::Transfer::INVOICE, "ar",
                                          "sales_clearing", 4999, kFirst, kFirst, document, Uuid(),
                                          kFirst + 15}})});
  f.Settle();
  const auto balance_of = [&](const Uuid& company) {
    pb::GetTrialBalanceRequest request;
    request.set_company_id(company.ToText("co"));
    const auto report = f.Call<pb::TrialBalance>("GetTrialBalance", request);
    CHECK(report.balanced());
    for (const auto& row : report.rows()) {
      if (row.code() == "ar") return Minor(row.balance());
    }
    return int64_t{0};
  };
  CHECK(balance_of(customer.company) == 0);
  CHECK(f.Call<pb::TrialBalance>("GetTrialBalance", pb::GetTrialBalanceRequest()).balanced());
  f.Append("accounts", {AccountEvent(customer, 3)});
  f.Settle();
  CHECK(balance_of(customer.company) == 4999);

  // An older state of the account, read again, does not come back.
  Customer old = customer;
  old.name = "Annie";
  f.Append("accounts", {AccountEvent(old, 2)});
  f.Settle();
  const auto balances =
      f.Call<pb::AccountBalancesReport>("GetAccountBalances", pb::GetAccountBalancesRequest());
  REQUIRE(balances.rows_size() == 1);
  CHECK(balances.rows(0).name() == "Ann");
  CHECK(Minor(balances.rows(0).balance()) == 4999);
}

TEST_CASE("drafts wait until they are posted or voided") {
  Fixture f;
  const Customer customer{NewId(), NewId(), "USD", "A1", "Ann"};
  f.Append("accounts", {AccountEvent(customer)});
  const auto drafted = [&](const Uuid& id, int64_t total) {
    auto event = MakeEvent<invoicing::Event>(customer.id);
    auto* draft = event.mutable_document_drafted();
    draft->set_document_id(id.ToText("doc"));
    draft->set_kind(invoicing::Document::INVOICE);
    draft->set_account_id(customer.id.ToText("acc"));
    draft->set_company_id(customer.company.ToText("co"));
    draft->set_currency_code("USD");
    draft->set_net_minor(total);
    draft->set_total_minor(total);
    *draft->mutable_as_of() = convert::ToProto(kFirst);
    draft->set_customer_name(customer.name);
    return ToFeed(customer.id, event);
  };
  const Uuid posted = NewId();
  const Uuid voided = NewId();
  const Uuid waiting = NewId();
  f.Append("invoicing", {drafted(posted, 100), drafted(voided, 200), drafted(waiting, 400)});
  f.Settle();
  const auto list = [&] {
    return f.Call<pb::ListUnpostedInvoicesResponse>("ListUnpostedInvoices",
                                                    pb::ListUnpostedInvoicesRequest());
  };
  CHECK(list().rows_size() == 3);
  CHECK(list().rows(0).account_number() == "A1");
  REQUIRE(list().totals_size() == 1);
  CHECK(Minor(list().totals(0).total()) == 700);
  auto document = MakeDocument(customer, posted, "INV-1", kFirst, kFirst + 15);
  AddLine("4000", 100, document);
  auto event = MakeEvent<invoicing::Event>(customer.id);
  event.mutable_document_voided()->set_document_id(voided.ToText("doc"));
  f.Append("invoicing", {PostedEvent(customer.id, document), ToFeed(customer.id, event)});
  f.Settle();
  REQUIRE(list().rows_size() == 1);
  CHECK(list().rows(0).document_id() == waiting.ToText("doc"));
  // Payments has not booked it: all of it is open.
  const auto posted_list =
      f.Call<pb::ListPostedInvoicesResponse>("ListPostedInvoices", pb::ListPostedInvoicesRequest());
  REQUIRE(posted_list.rows_size() == 1);
  CHECK(Minor(posted_list.rows(0).open()) == 100);
  const std::string rows = f.Dump();
  f.ReplayAll(customer);
  f.Settle();
  CHECK(f.Dump() == rows);
}

TEST_CASE("exports are whole, and read back as they were") {
  Fixture f;
  History history(7, 12);
  f.Append("accounts", AccountEvents(history));
  for (int n = 0; n < 60; ++n) LiveDay(f, history, kFirst + n);
  f.Settle();

  pb::ExportReportRequest request;
  request.mutable_posted_invoices()->set_page_size(3);
  const auto file = f.Call<pb::ExportReportResponse>("ExportReport", request);
  CHECK(file.content_type() == "text/csv; charset=utf-8");
  CHECK(file.file_name() == "posted-invoices.csv");
  CHECK(file.rows() == history.documents());
  csv::Reader reader(file.content());
  csv::Row row;
  REQUIRE(reader.Next(row));
  CHECK(row.fields.front() == "document_id");
  CHECK(row.fields.back() == "currency_code");
  const auto header = csv::Header::Make(row, row.fields, {});
  REQUIRE(header.ok());
  int64_t total = 0;
  int64_t count = 0;
  for (; reader.Next(row); ++count) {
    CHECK(header->Get(row, "customer_name").substr(0, 10) == "Customer \"");
    const auto currency = header->Get(row, "currency_code");
    const auto minor = ParseMinor(header->Get(row, "total"), *CurrencyExponent(currency));
    REQUIRE(minor.ok());
    if (currency == "USD") total += *minor;
  }
  CHECK(count == history.documents());
  pb::ListPostedInvoicesRequest list;
  list.set_page_size(1000);
  const auto report = f.Call<pb::ListPostedInvoicesResponse>("ListPostedInvoices", list);
  for (const auto& sum : report.totals()) {
    if (sum.currency_code() == "USD") CHECK(Minor(sum.total()) == total);
  }

  request.set_format(pb::ExportReportRequest::JSON);
  const auto json = f.Call<pb::ExportReportResponse>("ExportReport", request);
  CHECK(json.content_type() == "application/json");
  pb::ListPostedInvoicesResponse parsed;
  REQUIRE(google::protobuf::util::JsonStringToMessage(json.content(), &parsed).ok());
  CHECK(parsed.DebugString() == report.DebugString());
}

TEST_CASE("every report is a file") {
  Fixture f;
  History history(8, 12);
  f.Append("accounts", AccountEvents(history));
  for (int n = 0; n < 60; ++n) LiveDay(f, history, kFirst + n);
  f.Settle();
  f.clock.Set(kStart + absl::Hours(24 * 59));
  struct Export {
    const char* name;
    std::function<void(pb::ExportReportRequest&)> ask;
    const char* header;
  };
  const Export exports[] = {
      {"ar-aging-2026-03-01.csv", [](auto& r) { r.mutable_ar_aging()->set_by_account(true); },
       "account_id,account_number,name,currency_code,current,days_1_30,days_31_60,days_61_90,"
       "over_90,total,unapplied_credit,account_count"},
      {"account-balances-2026-03-01.csv", [](auto& r) { r.mutable_account_balances(); },
       "account_id,account_number,name,balance,open,unapplied_credit,currency_code"},
      {"taxes.csv", [](auto& r) { r.mutable_taxes(); },
       "month,jurisdiction_id,jurisdiction_code,jurisdiction_name,tax_code,tax_name,rate,"
       "credit_notes,gross,exempt,exempt_by_reason,taxable,tax,documents,currency_code"},
      {"payments.csv", [](auto& r) { r.mutable_payments(); },
       "day,kind,currency_code,payments,received,declines,declined,refunded,returned"},
      {"trial-balance-2026-03-01.csv", [](auto& r) { r.mutable_trial_balance(); },
       "code,name,currency_code,debits,credits,balance"},
      {"unposted-invoices-2026-03-01.csv", [](auto& r) { r.mutable_unposted_invoices(); },
       "document_id,kind,number,account_id,account_number,customer_name,company_id,bill_run_id,"
       "invoice_date,due_date,net,tax,total,open,currency_code"}};
  for (const Export& one : exports) {
    INFO(one.name);
    pb::ExportReportRequest ask;
    one.ask(ask);
    const auto made = f.Call<pb::ExportReportResponse>("ExportReport", ask);
    CHECK(made.file_name() == one.name);
    CHECK(made.content().substr(0, made.content().find('\r')) == one.header);
    CHECK(std::count(made.content().begin(), made.content().end(), '\n') == made.rows() + 1);
  }
}

TEST_CASE("bad requests name the field") {
  Fixture f;
  const auto fails = [&](const absl::Status& status, const std::string& field) {
    INFO(status);
    CHECK(status.code() == absl::StatusCode::kInvalidArgument);
    REQUIRE(ViolationsOf(status).size() == 1);
    CHECK(ViolationsOf(status)[0].field == field);
  };
  pb::GetArAgingRequest aging;
  aging.mutable_as_of()->set_year(2026);
  fails(f.Try<pb::ArAgingReport>("GetArAging", aging).status(), "as_of");
  aging.clear_as_of();
  aging.set_company_id("acc_x");
  fails(f.Try<pb::ArAgingReport>("GetArAging", aging).status(), "company_id");
  aging.clear_company_id();
  aging.set_page_size(-1);
  fails(f.Try<pb::ArAgingReport>("GetArAging", aging).status(), "page_size");
  aging.clear_page_size();
  aging.set_by_account(true);
  for (const char* token : {"x", "MXh4"}) {
    aging.set_page_token(token);
    fails(f.Try<pb::ArAgingReport>("GetArAging", aging).status(), "page_token");
    pb::ListPostedInvoicesRequest posted;
    posted.set_page_token(token);
    fails(f.Try<pb::ListPostedInvoicesResponse>("ListPostedInvoices", posted).status(),
          "page_token");
    pb::ListUnpostedInvoicesRequest unposted;
    unposted.set_page_token(token);
    fails(f.Try<pb::ListUnpostedInvoicesResponse>("ListUnpostedInvoices", unposted).status(),
          "page_token");
  }
  fails(f.Try<pb::ExportReportResponse>("ExportReport", pb::ExportReportRequest()).status(),
        "report");
}

TEST_CASE("an event that cannot be read is parked and shown") {
  Fixture f;
  const Customer good{NewId(), NewId(), "USD", "A1", "Ann"};
  const Customer bad{NewId(), NewId(), "USD", "A2", "Bob"};
  db::FeedEvent broken = AccountEvent(bad);
  broken.body += "\xff\xff";
  f.Append("accounts", {AccountEvent(good), broken});
  f.Append("accounts", {AccountEvent(bad), AccountEvent(good, 2)});
  f.Settle();
  const auto status = f.Call<pb::Status>("GetStatus", pb::GetStatusRequest());
  CHECK(status.caught_up());
  REQUIRE(status.feeds_size() == 3);
  CHECK(status.feeds(0).source() == "accounts");
  CHECK(status.feeds(0).applied_events() == 2);
  CHECK(status.feeds(0).lag_events() == 0);
  CHECK(status.feeds(0).parked_events() == 2);
  CHECK(status.feeds(0).applied_at().seconds() == absl::ToUnixSeconds(kStart));
  CHECK(status.feeds(1).source() == "invoicing");
  CHECK(!status.feeds(1).has_applied_at());
}

namespace {

// A run of one document an account, each with its receivable, every second one paid.
void AppendRun(Fixture& f, int documents) {
  std::map<int, std::vector<Customer>> buckets;
  const Uuid company = NewId();
  for (int i = 0; i < documents; ++i) {
    Customer customer{Uuid::Make(kStart + absl::Milliseconds(i)), company, "USD",
                      absl::StrCat("A", 100000 + i), "Some Customer"};
    buckets[Bucket(customer.id)].push_back(customer);
  }
  const auto append = [&](const std::string& source, std::vector<db::FeedEvent>& events, bool all) {
    if (events.empty() || (!all && events.size() < 500)) return;
    f.Append(source, events);
    events.clear();
  };
  int number = 0;
  for (const auto& [bucket, customers] : buckets) {
    std::vector<db::FeedEvent> known;
    std::vector<db::FeedEvent> sales;
    std::vector<db::FeedEvent> money;
    for (const Customer& customer : customers) {
      known.push_back(AccountEvent(customer));
      const Uuid id = NewId();
      auto document =
          MakeDocument(customer, id, absl::StrCat("INV-", 1000000 + ++number), kFirst, kFirst + 15);
      for (const char* code : {"4000", "4100", "4200", "4300"}) AddLine(code, 2499, document);
      for (auto& line : *document.mutable_lines()) line.set_description("Fibre 500 at Main Street");
      for (const char* tax : {"US-27", "US-27-053", "US-27-43000"}) {
        AddTax(tax, 5000, 4996, 344, document);
      }
      sales.push_back(PostedEvent(customer.id, document));
      const int64_t total = document.total_minor();
      std::vector<Entry> entries = {{customer.id, "USD", payments::Transfer::INVOICE, "ar",
                                     "sales_clearing", total, kFirst, kFirst, id, Uuid(),
                                     kFirst + 15}};
      if (number % 2 == 0) {
        const Uuid payment = NewId();
        entries.push_back({customer.id, "USD", payments::Transfer::PAYMENT, "cash",
                           "customer_credit", total, kFirst + 20, kFirst + 20, Uuid(), payment,
                           std::nullopt});
        entries.push_back({customer.id, "USD", payments::Transfer::ALLOCATION, "customer_credit",
                           "ar", total, kFirst + 20, kFirst + 20, id, payment, std::nullopt});
      }
      money.push_back(TransfersEvent(customer.id, entries));
      append("accounts", known, false);
      append("invoicing", sales, false);
      append("payments", money, false);
    }
    append("accounts", known, true);
    append("invoicing", sales, true);
    append("payments", money, true);
  }
}

void TimeReports(Fixture& f, int64_t documents) {
  const auto timed = [&](const char* what, const std::function<void()>& ask) {
    const absl::Time from = absl::Now();
    ask();
    std::printf("%s: %.0f ms\n", what, absl::ToDoubleMilliseconds(absl::Now() - from));
  };
  for (const int day : {0, 18, 40}) {
    pb::GetArAgingRequest aging;
    *aging.mutable_as_of() = convert::ToProto(kFirst + day);
    timed(absl::StrCat("aging after ", day, " days").c_str(), [&] {
      const auto report = f.Call<pb::ArAgingReport>("GetArAging", aging);
      REQUIRE(report.totals_size() == 1);
      CHECK(Minor(report.totals(0).total()) == (day < 20 ? 2 : 1) * (documents / 2) * 11028);
    });
  }
  timed("trial balance", [&] {
    CHECK(f.Call<pb::TrialBalance>("GetTrialBalance", pb::GetTrialBalanceRequest()).balanced());
  });
  timed("taxes", [&] {
    const auto taxes = f.Call<pb::TaxReport>("GetTaxReport", pb::GetTaxReportRequest());
    REQUIRE(taxes.rows_size() == 3);
    CHECK(taxes.rows(0).documents() == documents);
  });
  timed("a page of posted invoices", [&] {
    const auto page = f.Call<pb::ListPostedInvoicesResponse>("ListPostedInvoices",
                                                             pb::ListPostedInvoicesRequest());
    REQUIRE(page.totals_size() == 1);
    CHECK(page.totals(0).invoices() == documents);
  });
  timed("all posted invoices as CSV", [&] {
    pb::ExportReportRequest request;
    request.mutable_posted_invoices();
    CHECK(f.Call<pb::ExportReportResponse>("ExportReport", request).rows() == documents);
  });
}

}  // namespace

// Not run by default: `reporting_test "[load]"` says how fast a run of 100,000 documents, each with
// its receivable and every second one paid, is read, and how long the reports take.
TEST_CASE("100,000 documents", "[.][load]") {
  Fixture f;
  constexpr int kDocuments = 100000;
  const absl::Time begun = absl::Now();
  AppendRun(f, kDocuments);
  const absl::Time written = absl::Now();
  f.Settle(absl::Minutes(9));
  const absl::Time read = absl::Now();
  std::printf("appended in %.1f s, caught up %.1f s later: %.0f documents/s\n",
              absl::ToDoubleSeconds(written - begun), absl::ToDoubleSeconds(read - written),
              kDocuments / absl::ToDoubleSeconds(read - begun));
  const auto size = f.pools["accounts"]->Exec(
      "SELECT sum(pg_total_relation_size(c.oid))::int8 FROM pg_class c JOIN pg_namespace n ON "
      "n.oid "
      "= c.relnamespace WHERE n.nspname = 'reporting' AND c.relkind = 'r'");
  REQUIRE(size.ok());
  std::printf("%lld bytes a document\n",
              static_cast<long long>(size->Get<int64_t>(0, 0) / kDocuments));
  REQUIRE(f.pools["accounts"]
              ->Exec("ANALYZE reporting.entry, reporting.item, reporting.document")
              .ok());
  TimeReports(f, kDocuments);
}

}  // namespace broadbill::reporting
