#include "services/broadbill/demo/generator.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "libs/calendar/time_zone.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/demo/dice.h"
#include "services/broadbill/demo/embedded.h"
#include "services/broadbill/demo/provider.h"
#include "services/broadbill/demo/traffic.h"

namespace broadbill::program {
namespace {

constexpr CivilDay kApril(2026, 4, 1);
// A larger provider writes to most of its customers on paper: a demo need not fill the disk.
constexpr int64_t kMailedMost = 5000;

struct Customer {
  int64_t index = 0;
  std::string number;
  bool business = false;
  int cycle_day = 1;
  int items = 0;
};

// One row of subscriptions.csv.
struct Item {
  std::string id, plan, start, paid_through;
  int64_t quantity = 1;
  std::string radius, did;
  std::string discount = ",,,,";  // percent, amount, label, from, to
};

class Generator {
 public:
  Generator(std::string folder, int64_t accounts, absl::TimeZone zone)
      : folder_(std::move(folder)), accounts_(accounts), traffic_(folder_, zone, dice_) {}

  absl::Status Run() {
    WriteFixed();
    OpenTables();
    for (int64_t i = 1; i <= accounts_; ++i) Account(i);
    ASSIGN_OR_RETURN(const auto files, traffic_.Finish());
    std::ofstream& usage = Open("usage.csv", "loaded_date,file,format");
    for (const TrafficFile& file : files) {
      usage << file.loaded_date << ',' << file.name << ',' << file.format << '\n';
    }
    for (auto& [name, file] : files_) {
      file.close();
      if (!file) return UnavailableError("DATA_DIR", "cannot write " + folder_ + "/" + name);
    }
    return absl::OkStatus();
  }

 private:
  std::ofstream& Open(const std::string& name, const std::string& header) {
    std::ofstream& file = files_[name];
    file.open(folder_ + "/" + name, std::ios::binary | std::ios::trunc);
    file << header << '\n';
    return file;
  }
  std::ofstream& To(const char* name) { return files_[name]; }

  void WriteFixed() {
    const std::pair<const char*, const char*> fixed[] = {
        {"plans.csv", kPlans},
        {"deck.csv", kDeck},
        {"deck_late.csv", kLateDeck},
        {"tax_rates.csv", kDemoTaxRates},
        {"tax_areas.csv", kDemoTaxAreas},
        {"runs.csv", "as_of\n2026-03-01\n2026-03-15\n2026-04-01\n"}};
    for (const auto& [name, text] : fixed) {
      std::ofstream& file = files_[name];
      file.open(folder_ + "/" + name, std::ios::binary | std::ios::trunc);
      file << text;
    }
  }

  void OpenTables() {
    Open("accounts.csv",
         "account_number,name,customer_class,currency,time_zone,cycle_day,terms_days,email,phone,"
         "street,city,region,postal_code,country");
    const std::string columns =
        "subscription_id,account_number,plan,start_date,end_date,paid_through,quantity,price,"
        "price_reason,description,radius_username,did,discount_percent,discount_amount,"
        "discount_label,discount_from,discount_to,changes";
    Open("subscriptions.csv", columns);
    Open("new_subscriptions.csv", "entered_date," + columns);
    Open("changes.csv", "entered_date,subscription_id,effective_date,change,value,reason");
    Open("payers.csv", "account_number,kind,pays_after_days");
    Open("payment_methods.csv", "account_number,token,label,kind");
    Open("opening_balances.csv", "account_number,amount,due_date,reference");
  }

  void Account(int64_t index) {
    Customer customer;
    customer.index = index;
    customer.number = absl::StrFormat("A%06d", index);
    customer.business = dice_.Chance(12);
    customer.cycle_day = dice_.Chance(20) ? 15 : 1;
    Person(customer);
    Internet(customer);
    if (customer.business) Business(customer);
    if (!customer.business && dice_.Chance(45)) Simple(customer, "router", 1);
    if (!customer.business && dice_.Chance(18)) Voice(customer, "home_phone", 1);
    if (dice_.Chance(6)) Simple(customer, "managed_wifi", 1);
    Payer(customer);
  }

  void Person(const Customer& customer) {
    const Town& town = PickTown();
    const std::string last = dice_.Pick(kLastNames);
    const std::string name = customer.business
                                 ? absl::StrCat(last, " ", dice_.Pick(kTrades), " LLC")
                                 : absl::StrCat(dice_.Pick(kFirstNames), " ", last);
    const bool mailed =
        dice_.Chance(96) && dice_.Between(1, std::max(accounts_, kMailedMost)) <= kMailedMost;
    const std::string email =
        mailed ? absl::StrFormat("a%06d@customers.example", customer.index) : "";
    const int64_t house = dice_.Between(100, 4999);
    To("accounts.csv") << customer.number << ',' << name << ','
                       << (customer.business ? "business" : "residential")
                       << ",USD,America/Chicago," << customer.cycle_day << ','
                       << (customer.business ? 30 : 15) << ',' << email << ",," << house << ' '
                       << dice_.Pick(kStreets) << ',' << town.name << ",MN," << town.zip << ",US\n";
  }

  const Town& PickTown() {
    int64_t at = dice_.Between(1, 100);
    for (const Town& town : kTowns) {
      at -= town.percent;
      if (at <= 0) return town;
    }
    return kTowns[0];
  }

  // An item that the former system billed until now.
  Item Existing(Customer& customer, const std::string& plan) {
    Item item;
    item.id = absl::StrFormat("S%06d-%d", customer.index, ++customer.items);
    item.plan = plan;
    item.start = FormatDate(CivilDay(2023, 1, 1) + dice_.Between(0, 1100));
    item.paid_through = customer.cycle_day == 1 ? "2026-03-01" : "2026-03-15";
    return item;
  }

  // The first day whose usage is ours to bill.
  static CivilDay UsageFrom(const Customer& customer) {
    return CivilDay(2026, 2, customer.cycle_day);
  }

  void Write(const Customer& customer, const Item& item, const std::string& entered = "") {
    std::ofstream& to = To(entered.empty() ? "subscriptions.csv" : "new_subscriptions.csv");
    if (!entered.empty()) to << entered << ',';
    to << item.id << ',' << customer.number << ',' << item.plan << ',' << item.start << ",,"
       << item.paid_through << ',' << item.quantity << ",,,," << item.radius << ',' << item.did
       << ',' << item.discount << ",\n";
  }

  void Change(const std::string& id, CivilDay entered, CivilDay effective,
              const std::string& change, const std::string& value, const std::string& reason = "") {
    To("changes.csv") << FormatDate(entered) << ',' << id << ',' << FormatDate(effective) << ','
                      << change << ',' << value << ',' << reason << '\n';
  }

  CivilDay InMarch(int64_t from, int64_t to) {
    return CivilDay(2026, 3, 1) + (dice_.Between(from, to) - 1);
  }

  void Internet(Customer& customer) {
    const std::string user = absl::StrFormat("u%06d", customer.index);
    Item item = Existing(customer, "business_1000");
    item.radius = user;
    if (!customer.business && dice_.Chance(6)) return Annual(customer, item);
    item.discount = Promotion();
    if (customer.business) return Write(customer, item);
    item.plan = dice_.Pick(kHomePlans);
    CivilDay from = UsageFrom(customer);
    CivilDay to = kApril;
    if (dice_.Chance(3)) {  // ordered in March
      from = InMarch(4, 28);
      item.start = FormatDate(from);
      item.paid_through.clear();
      item.discount = ",,,,";
      Write(customer, item, FormatDate(from - dice_.Between(0, 3)));
    } else {
      Write(customer, item);
      to = MidMonth(item.id, item.plan);
    }
    if (item.plan[0] == 'w') traffic_.Sessions(customer.index, user, from, to);
  }

  // Pays a year ahead; a sixth of them renews in the demo's months.
  void Annual(const Customer& customer, Item item) {
    item.plan = "fibre_500_year";
    const absl::CivilMonth month = absl::CivilMonth(2025, 3) + dice_.Between(0, 11);
    const CivilDay anchor(month.year(), month.month(), customer.cycle_day);
    item.start = FormatDate(anchor - dice_.Between(0, 27));
    item.paid_through = FormatDate(CivilDay(anchor.year() + 1, anchor.month(), anchor.day()));
    Write(customer, item);
    if (dice_.Chance(5)) {
      Change(item.id, CivilDay(2026, 3, 5), CivilDay(2026, 3, 20), "cancel", "", "moved_away");
    }
  }

  std::string Promotion() {
    const int64_t roll = dice_.Between(1, 100);
    if (roll <= 6) return "10,,Loyalty 10 %,2025-01-01,";
    if (roll <= 10) return ",5.00,Autopay discount,2025-06-01,";
    if (roll <= 13) return "20,,Spring offer 20 %,2026-03-01,2026-03-21";
    return ",,,,";
  }

  // What happens to some items in March; the first day without service.
  CivilDay MidMonth(const std::string& id, const std::string& plan) {
    const int64_t roll = dice_.Between(1, 1000);
    const CivilDay day = InMarch(3, 29);
    const CivilDay entered = std::max(CivilDay(2026, 3, 2), day - dice_.Between(-2, 6));
    if (roll <= 25) {
      Change(id, entered, day, "plan", plan == "fibre_1000" ? "fibre_500" : "fibre_1000");
    } else if (roll <= 40) {
      Change(id, entered, day, "plan", plan == "wireless_50" ? "wireless_20" : "wireless_50");
    } else if (roll <= 55) {
      Change(id, entered, day, "suspend", "", "customer_request");
      if (dice_.Chance(70)) Change(id, entered, day + dice_.Between(3, 12), "resume", "");
    } else if (roll <= 70) {
      Change(id, entered, day, "cancel", "", "moved_away");
      return day;
    } else if (roll <= 78) {
      Change(id, entered, day, "price", "29.99", "retention");
    }
    return kApril;
  }

  void Business(Customer& customer) {
    if (dice_.Chance(60)) Simple(customer, "static_ip", dice_.Between(1, 8));
    if (dice_.Chance(80)) Voice(customer, "business_line", dice_.Between(1, 6));
    if (dice_.Chance(30)) Simple(customer, "router", dice_.Between(1, 3));
  }

  void Simple(Customer& customer, const std::string& plan, int64_t quantity) {
    Item item = Existing(customer, plan);
    item.quantity = quantity;
    Write(customer, item);
    const int64_t roll = dice_.Between(1, 100);
    const CivilDay day = InMarch(3, 29);
    if (roll <= 4) {
      Change(item.id, day, day, "quantity", std::to_string(quantity + dice_.Between(1, 3)));
    } else if (roll <= 7) {
      Change(item.id, day, day, "cancel", "", "returned");
    }
  }

  void Voice(Customer& customer, const std::string& plan, int64_t quantity) {
    Item item = Existing(customer, plan);
    item.quantity = quantity;
    const std::string line = absl::StrFormat("1612%07d", customer.index);
    item.did = "+" + line;
    Write(customer, item);
    traffic_.Calls(line, dice_.Between(2, customer.business ? 25 : 12), UsageFrom(customer),
                   customer.index % 40 == 7);
  }

  void Payer(const Customer& customer) {
    const int64_t roll = dice_.Between(1, 100);
    const char* kind = roll <= 62   ? "autopay"
                       : roll <= 66 ? "declined"
                       : roll <= 91 ? "transfer"
                                    : "none";
    const bool transfer = roll > 66 && roll <= 91;
    To("payers.csv") << customer.number << ',' << kind << ','
                     << (transfer ? std::to_string(dice_.Between(2, 26)) : "") << '\n';
    if (roll <= 66) {
      const char* token = roll <= 61   ? "sim_ok_"
                          : roll == 62 ? "sim_lost_"
                          : roll == 63 ? "sim_stolen_"
                                       : "sim_insufficient_";
      To("payment_methods.csv") << customer.number << ',' << token << customer.index
                                << ",Visa ending in "
                                << absl::StrFormat("%04d", dice_.Between(0, 9999)) << ",card\n";
    }
    if (dice_.Chance(4)) {
      const int64_t cents = dice_.Between(1500, 12000);
      To("opening_balances.csv") << customer.number << ','
                                 << absl::StrFormat("%d.%02d", cents / 100, cents % 100)
                                 << ",2026-03-31,opening balance\n";
    }
  }

  const std::string folder_;
  const int64_t accounts_;
  Dice dice_{20260301};
  Traffic traffic_;
  std::map<std::string, std::ofstream> files_;
};

}  // namespace

absl::Status GenerateDemo(const std::string& folder, int64_t accounts) {
  if (accounts < 1 || accounts > kDemoAccountsMax) {
    return InvalidField("accounts", absl::StrCat("must be 1 to ", kDemoAccountsMax));
  }
  ASSIGN_OR_RETURN(const absl::TimeZone zone, LoadZone("America/Chicago"));
  return Generator(folder, accounts, zone).Run();
}

}  // namespace broadbill::program
