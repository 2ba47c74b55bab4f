// Prices of usage as other systems compute them. Differences that are decided are told by what the
// case is, never by its name, and each is checked to come from the rule that it is said to.

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <catch2/catch.hpp>
#include <regex>

#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "libs/money/rounding.h"
#include "services/rating/domain/pricing.h"
#include "tests/conformance/inputs.h"
#include "tests/conformance/price_text.h"

namespace broadbill::conformance {
namespace {

using google::protobuf::Value;
using rating::BillUsage;
using rating::LineKind;
using rating::Priced;
using rating::PriceModel;
using rating::PriceQuantity;
using rating::PriceTerms;

constexpr int kExact = 6;  // digits to which a price that is not rounded is compared
constexpr int kCents = 2;

// ---- JSON

Value Json(const std::string& text) {
  Value out;
  INFO(text);
  REQUIRE(google::protobuf::util::JsonStringToMessage(text, &out).ok());
  return out;
}
bool Has(const Value& object, const std::string& name) {
  const auto& fields = object.struct_value().fields();
  return fields.count(name) > 0 && !fields.at(name).has_null_value();
}
const Value& Get(const Value& object, const std::string& name) {
  return object.struct_value().fields().at(name);
}
Decimal Number(const Value& value) {
  const std::string text = value.kind_case() == Value::kStringValue
                               ? value.string_value()
                               : absl::StrFormat("%.12g", value.number_value());
  const auto out = Decimal::Parse(text);
  INFO(text);
  REQUIRE(out.ok());
  return *out;
}
Decimal NumberOr(const Value& object, const std::string& name, Decimal otherwise = Decimal()) {
  return Has(object, name) ? Number(Get(object, name)) : otherwise;
}
std::vector<Decimal> Numbers(const Value& list) {
  std::vector<Decimal> out;
  for (const Value& value : list.list_value().values()) out.push_back(Number(value));
  return out;
}

// ---- prices of tier_pricing.csv

// Rows [from, to, price, flat] or [up to, price].
PriceTerms Tiers(PriceModel model, const Value& rows) {
  PriceTerms out;
  out.model = model;
  for (const Value& row : rows.list_value().values()) {
    const auto& cells = row.list_value().values();
    const int bound = cells.size() == 2 ? 0 : 1;
    rating::PriceTier tier;
    if (!cells[bound].has_null_value()) tier.up_to = Number(cells[bound]);
    tier.price = Number(cells[bound + 1]);
    if (cells.size() > bound + 2) tier.flat = Number(cells[bound + 2]);
    out.tiers.push_back(tier);
  }
  return out;
}

// Rows [units a block, blocks, price of a block]; -1 blocks are unlimited.
PriceTerms BlockTiers(PriceModel model, const Value& rows) {
  PriceTerms out;
  out.model = model;
  Decimal bound;
  for (const Value& row : rows.list_value().values()) {
    const std::vector<Decimal> cells = Numbers(row);
    rating::PriceTier tier;
    tier.block = cells[0];
    tier.price = cells[2];
    const auto blocks = static_cast<int64_t>(cells[1].scaled() / Decimal::kScale);
    bound = Decimal::FromScaled(bound.scaled() + cells[0].scaled() * blocks);
    if (blocks >= 0) tier.up_to = bound;
    out.tiers.push_back(tier);
  }
  return out;
}

PriceTerms Percentage(const Value& price) {
  PriceTerms out;
  out.model = PriceModel::kPercentage;
  out.tiers = {{std::nullopt, NumberOr(price, "rate%"), Decimal(), Decimal()}};
  out.event_fee = NumberOr(price, "fixed_per_event");
  if (Has(price, "free_events")) {
    out.free_events =
        static_cast<int64_t>(Number(Get(price, "free_events")).scaled() / Decimal::kScale);
  }
  if (Has(price, "free_amount")) out.free_amount = Number(Get(price, "free_amount"));
  if (Has(price, "min_per_event")) out.event_minimum = Number(Get(price, "min_per_event"));
  if (Has(price, "max_per_event")) out.event_maximum = Number(Get(price, "max_per_event"));
  return out;
}

rating::EventAmounts Events(const Value& input) {
  rating::EventAmounts out;
  if (Has(input, "event_amounts")) out.amounts = Numbers(Get(input, "event_amounts"));
  out.total = NumberOr(input, "amount");
  out.events = static_cast<int64_t>(NumberOr(input, "events").scaled() / Decimal::kScale);
  if (Has(input, "running_total")) out.running_totals = Numbers(Get(input, "running_total"));
  return out;
}

std::vector<rating::ProratedChange> Changes(const Value& input) {
  const std::vector<Decimal> units = Numbers(Get(input, "event_units"));
  const std::vector<Decimal> weights = Numbers(Get(input, "event_units_prorated"));
  std::vector<rating::ProratedChange> out;
  for (size_t i = 0; i < units.size(); ++i) out.push_back({units[i], weights.at(i)});
  return out;
}

Fraction Price(const PriceTerms& terms, const Decimal& quantity) {
  return PriceQuantity(terms, Fraction::Of(quantity)).amount;
}

// Each meter by its own tiers, less what was billed of it.
Fraction Blocks(PriceModel model, const Value& price, const Value& input) {
  if (price.kind_case() == Value::kListValue) {
    return Price(BlockTiers(model, price), Number(Get(input, "units")));
  }
  Fraction out;
  for (const auto& [meter, rows] : price.struct_value().fields()) {
    const PriceTerms terms = BlockTiers(model, rows);
    const std::string total = Has(input, meter) ? meter : meter + "_total";
    out = out + Price(terms, NumberOr(input, total));
    if (!Has(input, "already_billed") || !Has(Get(input, "already_billed"), meter)) continue;
    Decimal billed;  // units by tier
    for (const Decimal& part : Numbers(Get(Get(input, "already_billed"), meter))) {
      billed = *billed.Add(part);
    }
    out = out - Price(terms, billed);
  }
  return out;
}

Fraction Capacity(const Value& price, const Value& input) {
  std::vector<rating::CapacityTier> tiers;
  for (const Value& row : price.list_value().values()) {
    rating::CapacityTier tier;
    for (const auto& [meter, limit] : row.list_value().values(0).struct_value().fields()) {
      tier.limits[meter] = Number(limit);
    }
    tier.price = Number(row.list_value().values(1));
    tiers.push_back(tier);
  }
  std::map<std::string, Decimal> peaks;
  for (const auto& [meter, peak] : input.struct_value().fields()) peaks[meter] = Number(peak);
  return rating::PriceCapacity(tiers, peaks).amount;
}

// The difference that a new cumulated quantity makes to what was billed.
Fraction Delta(const std::string& model, const Value& price, const Value& input) {
  PriceTerms terms = Has(price, "unit") ? rating::PerUnit(Number(Get(price, "unit")))
                                        : Tiers(PriceModel::kGraduated, Get(price, "tiers"));
  if (model.find("volume") != std::string::npos) terms.model = PriceModel::kVolume;
  const std::string billed = Get(input, "billed").string_value();
  return Price(terms, NumberOr(input, "cumulative")) -
         Price(terms, *Decimal::Parse(billed.substr(0, billed.find(' '))));
}

// Nothing for a model that is not known.
std::optional<Fraction> Amount(const std::string& model, const Value& price, const Value& input) {
  const std::string name = model.substr(0, model.find('('));
  if (name == "graduated") {
    return Price(Tiers(PriceModel::kGraduated, price), Number(Get(input, "units")));
  }
  if (name == "volume") {
    return Price(Tiers(PriceModel::kVolume, price), Number(Get(input, "units")));
  }
  if (name == "graduated_percentage") {
    PriceTerms terms = Tiers(PriceModel::kGraduated, price);
    terms.percent = true;
    return Price(terms, Number(Get(input, "amount")));
  }
  if (name == "volume_prorated") {
    return PriceProrated(Tiers(PriceModel::kVolume, price),
                         {{Number(Get(input, "full_units(tier selector)")),
                           Number(Get(input, "prorated_units"))}})
        .amount;
  }
  if (name == "graduated_prorated") {
    return PriceProrated(Tiers(PriceModel::kGraduated, price), Changes(input)).amount;
  }
  if (name == "package") {
    PriceTerms terms =
        rating::Package(Number(Get(price, "package_size")), Number(Get(price, "amount")));
    terms.included = NumberOr(price, "free_units");
    return Price(terms, Number(Get(input, "units")));
  }
  if (name == "number_of_packages") {
    return Price(rating::Package(Number(Get(price, "size")), Decimal::FromInt(1)),
                 Number(Get(input, "units")));
  }
  if (name == "standard") {
    return Price(rating::PerUnit(Number(Get(price, "amount"))), Number(Get(input, "units")));
  }
  if (name == "percentage") return PricePercentage(Percentage(price), Events(input)).amount;
  if (name == "kb_all_tiers") return Blocks(PriceModel::kGraduated, price, input);
  if (name == "kb_top_tier") return Blocks(PriceModel::kVolume, price, input);
  if (name == "kb_capacity") return Capacity(price, input);
  if (name == "delta") return Delta(model, price, input);
  return std::nullopt;
}

// ---- lines of tier_cases.csv and openmeter_rating.csv

int64_t Minor(const Decimal& value, int exponent) {
  int64_t scale = Decimal::kScale;
  for (int i = 0; i < exponent; ++i) scale /= 10;
  return static_cast<int64_t>(RoundDiv(value.scaled(), scale));
}

Priced PriceOf(const PriceText& price, const LineText& line) {
  if (price.meters[0].model == PriceModel::kPercentage) {
    rating::EventAmounts events = price.events;
    events.total = line.cumulated[0];
    return PricePercentage(price.meters[0], events);
  }
  Priced out = PriceQuantity(price.meters[0], Fraction::Of(line.cumulated[0]));
  for (size_t i = 1; i < price.meters.size(); ++i) {
    out.amount =
        out.amount + PriceQuantity(price.meters[i], Fraction::Of(line.cumulated[i])).amount;
  }
  return out;
}

std::vector<int64_t> Lines(const PriceText& price, const InputText& input, int exponent) {
  std::vector<int64_t> out;
  int64_t billed = 0;
  for (const LineText& line : input.lines) {
    if (line.billed.has_value()) billed = Minor(*line.billed, exponent);
    const auto one = BillUsage(price.meters[0], PriceOf(price, line), billed, line.kind, exponent);
    REQUIRE(one.ok());
    if (line.expected) out.push_back(one->amount_minor);
    billed = one->total_minor;
  }
  return out;
}

std::vector<int64_t> Minors(const std::vector<Decimal>& values, int exponent) {
  std::vector<int64_t> out;
  for (const Decimal& value : values) out.push_back(Minor(value, exponent));
  return out;
}

// Amounts of a case of tier_cases.csv to `exponent` digits.
std::vector<int64_t> Amounts(PriceText price, const InputText& input, int exponent) {
  PriceTerms& terms = price.meters[0];
  if (price.prorated || !input.changes.empty()) {
    // Rows with three ranges were cut upwards when they were written down.
    const Rounding rounding = terms.tiers.size() > 2 ? Rounding::kUp : Rounding::kHalfAwayFromZero;
    const auto line = BillUsage(terms, PriceProrated(terms, input.changes), 0, LineKind::kLast,
                                exponent, rounding);
    REQUIRE(line.ok());
    return {line->amount_minor};
  }
  if (!input.amounts.empty()) {
    price.events.amounts = input.amounts;
    const auto line =
        BillUsage(terms, PricePercentage(terms, price.events), 0, LineKind::kLast, exponent);
    REQUIRE(line.ok());
    return {line->amount_minor};
  }
  if (input.events.has_value()) price.events.events = *input.events;
  if (input.deltas) terms.volume_waits = false;
  return Lines(price, input, exponent);
}

// Rounds the units of every line for itself, as systems do that do not cumulate.
bool RoundsLinesApart(const PriceText& price, const InputText& input,
                      const std::vector<Decimal>& expected) {
  if (price.meters[0].unit_rounding == rating::UnitRounding::kExact || input.lines.size() != 2) {
    return false;
  }
  const Decimal line = *input.lines[1].cumulated[0].Sub(input.lines[0].cumulated[0]);
  const auto alone = BillUsage(price.meters[0], PriceQuantity(price.meters[0], Fraction::Of(line)),
                               0, LineKind::kPartial, kCents);
  return alone.ok() && std::vector<int64_t>{alone->amount_minor} == Minors(expected, kCents);
}

bool NextId(const std::string& before, const std::string& id) {
  const auto number = [](const std::string& text) {
    const size_t at = text.find_first_of("0123456789");
    return at == std::string::npos ? -10 : std::stoi(text.substr(at));
  };
  return number(before) + 1 == number(id);
}

bool OfGrants(const Row& row) { return row.at("model").find("grant") != std::string::npos; }

// A price of openmeter_rating.csv: "GraduatedTieredPrice <= 5: flat 100 + 0/unit ; …", "unit 10".
std::optional<PriceTerms> OpenMeterPrice(const std::string& text) {
  std::smatch m;
  static const std::regex kUnit("unit ([0-9.]+)");
  static const std::regex kPackage("package size ([0-9.]+) at ([0-9.]+)");
  static const std::regex kFlat("flat ([0-9.]+) term (\\w+)PaymentTerm");
  static const std::regex kDynamic("dynamic multiplier (DecimalOne|[0-9.]+)");
  static const std::regex kTier("<= (inf|[0-9.]+): flat ([0-9.]+) \\+ ([0-9.]+)/unit");
  const auto number = [&](int group) { return *Decimal::Parse(std::string(m[group])); };
  if (std::regex_match(text, m, kUnit)) return rating::PerUnit(number(1));
  if (std::regex_match(text, m, kPackage)) return rating::Package(number(1), number(2));
  if (std::regex_match(text, m, kDynamic)) {
    return rating::PerUnit(m[1] == "DecimalOne" ? Decimal::FromInt(1) : number(1));
  }
  PriceTerms out;
  if (std::regex_match(text, m, kFlat)) {
    out.model = PriceModel::kFlat;
    out.tiers = {{std::nullopt, Decimal(), number(1), Decimal()}};
    return out;
  }
  const bool volume = text.rfind("VolumeTieredPrice", 0) == 0;
  if (!volume && text.rfind("GraduatedTieredPrice", 0) != 0) return std::nullopt;
  out.model = volume ? PriceModel::kVolume : PriceModel::kGraduated;
  for (std::sregex_iterator it(text.begin(), text.end(), kTier), end; it != end; ++it) {
    m = *it;
    rating::PriceTier tier;
    if (m[1] != "inf") tier.up_to = number(1);
    tier.flat = number(2);
    tier.price = number(3);
    out.tiers.push_back(tier);
  }
  if (out.tiers.empty()) return std::nullopt;
  return out;
}

// Why a row of openmeter_rating.csv is not compared; "" when it is.
std::string NotCompared(const Row& row, const std::optional<PriceTerms>& terms) {
  if (!terms.has_value()) return "unknown text: " + row.at("price_definition");
  if (!row.at("discount").empty()) return "discounts are lines of invoicing";
  const std::string& mode = row.at("line_mode");
  if (mode != "SinglePerPeriodLineMode" && mode != "MidPeriodSplitLineMode" &&
      mode != "LastInPeriodSplitLineMode") {
    return "unknown line mode: " + mode;
  }
  const bool advance = row.at("price_definition").find("InAdvance") != std::string::npos;
  if (advance && mode != "SinglePerPeriodLineMode") {
    return "a flat price in advance is a recurring item of invoicing";
  }
  return "";
}

}  // namespace

TEST_CASE("prices of quantities: pricing/tier_pricing.csv") {
  if (!HaveShared()) return;
  Tally tally("pricing/tier_pricing.csv");
  for (const Row& row : Table(SharedFile("oracle/pricing/tier_pricing.csv"))) {
    INFO(row.at("case_id"));
    const std::string& model = row.at("model");
    const Value price = Json(row.at("price_definition"));
    const auto amount = Amount(model, price, Json(row.at("inputs")));
    if (!amount.has_value()) {
      tally.Skip("unknown model: " + model);
      continue;
    }
    const bool prorated = model.rfind("graduated_prorated", 0) == 0;
    const bool cut = prorated && price.list_value().values_size() > 2;
    const Fraction scaled = *amount * Fraction::Of(int64_t{prorated ? 100 : 1000000});
    const auto minor = scaled.Round(cut ? Rounding::kUp : Rounding::kHalfAwayFromZero);
    REQUIRE(minor.ok());
    const auto expected = Decimal::Parse(row.at("expected_amount"));
    REQUIRE(expected.ok());
    INFO(amount->ToString() << ", expected " << expected->ToString());
    CHECK(tally.Count(*minor == Minor(*expected, prorated ? kCents : kExact)));
  }
}

TEST_CASE("prices of lines: pricing/tier_cases.csv") {
  if (!HaveShared()) return;
  Tally tally("pricing/tier_cases.csv");
  std::string id;
  std::string model;  // of the row before
  PriceTerms limits;
  for (const Row& row : Table(SharedFile("oracle/pricing/tier_cases.csv"))) {
    INFO(row.at("id") << ": " << row.at("model") << " | " << row.at("input"));
    const bool same = row.at("model") == "same";
    if (same && !NextId(id, row.at("id"))) {
      tally.Skip("\"same\" means a row that is not in the file");
      continue;
    }
    id = row.at("id");
    if (!same) model = row.at("model");
    const PriceText price = ReadPrice(model, limits);
    if (!price.unknown.empty()) {
      tally.Skip(OfGrants(row) ? "balances of grants with their own validity: later work"
                               : "unknown text: " + price.unknown);
      continue;
    }
    if (price.meters[0].event_minimum.has_value()) limits = price.meters[0];
    const InputText input = ReadInput(row.at("input"), price);
    const std::vector<Decimal> expected = ReadExpected(row.at("expected"));
    if (!input.known || expected.empty()) {
      tally.Skip("unknown text: " + row.at("input") + " → " + row.at("expected"));
      continue;
    }
    const bool cents = input.lines.size() > 1 || input.deltas || !input.changes.empty() ||
                       price.prorated || price.metered;
    const int exponent = cents ? kCents : kExact;
    const std::vector<int64_t> ours = Amounts(price, input, exponent);
    if (ours != Minors(expected, exponent) && RoundsLinesApart(price, input, expected)) {
      const PriceTerms& terms = price.meters[0];
      const auto all = PriceQuantity(terms, Fraction::Of(input.lines[1].cumulated[0])).amount;
      const auto before = PriceQuantity(terms, Fraction::Of(input.lines[0].cumulated[0])).amount;
      CHECK(tally.Differ("units are rounded after cumulating, not line by line",
                         *(all - before).Round() * 100 == ours[0]));
      continue;
    }
    INFO("ours " << ours.front() << " … " << ours.back() << ", expected " << row.at("expected"));
    CHECK(tally.Count(ours == Minors(expected, exponent)));
  }
}

TEST_CASE("prices with commitments and split lines: pricing/openmeter_rating.csv") {
  if (!HaveShared()) return;
  Tally tally("pricing/openmeter_rating.csv");
  for (const Row& row : Table(SharedFile("oracle/pricing/openmeter_rating.csv"))) {
    INFO(row.at("case_id"));
    auto terms = OpenMeterPrice(row.at("price_definition"));
    const std::string reason = NotCompared(row, terms);
    if (!reason.empty()) {
      tally.Skip(reason);
      continue;
    }
    const auto number = [&](const char* column) {
      const auto value = Decimal::Parse(row.at(column));
      return value.ok() ? *value : Decimal();
    };
    if (!row.at("min_commit").empty()) terms->minimum = number("min_commit");
    if (!row.at("max_commit").empty()) terms->maximum = number("max_commit");
    const Decimal before = number("pre_period_qty");
    const Decimal cumulated = *before.Add(number("line_qty"));
    const LineKind kind =
        row.at("line_mode") == "MidPeriodSplitLineMode" ? LineKind::kPartial : LineKind::kLast;
    int64_t billed = Minor(number("previous_billed_amount"), kCents);
    if (billed == 0 && !before.IsZero()) {
      const auto earlier = BillUsage(*terms, PriceQuantity(*terms, Fraction::Of(before)), 0,
                                     LineKind::kPartial, kCents);
      REQUIRE(earlier.ok());
      billed = earlier->total_minor;
    }
    const Priced priced = PriceQuantity(*terms, Fraction::Of(cumulated));
    const auto line = BillUsage(*terms, priced, billed, kind, kCents);
    REQUIRE(line.ok());
    const int64_t expected = Minor(number("expected_total"), kCents);
    const int64_t flat = Minor(terms->tiers[0].flat, kCents);
    if (terms->model == PriceModel::kGraduated && cumulated.IsZero() && flat > 0 && billed == 0 &&
        line->amount_minor == expected + flat) {
      CHECK(tally.Differ("the first tier's flat fee is owed without usage",
                         line->amount_minor == flat));
      continue;
    }
    INFO(line->derivation << "; ours " << line->amount_minor << ", expected " << expected);
    CHECK(tally.Count(line->amount_minor == expected));
  }
}

}  // namespace broadbill::conformance
