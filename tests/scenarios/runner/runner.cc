#include "tests/scenarios/runner/runner.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/accounts/v1/plan.pb.h"
#include "broadbill/accounts/v1/subscription.pb.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "broadbill/invoicing/v1/document.pb.h"
#include "broadbill/invoicing/v1/pending_charge.pb.h"
#include "broadbill/notification/v1/message.pb.h"
#include "broadbill/payments/v1/collections.pb.h"
#include "broadbill/payments/v1/ledger.pb.h"
#include "broadbill/payments/v1/method.pb.h"
#include "broadbill/payments/v1/payment.pb.h"
#include "broadbill/rating/v1/usage.pb.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/imports.h"
#include "tests/scenarios/runner/catalogue.h"
#include "tests/scenarios/runner/live.h"
#include "tests/scenarios/runner/queue.h"
#include "tests/scenarios/runner/reader.h"
#include "tests/scenarios/runner/recipes.h"
#include "tests/scenarios/runner/reports.h"
#include "tests/scenarios/runner/selling.h"
#include "tests/scenarios/runner/usage_plan.h"
#include "tests/scenarios/runner/voice.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::scenarios {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace invoicing = broadbill::invoicing::v1;
namespace notification = broadbill::notification::v1;
namespace payments = broadbill::payments::v1;

// The words of a line; quoted text is one word, # begins a comment.
std::vector<std::string> Words(const std::string& line) {
  std::vector<std::string> out;
  std::string word;
  bool quoted = false;
  bool any = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
      any = true;
    } else if (!quoted && c == '#') {
      break;
    } else if (!quoted && (c == ' ' || c == '\t')) {
      if (any) out.push_back(word);
      word.clear();
      any = false;
    } else {
      word += c;
      any = true;
    }
  }
  if (any) out.push_back(word);
  return out;
}

class Scenario {
 public:
  Scenario(std::string name, const std::string& text) : name_(std::move(name)) {
    lines_ = absl::StrSplit(text, '\n');
  }

  int Run() {
    for (line_ = 0; line_ < lines_.size(); ++line_) {
      std::vector<std::string> words = Words(lines_[line_]);
      if (words.empty()) continue;
      const size_t at = line_ + 1;
      const std::string verb = words.front();
      words.erase(words.begin());
      Reader reader(std::move(words));
      const absl::Status status = Statement(verb, reader);
      if (status.ok()) continue;
      Report(at, std::string(status.message()));
      return failures_;
    }
    Close();
    return failures_;
  }
  World& world() { return world_; }

 private:
  // Whatever a scenario did, its books and reports agree in the end.
  void Close() {
    line_ = lines_.size() - 1;
    absl::Status status = world_.Settle();
    if (status.ok()) {
      const auto differences = Reconcile(world_);
      status = differences.status();
      for (const std::string& difference : differences.value_or(Differences())) {
        Report(lines_.size(), "in the end: " + difference);
      }
    }
    if (!status.ok()) Report(lines_.size(), "in the end: " + std::string(status.message()));
  }

  void Report(size_t line, const std::string& what) {
    ++failures_;
    std::printf("%s:%zu: %s\n    %s\n", name_.c_str(), line, lines_[line - 1].c_str(),
                what.c_str());
  }

  absl::Status Statement(const std::string& verb, Reader& r) {
    static const std::map<std::string, absl::Status (Scenario::*)(Reader&)> kVerbs = {
        {"clock", &Scenario::ClockTo},
        {"plan", &Scenario::Plan},
        {"account", &Scenario::Account},
        {"subscribe", &Scenario::Subscribe},
        {"change", &Scenario::Change},
        {"discount", &Scenario::Discount},
        {"bill", &Scenario::Bill},
        {"expect", &Scenario::Expect},
        {"import", &Scenario::ImportFile},
        {"charge", &Scenario::Charge},
        {"pay", &Scenario::Pay},
        {"card", &Scenario::Card},
        {"collect", &Scenario::Collect},
        {"policy", &Scenario::Policy},
        {"cycle", &Scenario::Cycle},
        {"retry", &Scenario::Retry},
        {"void", &Scenario::Void},
        {"cancel", &Scenario::Cancel},
        {"post", &Scenario::Post},
        {"credit", &Scenario::Credit},
        {"refund", &Scenario::Refund},
        {"undo", &Scenario::Undo},
        {"dismiss", &Scenario::Dismiss},
        {"take-back", &Scenario::TakeBack},
        {"correct", &Scenario::Correct},
        {"recipe", &Scenario::Recipe},
        {"location", &Scenario::Location},
        {"prices", &Scenario::Prices},
        {"payer", &Scenario::Payer},
        {"company", &Scenario::Company},
        {"exempt", &Scenario::Exemption},
        {"taxability", &Scenario::Taxable},
        {"seller", &Scenario::Seller},
        {"dispute", &Scenario::Dispute},
        {"return", &Scenario::Return},
        {"withdraw", &Scenario::Withdraw},
        {"give-back", &Scenario::GiveBack},
        {"buy", &Scenario::Buy},
        {"release", &Scenario::Release},
        {"call-limits", &Scenario::CallLimits},
        {"acknowledge", &Scenario::Acknowledge}};
    const auto found = kVerbs.find(verb);
    if (found == kVerbs.end()) {
      return InvalidArgumentError("SYNTAX", "unknown statement '" + verb + "'");
    }
    RETURN_IF_ERROR(world_.Settle());  // every statement sees all effects of those before it
    RETURN_IF_ERROR((this->*found->second)(r));
    return r.End();
  }

  absl::StatusOr<std::string> Id(const std::map<std::string, std::string>& names,
                                 const std::string& name, const char* what) {
    const auto found = names.find(name);
    if (found != names.end()) return found->second;
    return InvalidArgumentError("SYNTAX", absl::StrCat("no ", what, " '", name, "'"));
  }

  // clock 2026-03-01 [America/Chicago]
  absl::Status ClockTo(Reader& r) {
    ASSIGN_OR_RETURN(const CivilDay day, r.Day());
    world_.SetClock(day);
    if (!r.done()) {
      ASSIGN_OR_RETURN(world_.time_zone, r.Next("a time zone"));
    }
    return absl::OkStatus();
  }

  // plan fibre_500 49.99/month ["Fibre 500"] [arrears] [tax internet_access] [code 4000]
  //   [start|change|quantity|suspend|cancel METHOD] [suspension keep|stop|hold 5.00]
  //   [term-discount 10] [now] [allowance 100 GB block 10 at 5.00] [decks a b]
  absl::Status Plan(Reader& r) {
    ASSIGN_OR_RETURN(const std::string code, r.Next("a plan code"));
    accounts::CreatePlanRequest request;
    accounts::Plan* plan = request.mutable_plan();
    plan->set_code(code);
    plan->set_name(code);
    plan->set_kind(accounts::Plan::OTHER);
    plan->set_tax_class("internet_access");
    plan->set_account_code("4000");
    plan->mutable_recurrence()->set_months(1);
    ASSIGN_OR_RETURN(const std::string price, r.Next("a price like 49.99/month"));
    RETURN_IF_ERROR(SetPrice(price, plan));
    while (!r.done()) {
      ASSIGN_OR_RETURN(const std::string word, r.Next("an option"));
      RETURN_IF_ERROR(PlanOption(word, r, plan));
    }
    return world_.Call<accounts::Plan>("broadbill.accounts.v1.Accounts/CreatePlan", request)
        .status();
  }

  // "49.99/month", "599.88/12months", "10/30days"
  absl::Status SetPrice(const std::string& text, accounts::Plan* plan) {
    const std::vector<std::string> parts = absl::StrSplit(text, '/');
    plan->add_prices()->mutable_amount()->set_value(parts[0]);
    if (parts.size() < 2 || parts[1] == "month") return absl::OkStatus();
    if (parts[1] == "year") {
      plan->mutable_recurrence()->set_months(12);
      return absl::OkStatus();
    }
    const int count = std::atoi(parts[1].c_str());
    if (count <= 0) return InvalidArgumentError("SYNTAX", "no period in '" + text + "'");
    if (parts[1].find("days") != std::string::npos) {
      plan->mutable_recurrence()->set_months(0);
      plan->mutable_recurrence()->set_days(count);
    } else {
      plan->mutable_recurrence()->set_months(count);
    }
    return absl::OkStatus();
  }

  absl::Status PlanOption(const std::string& word, Reader& r, accounts::Plan* plan) {
    const auto method = [&]() -> absl::StatusOr<accounts::Proration::Method> {
      ASSIGN_OR_RETURN(std::string name, r.Next("a proration method"));
      for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      accounts::Proration::Method out;
      if (accounts::Proration::Method_Parse(name, &out)) return out;
      return InvalidArgumentError("SYNTAX", "no proration method '" + name + "'");
    };
    accounts::Proration* proration = plan->mutable_proration();
    if (word == "arrears") {
      plan->set_timing(accounts::ARREARS);
    } else if (word == "now") {
      plan->set_bill_changes_now(true);
    } else if (word == "tax") {
      ASSIGN_OR_RETURN(*plan->mutable_tax_class(), r.Next("a tax class"));
    } else if (word == "code") {
      ASSIGN_OR_RETURN(*plan->mutable_account_code(), r.Next("an account code"));
    } else if (word == "start") {
      ASSIGN_OR_RETURN(const auto value, method());
      proration->set_start(value);
    } else if (word == "change") {
      ASSIGN_OR_RETURN(const auto value, method());
      proration->set_change(value);
    } else if (word == "quantity") {
      ASSIGN_OR_RETURN(const auto value, method());
      proration->set_quantity(value);
    } else if (word == "suspend") {
      ASSIGN_OR_RETURN(const auto value, method());
      proration->set_suspend(value);
    } else if (word == "cancel") {
      ASSIGN_OR_RETURN(const auto value, method());
      proration->set_cancel(value);
    } else if (word == "suspension") {
      ASSIGN_OR_RETURN(const std::string mode, r.Next("keep, stop or hold"));
      plan->mutable_suspension()->set_mode(mode == "stop"   ? accounts::SuspensionPolicy::STOP
                                           : mode == "hold" ? accounts::SuspensionPolicy::HOLD
                                                            : accounts::SuspensionPolicy::KEEP);
      if (mode == "hold") {
        ASSIGN_OR_RETURN(const std::string price, r.Next("the hold price"));
        plan->mutable_suspension()->mutable_hold_price()->set_value(price);
      }
    } else if (word == "term-discount") {
      ASSIGN_OR_RETURN(const std::string percent, r.Next("a percentage"));
      plan->mutable_term_discount_percent()->set_value(percent);
    } else if (word == "allowance") {
      ASSIGN_OR_RETURN(const std::string units, r.Next("units"));
      plan->mutable_usage()->mutable_allowance()->set_value(units);
      plan->mutable_usage()->set_unit(r.Take("GiB") ? broadbill::common::v1::UsageTerms::GIB
                                                    : broadbill::common::v1::UsageTerms::GB);
      r.Take("GB");
    } else if (word == "block") {
      ASSIGN_OR_RETURN(const std::string units, r.Next("units"));
      plan->mutable_usage()->mutable_block_size()->set_value(units);
    } else if (word == "at") {
      ASSIGN_OR_RETURN(const std::string price, r.Next("a price"));
      plan->mutable_usage()->mutable_block_price()->set_value(price);
    } else if (word == "decks") {
      while (!r.done()) {
        ASSIGN_OR_RETURN(const std::string deck, r.Next("a deck"));
        plan->mutable_voice()->add_deck_codes(deck);
      }
    } else {
      ASSIGN_OR_RETURN(bool taken, ReadPlanTerms(word, r, plan));
      if (!taken) {
        ASSIGN_OR_RETURN(taken, ReadUsageOption(word, r, plan));
      }
      if (!taken) plan->set_name(word);
    }
    return absl::OkStatus();
  }

  // account A1 [cycle 1] [terms 15] [class business] [zip 55401] [city Minneapolis] [region MN]
  //   [country US] [anchor anniversary|start_month] [ahead 5] [email a@b.co] [currency USD]
  absl::Status Account(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account name"));
    accounts::CreateAccountRequest request;
    accounts::Account* account = request.mutable_account();
    account->set_account_number(name);
    account->set_name(name);
    account->set_time_zone(world_.time_zone);
    auto* address = account->mutable_billing_address();
    address->set_country_code("US");
    address->set_postal_code("55401");
    while (!r.done()) {
      ASSIGN_OR_RETURN(const std::string word, r.Next("an option"));
      ASSIGN_OR_RETURN(const std::string value, r.Next("its value"));
      if (word == "cycle") {
        account->set_cycle_day(std::atoi(value.c_str()));
      } else if (word == "terms") {
        account->set_terms_days(std::atoi(value.c_str()));
      } else if (word == "ahead") {
        account->set_bill_ahead_days(std::atoi(value.c_str()));
      } else if (word == "class") {
        account->set_customer_class(value);
      } else if (word == "zip") {
        address->set_postal_code(value);
      } else if (word == "city") {
        address->set_city(value);
      } else if (word == "region") {
        address->set_region(value);
      } else if (word == "country") {
        address->set_country_code(value);
      } else if (word == "currency") {
        account->set_currency_code(value);
      } else if (word == "group") {
        account->set_group(value);
      } else if (word == "payer") {
        ASSIGN_OR_RETURN(*account->mutable_parent_account_id(),
                         Id(world_.accounts, value, "account"));
      } else if (word == "email") {
        auto* contact = account->add_contacts();
        contact->set_email(value);
        contact->set_receives_invoices(true);
        contact->set_receives_notices(true);
      } else if (SetPartyOption(word, value, account)) {
        continue;
      } else if (word == "anchor") {
        account->set_anchor_rule(value == "anniversary"   ? accounts::Account::ANNIVERSARY
                                 : value == "start_month" ? accounts::Account::START_MONTH
                                                          : accounts::Account::FIRST_CYCLE_DAY);
      } else {
        return InvalidArgumentError("SYNTAX", "unknown word '" + word + "'");
      }
    }
    *request.add_locations()->mutable_address() = *address;
    ASSIGN_OR_RETURN(const auto made, world_.Call<accounts::Account>(
                                          "broadbill.accounts.v1.Accounts/CreateAccount", request));
    world_.accounts[name] = made.account_id();
    currencies_[name] = made.currency_code();
    accounts::ListLocationsRequest list;
    list.set_account_id(made.account_id());
    ASSIGN_OR_RETURN(const auto locations,
                     world_.Call<accounts::ListLocationsResponse>(
                         "broadbill.accounts.v1.Accounts/ListLocations", list));
    world_.locations[name] = locations.locations(0).location_id();
    return absl::OkStatus();
  }

  absl::Status Subscribe(Reader& r) { return scenarios::Subscribe(world_, r); }
  absl::Status Change(Reader& r) { return scenarios::Change(world_, r); }
  absl::Status Location(Reader& r) { return scenarios::AddLocation(world_, r); }
  absl::Status Prices(Reader& r) { return scenarios::ChangePrices(world_, r); }
  absl::Status Seller(Reader& r) { return SetSeller(world_, r); }
  absl::Status Payer(Reader& r) { return scenarios::SetPayer(world_, r); }

  // discount S1|account A1 "Welcome" 20% [from DATE] [to DATE] [periods 3]   or 5.00 instead of a
  // percentage
  absl::Status Discount(Reader& r) {
    accounts::CreateDiscountRequest request;
    accounts::Discount* discount = request.mutable_discount();
    if (r.Take("account")) {
      ASSIGN_OR_RETURN(const std::string account, r.Next("an account"));
      ASSIGN_OR_RETURN(*request.mutable_account_id(), Id(world_.accounts, account, "account"));
    } else {
      ASSIGN_OR_RETURN(const std::string name, r.Next("a subscription"));
      accounts::GetSubscriptionRequest get;
      ASSIGN_OR_RETURN(*get.mutable_subscription_id(),
                       Id(world_.subscriptions, name, "subscription"));
      ASSIGN_OR_RETURN(const auto subscription,
                       world_.Call<accounts::Subscription>(
                           "broadbill.accounts.v1.Accounts/GetSubscription", get));
      request.set_account_id(subscription.account_id());
      discount->set_subscription_id(get.subscription_id());
      discount->set_position(subscription.discounts_size());
    }
    ASSIGN_OR_RETURN(*discount->mutable_label(), r.Next("a label"));
    ASSIGN_OR_RETURN(std::string value, r.Next("20% or 5.00"));
    if (value.back() == '%') {
      value.pop_back();
      discount->mutable_percent()->set_value(value);
    } else {
      discount->mutable_amount()->set_value(value);
    }
    while (!r.done()) {
      if (r.Take("from")) {
        ASSIGN_OR_RETURN(const CivilDay day, r.Day());
        *discount->mutable_from_date() = convert::ToProto(day);
      } else if (r.Take("to")) {
        ASSIGN_OR_RETURN(const CivilDay day, r.Day());
        *discount->mutable_to_date() = convert::ToProto(day);
      } else if (r.Take("periods")) {
        ASSIGN_OR_RETURN(const std::string count, r.Next("a number"));
        discount->set_periods(std::atoi(count.c_str()));
      } else {
        return r.End();
      }
    }
    return world_.Call<accounts::Discount>("broadbill.accounts.v1.Accounts/CreateDiscount", request)
        .status();
  }

  // cycle A1 day 15 from 2026-06-15
  absl::Status Cycle(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    accounts::ChangeCycleDayRequest request;
    ASSIGN_OR_RETURN(*request.mutable_account_id(), Id(world_.accounts, name, "account"));
    r.Take("day");
    ASSIGN_OR_RETURN(const std::string day, r.Next("a day"));
    request.set_cycle_day(std::atoi(day.c_str()));
    r.Take("from");
    ASSIGN_OR_RETURN(const CivilDay from, r.Day());
    *request.mutable_effective_date() = convert::ToProto(from);
    return world_.Call<accounts::Account>("broadbill.accounts.v1.Accounts/ChangeCycleDay", request)
        .status();
  }

  absl::Status Buy(Reader& r) { return BuyTopUp(world_, r); }

  absl::Status Undo(Reader& r) { return UndoFile(world_, r); }
  absl::Status Dismiss(Reader& r) { return DismissRecords(world_, r); }
  absl::Status TakeBack(Reader& r) { return RestoreRecords(world_, r); }
  absl::Status Correct(Reader& r) { return CorrectRecord(world_, r); }
  absl::Status Recipe(Reader& r) { return MakeRecipe(world_, r); }

  // import KIND [as NAME] [field=value …] [refused ["Text"]] [preview "Text"…] followed by indented
  // lines of the file
  absl::Status ImportFile(Reader& r) {
    ASSIGN_OR_RETURN(const std::string kind, r.Next("a kind of file"));
    std::map<std::string, std::string> fields;
    bool refused = false;
    std::string why;
    std::vector<std::string> preview;
    std::string name = "scenario";
    if (r.Take("as")) {
      ASSIGN_OR_RETURN(name, r.Next("a name"));
    }
    while (!r.done()) {
      ASSIGN_OR_RETURN(const std::string word, r.Next("field=value"));
      const size_t equals = word.find('=');
      if (word == "refused") {
        refused = true;
        if (r.Peek().find('=') == std::string::npos && !r.done()) why = r.Next("why").value_or("");
      } else if (word == "preview") {
        while (!r.done()) preview.push_back(r.Next("a text").value_or(""));
      } else if (equals == std::string::npos) {
        return InvalidArgumentError("SYNTAX", "unknown word '" + word + "'");
      } else {
        fields[word.substr(0, equals)] = word.substr(equals + 1);
      }
    }
    std::string content;
    while (line_ + 1 < lines_.size() &&
           (lines_[line_ + 1].rfind("  ", 0) == 0 || lines_[line_ + 1].rfind("\t", 0) == 0)) {
      const std::string& row = lines_[++line_];
      content += row.substr(row.rfind("  ", 0) == 0 ? 2 : 0) + "\n";
    }
    const std::string& method = program::ImportKinds().at(kind).method;
    const size_t from = method.find('.') + 1;
    auto result =
        program::RunImport(*world_.Channel(method.substr(from, method.find('.', from) - from)),
                           world_.context(), kind, name, content, fields, !preview.empty());
    if (!why.empty() && !result.ok()) {
      const std::string said(result.status().message());
      return said.find(why) == std::string::npos ? result.status() : absl::OkStatus();
    }
    if (!result.ok()) return result.status();
    for (const std::string& text : preview) {
      const auto& shown = result->differences();
      const bool there = std::any_of(shown.begin(), shown.end(), [&](const std::string& line) {
        return line.find(text) != std::string::npos;
      });
      if (!there) {
        return InvalidArgumentError(
            "IMPORT", absl::StrCat("no '", text, "' in:\n", absl::StrJoin(shown, "\n")));
      }
    }
    return CheckRefused(*result, refused, why);
  }

  // Whether rows were refused as expected; `why`: the whole file was to be.
  static absl::Status CheckRefused(const broadbill::common::v1::ImportResult& result, bool refused,
                                   const std::string& why) {
    if (!why.empty()) return InvalidArgumentError("IMPORT", "the file was taken");
    if (refused == (result.rows_refused() > 0)) return absl::OkStatus();
    std::string errors;
    for (const auto& error : result.errors()) {
      absl::StrAppend(&errors, " line ", error.line(), " ", error.column(), ": ", error.message());
    }
    return InvalidArgumentError("IMPORT",
                                absl::StrCat(result.rows_refused(), " rows refused", errors));
  }

  // bill 2026-03-10 [dry|draft] [tolerance 20] [approval-above 100.00]
  absl::Status Bill(Reader& r) {
    ASSIGN_OR_RETURN(const CivilDay day, r.Day());
    if (day > world_.today()) world_.SetClock(day);
    invoicing::CreateBillRunRequest request;
    *request.mutable_as_of() = convert::ToProto(day);
    request.set_mode(r.Take("dry")     ? invoicing::BillRun::DRY
                     : r.Take("draft") ? invoicing::BillRun::DRAFT
                                       : invoicing::BillRun::POST);
    if (r.Take("tolerance")) {
      ASSIGN_OR_RETURN(*request.mutable_forecast_tolerance_percent()->mutable_value(),
                       r.Next("a percentage"));
    }
    if (r.Take("approval-above")) {
      ASSIGN_OR_RETURN(*request.mutable_approval_above()->mutable_value(), r.Next("an amount"));
    }
    ASSIGN_OR_RETURN(run_, world_.Call<invoicing::BillRun>(
                               "broadbill.invoicing.v1.Invoicing/CreateBillRun", request));
    return WatchRun();
  }

  // Waits for the run and reads its documents.
  absl::Status WatchRun() {
    invoicing::WatchBillRunRequest watch;
    watch.set_bill_run_id(run_.bill_run_id());
    RETURN_IF_ERROR(world_.Channel("invoicing")
                        ->ReadStream("broadbill.invoicing.v1.Invoicing/WatchBillRun", watch, run_,
                                     world_.context(), [] { return true; }));
    RETURN_IF_ERROR(world_.Settle());
    documents_.clear();
    std::string token;
    do {
      invoicing::ListDocumentsRequest list;
      list.set_bill_run_id(run_.bill_run_id());
      list.set_page_size(1000);
      list.set_page_token(token);
      ASSIGN_OR_RETURN(const auto page,
                       world_.Call<invoicing::ListDocumentsResponse>(
                           "broadbill.invoicing.v1.Invoicing/ListDocuments", list));
      for (const invoicing::Document& document : page.documents()) {
        if (document.state() != invoicing::Document::VOID) documents_.push_back(document);
      }
      token = page.next_page_token();
    } while (!token.empty());
    seen_lines_.clear();
    return absl::OkStatus();
  }

  // post [A1 [credit-note]]: the drafts of the last run, or one
  absl::Status Post(Reader& r) {
    if (!r.done()) {
      invoicing::PostDocumentRequest one;
      ASSIGN_OR_RETURN(*one.mutable_document_id(), DraftId(r));
      return world_.Call<invoicing::Document>("broadbill.invoicing.v1.Invoicing/PostDocument", one)
          .status();
    }
    invoicing::PostBillRunRequest request;
    request.set_bill_run_id(run_.bill_run_id());
    RETURN_IF_ERROR(
        world_.Call<invoicing::BillRun>("broadbill.invoicing.v1.Invoicing/PostBillRun", request)
            .status());
    return WatchRun();
  }

  // cancel: the last run
  absl::Status Cancel(Reader&) {
    invoicing::CancelBillRunRequest request;
    request.set_bill_run_id(run_.bill_run_id());
    return world_
        .Call<invoicing::BillRun>("broadbill.invoicing.v1.Invoicing/CancelBillRun", request)
        .status();
  }

  // A1 [credit-note]: its draft of the last run, or its credit note drafted last
  absl::StatusOr<std::string> DraftId(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
    if (r.Take("credit-note")) return Id(credit_notes_, name, "draft credit note");
    const invoicing::Document* document = DocumentOf(account);
    if (document == nullptr) return InvalidArgumentError("SYNTAX", "the account has no draft");
    return document->document_id();
  }

  // void A1 [credit-note]
  absl::Status Void(Reader& r) {
    invoicing::VoidDocumentRequest request;
    ASSIGN_OR_RETURN(*request.mutable_document_id(), DraftId(r));
    request.set_reason("scenario");
    return world_
        .Call<invoicing::Document>("broadbill.invoicing.v1.Invoicing/VoidDocument", request)
        .status();
  }

  // The same by two people at one instant: one of them is told what is left.
  absl::Status CreditTwice(const invoicing::CreateCreditNoteRequest& request) {
    const auto call = [&] {
      return world_
          .Call<invoicing::Document>("broadbill.invoicing.v1.Invoicing/CreateCreditNote", request)
          .status();
    };
    auto other = std::async(std::launch::async, call);
    const absl::Status one = call();
    const absl::Status two = other.get();
    if (one.ok() == two.ok()) {
      return InvalidArgumentError("CREDIT", one.ok() ? "both were made" : "both were refused");
    }
    const absl::Status& loser = one.ok() ? two : one;
    const std::string reason = ReasonOf(loser);
    if (reason == "INVALID_FIELD" || reason == "NOTHING_LEFT") return absl::OkStatus();
    return loser;
  }

  // credit A1 [line "Router" [10.00 | days INTERVAL]] [on DATE] [draft] [refused]: its document of
  // the last run, whole or one line
  absl::Status Credit(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
    const invoicing::Document* document = DocumentOf(account);
    if (document == nullptr) return InvalidArgumentError("SYNTAX", "the account has no document");
    invoicing::CreateCreditNoteRequest request;
    request.set_document_id(document->document_id());
    request.set_reason("scenario");
    request.set_post(true);
    bool refused = false;
    bool twice = false;
    while (!r.done()) {
      if (r.Take("refused")) {
        refused = true;
      } else if (r.Take("twice")) {
        twice = true;
      } else if (r.Take("draft")) {
        request.set_post(false);
      } else if (r.Take("on")) {
        ASSIGN_OR_RETURN(const CivilDay day, r.Day());
        *request.mutable_posting_date() = convert::ToProto(day);
      } else if (r.Take("line")) {
        ASSIGN_OR_RETURN(const std::string text, r.Next("a description"));
        auto* line = request.add_lines();
        for (const invoicing::Line& one : document->lines()) {
          if (one.description() == text) line->set_line_id(one.line_id());
        }
        if (r.Take("days")) {
          ASSIGN_OR_RETURN(const DateInterval days, Interval(r));
          *line->mutable_interval() = convert::ToProto(days);
          continue;
        }
        const auto minor = ParseMinor(r.Peek(), 2);
        if (!minor.ok()) continue;
        ASSIGN_OR_RETURN(const std::string amount, r.Next("an amount"));
        *line->mutable_amount() = convert::ToMoney(*minor, document->currency_code());
      } else {
        return r.End();
      }
    }
    if (twice) return CreditTwice(request);
    const auto made = world_.Call<invoicing::Document>(
        "broadbill.invoicing.v1.Invoicing/CreateCreditNote", request);
    if (made.ok() && !request.post()) credit_notes_[name] = made->document_id();
    if (made.ok() != refused) return absl::OkStatus();
    return refused ? InvalidArgumentError("CREDIT", "it was not refused") : made.status();
  }

  absl::StatusOr<DateInterval> Interval(Reader& r) {
    ASSIGN_OR_RETURN(const std::string text, r.Next("an interval"));
    const size_t dots = text.find("..");
    if (dots == std::string::npos) return InvalidArgumentError("SYNTAX", "no interval: " + text);
    ASSIGN_OR_RETURN(const CivilDay start, ParseDate(text.substr(0, dots)));
    ASSIGN_OR_RETURN(const CivilDay end, ParseDate(text.substr(dots + 2)));
    return DateInterval{start, end};
  }

  // refund A1 10.00: of its oldest payment that has as much unapplied
  absl::Status Refund(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    payments::ListPaymentsRequest list;
    ASSIGN_OR_RETURN(*list.mutable_account_id(), Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const std::string amount, r.Next("an amount"));
    ASSIGN_OR_RETURN(const int64_t minor, ParseMinor(amount, 2));
    ASSIGN_OR_RETURN(const auto found, world_.Call<payments::ListPaymentsResponse>(
                                           "broadbill.payments.v1.Payments/ListPayments", list));
    for (const payments::Payment& payment : found.payments()) {
      const auto& unapplied = payment.unapplied();
      const auto left = FromUnitsNanos(unapplied.units(), unapplied.nanos(), 2);
      if (!left.ok() || *left < minor) continue;
      payments::RefundPaymentRequest request;
      request.set_payment_id(payment.payment_id());
      request.set_reason("scenario");
      *request.mutable_amount() = convert::ToMoney(minor, unapplied.currency_code());
      return world_.Call<payments::Payment>("broadbill.payments.v1.Payments/RefundPayment", request)
          .status();
    }
    return InvalidArgumentError("SYNTAX", "no payment has that much unapplied");
  }

  // release [A1]: the waiting drafts of the last run, of one account or all
  absl::Status Release(Reader& r) {
    invoicing::RetryRunExceptionsRequest request;
    request.set_bill_run_id(run_.bill_run_id());
    request.set_release(true);
    if (!r.done()) {
      ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
      ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
      invoicing::ListRunExceptionsRequest list;
      list.set_bill_run_id(run_.bill_run_id());
      ASSIGN_OR_RETURN(const auto found,
                       world_.Call<invoicing::ListRunExceptionsResponse>(
                           "broadbill.invoicing.v1.Invoicing/ListRunExceptions", list));
      for (const auto& exception : found.exceptions()) {
        if (exception.account_id() != account) continue;
        request.add_exception_ids(exception.exception_id());
      }
      if (request.exception_ids().empty()) {
        return InvalidArgumentError("SYNTAX", "the account has no exception");
      }
    }
    RETURN_IF_ERROR(world_
                        .Call<invoicing::RetryRunExceptionsResponse>(
                            "broadbill.invoicing.v1.Invoicing/RetryRunExceptions", request)
                        .status());
    return WatchRun();
  }

  // retry [release]
  absl::Status Retry(Reader& r) {
    invoicing::RetryRunExceptionsRequest request;
    request.set_bill_run_id(run_.bill_run_id());
    request.set_release(r.Take("release"));
    RETURN_IF_ERROR(world_
                        .Call<invoicing::RetryRunExceptionsResponse>(
                            "broadbill.invoicing.v1.Invoicing/RetryRunExceptions", request)
                        .status());
    return WatchRun();
  }

  // charge A1 "Router" 89.00 [tax equipment] [code 4200] [due DATE] [times N|parts N] [every N]
  //   [alone] [deposit] [refused]
  absl::Status Charge(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    invoicing::CreatePendingChargeRequest request;
    ASSIGN_OR_RETURN(*request.mutable_account_id(), Id(world_.accounts, name, "account"));
    invoicing::PendingCharge* charge = request.mutable_charge();
    ASSIGN_OR_RETURN(*charge->mutable_description(), r.Next("a text"));
    ASSIGN_OR_RETURN(*charge->mutable_unit_price()->mutable_value(), r.Next("an amount"));
    charge->set_account_code("4200");
    charge->set_tax_class("other");
    *charge->mutable_due_date() = convert::ToProto(world_.today());
    bool refused = false;
    while (!r.done()) {
      if (r.Take("refused")) {
        refused = true;
      } else if (r.Take("alone")) {
        charge->set_bill_alone(true);
      } else if (r.Take("deposit")) {
        charge->set_kind(invoicing::Line::DEPOSIT);
        charge->set_account_code("2400");
        charge->clear_tax_class();
      } else if (r.Take("due")) {
        ASSIGN_OR_RETURN(const CivilDay day, r.Day());
        *charge->mutable_due_date() = convert::ToProto(day);
      } else {
        ASSIGN_OR_RETURN(const std::string word, r.Next("an option"));
        ASSIGN_OR_RETURN(const std::string value, r.Next("its value"));
        RETURN_IF_ERROR(ChargeOption(word, value, charge));
      }
    }
    const auto made = world_.Call<invoicing::PendingCharge>(
        "broadbill.invoicing.v1.Invoicing/CreatePendingCharge", request);
    if (made.ok() != refused) return absl::OkStatus();
    return refused ? InvalidArgumentError("CHARGE", "it was not refused") : made.status();
  }

  static absl::Status ChargeOption(const std::string& word, const std::string& value,
                                   invoicing::PendingCharge* charge) {
    const int number = std::atoi(value.c_str());
    if (word == "tax") {
      charge->set_tax_class(value);
    } else if (word == "code") {
      charge->set_account_code(value);
    } else if (word == "times") {
      charge->mutable_repeat()->set_times(number);
    } else if (word == "parts") {
      charge->mutable_instalments()->set_parts(number);
    } else if (word == "every" && charge->has_repeat()) {
      charge->mutable_repeat()->set_every_months(number);
    } else if (word == "every" && charge->has_instalments()) {
      charge->mutable_instalments()->set_every_months(number);
    } else {
      return InvalidArgumentError("SYNTAX", "unknown word '" + word + "'");
    }
    return absl::OkStatus();
  }

  // give-back A1 [AMOUNT] [next-invoice] [refused]: of the account's deposits
  absl::Status GiveBack(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    invoicing::ApplyDepositRequest request;
    ASSIGN_OR_RETURN(*request.mutable_account_id(), Id(world_.accounts, name, "account"));
    bool refused = false;
    while (!r.done()) {
      if (r.Take("refused")) {
        refused = true;
      } else if (r.Take("next-invoice")) {
        request.set_mode(invoicing::ApplyDepositRequest::NEXT_INVOICE);
      } else {
        ASSIGN_OR_RETURN(const std::string amount, r.Next("an amount"));
        ASSIGN_OR_RETURN(const int64_t minor, ParseMinor(amount, 2));
        *request.mutable_amount() = convert::ToMoney(minor, "USD");
      }
    }
    const auto made = world_.Call<invoicing::ApplyDepositResponse>(
        "broadbill.invoicing.v1.Invoicing/ApplyDeposit", request);
    if (made.ok() != refused) return absl::OkStatus();
    return refused ? InvalidArgumentError("DEPOSIT", "it was not refused") : made.status();
  }

  // withdraw A1 "Router" [rest] [refused]: takes a charge back that waits, with `rest` all its
  // parts
  absl::Status Withdraw(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    invoicing::ListPendingChargesRequest list;
    ASSIGN_OR_RETURN(*list.mutable_account_id(), Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const std::string text, r.Next("a text"));
    invoicing::CancelPendingChargeRequest request;
    request.set_account_id(list.account_id());
    request.set_all_parts(r.Take("rest"));
    const bool refused = r.Take("refused");
    list.add_states(refused ? invoicing::PendingCharge::BILLED : invoicing::PendingCharge::PENDING);
    ASSIGN_OR_RETURN(const auto found,
                     world_.Call<invoicing::ListPendingChargesResponse>(
                         "broadbill.invoicing.v1.Invoicing/ListPendingCharges", list));
    for (const invoicing::PendingCharge& charge : found.charges()) {
      if (charge.description() != text) continue;
      request.set_charge_id(charge.charge_id());
      const auto done = world_.Call<invoicing::PendingCharge>(
          "broadbill.invoicing.v1.Invoicing/CancelPendingCharge", request);
      if (done.ok() != refused) return absl::OkStatus();
      return refused ? InvalidArgumentError("CHARGE", "it was not refused") : done.status();
    }
    return InvalidArgumentError("SYNTAX", "the account has no such charge");
  }

  // pay A1 50.00 [on DATE]
  absl::Status Pay(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    payments::CreatePaymentRequest request;
    ASSIGN_OR_RETURN(*request.mutable_account_id(), Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const std::string amount, r.Next("an amount"));
    const std::string& currency = currencies_[name];
    ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(currency));
    ASSIGN_OR_RETURN(const int64_t minor, ParseMinor(amount, exponent));
    *request.mutable_payment()->mutable_amount() = convert::ToMoney(minor, currency);
    request.mutable_payment()->set_kind(payments::Payment::CHEQUE);
    if (r.Take("on")) {
      ASSIGN_OR_RETURN(const CivilDay day, r.Day());
      *request.mutable_payment()->mutable_value_date() = convert::ToProto(day);
    }
    RETURN_IF_ERROR(
        world_.Call<payments::Payment>("broadbill.payments.v1.Payments/CreatePayment", request)
            .status());
    return world_.Settle();
  }

  // card A1 TOKEN [due_date]: a method with autopay
  absl::Status Card(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    payments::CreatePaymentMethodRequest request;
    ASSIGN_OR_RETURN(*request.mutable_account_id(), Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(*request.mutable_payment_method()->mutable_token(), r.Next("a token"));
    ASSIGN_OR_RETURN(const auto method,
                     world_.Call<payments::PaymentMethod>(
                         "broadbill.payments.v1.Payments/CreatePaymentMethod", request));
    payments::SetAutopayRequest autopay;
    autopay.set_account_id(request.account_id());
    autopay.mutable_autopay()->set_enabled(true);
    autopay.mutable_autopay()->set_payment_method_id(method.payment_method_id());
    if (r.Take("due_date")) autopay.mutable_autopay()->set_day(payments::Autopay::DUE_DATE);
    return world_.Call<payments::Autopay>("broadbill.payments.v1.Payments/SetAutopay", autopay)
        .status();
  }

  // collect 2026-04-16 [dry] [request ID]
  absl::Status Collect(Reader& r) {
    ASSIGN_OR_RETURN(const CivilDay day, r.Day());
    if (day > world_.today()) world_.SetClock(day);
    payments::RunCollectionsRequest request;
    request.set_validate_only(r.Take("dry"));
    if (r.Take("request")) {
      ASSIGN_OR_RETURN(*request.mutable_request_id(), r.Next("an id"));
    }
    *request.mutable_as_of() = convert::ToProto(day);
    ASSIGN_OR_RETURN(collected_, world_.Call<payments::RunCollectionsResponse>(
                                     "broadbill.payments.v1.Payments/RunCollections", request));
    return world_.Settle();
  }

  // policy [NAME] [group G] [grace 3] [threshold 10.00] [starts DATE] reminder 0 fee 5 … [refused]
  absl::Status Policy(Reader& r) {
    payments::CreateDunningPolicyRequest request;
    payments::DunningPolicy* policy = request.mutable_policy();
    policy->set_code("standard");
    static const std::set<std::string> kWords = {"group",    "grace", "threshold", "starts",
                                                 "reminder", "fee",   "refused"};
    if (!r.done() && kWords.count(r.Peek()) == 0) {
      ASSIGN_OR_RETURN(*policy->mutable_code(), r.Next("a name"));
    }
    bool refused = false;
    while (!r.done()) {
      ASSIGN_OR_RETURN(const std::string word, r.Next("a word"));
      if (word == "refused") {
        refused = true;
        continue;
      }
      if (word == "starts") {
        ASSIGN_OR_RETURN(const CivilDay day, r.Day());
        *policy->mutable_from_date() = convert::ToProto(day);
        continue;
      }
      ASSIGN_OR_RETURN(const std::string value, r.Next("its value"));
      if (word == "grace") {
        policy->set_grace_days(std::atoi(value.c_str()));
      } else if (word == "group") {
        policy->set_group(value);
      } else if (word == "threshold") {
        policy->mutable_threshold()->set_value(value);
      } else if (word == "reminder" || word == "fee") {
        payments::DunningStep* step = policy->add_steps();
        step->set_name(absl::StrCat(word, "_", value));
        step->set_after_days(std::atoi(value.c_str()));
        if (word == "reminder") {
          step->mutable_reminder()->set_template_("reminder");
        } else {
          RETURN_IF_ERROR(Fee(r, step->mutable_late_fee()));
        }
      } else {
        return InvalidArgumentError("SYNTAX", "unknown word '" + word + "'");
      }
    }
    const auto made = world_.Call<payments::DunningPolicy>(
        "broadbill.payments.v1.Payments/CreateDunningPolicy", request);
    if (made.ok() != refused) return absl::OkStatus();
    return refused ? InvalidArgumentError("POLICY", "it was not refused") : made.status();
  }

  // 1.5% | 10.00 | 1.5% or 10.00 | 1.5% plus 10.00, then [minimum A] [maximum A] [times N]
  //   [every N] [cap A|P%]… [from-open A] [alone] [tax C] [code A] [named "Text"]
  absl::Status Fee(Reader& r, payments::LateFee* fee) {
    fee->set_tax_class("late_fee");
    fee->set_description("Late fee");
    fee->set_account_code("4900");
    const auto amount = [&]() -> absl::Status {
      ASSIGN_OR_RETURN(std::string value, r.Next("1.5% or 10.00"));
      const bool percent = value.back() == '%';
      if (percent) value.pop_back();
      (percent ? fee->mutable_percent() : fee->mutable_flat())->set_value(value);
      return absl::OkStatus();
    };
    RETURN_IF_ERROR(amount());
    fee->set_mode(fee->has_flat() ? payments::LateFee::FLAT : payments::LateFee::PERCENT);
    if (r.Take("or")) {
      fee->set_mode(payments::LateFee::GREATER_OF);
      RETURN_IF_ERROR(amount());
    } else if (r.Take("plus")) {
      fee->set_mode(payments::LateFee::SUM);
      RETURN_IF_ERROR(amount());
    }
    static const std::set<std::string> kOptions = {"minimum",   "maximum", "times", "every", "cap",
                                                   "from-open", "tax",     "code",  "named"};
    while (!r.done()) {
      if (r.Take("alone")) {
        fee->set_bill_alone(true);
        continue;
      }
      if (kOptions.count(r.Peek()) == 0) return absl::OkStatus();
      ASSIGN_OR_RETURN(const std::string option, r.Next("an option"));
      ASSIGN_OR_RETURN(const std::string value, r.Next("its value"));
      FeeOption(option, value, fee);
    }
    return absl::OkStatus();
  }

  static void FeeOption(const std::string& option, std::string value, payments::LateFee* fee) {
    if (option == "minimum") fee->mutable_minimum()->set_value(value);
    if (option == "maximum") fee->mutable_maximum()->set_value(value);
    if (option == "times") fee->set_occurrences(std::atoi(value.c_str()));
    if (option == "every") fee->set_every_days(std::atoi(value.c_str()));
    if (option == "from-open") fee->mutable_minimum_open()->set_value(value);
    if (option == "tax") fee->set_tax_class(value);
    if (option == "code") fee->set_account_code(value);
    if (option == "named") fee->set_description(value);
    if (option != "cap") return;
    const bool percent = value.back() == '%';
    if (percent) value.pop_back();
    (percent ? fee->mutable_cap_percent() : fee->mutable_cap_amount())->set_value(value);
  }

  // dispute A1 1 30.00 from DATE [to DATE]
  absl::Status Dispute(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    payments::CreateDisputeRequest request;
    ASSIGN_OR_RETURN(*request.mutable_account_id(), Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const std::string number, r.Next("a number"));
    ASSIGN_OR_RETURN(const auto item, OpenItemOf(request.account_id(), number));
    if (!item.has_value()) return InvalidArgumentError("SYNTAX", "no document " + number);
    ASSIGN_OR_RETURN(const std::string amount, r.Next("an amount"));
    ASSIGN_OR_RETURN(const int64_t minor, ParseMinor(amount, 2));
    payments::Dispute* dispute = request.mutable_dispute();
    dispute->set_document_id(item->document_id());
    dispute->set_reason("scenario");
    *dispute->mutable_amount() = convert::ToMoney(minor, item->total().currency_code());
    if (!r.Take("from")) return InvalidArgumentError("SYNTAX", "expected 'from DATE'");
    ASSIGN_OR_RETURN(const CivilDay from, r.Day());
    *dispute->mutable_from_date() = convert::ToProto(from);
    ASSIGN_OR_RETURN(const auto made, world_.Call<payments::Dispute>(
                                          "broadbill.payments.v1.Payments/CreateDispute", request));
    if (!r.Take("to")) return absl::OkStatus();
    payments::EndDisputeRequest end;
    end.set_account_id(request.account_id());
    end.set_dispute_id(made.dispute_id());
    ASSIGN_OR_RETURN(const CivilDay to, r.Day());
    *end.mutable_end_date() = convert::ToProto(to);
    return world_.Call<payments::Dispute>("broadbill.payments.v1.Payments/EndDispute", end)
        .status();
  }

  // return A1 50.00 [on DATE]: its oldest payment of that amount comes back from the bank
  absl::Status Return(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    payments::ListPaymentsRequest list;
    ASSIGN_OR_RETURN(*list.mutable_account_id(), Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const std::string amount, r.Next("an amount"));
    payments::ReturnPaymentRequest request;
    request.set_reason("scenario");
    if (r.Take("on")) {
      ASSIGN_OR_RETURN(const CivilDay day, r.Day());
      *request.mutable_value_date() = convert::ToProto(day);
    }
    ASSIGN_OR_RETURN(const auto found, world_.Call<payments::ListPaymentsResponse>(
                                           "broadbill.payments.v1.Payments/ListPayments", list));
    for (const payments::Payment& payment : found.payments()) {
      const bool here = payment.state() == payments::Payment::SUCCEEDED;
      if (!here || AmountOf(payment.amount()) != amount) continue;
      request.set_payment_id(payment.payment_id());
      return world_.Call<payments::Payment>("broadbill.payments.v1.Payments/ReturnPayment", request)
          .status();
    }
    return InvalidArgumentError("SYNTAX", "the account has no such payment");
  }

  // ---- expectations

  absl::Status CallLimits(Reader& r) { return SetCallLimits(world_, r); }
  absl::Status Acknowledge(Reader& r) { return AcknowledgeAlarms(world_, r); }

  absl::Status Expect(Reader& r) {
    ASSIGN_OR_RETURN(const std::string what, r.Next("what is expected"));
    if (what == "line") return ExpectLine(r);
    if (what == "lines") return ExpectLines(r);
    if (what == "why") return ExpectWhy(r);
    if (what == "nothing") return ExpectNothing();
    if (what == "document") return ExpectDocument(r);
    if (what == "tax") return ExpectTax(r);
    if (what == "balance") return ExpectBalance(r);
    if (what == "open") return ExpectOpen(r);
    if (what == "exception") return ExpectException(r);
    if (what == "run-total") return ExpectRunTotal(r);
    if (what == "ledger") return ExpectLedger(r);
    if (what == "collected" || what == "declined") return ExpectCollected(what, r);
    if (what == "mail") return ExpectMail(r);
    if (what == "term" || what == "changed" || what == "preview") {
      ASSIGN_OR_RETURN(const std::string found, what == "term"      ? ExpectTerm(world_, r)
                                                : what == "changed" ? ExpectChanged(world_, r)
                                                                    : ExpectPreview(world_, r));
      if (!found.empty()) Report(line_ + 1, found);
      return absl::OkStatus();
    }
    if (what == "service" || what == "thresholds" || what == "usage") {
      ASSIGN_OR_RETURN(const std::string found, what == "service"      ? ExpectService(world_, r)
                                                : what == "thresholds" ? ExpectThresholds(world_, r)
                                                                       : ExpectUsage(world_, r));
      if (!found.empty()) Report(line_ + 1, found);
      return absl::OkStatus();
    }
    if (what == "waiting" || what == "import") {
      ASSIGN_OR_RETURN(const std::string found,
                       what == "waiting" ? ExpectWaiting(world_, r) : ExpectImport(world_, r));
      if (!found.empty()) Report(line_ + 1, found);
      return absl::OkStatus();
    }
    if (what == "alarms" || what == "margin") {
      ASSIGN_OR_RETURN(const std::string found,
                       what == "alarms" ? ExpectAlarms(world_, r) : ExpectMargin(world_, r));
      if (!found.empty()) Report(line_ + 1, found);
      return absl::OkStatus();
    }
    if (what == "rendering") return ExpectRendered(r);
    if (what == "statement") return ExpectStatement(r);
    if (what == "attempts") return ExpectCount(r, collected_.attempts());
    if (what == "late-fees") return ExpectCount(r, collected_.late_fees());
    if (what == "reminders") return ExpectCount(r, collected_.reminders());
    if (IsReport(what)) return ExpectReports(what, r);
    return InvalidArgumentError("SYNTAX", "unknown expectation '" + what + "'");
  }

  // See reports.h.
  absl::Status ExpectReports(const std::string& what, Reader& r) {
    std::vector<std::string> words;
    while (!r.done()) {
      ASSIGN_OR_RETURN(words.emplace_back(), r.Next("a word"));
    }
    ASSIGN_OR_RETURN(const Differences differences, ExpectReport(world_, what, words));
    for (const std::string& difference : differences) Report(line_ + 1, difference);
    return absl::OkStatus();
  }

  std::string AmountOf(const google::type::Money& money) {
    const int exponent = CurrencyExponent(money.currency_code()).value_or(2);
    const auto minor = FromUnitsNanos(money.units(), money.nanos(), exponent);
    return FormatMinor(minor.ok() ? *minor : 0, exponent);
  }

  void Compare(const std::string& expected, const std::string& was) {
    if (expected != was) Report(line_ + 1, "expected " + expected + ", was " + was);
  }

  std::string LineText(const invoicing::Line& line) {
    std::string days;
    if (line.has_interval()) {
      const auto& a = line.interval().start_date();
      const auto& b = line.interval().end_date();
      days = FormatDate(CivilDay(a.year(), a.month(), a.day())) + ".." +
             FormatDate(CivilDay(b.year(), b.month(), b.day())) + " ";
    }
    return days + AmountOf(line.amount());
  }

  absl::StatusOr<std::vector<std::string>> Rest(Reader& r) {
    std::vector<std::string> words;
    while (!r.done()) {
      ASSIGN_OR_RETURN(words.emplace_back(), r.Next("a word"));
    }
    return words;
  }

  // See selling.h.
  absl::Status Company(Reader& r) {
    ASSIGN_OR_RETURN(const auto words, Rest(r));
    return SetCompany(world_, words);
  }
  absl::Status Taxable(Reader& r) {
    ASSIGN_OR_RETURN(const auto words, Rest(r));
    return SetTaxability(world_, words);
  }
  absl::Status Exemption(Reader& r) {
    ASSIGN_OR_RETURN(const auto words, Rest(r));
    return Exempt(world_, words);
  }
  // expect statement A1 previous 50.00 payments -30.00 adjustments 0.00 now 70.00
  absl::Status ExpectStatement(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
    const invoicing::Document* document = DocumentOf(account);
    if (document == nullptr) return InvalidArgumentError("SYNTAX", "the account has no document");
    const auto& statement = document->statement();
    const std::map<std::string, const google::type::Money*> fields = {
        {"previous", &statement.previous_balance()},
        {"payments", &statement.payments()},
        {"adjustments", &statement.adjustments()},
        {"now", &statement.new_balance()}};
    while (!r.done()) {
      ASSIGN_OR_RETURN(const std::string word, r.Next("what"));
      ASSIGN_OR_RETURN(const std::string amount, r.Next("an amount"));
      const auto field = fields.find(word);
      if (field == fields.end()) {
        return InvalidArgumentError("SYNTAX", "unknown word '" + word + "'");
      }
      Compare(word + " " + amount, word + " " + AmountOf(*field->second));
    }
    return absl::OkStatus();
  }
  absl::Status ExpectRendered(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const auto words, Rest(r));
    const invoicing::Document* document = DocumentOf(account);
    if (document == nullptr) return InvalidArgumentError("SYNTAX", "the account has no document");
    ASSIGN_OR_RETURN(const auto missing, ExpectRendering(world_, document->document_id(), words));
    for (const std::string& text : missing) Report(line_ + 1, text);
    return absl::OkStatus();
  }

  // expect mail A1 invoice [count N] [queued|suppressed]: messages to the account, sent or waiting
  absl::Status ExpectMail(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    notification::ListMessagesRequest request;
    ASSIGN_OR_RETURN(*request.mutable_account_id(), Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(*request.mutable_template_code(), r.Next("a template"));
    request.set_page_size(1000);
    std::string count = "1";
    while (!r.done()) {
      if (r.Take("count")) {
        ASSIGN_OR_RETURN(count, r.Next("a number"));
      } else if (r.Take("queued")) {
        request.add_states(notification::Message::QUEUED);
      } else if (r.Take("suppressed")) {
        request.add_states(notification::Message::SUPPRESSED);
      } else {
        break;
      }
    }
    ASSIGN_OR_RETURN(const auto page,
                     world_.Call<notification::ListMessagesResponse>(
                         "broadbill.notification.v1.Notification/ListMessages", request));
    Compare(count, std::to_string(page.messages_size()));
    return absl::OkStatus();
  }

  // expect line A1 "Fibre 500" 2026-03-10..2026-04-01 35.48
  absl::Status ExpectLine(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const std::string text, r.Next("a description"));
    std::string expected;
    while (!r.done()) {
      ASSIGN_OR_RETURN(const std::string word, r.Next("the line"));
      expected += (expected.empty() ? "" : " ") + word;
    }
    std::string seen;
    for (const invoicing::Document& document : documents_) {
      if (document.account_id() != account) continue;
      for (const invoicing::Line& line : document.lines()) {
        absl::StrAppend(&seen, "\n      \"", line.description(), "\" ", LineText(line));
        if (line.description() != text || seen_lines_.count(line.line_id()) > 0) continue;
        if (LineText(line) != expected) continue;
        seen_lines_.insert(line.line_id());
        return absl::OkStatus();
      }
    }
    Report(line_ + 1, "no such line; the account's lines are:" + (seen.empty() ? " none" : seen));
    return absl::OkStatus();
  }

  // expect why A1 "Fibre data overage" "5.00 GB of 4.00 GB included": how such a line came about
  absl::Status ExpectWhy(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const std::string text, r.Next("a description"));
    ASSIGN_OR_RETURN(const std::string derivation, r.Next("a derivation"));
    std::string seen;
    for (const invoicing::Document& document : documents_) {
      if (document.account_id() != account) continue;
      for (const invoicing::Line& line : document.lines()) {
        if (line.description() != text) continue;
        if (line.derivation() == derivation) return absl::OkStatus();
        absl::StrAppend(&seen, "\n      ", line.derivation());
      }
    }
    Report(line_ + 1, "no such line; those of that text are:" + (seen.empty() ? " none" : seen));
    return absl::OkStatus();
  }

  // expect lines A1 2: that many in the last run
  absl::Status ExpectLines(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const std::string count, r.Next("a number"));
    int lines = 0;
    for (const invoicing::Document& document : documents_) {
      if (document.account_id() == account) lines += document.lines_size();
    }
    Compare(count, std::to_string(lines));
    return absl::OkStatus();
  }

  // expect run-total 100.00 [invoices 2] [credit-notes 1]: what the last run came to, in its
  // currency
  absl::Status ExpectRunTotal(Reader& r) {
    invoicing::GetBillRunRequest request;
    request.set_bill_run_id(run_.bill_run_id());
    ASSIGN_OR_RETURN(const auto run, world_.Call<invoicing::BillRun>(
                                         "broadbill.invoicing.v1.Invoicing/GetBillRun", request));
    const invoicing::BillRunTotals totals =
        run.totals().empty() ? invoicing::BillRunTotals() : run.totals(0);
    const auto check = [&](const std::string& what, const std::string& expected,
                           const std::string& is) {
      if (expected != is) {
        Report(line_ + 1, absl::StrCat("expected ", what, " ", expected, ", was ", is));
      }
    };
    ASSIGN_OR_RETURN(const std::string total, r.Next("an amount"));
    check("total", total, AmountOf(totals.total()));
    while (!r.done()) {
      ASSIGN_OR_RETURN(const std::string what, r.Next("invoices or credit-notes"));
      ASSIGN_OR_RETURN(const std::string count, r.Next("a number"));
      check(what, count,
            absl::StrCat(what == "invoices" ? totals.invoices() : totals.credit_notes()));
    }
    return absl::OkStatus();
  }

  absl::Status ExpectNothing() {
    if (!documents_.empty()) {
      Report(line_ + 1, absl::StrCat("expected no document, was ", documents_.size(), ", total ",
                                     AmountOf(documents_[0].total())));
    }
    return absl::OkStatus();
  }

  const invoicing::Document* DocumentOf(const std::string& account) {
    for (const invoicing::Document& document : documents_) {
      if (document.account_id() == account) return &document;
    }
    return nullptr;
  }

  // expect document A1 invoice|credit-note [number INV-2026-000001] [net N] [tax T] [total N] [due
  // D]
  absl::Status ExpectDocument(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
    const invoicing::Document* document = DocumentOf(account);
    if (document == nullptr) {
      Report(line_ + 1, "the account has no document in the last run");
      while (!r.done()) RETURN_IF_ERROR(r.Next("").status());
      return absl::OkStatus();
    }
    while (!r.done()) {
      ASSIGN_OR_RETURN(const std::string word, r.Next("what"));
      if (word == "invoice" || word == "credit-note") {
        Compare(word,
                document->kind() == invoicing::Document::CREDIT_NOTE ? "credit-note" : "invoice");
        continue;
      }
      if (word == "draft") {
        Compare("DRAFT", invoicing::Document::State_Name(document->state()));
        continue;
      }
      ASSIGN_OR_RETURN(const std::string value, r.Next("its value"));
      const auto& due = document->due_date();
      if (word == "number")
        Compare(value, document->number());
      else if (word == "net")
        Compare(value, AmountOf(document->net()));
      else if (word == "tax")
        Compare(value, AmountOf(document->tax()));
      else if (word == "total")
        Compare(value, AmountOf(document->total()));
      else if (word == "due")
        Compare(value, FormatDate(CivilDay(due.year(), due.month(), due.day())));
      else
        return InvalidArgumentError("SYNTAX", "unknown word '" + word + "'");
    }
    return absl::OkStatus();
  }

  // expect tax A1 "Minnesota sales tax" 1.72
  absl::Status ExpectTax(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const std::string tax, r.Next("a tax"));
    ASSIGN_OR_RETURN(const std::string amount, r.Next("an amount"));
    int64_t sum = 0;
    for (const invoicing::Document& document : documents_) {
      if (document.account_id() != account) continue;
      for (const auto& row : document.taxes()) {
        const auto minor = FromUnitsNanos(row.amount().units(), row.amount().nanos(), 2);
        if (row.name() == tax || row.jurisdiction_code() == tax) sum += minor.ok() ? *minor : 0;
      }
    }
    Compare(amount, FormatMinor(sum, 2));
    return absl::OkStatus();
  }

  absl::StatusOr<payments::AccountBalance> BalanceOf(const std::string& name) {
    payments::GetAccountBalanceRequest request;
    ASSIGN_OR_RETURN(*request.mutable_account_id(), Id(world_.accounts, name, "account"));
    return world_.Call<payments::AccountBalance>("broadbill.payments.v1.Payments/GetAccountBalance",
                                                 request);
  }

  // expect balance A1 35.48 [past-due 35.48] [unapplied 0.00]
  absl::Status ExpectBalance(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const auto balance, BalanceOf(name));
    ASSIGN_OR_RETURN(const std::string amount, r.Next("an amount"));
    Compare(amount, AmountOf(balance.balance()));
    if (r.Take("past-due")) {
      ASSIGN_OR_RETURN(const std::string past, r.Next("an amount"));
      Compare(past, AmountOf(balance.past_due()));
    }
    if (r.Take("unapplied")) {
      ASSIGN_OR_RETURN(const std::string unapplied, r.Next("an amount"));
      Compare(unapplied, AmountOf(balance.unapplied()));
    }
    return absl::OkStatus();
  }

  // A document of the account by its number, or as the nth by due date; paid or not.
  absl::StatusOr<std::optional<payments::OpenItem>> OpenItemOf(const std::string& account,
                                                               const std::string& number) {
    payments::ListOpenItemsRequest request;
    request.set_account_id(account);
    request.set_include_closed(true);
    ASSIGN_OR_RETURN(const auto items,
                     world_.Call<payments::ListOpenItemsResponse>(
                         "broadbill.payments.v1.Payments/ListOpenItems", request));
    const int nth = number.size() < 4 ? std::atoi(number.c_str()) : 0;
    for (int i = 0; i < items.open_items_size(); ++i) {
      if (items.open_items(i).number() == number || i + 1 == nth) return items.open_items(i);
    }
    return std::nullopt;
  }

  // expect open A1 INV-2026-000001 35.48
  absl::Status ExpectOpen(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const std::string number, r.Next("a number"));
    ASSIGN_OR_RETURN(const std::string amount, r.Next("an amount"));
    ASSIGN_OR_RETURN(const auto item, OpenItemOf(account, number));
    if (item.has_value()) {
      Compare(amount, AmountOf(item->open()));
    } else {
      Report(line_ + 1, "the account has no open item " + number);
    }
    return absl::OkStatus();
  }

  // expect exception A1 MISSING_TAX_AREA
  absl::Status ExpectException(Reader& r) {
    ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
    ASSIGN_OR_RETURN(const std::string account, Id(world_.accounts, name, "account"));
    ASSIGN_OR_RETURN(const std::string reason, r.Next("a reason"));
    const auto list = [&](const std::vector<invoicing::RunException::Reason>& reasons) {
      invoicing::ListRunExceptionsRequest request;
      request.set_bill_run_id(run_.bill_run_id());
      request.set_account_id(account);
      for (const auto one : reasons) request.add_reasons(one);
      return world_.Call<invoicing::ListRunExceptionsResponse>(
          "broadbill.invoicing.v1.Invoicing/ListRunExceptions", request);
    };
    ASSIGN_OR_RETURN(const auto all, list({}));
    if (reason == "none") {
      if (!all.exceptions().empty()) Report(line_ + 1, "an exception waits");
      return absl::OkStatus();
    }
    invoicing::RunException::Reason wanted{};
    if (!invoicing::RunException::Reason_Parse(reason, &wanted)) {
      return InvalidArgumentError("SYNTAX", "unknown reason '" + reason + "'");
    }
    ASSIGN_OR_RETURN(const auto found, list({wanted}));
    if (!found.exceptions().empty()) return absl::OkStatus();
    std::string seen;
    for (const auto& exception : all.exceptions()) {
      seen += " " + invoicing::RunException::Reason_Name(exception.reason());
    }
    Report(line_ + 1, "no such exception; there are:" + seen);
    return absl::OkStatus();
  }

  // expect ledger zero
  absl::Status ExpectLedger(Reader& r) {
    r.Take("zero");
    ASSIGN_OR_RETURN(const auto verified, world_.Call<payments::VerifyLedgerResponse>(
                                              "broadbill.payments.v1.Payments/VerifyLedger",
                                              payments::VerifyLedgerRequest()));
    if (!verified.ok()) Report(line_ + 1, "the ledger does not balance");
    return absl::OkStatus();
  }

  // expect collected 35.48 | expect declined 49.99
  absl::Status ExpectCollected(const std::string& what, Reader& r) {
    ASSIGN_OR_RETURN(const std::string amount, r.Next("an amount"));
    const auto& list = what == "collected" ? collected_.collected() : collected_.declined_amount();
    Compare(amount, list.empty() ? "0.00" : AmountOf(list[0]));
    return absl::OkStatus();
  }

  absl::Status ExpectCount(Reader& r, int64_t was) {
    ASSIGN_OR_RETURN(const std::string count, r.Next("a number"));
    Compare(count, std::to_string(was));
    return absl::OkStatus();
  }

  const std::string name_;
  std::vector<std::string> lines_;
  size_t line_ = 0;
  int failures_ = 0;
  World world_;
  std::map<std::string, std::string> currencies_;  // by account name
  invoicing::BillRun run_;
  std::vector<invoicing::Document> documents_;
  std::map<std::string, std::string> credit_notes_;  // drafted last, by account
  std::set<std::string> seen_lines_;
  payments::RunCollectionsResponse collected_;
};

}  // namespace

int RunScenario(const std::string& name, const std::string& text,
                const std::function<void(World&)>& then) {
  Scenario scenario(name, text);
  const int failures = scenario.Run();
  if (then != nullptr) then(scenario.world());
  return failures;
}

}  // namespace broadbill::scenarios
