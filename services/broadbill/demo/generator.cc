#include "services/broadbill/demo/generator.h"

#include <array>
#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "libs/calendar/date.h"
#include "libs/calendar/time_zone.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::program {
namespace {

constexpr int kRecordsPerFile = 40000;

// splitmix64: the same on every machine, which the distributions of <random> are not.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  int64_t Between(int64_t low, int64_t high) {  // both included
    return low + static_cast<int64_t>(Next() % static_cast<uint64_t>(high - low + 1));
  }
  bool Chance(int percent) { return Between(1, 100) <= percent; }
  template <class Array>
  const auto& Pick(const Array& array) {
    return array[static_cast<size_t>(Between(0, static_cast<int64_t>(std::size(array)) - 1))];
  }

 private:
  uint64_t state_;
};

struct Town {
  const char* name;
  const char* zip;
  int weight;
};
constexpr Town kTowns[] = {
    {"Minneapolis", "55401", 14}, {"Minneapolis", "55408", 12}, {"Minneapolis", "55414", 10},
    {"Bloomington", "55420", 9},  {"Saint Paul", "55102", 12},  {"Saint Paul", "55104", 10},
    {"Duluth", "55802", 10},      {"Rochester", "55901", 10},   {"Mankato", "56001", 6},
    {"Saint Cloud", "56301", 6},  {"Moorhead", "56560", 1}};
constexpr const char* kFirst[] = {"Anna",  "Bjorn",  "Carla", "David", "Elena", "Frank", "Greta",
                                  "Henry", "Ingrid", "James", "Karin", "Leif",  "Maria", "Nils",
                                  "Olga",  "Peter",  "Quinn", "Rosa",  "Sven",  "Tanya"};
constexpr const char* kLast[] = {"Anderson", "Berg",      "Carlson",   "Dahl",    "Erickson",
                                 "Foss",     "Gustafson", "Hanson",    "Iverson", "Johnson",
                                 "Krause",   "Larson",    "Moe",       "Nelson",  "Olson",
                                 "Peterson", "Quist",     "Rasmussen", "Swanson", "Thompson"};
constexpr const char* kTrade[] = {"Dental",  "Bakery",     "Hardware", "Law Office", "Printing",
                                  "Brewing", "Veterinary", "Design",   "Logistics",  "Clinic"};
constexpr const char* kStreet[] = {"Lake Street", "Grand Avenue", "Summit Avenue", "Main Street",
                                   "Oak Lane",    "River Road",   "Hill Drive",    "Park Place"};

constexpr char kPlans[] =
    R"(code,name,kind,tax_class,account_code,price,timing,months,suspension,hold_price,term_discount_percent,allowance,usage_unit,usage_direction,prorate_allowance,block_size,block_price,usage_tax_class,decks
fibre_100,Fibre 100,internet,internet_access,4000,39.99,advance,1,stop,,,,,,,,,,
fibre_500,Fibre 500,internet,internet_access,4000,59.99,advance,1,stop,,,,,,,,,,
fibre_1000,Fibre 1000,internet,internet_access,4000,89.99,advance,1,stop,,,,,,,,,,
fibre_500_year,"Fibre 500, a year",internet,internet_access,4000,719.88,advance,12,keep,,10,,,,,,,,
wireless_20,Wireless 20,internet,internet_access,4010,34.99,advance,1,hold,5.00,,250,gb,both,yes,50,10.00,internet_access,
wireless_50,Wireless 50,internet,internet_access,4010,49.99,advance,1,hold,5.00,,500,gb,both,yes,50,10.00,internet_access,
business_1000,Business Fibre 1000,internet,internet_access,4020,199.99,advance,1,keep,,,,,,,,,,
static_ip,Static IP address,internet,internet_access,4030,5.00,advance,1,keep,,,,,,,,,,
managed_wifi,Managed Wi-Fi,internet,internet_access,4040,14.99,arrears,1,keep,,,,,,,,,,
router,Wi-Fi 6 router rental,equipment,equipment,4100,9.99,advance,1,keep,,,,,,,,,,
home_phone,Home phone,voice,voice,4200,24.99,advance,1,keep,,,,,,,,,,retail
business_line,Business line,voice,voice,4210,34.99,advance,1,keep,,,,,,,,,,retail
)";

constexpr char kDeck[] =
    R"(prefix,destination,rate_per_minute,connect_fee,first_increment,next_increment
1,United States and Canada,0.0127,0,1,1
1800,Toll-free,0,0,60,60
1888,Toll-free,0,0,60,60
44,United Kingdom,0.0350,0,60,60
447,United Kingdom mobile,0.1900,0.05,60,60
49,Germany,0.0290,0,60,60
4915,Germany mobile,0.1750,0.05,60,60
52,Mexico,0.0480,0,30,6
81,Japan,0.0610,0,60,60
8816,Iridium,1.4900,0.25,60,60
)";

constexpr const char* kDialled[] = {"6125550",      "16515550",    "2185550",      "15075550",
                                    "18005550",     "01144207946", "011447700900", "01149301234",
                                    "011491512345", "01152551234", "01181312345"};

class Generator {
 public:
  Generator(std::string folder, int64_t accounts, DemoInput& out)
      : folder_(std::move(folder)), accounts_(accounts), out_(out) {}

  absl::Status Run() {
    ASSIGN_OR_RETURN(zone_, LoadZone("America/Chicago"));
    Headers();
    for (int64_t i = 1; i <= accounts_; ++i) Account(i);
    Flush("detail", "2026-03-01", february_, 0);
    Flush("detail", "2026-03-10", late_, 0);
    Flush("detail", "2026-04-01", march_, 0);
    Flush("asterisk", "2026-03-01", calls_february_, 0);
    Flush("asterisk", "2026-04-01", calls_march_, 0);
    std::string usage = "loaded_date,file,format\n";
    for (const DemoFile& file : out_.usage) {
      absl::StrAppend(&usage, file.loaded_date, ",", file.name, ",", file.format, "\n");
    }
    RETURN_IF_ERROR(Write("usage.csv", usage));
    RETURN_IF_ERROR(Write("plans.csv", kPlans));
    RETURN_IF_ERROR(Write("deck.csv", kDeck));
    RETURN_IF_ERROR(Write("runs.csv", "as_of\n2026-03-01\n2026-03-15\n2026-04-01\n"));
    RETURN_IF_ERROR(Write("accounts.csv", customers_));
    RETURN_IF_ERROR(Write("subscriptions.csv", subscriptions_));
    RETURN_IF_ERROR(Write("new_subscriptions.csv", new_subscriptions_));
    RETURN_IF_ERROR(Write("changes.csv", changes_));
    RETURN_IF_ERROR(Write("payers.csv", payers_));
    RETURN_IF_ERROR(Write("payment_methods.csv", methods_));
    RETURN_IF_ERROR(Write("opening_balances.csv", balances_));
    return status_;
  }

 private:
  struct Customer {
    int64_t index = 0;
    std::string number;
    bool business = false;
    int cycle_day = 1;
    int items = 0;
  };
  struct Records {
    std::string text;
    int count = 0;
    int files = 0;
  };

  absl::Status Write(const std::string& name, const std::string& text) {
    std::ofstream file(folder_ + "/" + name, std::ios::binary | std::ios::trunc);
    file << text;
    file.flush();
    return file ? absl::OkStatus() : UnavailableError("DATA_DIR", "cannot write " + name);
  }

  // Writes the records as a file once there are `at_least` of them.
  void Flush(const char* format, const char* loaded, Records& records, int at_least) {
    if (records.count == 0 || records.count < at_least) return;
    const std::string name = absl::StrFormat(
        "%s_%s_%03d.%s", format == std::string("detail") ? "radius" : "calls", loaded,
        ++records.files, format == std::string("detail") ? "detail" : "csv");
    const absl::Status written = Write(name, records.text);
    if (!written.ok()) status_ = written;
    out_.usage.push_back({loaded, name, format});
    records.text.clear();
    records.count = 0;
  }

  void Headers() {
    customers_ =
        "account_number,name,customer_class,currency,time_zone,cycle_day,terms_days,email,phone,"
        "street,city,region,postal_code,country\n";
    const std::string columns =
        "subscription_id,account_number,plan,start_date,end_date,paid_through,quantity,price,"
        "price_reason,description,radius_username,did,discount_percent,discount_amount,"
        "discount_label,discount_from,discount_to,changes\n";
    subscriptions_ = columns;
    new_subscriptions_ = "entered_date," + columns;
    changes_ = "entered_date,subscription_id,effective_date,change,value,reason\n";
    payers_ = "account_number,kind,pays_after_days\n";
    methods_ = "account_number,token,label,kind\n";
    balances_ = "account_number,amount,due_date,reference\n";
  }

  void Account(int64_t index) {
    Customer customer;
    customer.index = index;
    customer.number = absl::StrFormat("A%06d", index);
    customer.business = dice_.Chance(12);
    customer.cycle_day = dice_.Chance(20) ? 15 : 1;
    const Town& town = PickTown();
    const std::string last = dice_.Pick(kLast);
    const std::string name = customer.business ? absl::StrCat(last, " ", dice_.Pick(kTrade), " LLC")
                                               : absl::StrCat(dice_.Pick(kFirst), " ", last);
    absl::StrAppend(&customers_, customer.number, ",", name, ",",
                    customer.business ? "business" : "residential", ",USD,America/Chicago,",
                    customer.cycle_day, ",", customer.business ? 30 : 15, ",a",
                    absl::StrFormat("%06d", index), "@customers.example,,",
                    dice_.Between(100, 4999), " ", dice_.Pick(kStreet), ",", town.name, ",MN,",
                    town.zip, ",US\n");
    Internet(customer);
    if (customer.business) Business(customer);
    if (!customer.business && dice_.Chance(45)) Simple(customer, "router", 1);
    if (!customer.business && dice_.Chance(18)) Voice(customer, "home_phone", 1);
    if (dice_.Chance(6)) Simple(customer, "managed_wifi", 1);
    Payer(customer);
  }

  const Town& PickTown() {
    int64_t at = dice_.Between(1, 100);
    for (const Town& town : kTowns) {
      at -= town.weight;
      if (at <= 0) return town;
    }
    return kTowns[0];
  }

  std::string ItemId(Customer& customer) {
    return absl::StrFormat("S%06d-%d", customer.index, ++customer.items);
  }

  // Until when an item of the customer was billed by the former system.
  static std::string PaidThrough(const Customer& customer) {
    return customer.cycle_day == 1 ? "2026-03-01" : "2026-03-15";
  }

  std::string OldStart() { return FormatDate(CivilDay(2023, 1, 1) + dice_.Between(0, 1100)); }

  // One row; `extra` is everything from discount_percent on.
  void Row(const Customer& customer, const std::string& id, const std::string& plan,
           const std::string& start, const std::string& paid, int64_t quantity,
           const std::string& radius, const std::string& did, const std::string& extra,
           const std::string& entered = "") {
    std::string& to = entered.empty() ? subscriptions_ : new_subscriptions_;
    if (!entered.empty()) absl::StrAppend(&to, entered, ",");
    absl::StrAppend(&to, id, ",", customer.number, ",", plan, ",", start, ",,", paid, ",", quantity,
                    ",,,,", radius, ",", did, ",", extra.empty() ? ",,,,," : extra, "\n");
  }

  void Change(const std::string& id, CivilDay entered, CivilDay effective,
              const std::string& change, const std::string& value, const std::string& reason = "") {
    absl::StrAppend(&changes_, FormatDate(entered), ",", id, ",", FormatDate(effective), ",",
                    change, ",", value, ",", reason, "\n");
  }

  CivilDay InMarch(int64_t from, int64_t to) {
    return CivilDay(2026, 3, 1) + (dice_.Between(from, to) - 1);
  }

  void Internet(Customer& customer) {
    static constexpr const char* kHome[] = {"fibre_100",  "fibre_500",   "fibre_500",
                                            "fibre_1000", "wireless_20", "wireless_50",
                                            "wireless_50"};
    const std::string id = ItemId(customer);
    const std::string user = absl::StrFormat("u%06d", customer.index);
    if (customer.business) {
      Row(customer, id, "business_1000", OldStart(), PaidThrough(customer), 1, user, "",
          Promotion());
      return;
    }
    if (dice_.Chance(6)) {  // pays a year ahead; a twelfth of them renews in the demo's months
      const CivilDay start =
          CivilDay(2025, static_cast<int>(dice_.Between(1, 12)), 1) + dice_.Between(0, 27);
      const CivilDay anchor = Anchor(start, customer.cycle_day);
      const CivilDay paid(anchor.year() + 1, anchor.month(), customer.cycle_day);
      Row(customer, id, "fibre_500_year", FormatDate(start), FormatDate(paid), 1, user, "", "");
      if (dice_.Chance(5)) {
        Change(id, CivilDay(2026, 3, 5), CivilDay(2026, 3, 20), "cancel", "");
      }
      return;
    }
    const std::string plan = dice_.Pick(kHome);
    if (dice_.Chance(3)) {  // ordered in March
      const CivilDay start = InMarch(4, 28);
      const CivilDay entered = start - dice_.Between(0, 3);
      Row(customer, id, plan, FormatDate(start), "", 1, user, "", "", FormatDate(entered));
      if (plan[0] == 'w') Sessions(customer, user, start);
      return;
    }
    Row(customer, id, plan, OldStart(), PaidThrough(customer), 1, user, "", Promotion(), "");
    if (plan[0] == 'w') Sessions(customer, user, CivilDay(2026, 2, 1));
    MidMonth(id, plan);
  }

  static CivilDay Anchor(CivilDay start, int cycle_day) {
    CivilDay anchor(start.year(), start.month(), cycle_day);
    if (anchor >= start) return anchor;
    const absl::CivilMonth next = absl::CivilMonth(start) + 1;
    return CivilDay(next.year(), next.month(), cycle_day);
  }

  std::string Promotion() {
    const int64_t roll = dice_.Between(1, 100);
    if (roll <= 6) return "10,,Loyalty 10 %,2025-01-01,,";
    if (roll <= 10) return ",5.00,Autopay discount,2025-06-01,,";
    if (roll <= 13) return "20,,Spring offer 20 %,2026-03-01,2026-03-21,";
    return "";
  }

  void MidMonth(const std::string& id, const std::string& plan) {
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
    } else if (roll <= 78) {
      Change(id, entered, day, "price", "29.99", "retention");
    }
  }

  void Business(Customer& customer) {
    if (dice_.Chance(60)) Simple(customer, "static_ip", dice_.Between(1, 8));
    if (dice_.Chance(80)) Voice(customer, "business_line", dice_.Between(1, 6));
    if (dice_.Chance(30)) Simple(customer, "router", dice_.Between(1, 3));
  }

  void Simple(Customer& customer, const std::string& plan, int64_t quantity) {
    const std::string id = ItemId(customer);
    Row(customer, id, plan, OldStart(), PaidThrough(customer), quantity, "", "", "");
    const int64_t roll = dice_.Between(1, 100);
    const CivilDay day = InMarch(3, 29);
    if (roll <= 4) {
      Change(id, day, day, "quantity", std::to_string(quantity + dice_.Between(1, 3)));
    } else if (roll <= 7) {
      Change(id, day, day, "cancel", "", "returned");
    }
  }

  void Voice(Customer& customer, const std::string& plan, int64_t quantity) {
    const std::string id = ItemId(customer);
    const std::string line = absl::StrFormat("1612%07d", customer.index);
    Row(customer, id, plan, OldStart(), PaidThrough(customer), quantity, "", "+" + line, "");
    const int64_t calls = dice_.Between(2, customer.business ? 25 : 12);
    for (int64_t i = 0; i < calls; ++i) Call(customer, line);
  }

  // Called numbers have ten more digits where the pattern leaves room.
  void Call(const Customer& customer, const std::string& line) {
    std::string called = dice_.Pick(kDialled);
    const size_t digits = called.rfind("011", 0) == 0 ? 14 : (called[0] == '1' ? 11 : 10);
    while (called.size() < digits) called += static_cast<char>('0' + dice_.Between(0, 9));
    if (customer.index % 500 == 7 && dice_.Chance(30))
      called = "0118816" + std::to_string(dice_.Between(10000000, 99999999));
    const absl::Time answer = absl::FromCivil(absl::CivilDay(2026, 2, 1), zone_) +
                              absl::Seconds(dice_.Between(0, 59 * 86400 - 1));
    const bool answered = dice_.Chance(85);
    const int64_t talk =
        answered ? (dice_.Chance(70) ? dice_.Between(1, 240) : dice_.Between(241, 3000)) : 0;
    const int64_t ring = dice_.Between(2, 25);
    const auto text = [&](absl::Time at) {
      return absl::FormatTime("%Y-%m-%d %H:%M:%S", at, zone_);
    };
    const int64_t sequence = ++calls_made_;
    const bool march = answer >= absl::FromCivil(absl::CivilDay(2026, 3, 1), zone_);
    Records& to = march ? calls_march_ : calls_february_;
    const std::string row = absl::StrFormat(
        R"("","%s","%s","from-customers","""%s"" <%s>","PJSIP/%s-%08x","PJSIP/trunk-%08x","Dial","PJSIP/%s@trunk,60","%s",%s,"%s",%d,%d,"%s","DOCUMENTATION","%d.%d","","","%d.%d",%d)",
        line, called, line, line, line, sequence, sequence, called,
        text(answer - absl::Seconds(ring)), answered ? "\"" + text(answer) + "\"" : "",
        text(answer + absl::Seconds(talk)), ring + talk, talk, answered ? "ANSWERED" : "NO ANSWER",
        absl::ToUnixSeconds(answer), sequence, absl::ToUnixSeconds(answer), sequence, sequence);
    absl::StrAppend(&to.text, row, "\n");
    ++to.count;
    if (dice_.Chance(1)) {  // an overlapping export brings it once more
      absl::StrAppend(&to.text, row, "\n");
      ++to.count;
    }
    Flush("asterisk", march ? "2026-04-01" : "2026-03-01", to, kRecordsPerFile);
  }

  // Sessions one after another from `from` to the first days of April, with interim readings.
  void Sessions(const Customer& customer, const std::string& user, CivilDay from) {
    absl::Time at =
        absl::FromCivil(absl::CivilDay(from), zone_) + absl::Seconds(dice_.Between(0, 86400));
    const absl::Time end = absl::FromCivil(absl::CivilDay(2026, 4, 1), zone_);
    const int64_t megabytes_an_hour =
        dice_.Chance(15) ? dice_.Between(500, 1400) : dice_.Between(20, 500);
    int session = 0;
    while (at < end) {
      const int64_t hours = dice_.Between(60, 220);
      Session(customer, absl::StrFormat("%s-%04x", user, ++session), user, at, hours,
              megabytes_an_hour);
      at += absl::Hours(hours) + absl::Minutes(dice_.Between(1, 600));
    }
  }

  void Session(const Customer& customer, const std::string& id, const std::string& user,
               absl::Time start, int64_t hours, int64_t megabytes) {
    const bool lost_stop = dice_.Chance(2);
    const bool late = dice_.Chance(2);
    int64_t in = 0;
    int64_t out = 0;
    for (int64_t hour = 0; hour <= hours;) {
      const bool first = hour == 0;
      const bool last = hour == hours;
      if (!(last && lost_stop)) {
        Reading(customer, id, user,
                first  ? "Start"
                : last ? "Stop"
                       : "Interim-Update",
                start + absl::Hours(hour), hour * 3600, in, out, late);
      }
      if (last) break;
      const int64_t step = std::min<int64_t>(hours - hour, dice_.Between(24, 60));
      hour += step;
      out += step * megabytes * dice_.Between(700000, 1300000);
      in += step * megabytes * dice_.Between(50000, 150000);
    }
  }

  void Reading(const Customer& customer, const std::string& id, const std::string& user,
               const char* status, absl::Time at, int64_t seconds, int64_t in, int64_t out,
               bool late) {
    const absl::Time march = absl::FromCivil(absl::CivilDay(2026, 3, 1), zone_);
    const absl::Time end = absl::FromCivil(absl::CivilDay(2026, 4, 1), zone_);
    if (at >= end) return;  // not seen yet when April is billed
    const bool february = at < march;
    Records& to = february ? (late ? late_ : february_) : march_;
    constexpr int64_t kWrap = int64_t{1} << 32;
    const std::string record = absl::StrFormat(
        "%s\n\tAcct-Status-Type = %s\n\tUser-Name = \"%s\"\n\tAcct-Session-Id = \"%s\"\n"
        "\tNAS-IP-Address = 10.10.%d.1\n\tAcct-Session-Time = %d\n\tAcct-Input-Octets = %d\n"
        "\tAcct-Input-Gigawords = %d\n\tAcct-Output-Octets = %d\n\tAcct-Output-Gigawords = %d\n"
        "\tEvent-Timestamp = \"%s UTC\"\n\tTimestamp = %d\n\n",
        absl::FormatTime("%a %b %e %H:%M:%S %Y", at, absl::UTCTimeZone()), status, user, id,
        customer.index % 200, seconds, in % kWrap, in / kWrap, out % kWrap, out / kWrap,
        absl::FormatTime("%b %e %Y %H:%M:%S", at, absl::UTCTimeZone()), absl::ToUnixSeconds(at));
    absl::StrAppend(&to.text, record);
    ++to.count;
    if (dice_.Chance(1)) {  // sent twice
      absl::StrAppend(&to.text, record);
      ++to.count;
    }
    Flush("detail", february ? (late ? "2026-03-10" : "2026-03-01") : "2026-04-01", to,
          kRecordsPerFile);
  }

  void Payer(const Customer& customer) {
    const int64_t roll = dice_.Between(1, 100);
    const char* kind = roll <= 62   ? "autopay"
                       : roll <= 66 ? "declined"
                       : roll <= 91 ? "transfer"
                                    : "none";
    const std::string days = roll > 66 && roll <= 91 ? std::to_string(dice_.Between(2, 26)) : "";
    absl::StrAppend(&payers_, customer.number, ",", kind, ",", days, "\n");
    if (roll <= 66) {
      absl::StrAppend(&methods_, customer.number, ",",
                      roll <= 61   ? "sim_ok_"
                      : roll == 62 ? "sim_lost_"
                      : roll == 63 ? "sim_stolen_"
                                   : "sim_insufficient_",
                      customer.index, ",Visa ending in ",
                      absl::StrFormat("%04d", dice_.Between(0, 9999)), ",card\n");
    }
    if (dice_.Chance(4)) {
      const int64_t cents = dice_.Between(1500, 12000);
      absl::StrAppend(&balances_, customer.number, ",", cents / 100, ".",
                      absl::StrFormat("%02d", cents % 100), ",2026-03-31,opening balance", "\n");
    }
  }

  const std::string folder_;
  const int64_t accounts_;
  DemoInput& out_;
  absl::Status status_;
  absl::TimeZone zone_;
  Dice dice_{20260301};
  int64_t calls_made_ = 0;
  std::string customers_, subscriptions_, new_subscriptions_, changes_, payers_, methods_,
      balances_;
  Records february_, late_, march_, calls_february_, calls_march_;
};

}  // namespace

absl::Status GenerateDemo(const std::string& folder, int64_t accounts, DemoInput& out) {
  if (accounts < 1 || accounts > 5000000) {
    return InvalidField("accounts", "must be 1 to 5,000,000");
  }
  return Generator(folder, accounts, out).Run();
}

}  // namespace broadbill::program
