#include "services/rating/app/terms.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "libs/convert/convert.h"
#include "libs/money/fraction.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

namespace common = broadbill::common::v1;

class Reader {
 public:
  Reader(std::string field, Violations& violations)
      : field_(std::move(field)), violations_(violations) {}

  Decimal Number(bool set, const common::Decimal& value, const std::string& name,
                 Decimal otherwise = Decimal()) {
    return set ? convert::ReadDecimal(value, field_ + name, violations_) : otherwise;
  }
  std::optional<Decimal> Maybe(bool set, const common::Decimal& value, const std::string& name) {
    return set ? std::optional(Number(true, value, name)) : std::nullopt;
  }

 private:
  const std::string field_;
  Violations& violations_;
};

PriceModel ModelOf(common::UsagePrice::Model model) {
  switch (model) {
    case common::UsagePrice::VOLUME:
      return PriceModel::kVolume;
    case common::UsagePrice::FLAT:
      return PriceModel::kFlat;
    case common::UsagePrice::PERCENTAGE:
      return PriceModel::kPercentage;
    default:
      return PriceModel::kGraduated;
  }
}

PriceTerms ReadPrice(const common::UsagePrice& in, const std::string& field,
                     Violations& violations) {
  PriceTerms out;
  Reader read(field, violations);
  out.model = ModelOf(in.model());
  out.percent = in.model() == common::UsagePrice::GRADUATED_PERCENTAGE;
  violations.Require(in.model() != common::UsagePrice::MODEL_UNSPECIFIED, field + "model",
                     "is required");
  const bool one =
      in.model() == common::UsagePrice::PER_UNIT || in.model() == common::UsagePrice::PERCENTAGE;
  violations.Require(!one || in.tiers_size() == 1, field + "tiers", "must be one tier");
  violations.Require(in.tiers_size() <= 100, field + "tiers", "must be at most 100");
  for (int i = 0; i < in.tiers_size(); ++i) {
    const auto& tier = in.tiers(i);
    Reader of(absl::StrCat(field, "tiers[", i, "]."), violations);
    out.tiers.push_back({of.Maybe(tier.has_up_to(), tier.up_to(), "up_to"),
                         of.Number(tier.has_price(), tier.price(), "price"),
                         of.Number(tier.has_flat_fee(), tier.flat_fee(), "flat_fee"),
                         of.Number(tier.has_block_size(), tier.block_size(), "block_size")});
  }
  out.included_in_tiers = in.allowance_in_tiers();
  out.unit_rounding = in.unit_rounding() == common::UsagePrice::UP        ? UnitRounding::kUp
                      : in.unit_rounding() == common::UsagePrice::NEAREST ? UnitRounding::kNearest
                                                                          : UnitRounding::kExact;
  out.event_fee = read.Number(in.has_event_fee(), in.event_fee(), "event_fee");
  if (in.has_free_events()) out.free_events = in.free_events();
  out.free_amount = read.Maybe(in.has_free_amount(), in.free_amount(), "free_amount");
  out.event_minimum = read.Maybe(in.has_event_minimum(), in.event_minimum(), "event_minimum");
  out.event_maximum = read.Maybe(in.has_event_maximum(), in.event_maximum(), "event_maximum");
  out.minimum = read.Maybe(in.has_minimum_charge(), in.minimum_charge(), "minimum_charge");
  return out;
}

Direction DirectionOf(const common::UsageTerms& in, Measure measure) {
  switch (in.direction()) {
    case common::UsageTerms::IN:
      return Direction::kIn;
    case common::UsageTerms::OUT:
      return Direction::kOut;
    case common::UsageTerms::LARGER:
      return Direction::kLarger;
    case common::UsageTerms::BOTH:
      return Direction::kBoth;
    default:
      return measure == Measure::kTotal ? Direction::kBoth : Direction::kLarger;
  }
}

void ReadUnit(const common::UsageTerms& in, DataTerms& out) {
  static const std::map<int, std::pair<int64_t, const char*>> kUnits = {
      {common::UsageTerms::GB, {1000000000, "GB"}},
      {common::UsageTerms::GIB, {int64_t{1} << 30, "GiB"}},
      {common::UsageTerms::MB, {1000000, "MB"}},
      {common::UsageTerms::MIB, {int64_t{1} << 20, "MiB"}},
      {common::UsageTerms::TB, {1000000000000, "TB"}},
      {common::UsageTerms::TIB, {int64_t{1} << 40, "TiB"}},
      {common::UsageTerms::MBIT_PER_SECOND, {kMbitSlotOctets, "Mbit/s"}}};
  const auto unit = kUnits.find(in.unit());
  if (unit == kUnits.end()) return;
  out.unit_bytes = unit->second.first;
  out.unit_name = unit->second.second;
}

// What a period is used up by and what happens then; a percentile or a peak has none of it.
void ReadBalance(const common::UsageTerms& in, const std::string& field, DataTerms& out,
                 Violations& violations) {
  if (out.measure != Measure::kTotal) return;
  const auto action = in.cap_action();
  out.charges_overage =
      action == common::UsageTerms::CAP_ACTION_UNSPECIFIED || action == common::UsageTerms::CHARGE;
  if (out.unlimited) return;
  out.pool = in.pool();
  if (!in.has_rollover()) return;
  const int periods = in.rollover().periods();
  violations.Require(periods >= 1 && periods <= 24, field + "rollover.periods", "must be 1 to 24");
  out.rollover.periods = periods;
  Reader read(field + "rollover.", violations);
  const auto maximum = read.Maybe(in.rollover().has_maximum(), in.rollover().maximum(), "maximum");
  if (!maximum.has_value()) return;
  const auto bytes = (Fraction::Of(*maximum) * Fraction::Of(out.unit_bytes)).Round(Rounding::kDown);
  if (violations.Check(bytes.status(), field + "rollover.maximum")) out.rollover.maximum = *bytes;
}

}  // namespace

absl::StatusOr<DataTerms> ReadTerms(const common::UsageTerms& in, const std::string& field) {
  Violations violations;
  Reader read(field, violations);
  DataTerms out;
  out.measure = in.measure() == common::UsageTerms::PERCENTILE ? Measure::kPercentile
                : in.measure() == common::UsageTerms::PEAK     ? Measure::kPeak
                                                               : Measure::kTotal;
  out.direction = DirectionOf(in, out.measure);
  ReadUnit(in, out);
  out.allowance = read.Number(in.has_allowance(), in.allowance(), "allowance");
  out.unlimited = in.unlimited();
  out.prorate_allowance = in.prorate_allowance();
  out.block_size =
      read.Number(in.has_block_size(), in.block_size(), "block_size", Decimal::FromInt(1));
  out.block_price = read.Number(in.has_block_price(), in.block_price(), "block_price");
  out.maximum_charge = read.Maybe(in.has_maximum_charge(), in.maximum_charge(), "maximum_charge");
  out.percentile =
      read.Number(in.has_percentile(), in.percentile(), "percentile", Decimal::FromInt(95));
  violations.Require(out.percentile > Decimal() && out.percentile <= Decimal::FromInt(100),
                     field + "percentile", "must be more than 0 and at most 100");
  ReadBalance(in, field, out, violations);
  const bool total = out.measure == Measure::kTotal;
  violations.Require(!total || in.unit() != common::UsageTerms::MBIT_PER_SECOND, field + "unit",
                     "MBIT_PER_SECOND needs the measure PERCENTILE or PEAK");
  const auto windows = ParseWindows(in.free_windows());
  if (violations.Check(windows.status(), field + "free_windows")) out.free_windows = *windows;
  violations.Require(total || in.free_windows().empty(), field + "free_windows",
                     "need the measure TOTAL");
  if (in.has_price()) {
    out.price = ReadPrice(in.price(), field + "price.", violations);
    // Both in one check, so that a minimum above the maximum is found.
    PriceTerms whole = *out.price;
    whole.maximum = out.maximum_charge;
    violations.Check(Validate(whole), field + "price");
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return out;
}

}  // namespace broadbill::rating
