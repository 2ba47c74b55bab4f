#include "tests/bench/provider.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/imports.h"

namespace broadbill::bench {
namespace {

constexpr int64_t kAccountsPerFile = 20000;
constexpr int kCities = 50;
constexpr int kEventsPerMonth = 10;

constexpr char kPlans[] =
    "code,name,kind,tax_class,account_code,price,timing,months,allowance,usage_unit,block_size,"
    "block_price\n"
    "fibre_500,Fibre 500,internet,internet_access,4000,59.99,advance,1,,,,\n"
    "wireless_50,Wireless 50,internet,internet_access,4010,49.99,advance,1,250,gb,50,10.00\n"
    "router,Wi-Fi 6 router rental,equipment,equipment,4100,9.99,advance,1,,,,\n"
    "television,Television,tv,video,4300,29.99,advance,1,,,,\n"
    "home_phone,Home phone,voice,voice,4200,24.99,advance,1,,,,\n";

std::string Rates() {
  std::string out =
      "jurisdiction_code,jurisdiction_name,level,tax_code,tax_name,rate,valid_from,valid_to,"
      "tax_classes\n"
      "US-27,Minnesota,state,sales,State sales tax,6.875,2020-01-01,,\n"
      "US-27-053,Hennepin County,county,sales,County sales tax,0.15,2020-01-01,,\n";
  for (int city = 0; city < kCities; ++city) {
    absl::StrAppend(&out, "US-27-C", city, ",City ", city, ",city,sales,City sales tax,0.",
                    25 + city, ",2020-01-01,,\n");
  }
  return out;
}

std::string Zip(int64_t city) { return absl::StrFormat("55%03d", 100 + city); }

std::string Areas() {
  std::string out = "country,region,postal_code,jurisdictions\n";
  for (int city = 0; city < kCities; ++city) {
    absl::StrAppend(&out, "US,MN,", Zip(city), ",US-27 US-27-053 US-27-C", city, "\n");
  }
  return out;
}

bool IsMetered(const ProviderOptions& options, int64_t index) {
  return index * 100 / std::max<int64_t>(1, options.accounts) < options.usage_percent;
}

// Accounts are spread over the file order so that metered ones stand among the others.
int64_t Shuffled(const ProviderOptions& options, int64_t index) {
  return index * 7919 % options.accounts;
}

class Loader {
 public:
  Loader(rpc::Channel& channel, const rpc::Context& context, const ProviderOptions& options)
      : channel_(channel), context_(context), options_(options) {}

  absl::Status Run() {
    RETURN_IF_ERROR(Import("plans", "plans", kPlans));
    RETURN_IF_ERROR(Import("tax-rates", "rates", Rates()));
    RETURN_IF_ERROR(Import("tax-areas", "areas", Areas()));
    for (int64_t begin = 0; begin < options_.accounts; begin += kAccountsPerFile) {
      const int64_t end = std::min(begin + kAccountsPerFile, options_.accounts);
      RETURN_IF_ERROR(Import("accounts", "accounts", Accounts(begin, end)));
      RETURN_IF_ERROR(Import("subscriptions", "subscriptions", Subscriptions(begin, end)));
    }
    return absl::OkStatus();
  }

  absl::Status LoadUsage() {
    for (int64_t begin = 0; begin < options_.accounts; begin += kAccountsPerFile) {
      const int64_t end = std::min(begin + kAccountsPerFile, options_.accounts);
      const std::string events = Events(begin, end);
      if (events.empty()) continue;
      RETURN_IF_ERROR(
          Import("usage-events", "usage", "id,source,subject,time,quantity,type\n" + events));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Import(const std::string& kind, const std::string& name,
                      const std::string& content) {
    rpc::Context context = context_;
    context.deadline = absl::Now() + absl::Minutes(10);
    ASSIGN_OR_RETURN(const auto result, program::RunImport(channel_, context, kind, name, content));
    if (result.rows_read() > 0 && result.rows_refused() == 0) return absl::OkStatus();
    return FailedPreconditionError("IMPORT", name + ": " + result.ShortDebugString());
  }

  std::string Accounts(int64_t begin, int64_t end) const {
    std::string out =
        "account_number,name,customer_class,currency,time_zone,cycle_day,terms_days,email,street,"
        "city,region,postal_code,country\n";
    for (int64_t i = begin; i < end; ++i) {
      const int64_t index = Shuffled(options_, i);
      absl::StrAppend(&out, Number(index), ",Customer ", index, ",residential,USD,America/Chicago,",
                      "1,15,c", index, "@customers.example,", 1 + index % 4999,
                      " Summit Avenue,City ", index % kCities, ",MN,", Zip(index % kCities),
                      ",US\n");
    }
    return out;
  }

  std::string Subscriptions(int64_t begin, int64_t end) const {
    std::string out = "subscription_id,account_number,plan,start_date,meter_subject\n";
    const std::string start = FormatDate(options_.first_month);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t index = Shuffled(options_, i);
      const bool metered = IsMetered(options_, index);
      int item = 0;
      const auto add = [&](const char* plan, const std::string& subject) {
        absl::StrAppend(&out, "S", index, "-", ++item, ",", Number(index), ",", plan, ",", start,
                        ",", subject, "\n");
      };
      add(metered ? "wireless_50" : "fibre_500", metered ? absl::StrCat("m", index) : "");
      add("router", "");
      add("television", "");
      if (!metered) add("home_phone", "");
    }
    return out;
  }

  // 400 GB a month in ten readings: three started blocks of overage.
  std::string Events(int64_t begin, int64_t end) const {
    std::string out;
    const CivilDay month = options_.usage_month;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t index = Shuffled(options_, i);
      if (!IsMetered(options_, index)) continue;
      for (int event = 0; event < kEventsPerMonth; ++event) {
        absl::StrAppend(
            &out, "e", index, "-", event, ",bench,m", index, ",",
            absl::StrFormat("%04d-%02d-%02dT12:00:00Z", month.year(), month.month(), 2 + event * 2),
            ",40000000000,data\n");
      }
    }
    return out;
  }

  static std::string Number(int64_t index) { return absl::StrFormat("B%07d", index); }

  rpc::Channel& channel_;
  const rpc::Context context_;
  const ProviderOptions options_;
};

}  // namespace

absl::Status LoadProvider(rpc::Channel& channel, const rpc::Context& context,
                          const ProviderOptions& options) {
  return Loader(channel, context, options).Run();
}

absl::Status LoadProviderUsage(rpc::Channel& channel, const rpc::Context& context,
                               const ProviderOptions& options) {
  return Loader(channel, context, options).LoadUsage();
}

}  // namespace broadbill::bench
