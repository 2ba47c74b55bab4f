#include "services/rating/domain/pricing.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

bool Less(const Fraction& a, const Fraction& b) { return (a - b).IsNegative(); }
const Fraction& Min(const Fraction& a, const Fraction& b) { return Less(b, a) ? b : a; }
const Fraction& Max(const Fraction& a, const Fraction& b) { return Less(a, b) ? b : a; }

// 1 ÷ value; invalid where that does not fit, which the rounding at the end reports.
Fraction Inverse(const Decimal& value) {
  const Fraction exact = Fraction::Of(value);
  const bool fits = exact.numerator() <= INT64_MAX && exact.denominator() <= INT64_MAX;
  if (!fits) return Fraction::Ratio(1, 0);
  return Fraction::Ratio(static_cast<int64_t>(exact.denominator()),
                         static_cast<int64_t>(exact.numerator()));
}

// Shortest decimal of a fraction, cut after 6 digits where it does not end.
std::string Text(const Fraction& value) {
  const auto decimal = value.ToDecimal();
  if (!decimal.ok()) return "out of range";
  if (Fraction::Of(*decimal) == value) return decimal->ToString();
  const auto cut = value.ToDecimal(6);
  return cut.ok() ? "≈" + cut->ToString() : "out of range";
}

// Started blocks of `block` units in `quantity`.
Fraction Blocks(const Fraction& quantity, const Decimal& block) {
  const auto count = (quantity * Inverse(block)).Round(Rounding::kUp);
  return count.ok() ? Fraction::Of(*count) : Fraction::Ratio(1, 0);
}

// What a tier charges for: exact units or started blocks.
Fraction Charged(const PriceTier& tier, const Fraction& quantity) {
  return tier.block.IsZero() ? quantity : Blocks(quantity, tier.block);
}

Fraction Times(const PriceTerms& terms, const Fraction& quantity, const Decimal& price) {
  const Fraction amount = quantity * Fraction::Of(price);
  return terms.percent || terms.model == PriceModel::kPercentage ? amount * Fraction::Ratio(1, 100)
                                                                 : amount;
}

void Add(Priced& out, PriceLine line) {
  out.amount = out.amount + line.amount;
  if (!line.quantity.IsZero() || !line.amount.IsZero()) out.lines.push_back(std::move(line));
}

// A tier with the part of `units` that it prices; `free` units at the front cost nothing.
void AddTier(const PriceTerms& terms, size_t index, const Fraction& quantity, const Fraction& free,
             Priced& out) {
  const PriceTier& tier = terms.tiers[index];
  const Fraction paid = Max(Fraction(), quantity - free);
  const Fraction charged = Charged(tier, paid);
  Add(out, {absl::StrCat("tier ", index + 1), charged, tier.price, tier.flat,
            Times(terms, charged, tier.price) + Fraction::Of(tier.flat)});
}

// Index of the tier that holds `quantity`; past the last bound it is the last one.
size_t TierOf(const PriceTerms& terms, const Fraction& quantity) {
  for (size_t i = 0; i + 1 < terms.tiers.size(); ++i) {
    const auto& bound = terms.tiers[i].up_to;
    if (!bound.has_value() || !Less(Fraction::Of(*bound), quantity)) return i;
  }
  return terms.tiers.size() - 1;
}

// Upper bound of a tier as far as `quantity` needs it.
Fraction UpTo(const PriceTerms& terms, size_t index, const Fraction& quantity) {
  const bool last = index + 1 == terms.tiers.size();
  if (last || !terms.tiers[index].up_to.has_value()) return quantity;
  return Min(quantity, Fraction::Of(*terms.tiers[index].up_to));
}

// Units of a raw quantity, converted and rounded as the terms say.
Fraction Units(const PriceTerms& terms, const Fraction& raw) {
  const Fraction units = raw * Inverse(terms.raw_per_unit);
  if (terms.unit_rounding == UnitRounding::kExact) return units;
  const auto whole = units.Round(
      terms.unit_rounding == UnitRounding::kUp ? Rounding::kUp : Rounding::kHalfAwayFromZero);
  return whole.ok() ? Fraction::Of(*whole) : Fraction::Ratio(1, 0);
}

void PriceTiers(const PriceTerms& terms, const Fraction& units, Priced& out) {
  const Fraction included = Min(Fraction::Of(terms.included), units);
  const Fraction free = terms.included_in_tiers ? included : Fraction();
  const Fraction quantity = terms.included_in_tiers ? units : units - included;
  out.included = included;
  if (!included.IsZero()) Add(out, {"included", included, Decimal(), Decimal(), Fraction()});
  if (terms.tiers.empty()) return;
  const size_t reached = TierOf(terms, quantity);
  if (terms.model == PriceModel::kFlat) {
    const PriceTier& tier = terms.tiers[reached];
    return Add(out, {absl::StrCat("tier ", reached + 1), Fraction(), Decimal(), tier.flat,
                     Fraction::Of(tier.flat)});
  }
  if (terms.model == PriceModel::kVolume) return AddTier(terms, reached, quantity, free, out);
  Fraction from;
  for (size_t i = 0; i <= reached; ++i) {
    const Fraction to = UpTo(terms, i, quantity);
    AddTier(terms, i, to - from, Min(to - from, Max(Fraction(), free - from)), out);
    from = to;
  }
}

}  // namespace

PriceTerms PerUnit(Decimal price) {
  PriceTerms out;
  out.tiers = {{std::nullopt, price, Decimal(), Decimal()}};
  return out;
}

PriceTerms Package(Decimal size, Decimal price) {
  PriceTerms out = PerUnit(price);
  out.tiers[0].block = size;
  return out;
}

absl::Status Validate(const PriceTerms& terms) {
  Violations wrong;
  const auto positive = [&](const Decimal& value, const std::string& field) {
    wrong.Require(!value.IsNegative(), field, "must be 0 or more");
  };
  wrong.Require(!terms.tiers.empty(), "tiers", "must have at least one");
  Decimal before;
  for (size_t i = 0; i < terms.tiers.size(); ++i) {
    const PriceTier& tier = terms.tiers[i];
    const std::string field = absl::StrCat("tiers[", i, "].");
    const bool last = i + 1 == terms.tiers.size();
    wrong.Require(tier.up_to.has_value() != last, field + "up_to",
                  last ? "must be unset: the last tier is open" : "is required but in the last");
    wrong.Require(!tier.up_to.has_value() || *tier.up_to > before, field + "up_to",
                  "must be more than the tier before");
    before = tier.up_to.value_or(before);
    positive(tier.price, field + "price");
    positive(tier.flat, field + "flat_fee");
    positive(tier.block, field + "block_size");
  }
  wrong.Require(terms.raw_per_unit > Decimal(), "raw_per_unit", "must be more than 0");
  positive(terms.included, "included");
  positive(terms.event_fee, "event_fee");
  const auto range = [&](const std::optional<Decimal>& low, const std::optional<Decimal>& high,
                         const std::string& field) {
    positive(low.value_or(Decimal()), field + "minimum");
    positive(high.value_or(Decimal()), field + "maximum");
    wrong.Require(!low.has_value() || !high.has_value() || *low <= *high, field + "minimum",
                  "must not be more than the maximum");
  };
  range(terms.event_minimum, terms.event_maximum, "event_");
  range(terms.minimum, terms.maximum, "");
  wrong.Require(terms.free_events.value_or(0) >= 0, "free_events", "must be 0 or more");
  positive(terms.free_amount.value_or(Decimal()), "free_amount");
  return wrong.ToStatus();
}

std::string Priced::Derivation() const {
  std::string out;
  for (const PriceLine& line : lines) {
    if (!out.empty()) out += " + ";
    const bool flat = !line.flat.IsZero();
    if (line.quantity.IsZero() && flat) {
      absl::StrAppend(&out, line.flat.ToString());
    } else {
      absl::StrAppend(&out, Text(line.quantity), " × ", line.price.ToString());
      if (flat) absl::StrAppend(&out, " + ", line.flat.ToString());
    }
  }
  return absl::StrCat(out.empty() ? "nothing used" : out, " = ", Text(amount));
}

Priced PriceQuantity(const PriceTerms& terms, const Fraction& raw) {
  Priced out;
  out.negative = raw.IsNegative();
  out.units = out.negative ? Fraction() : Units(terms, raw);
  PriceTiers(terms, out.units, out);
  return out;
}

namespace {

// The free part of events whose amounts are not known one by one.
void FreeOfSums(const PriceTerms& terms, const EventAmounts& events, int64_t& free_events,
                Fraction& free_amount) {
  free_events = 0;
  free_amount = Fraction();
  if (!terms.free_events.has_value() && !terms.free_amount.has_value()) return;
  const int64_t most = terms.free_events.value_or(events.events);
  if (terms.free_events.has_value() && most >= events.events && !terms.free_amount.has_value()) {
    free_events = events.events;
    free_amount = Fraction::Of(events.total);
    return;
  }
  for (const Decimal& total : events.running_totals) {
    if (free_events == most) break;
    if (terms.free_amount.has_value() && total > *terms.free_amount) {
      free_amount = Fraction::Of(*terms.free_amount);  // used up within this event
      return;
    }
    ++free_events;
    free_amount = Fraction::Of(total);
  }
  // All known events are free and some free amount is left for those that are not listed.
  if (free_events < most && terms.free_amount.has_value()) {
    free_amount = Fraction::Of(*terms.free_amount);
  }
}

}  // namespace

Priced PricePercentage(const PriceTerms& terms, const EventAmounts& events) {
  Priced out;
  const Decimal rate = terms.tiers.empty() ? Decimal() : terms.tiers[0].price;
  if (events.amounts.empty()) {
    out.units = Fraction::Of(events.total);
    if (events.total.IsZero()) return out;  // nothing passed, so no event is charged
    int64_t free_events = 0;
    FreeOfSums(terms, events, free_events, out.included);
    const Fraction amount = Max(Fraction(), out.units - out.included);
    const Fraction fees = Fraction::Of(std::max<int64_t>(0, events.events - free_events));
    Add(out, {"amount", amount, rate, Decimal(), Times(terms, amount, rate)});
    Add(out, {"events", fees, terms.event_fee, Decimal(), fees * Fraction::Of(terms.event_fee)});
    return out;
  }
  Fraction left = Fraction::Of(terms.free_amount.value_or(Decimal()));
  const bool by_amount = terms.free_amount.has_value();
  const int64_t most = terms.free_events.value_or(by_amount ? INT64_MAX : 0);
  for (size_t i = 0; i < events.amounts.size(); ++i) {
    const Fraction whole = Fraction::Of(events.amounts[i]);
    out.units = out.units + whole;
    const bool in_free = static_cast<int64_t>(i) < most && (!by_amount || !left.IsZero());
    const Fraction free = !in_free ? Fraction() : by_amount ? Min(whole, left) : whole;
    left = left - free;
    out.included = out.included + free;
    const Fraction paid = whole - free;
    if (in_free && paid.IsZero()) continue;
    Fraction amount = Times(terms, paid, rate) + Fraction::Of(terms.event_fee);
    if (terms.event_minimum.has_value()) amount = Max(amount, Fraction::Of(*terms.event_minimum));
    if (terms.event_maximum.has_value()) amount = Min(amount, Fraction::Of(*terms.event_maximum));
    Add(out, {absl::StrCat("event ", i + 1), paid, rate, terms.event_fee, amount});
  }
  return out;
}

Priced PriceProrated(const PriceTerms& terms, const std::vector<ProratedChange>& changes) {
  Priced out;
  Fraction full;
  Fraction weighted;
  if (terms.model != PriceModel::kGraduated) {
    for (const ProratedChange& change : changes) {
      full = full + Fraction::Of(change.units);
      weighted = weighted + Fraction::Of(change.prorated);
    }
    out.units = weighted;
    AddTier(terms, TierOf(terms, full), Max(Fraction(), weighted), Fraction(), out);
    return out;
  }
  std::vector<Fraction> by_tier(terms.tiers.size());
  size_t highest = 0;
  for (const ProratedChange& change : changes) {
    const Fraction before = full;
    const Fraction units = Fraction::Of(change.units);
    full = full + units;
    weighted = weighted + Fraction::Of(change.prorated);
    highest = std::max(highest, TierOf(terms, full));
    if (units.IsZero()) continue;
    const Fraction weight =
        Fraction::Of(change.prorated) * Inverse(units.IsNegative() ? -change.units : change.units);
    const Fraction low = Min(before, full);
    const Fraction high = Max(before, full);
    Fraction from = low;
    for (size_t i = 0; i < terms.tiers.size() && Less(from, high); ++i) {
      const Fraction to = UpTo(terms, i, high);
      if (!Less(from, to)) continue;
      by_tier[i] = by_tier[i] + (to - from) * weight;
      from = to;
    }
  }
  out.units = weighted;
  for (size_t i = 0; i <= highest && i < terms.tiers.size(); ++i) {
    const PriceTier& tier = terms.tiers[i];
    Add(out, {absl::StrCat("tier ", i + 1), by_tier[i], tier.price, tier.flat,
              Times(terms, by_tier[i], tier.price) + Fraction::Of(tier.flat)});
  }
  out.negative = out.amount.IsNegative();
  if (out.negative) out.amount = Fraction();
  return out;
}

Priced PriceCapacity(const std::vector<CapacityTier>& tiers,
                     const std::map<std::string, Decimal>& peaks) {
  Priced out;
  for (size_t i = 0; i < tiers.size(); ++i) {
    const bool holds = std::all_of(peaks.begin(), peaks.end(), [&](const auto& peak) {
      const auto limit = tiers[i].limits.find(peak.first);
      return limit == tiers[i].limits.end() || peak.second <= limit->second;
    });
    if (!holds && i + 1 < tiers.size()) continue;
    Add(out, {absl::StrCat("tier ", i + 1), Fraction(), Decimal(), tiers[i].price,
              Fraction::Of(tiers[i].price)});
    break;
  }
  return out;
}

uint64_t Percentile(std::vector<uint64_t> values, int64_t slots, const Decimal& percent) {
  const auto size = static_cast<int64_t>(values.size());
  slots = std::max(slots, size);
  const auto rank =
      (Fraction::Of(percent) * Fraction::Of(slots) * Fraction::Ratio(1, 100)).Round(Rounding::kUp);
  if (!rank.ok() || slots == 0) return 0;
  // The slots that were not measured are the smallest.
  const int64_t at = std::clamp<int64_t>(*rank, 1, slots) - 1 - (slots - size);
  if (at < 0) return 0;
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<size_t>(at)];
}

absl::StatusOr<UsageLine> BillUsage(const PriceTerms& terms, const Priced& priced,
                                    int64_t billed_minor, LineKind kind, int currency_exponent,
                                    Rounding rounding) {
  UsageLine out;
  const bool volume = terms.model == PriceModel::kVolume || terms.model == PriceModel::kFlat;
  if (kind == LineKind::kPartial && volume && terms.volume_waits) {
    out.total_minor = billed_minor;
    out.derivation = "known at the end of the period";
    return out;
  }
  const auto minor = [&](const Fraction& major) {
    const Fraction scale = Fraction::MinorUnits(Decimal::FromInt(1), currency_exponent);
    return (major * scale).Round(rounding);
  };
  const auto show = [&](int64_t value) { return FormatMinor(value, currency_exponent); };
  ASSIGN_OR_RETURN(out.total_minor, minor(priced.amount));
  out.derivation = priced.Derivation();
  if (kind == LineKind::kLast && terms.minimum.has_value()) {
    ASSIGN_OR_RETURN(const int64_t minimum, minor(Fraction::Of(*terms.minimum)));
    out.commitment_minor = std::max<int64_t>(0, minimum - out.total_minor);
    out.total_minor += out.commitment_minor;
    if (out.commitment_minor > 0) absl::StrAppend(&out.derivation, ", at least ", show(minimum));
  }
  if (terms.maximum.has_value()) {
    ASSIGN_OR_RETURN(const int64_t maximum, minor(Fraction::Of(*terms.maximum)));
    out.capped_minor = std::max<int64_t>(0, out.total_minor - maximum);
    out.total_minor -= out.capped_minor;
    if (out.capped_minor > 0) absl::StrAppend(&out.derivation, ", at most ", show(maximum));
  }
  out.amount_minor = out.total_minor - billed_minor;
  if (billed_minor != 0) {
    absl::StrAppend(&out.derivation, ", less ", show(billed_minor), " billed");
  }
  return out;
}

}  // namespace broadbill::rating
