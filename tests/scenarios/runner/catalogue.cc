#include "tests/scenarios/runner/catalogue.h"

#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/accounts/v1/company.pb.h"
#include "broadbill/accounts/v1/subscription.pb.h"
#include "broadbill/invoicing/v1/preview.pb.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"

namespace broadbill::scenarios {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace invoicing = broadbill::invoicing::v1;

absl::StatusOr<std::string> Named(const std::map<std::string, std::string>& names,
                                  const std::string& name, const char* what) {
  const auto found = names.find(name);
  if (found != names.end()) return found->second;
  return InvalidArgumentError("SYNTAX", absl::StrCat("no ", what, " '", name, "'"));
}

absl::StatusOr<int> Number(Reader& r) {
  ASSIGN_OR_RETURN(const std::string text, r.Next("a number"));
  if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos) {
    return std::atoi(text.c_str());
  }
  return InvalidArgumentError("SYNTAX", "'" + text + "' is no number");
}

// "20.00/month", "150.00" or "claw-back".
absl::Status ReadLeaving(Reader& r, accounts::Contract* contract) {
  ASSIGN_OR_RETURN(const std::string text, r.Next("what leaving early costs"));
  if (text == "claw-back") {
    contract->set_early_termination(accounts::Contract::CLAW_BACK);
    return absl::OkStatus();
  }
  const size_t slash = text.find("/month");
  contract->set_early_termination(slash == std::string::npos
                                      ? accounts::Contract::FIXED
                                      : accounts::Contract::REMAINING_MONTHS);
  contract->mutable_fee_amount()->set_value(text.substr(0, slash));
  return absl::OkStatus();
}

absl::Status ReadContract(Reader& r, accounts::Contract* contract) {
  ASSIGN_OR_RETURN(const int months, Number(r));
  contract->set_months(months);
  while (true) {
    if (r.Take("renew")) {
      ASSIGN_OR_RETURN(const int renewal, Number(r));
      contract->set_renewal_months(renewal);
    } else if (r.Take("notice")) {
      ASSIGN_OR_RETURN(const int days, Number(r));
      contract->set_notice_days(days);
    } else if (r.Take("leave")) {
      RETURN_IF_ERROR(ReadLeaving(r, contract));
    } else {
      return absl::OkStatus();
    }
  }
}

absl::Status ReadHold(Reader& r, accounts::SeasonalHold* hold) {
  while (true) {
    if (r.Take("min")) {
      ASSIGN_OR_RETURN(const int days, Number(r));
      hold->set_min_days(days);
    } else if (r.Take("days")) {
      ASSIGN_OR_RETURN(const int days, Number(r));
      hold->set_max_days_per_year(days);
    } else if (r.Take("times")) {
      ASSIGN_OR_RETURN(const int times, Number(r));
      hold->set_max_per_year(times);
    } else {
      return absl::OkStatus();
    }
  }
}

// The last words of a statement that must fail: "refused REASON". The status it then ends with.
absl::Status Judge(const absl::Status& status, const std::string& refused) {
  if (refused.empty()) return status;
  if (status.ok()) return InvalidArgumentError("EXPECTED", "it was not refused");
  const std::string reason = ReasonOf(status);
  if (reason == refused) return absl::OkStatus();
  return InvalidArgumentError(
      "EXPECTED", "refused by " + reason + ": " + std::string(StdView(status.message())));
}

absl::StatusOr<std::string> Refusal(Reader& r) {
  if (!r.Take("refused")) return std::string();
  return r.Next("the reason of the refusal");
}

absl::StatusOr<accounts::Subscription> Find(World& world, const std::string& name) {
  accounts::GetSubscriptionRequest get;
  ASSIGN_OR_RETURN(*get.mutable_subscription_id(),
                   Named(world.subscriptions, name, "subscription"));
  return world.Call<accounts::Subscription>("broadbill.accounts.v1.Accounts/GetSubscription", get);
}

std::string Text(const google::type::Date& date) {
  return convert::IsUnset(date) ? "-" : FormatDate(CivilDay(date.year(), date.month(), date.day()));
}

// What changes: all but the date.
absl::Status ReadChange(World& world, const std::string& kind, Reader& r,
                        accounts::SubscriptionChange* change) {
  if (kind == "plan") {
    ASSIGN_OR_RETURN(*change->mutable_plan()->mutable_plan_id(), r.Next("a plan"));
    if (r.Take("keep-price")) change->mutable_plan()->set_keep_price_override(true);
    if (r.Take("at-boundary"))
      change->mutable_plan()->set_when(accounts::ChangePlan::NEXT_BOUNDARY);
    if (r.Take("now")) change->mutable_plan()->set_when(accounts::ChangePlan::ON_DATE);
  } else if (kind == "quantity") {
    ASSIGN_OR_RETURN(*change->mutable_quantity()->mutable_quantity()->mutable_value(),
                     r.Next("a quantity"));
  } else if (kind == "price") {
    ASSIGN_OR_RETURN(*change->mutable_price()->mutable_amount()->mutable_value(),
                     r.Next("a price"));
    change->mutable_price()->set_reason("scenario");
  } else if (kind == "clear-price") {
    change->mutable_clear_price();
  } else if (kind == "suspend") {
    change->mutable_suspend()->set_reason(r.Take("seasonal") ? "seasonal" : "scenario");
  } else if (kind == "resume") {
    change->mutable_resume();
  } else if (kind == "cancel") {
    change->mutable_cancel()->set_no_refund(r.Take("no-refund"));
    if (r.Take("because")) {
      ASSIGN_OR_RETURN(*change->mutable_cancel()->mutable_reason(), r.Next("a reason"));
    }
  } else if (kind == "move") {
    ASSIGN_OR_RETURN(const std::string location, r.Next("a location"));
    ASSIGN_OR_RETURN(*change->mutable_move()->mutable_location_id(),
                     Named(world.locations, location, "location"));
  } else {
    return InvalidArgumentError("SYNTAX", "unknown change '" + kind + "'");
  }
  return absl::OkStatus();
}

absl::Status ReadSubscribeOption(World& world, const std::string& word, const std::string& value,
                                 accounts::Subscription* subscription) {
  const auto day = ParseDate(value);
  if (word == "from" && day.ok()) {
    *subscription->mutable_start_date() = convert::ToProto(*day);
  } else if (word == "to" && day.ok()) {
    *subscription->mutable_end_date() = convert::ToProto(*day);
  } else if (word == "paid-through" && day.ok()) {
    *subscription->mutable_paid_through() = convert::ToProto(*day);
  } else if (word == "quantity") {
    subscription->mutable_quantity()->set_value(value);
  } else if (word == "price") {
    subscription->mutable_price_override()->mutable_amount()->set_value(value);
    subscription->mutable_price_override()->set_reason("scenario");
  } else if (word == "radius" || word == "did") {
    auto* identifier = subscription->add_identifiers();
    identifier->set_kind(word == "did" ? accounts::Identifier::DID
                                       : accounts::Identifier::RADIUS_USERNAME);
    identifier->set_value(value);
  } else if (word == "at") {
    ASSIGN_OR_RETURN(*subscription->mutable_location_id(),
                     Named(world.locations, value, "location"));
  } else if (word == "ends-with") {
    ASSIGN_OR_RETURN(*subscription->mutable_coterminous_with(),
                     Named(world.subscriptions, value, "subscription"));
  } else {
    return InvalidArgumentError("SYNTAX", "unknown word '" + word + "'");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> ReadPlanTerms(const std::string& word, Reader& r, accounts::Plan* plan) {
  if (word == "first") {
    ASSIGN_OR_RETURN(const std::string what, r.Next("and_next or full"));
    if (what != "and_next" && what != "full") {
      return InvalidArgumentError("SYNTAX", "expected 'first and_next' or 'first full'");
    }
    plan->set_first_invoice(what == "full" ? accounts::FULL_THEN_STUB : accounts::PRORATE_AND_NEXT);
  } else if (word == "currency") {
    ASSIGN_OR_RETURN(*plan->mutable_currency_code(), r.Next("a currency"));
  } else if (word == "setup") {
    ASSIGN_OR_RETURN(*plan->mutable_setup_fee()->mutable_amount()->mutable_value(),
                     r.Next("the setup fee"));
  } else if (word == "free") {
    ASSIGN_OR_RETURN(const int periods, Number(r));
    plan->set_free_periods(periods);
  } else if (word == "contract") {
    RETURN_IF_ERROR(ReadContract(r, plan->mutable_contract()));
  } else if (word == "loyalty") {
    accounts::LoyaltyStep* step = plan->add_loyalty();
    ASSIGN_OR_RETURN(const int months, Number(r));
    step->set_after_months(months);
    ASSIGN_OR_RETURN(std::string percent, r.Next("a percentage like 5%"));
    if (percent.back() == '%') percent.pop_back();
    step->mutable_percent()->set_value(percent);
  } else if (word == "seasonal") {
    RETURN_IF_ERROR(ReadHold(r, plan->mutable_seasonal_hold()));
  } else {
    return false;
  }
  return true;
}

// subscribe A1 fibre_500 [as S1] from 2026-03-10 [quantity 2] [price 40] [to 2026-05-15] [at PLACE]
//   [radius ann] [did +16125550142] [paid-through 2026-06-01] [ends-with S0] [no-setup-fee]
//   [refused REASON]
absl::Status Subscribe(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
  accounts::CreateSubscriptionRequest request;
  ASSIGN_OR_RETURN(*request.mutable_account_id(), Named(world.accounts, name, "account"));
  accounts::Subscription* subscription = request.mutable_subscription();
  ASSIGN_OR_RETURN(*subscription->mutable_plan_id(), r.Next("a plan"));
  subscription->set_location_id(world.locations[name]);
  std::string called = name;
  std::string refused;
  while (!r.done()) {
    if (r.Take("no-setup-fee")) {
      subscription->set_setup_fee_waived(true);
      continue;
    }
    ASSIGN_OR_RETURN(const std::string word, r.Next("an option"));
    ASSIGN_OR_RETURN(const std::string value, r.Next("its value"));
    if (word == "as") {
      called = value;
    } else if (word == "refused") {
      refused = value;
    } else {
      RETURN_IF_ERROR(ReadSubscribeOption(world, word, value, subscription));
    }
  }
  const auto made = world.Call<accounts::Subscription>(
      "broadbill.accounts.v1.Accounts/CreateSubscription", request);
  if (made.ok()) world.subscriptions[called] = made->subscription_id();
  return Judge(made.status(), refused);
}

// change S1 plan fibre_1000 [keep-price] [at-boundary|now] | quantity 3 | price 40 | clear-price |
//   suspend [seasonal] | resume | cancel [no-refund] [because R] | move PLACE  [on DATE]
//   [refused REASON]; only a change of plan may leave the date out
absl::Status Change(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const std::string name, r.Next("a subscription"));
  accounts::CreateSubscriptionChangeRequest request;
  ASSIGN_OR_RETURN(*request.mutable_subscription_id(),
                   Named(world.subscriptions, name, "subscription"));
  ASSIGN_OR_RETURN(const std::string kind, r.Next("what changes"));
  RETURN_IF_ERROR(ReadChange(world, kind, r, request.mutable_change()));
  if (r.Take("on")) {
    ASSIGN_OR_RETURN(const CivilDay day, r.Day());
    *request.mutable_change()->mutable_effective_date() = convert::ToProto(day);
  } else if (kind != "plan") {
    return InvalidArgumentError("SYNTAX", "expected 'on DATE'");
  }
  ASSIGN_OR_RETURN(const std::string refused, Refusal(r));
  return Judge(world
                   .Call<accounts::Subscription>(
                       "broadbill.accounts.v1.Accounts/CreateSubscriptionChange", request)
                   .status(),
               refused);
}

// location A1 PLACE [zip 55901] [city Rochester] [region MN] [country US]
absl::Status AddLocation(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const std::string name, r.Next("an account"));
  ASSIGN_OR_RETURN(const std::string place, r.Next("a name for the location"));
  accounts::CreateLocationRequest request;
  ASSIGN_OR_RETURN(*request.mutable_account_id(), Named(world.accounts, name, "account"));
  request.mutable_location()->set_name(place);
  auto* address = request.mutable_location()->mutable_address();
  address->set_country_code("US");
  while (!r.done()) {
    ASSIGN_OR_RETURN(const std::string word, r.Next("an option"));
    ASSIGN_OR_RETURN(const std::string value, r.Next("its value"));
    if (word == "zip") {
      address->set_postal_code(value);
    } else if (word == "city") {
      address->set_city(value);
    } else if (word == "region") {
      address->set_region(value);
    } else if (word == "country") {
      address->set_country_code(value);
    } else {
      return InvalidArgumentError("SYNTAX", "unknown word '" + word + "'");
    }
  }
  ASSIGN_OR_RETURN(const auto made, world.Call<accounts::Location>(
                                        "broadbill.accounts.v1.Accounts/CreateLocation", request));
  world.locations[place] = made.location_id();
  return absl::OkStatus();
}

// prices PLAN… +5%|-2.00|59.99 from DATE [notice N] [notify] [refused REASON]
absl::Status ChangePrices(World& world, Reader& r) {
  accounts::ChangePricesRequest request;
  std::string value;
  while (!r.done() && r.Peek() != "from") {
    if (!value.empty()) request.add_plan_ids(value);
    ASSIGN_OR_RETURN(value, r.Next("a plan or a price"));
  }
  if (value.empty()) return InvalidArgumentError("SYNTAX", "expected a price like +5% or 59.99");
  const bool relative = value[0] == '+' || value[0] == '-';
  if (value[0] == '+') value.erase(0, 1);
  if (value.back() == '%') {
    value.pop_back();
    request.mutable_percent()->set_value(value);
  } else {
    (relative ? request.mutable_amount() : request.mutable_price())->set_value(value);
  }
  r.Take("from");
  ASSIGN_OR_RETURN(const CivilDay from, r.Day());
  *request.mutable_valid_from() = convert::ToProto(from);
  if (r.Take("notice")) {
    ASSIGN_OR_RETURN(const int days, Number(r));
    request.set_notice_days(days);
  }
  request.set_notify(r.Take("notify"));
  ASSIGN_OR_RETURN(const std::string refused, Refusal(r));
  return Judge(world
                   .Call<accounts::ChangePricesResponse>(
                       "broadbill.accounts.v1.Accounts/ChangePrices", request)
                   .status(),
               refused);
}

// payer CHILD ACCOUNT|none [refused REASON]
absl::Status SetPayer(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const std::string child, r.Next("an account"));
  ASSIGN_OR_RETURN(const std::string payer, r.Next("an account or none"));
  accounts::UpdateAccountRequest request;
  ASSIGN_OR_RETURN(*request.mutable_account_id(), Named(world.accounts, child, "account"));
  request.mutable_update_mask()->add_paths("parent_account_id");
  if (payer != "none") {
    ASSIGN_OR_RETURN(*request.mutable_account()->mutable_parent_account_id(),
                     Named(world.accounts, payer, "account"));
  }
  ASSIGN_OR_RETURN(const std::string refused, Refusal(r));
  return Judge(
      world.Call<accounts::Account>("broadbill.accounts.v1.Accounts/UpdateAccount", request)
          .status(),
      refused);
}

// seller [corrections credit-note|next-invoice] [due-basis cycle-day|invoice-date]
absl::Status SetSeller(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const auto companies, world.Call<accounts::ListCompaniesResponse>(
                                             "broadbill.accounts.v1.Accounts/ListCompanies",
                                             accounts::ListCompaniesRequest()));
  accounts::UpdateCompanyRequest request;
  request.set_company_id(companies.companies(0).company_id());
  if (r.Take("corrections")) {
    request.mutable_update_mask()->add_paths("correction_mode");
    ASSIGN_OR_RETURN(const std::string mode, r.Next("credit-note or next-invoice"));
    request.mutable_company()->set_correction_mode(
        mode == "credit-note" ? accounts::Company::CREDIT_NOTE : accounts::Company::NEXT_INVOICE);
  }
  if (r.Take("due-basis")) {
    request.mutable_update_mask()->add_paths("due_basis");
    ASSIGN_OR_RETURN(const std::string basis, r.Next("cycle-day or invoice-date"));
    request.mutable_company()->set_due_basis(
        basis == "cycle-day" ? accounts::Company::CYCLE_DAY : accounts::Company::INVOICE_DATE);
  }
  return world.Call<accounts::Company>("broadbill.accounts.v1.Accounts/UpdateCompany", request)
      .status();
}

// expect term S1 none | 2026-03-10..2027-03-10 [notice-by DATE]
absl::StatusOr<std::string> ExpectTerm(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const std::string name, r.Next("a subscription"));
  ASSIGN_OR_RETURN(std::string expected, r.Next("the term"));
  if (r.Take("notice-by")) {
    ASSIGN_OR_RETURN(const std::string day, r.Next("a date"));
    expected += " notice-by " + day;
  }
  ASSIGN_OR_RETURN(const auto found, Find(world, name));
  std::string was = "none";
  if (found.has_contract_term()) {
    const accounts::ContractTerm& term = found.contract_term();
    was = Text(term.start_date()) + ".." + Text(term.end_date());
    if (term.has_notice_by()) was += " notice-by " + Text(term.notice_by());
  }
  return was == expected ? std::string() : "was " + was;
}

// expect changed S1 on DATE: the day of the change that was recorded last
absl::StatusOr<std::string> ExpectChanged(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const std::string name, r.Next("a subscription"));
  r.Take("on");
  ASSIGN_OR_RETURN(const std::string day, r.Next("a date"));
  ASSIGN_OR_RETURN(const auto found, Find(world, name));
  const accounts::SubscriptionChange* last = nullptr;
  for (const accounts::SubscriptionChange& change : found.changes()) {
    if (last == nullptr || change.change_id() > last->change_id()) last = &change;
  }
  const std::string was = last == nullptr ? "never" : Text(last->effective_date());
  return was == day ? std::string() : "was " + was;
}

namespace {

// A change of a subscription, or a new one of an account.
absl::Status ReadSupposed(World& world, Reader& r, invoicing::PreviewAccountRequest* request) {
  ASSIGN_OR_RETURN(const std::string name, r.Next("a subscription or an account"));
  accounts::HypotheticalChange* supposed = request->add_changes();
  if (r.Take("subscribe")) {
    ASSIGN_OR_RETURN(*request->mutable_account_id(), Named(world.accounts, name, "account"));
    supposed->set_account_id(request->account_id());
    accounts::Subscription* subscription = supposed->mutable_subscription();
    ASSIGN_OR_RETURN(*subscription->mutable_plan_id(), r.Next("a plan"));
    subscription->set_location_id(world.locations[name]);
    if (!r.Take("from")) return InvalidArgumentError("SYNTAX", "expected 'from DATE'");
    ASSIGN_OR_RETURN(const CivilDay day, r.Day());
    *subscription->mutable_start_date() = convert::ToProto(day);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto found, Find(world, name));
  request->set_account_id(found.account_id());
  supposed->set_subscription_id(found.subscription_id());
  ASSIGN_OR_RETURN(const std::string kind, r.Next("what changes"));
  RETURN_IF_ERROR(ReadChange(world, kind, r, supposed->mutable_change()));
  if (!r.Take("on")) return absl::OkStatus();
  ASSIGN_OR_RETURN(const CivilDay day, r.Day());
  *supposed->mutable_change()->mutable_effective_date() = convert::ToProto(day);
  return absl::OkStatus();
}

std::string Amount(const google::type::Money& money) {
  const auto minor = FromUnitsNanos(money.units(), money.nanos(), 2);
  return minor.ok() ? FormatMinor(*minor, 2) : "?";
}

}  // namespace

// expect preview S1 plan large on 2026-03-10 | A1 subscribe small from 2026-03-10
//   [due-today 21.29] [credited -35.48] [next-bill 79.99] [next-date 2026-04-01] [documents 1]
absl::StatusOr<std::string> ExpectPreview(World& world, Reader& r) {
  invoicing::PreviewAccountRequest request;
  RETURN_IF_ERROR(ReadSupposed(world, r, &request));
  *request.mutable_as_of() = convert::ToProto(world.today());
  ASSIGN_OR_RETURN(const auto answer,
                   world.Call<invoicing::PreviewAccountResponse>(
                       "broadbill.invoicing.v1.Invoicing/PreviewAccount", request));
  std::string out;
  while (!r.done()) {
    ASSIGN_OR_RETURN(const std::string word, r.Next("what"));
    ASSIGN_OR_RETURN(const std::string expected, r.Next("its value"));
    std::string was;
    if (word == "due-today") {
      was = Amount(answer.due_today());
    } else if (word == "credited") {
      was = Amount(answer.credited());
    } else if (word == "next-bill") {
      was = Amount(answer.next_bill().total());
    } else if (word == "next-date") {
      was = answer.has_next_bill_date() ? Text(answer.next_bill_date()) : "none";
    } else if (word == "documents") {
      was = std::to_string(answer.documents_size());
    } else {
      return InvalidArgumentError("SYNTAX", "unknown word '" + word + "'");
    }
    if (was != expected) absl::StrAppend(&out, out.empty() ? "" : ", ", word, " was ", was);
  }
  return out;
}

}  // namespace broadbill::scenarios
