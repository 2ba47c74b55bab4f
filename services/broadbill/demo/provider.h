#pragma once

// The made-up provider of the demo: its towns, names, plans and rates.

namespace broadbill::program {

struct Town {
  const char* name;
  const char* zip;
  int percent;  // of the customers
};

inline constexpr Town kTowns[] = {
    {"Minneapolis", "55401", 14}, {"Minneapolis", "55408", 12}, {"Minneapolis", "55414", 10},
    {"Bloomington", "55420", 9},  {"Saint Paul", "55102", 12},  {"Saint Paul", "55104", 10},
    {"Duluth", "55802", 10},      {"Rochester", "55901", 10},   {"Mankato", "56001", 6},
    {"Saint Cloud", "56301", 6},  {"Moorhead", "56560", 1}};

inline constexpr const char* kFirstNames[] = {
    "Anna",  "Bjorn", "Carla", "David", "Elena", "Frank", "Greta", "Henry", "Ingrid", "James",
    "Karin", "Leif",  "Maria", "Nils",  "Olga",  "Peter", "Quinn", "Rosa",  "Sven",   "Tanya"};
inline constexpr const char* kLastNames[] = {
    "Anderson", "Berg",     "Carlson", "Dahl",      "Erickson", "Foss",    "Gustafson",
    "Hanson",   "Iverson",  "Johnson", "Krause",    "Larson",   "Moe",     "Nelson",
    "Olson",    "Peterson", "Quist",   "Rasmussen", "Swanson",  "Thompson"};
inline constexpr const char* kTrades[] = {"Dental",    "Bakery",  "Hardware",   "Law Office",
                                          "Printing",  "Brewing", "Veterinary", "Design",
                                          "Logistics", "Clinic"};
inline constexpr const char* kStreets[] = {"Lake Street", "Grand Avenue", "Summit Avenue",
                                           "Main Street", "Oak Lane",     "River Road",
                                           "Hill Drive",  "Park Place"};

// What homes order; the wireless plans have an allowance.
inline constexpr const char* kHomePlans[] = {"fibre_100",  "fibre_500",   "fibre_500",
                                             "fibre_1000", "wireless_20", "wireless_50",
                                             "wireless_50"};

inline constexpr char kPlans[] =
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

inline constexpr char kDeck[] =
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
)";

// The rate that was forgotten.
inline constexpr char kLateDeck[] =
    R"(prefix,destination,rate_per_minute,connect_fee,first_increment,next_increment
8816,Iridium,1.4900,0.25,60,60
)";

// What customers dial; digits are added up to the length of a number.
inline constexpr const char* kDialled[] = {
    "6125550",      "16515550",    "2185550",      "15075550",    "18005550",   "01144207946",
    "011447700900", "01149301234", "011491512345", "01152551234", "01181312345"};

}  // namespace broadbill::program
