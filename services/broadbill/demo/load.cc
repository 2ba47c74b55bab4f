// What is there before the demo's first day.

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "broadbill/accounts/v1/company.pb.h"
#include "libs/csv/reader.h"
#include "libs/status/macros.h"
#include "services/broadbill/demo/calendar.h"
#include "services/broadbill/demo/parts.h"

namespace broadbill::program {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace payments = broadbill::payments::v1;

}  // namespace

absl::Status Calendar::NameCompany() {
  accounts::UpdateCompanyRequest request;
  request.set_company_id("default");
  accounts::Company* company = request.mutable_company();
  company->set_name("North Woods Fiber LLC");
  company->mutable_address()->add_lines("200 Harbor Drive");
  company->mutable_address()->set_city("Duluth");
  company->mutable_address()->set_region("MN");
  company->mutable_address()->set_postal_code("55802");
  company->mutable_address()->set_country_code("US");
  company->set_currency_code("USD");
  company->set_time_zone("America/Chicago");
  company->set_language("en");
  company->set_logo_text("North Woods Fiber");
  company->set_logo_color("#1f6f54");
  company->set_email("billing@northwoods.example");
  company->set_phone("+1 218 555 0100");
  company->set_website("northwoods.example");
  company->set_payment_instructions("Pay by bank transfer or check to North Woods Fiber LLC.");
  return world_.Call<accounts::Company>("broadbill.accounts.v1.Accounts/UpdateCompany", request)
      .status();
}

absl::Status Calendar::CreatePolicy() {
  payments::CreateDunningPolicyRequest request;
  payments::DunningPolicy* policy = request.mutable_policy();
  policy->set_code("default");
  policy->set_grace_days(5);
  payments::DunningStep* reminder = policy->add_steps();
  reminder->set_name("reminder_1");
  reminder->set_after_days(1);
  reminder->mutable_reminder();
  payments::DunningStep* fee = policy->add_steps();
  fee->set_name("late_fee");
  fee->set_after_days(5);
  fee->mutable_late_fee()->set_mode(payments::LateFee::PERCENT);
  fee->mutable_late_fee()->mutable_percent()->set_value("1.5");
  fee->mutable_late_fee()->mutable_minimum()->set_value("1.00");
  fee->mutable_late_fee()->set_description("Late fee");
  return world_
      .Call<payments::DunningPolicy>("broadbill.payments.v1.Payments/CreateDunningPolicy", request)
      .status();
}

absl::Status Calendar::Load() {
  RETURN_IF_ERROR(NameCompany());
  RETURN_IF_ERROR(CreatePolicy());
  struct Step {
    const char* kind;
    const char* file;
    const char* what;
    std::map<std::string, std::string> fields;
  };
  const Step steps[] = {{"plans", "plans.csv", "plans", {}},
                        {"tax-rates", "tax_rates.csv", "tax rates", {}},
                        {"tax-areas", "tax_areas.csv", "tax areas", {}},
                        {"deck", "deck.csv", "call rates", {{"deck_code", "retail"}}},
                        {"accounts", "accounts.csv", "accounts", {}},
                        {"subscriptions", "subscriptions.csv", "subscriptions", {}},
                        {"payment-methods", "payment_methods.csv", "payment methods", {}},
                        {"opening-balances", "opening_balances.csv", "opening balances", {}}};
  std::string loaded;
  for (const Step& step : steps) {
    ASSIGN_OR_RETURN(const int64_t rows, world_.progress().Timed("loading customers", [&] {
      return world_.ImportFile(step.kind, step.file, step.fields);
    }));
    absl::StrAppend(&loaded, loaded.empty() ? "" : ", ", Grouped(rows), " ", step.what);
    // Payments learns of accounts by feed.
    if (step.kind == std::string("subscriptions")) RETURN_IF_ERROR(world_.Settle());
  }
  RETURN_IF_ERROR(world_.Settle());
  world_.progress().Say("loaded " + loaded);
  return ReadCalendar();
}

absl::Status Calendar::ReadCalendar() {
  ASSIGN_OR_RETURN(subscriptions_, RowsByDay(world_.input("new_subscriptions.csv")));
  ASSIGN_OR_RETURN(changes_, RowsByDay(world_.input("changes.csv")));
  const auto each_row = [&](const char* name, const auto& use) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(world_.input(name)));
    csv::Reader reader(text);
    csv::Row row;
    reader.Next(row);  // the header
    while (reader.Next(row)) RETURN_IF_ERROR(use(row.fields));
    return absl::OkStatus();
  };
  using Fields = std::vector<std::string>;
  RETURN_IF_ERROR(each_row("usage.csv", [&](const Fields& fields) -> absl::Status {
    ASSIGN_OR_RETURN(const CivilDay day, ParseDate(fields[0]));
    usage_[day].push_back({fields[1], fields[2]});
    return absl::OkStatus();
  }));
  RETURN_IF_ERROR(each_row("runs.csv", [&](const Fields& fields) -> absl::Status {
    ASSIGN_OR_RETURN(const CivilDay day, ParseDate(fields[0]));
    runs_[day] = true;
    return absl::OkStatus();
  }));
  return each_row("payers.csv", [&](const Fields& fields) -> absl::Status {
    int days = 0;
    if (fields[1] == "transfer" && absl::SimpleAtoi(fields[2], &days))
      pays_after_[fields[0]] = days;
    return absl::OkStatus();
  });
}

}  // namespace broadbill::program
