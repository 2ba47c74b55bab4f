#include "services/rating/domain/overage.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/money/fraction.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

// bytes ÷ unit to two digits, for people: "112.40".
std::string Units(int64_t bytes, int64_t unit_bytes) {
  const auto hundredths = static_cast<int64_t>(RoundDiv(Int128{bytes} * 100, unit_bytes));
  return FormatMinor(hundredths, 2);
}

// "10.00" where the price fits the currency, else all its digits.
std::string PriceText(const Decimal& price, int currency_exponent) {
  const std::string digits = price.ToString();
  const auto minor = ParseMinor(digits, currency_exponent);
  return minor.ok() ? FormatMinor(*minor, currency_exponent) : digits;
}

// Included units of the days in service.
absl::StatusOr<Fraction> Allowance(const DataTerms& terms, int64_t days, int64_t full_days) {
  const Fraction whole = Fraction::Of(terms.allowance);
  if (!terms.prorate_allowance || days >= full_days) return whole;
  ASSIGN_OR_RETURN(const int64_t units,
                   (whole * Fraction::Ratio(days, full_days)).Round(Rounding::kUp));
  return Fraction::Of(units);
}

uint64_t InDirection(Direction direction, const Octets& octets) {
  switch (direction) {
    case Direction::kIn:
      return octets.in;
    case Direction::kOut:
      return octets.out;
    case Direction::kBoth:
      return octets.in + octets.out;
    case Direction::kLarger:
      return std::max(octets.in, octets.out);
  }
  return 0;
}

absl::Status PriceBlocks(const DataTerms& terms, int currency_exponent, DataCharge& out) {
  ASSIGN_OR_RETURN(const int64_t block_bytes,
                   (Fraction::Of(terms.block_size) * Fraction::Of(terms.unit_bytes)).Round());
  if (terms.charges_overage) {
    out.blocks = (out.overage_bytes + block_bytes - 1) / std::max<int64_t>(1, block_bytes);
  }
  const Fraction price = Fraction::MinorUnits(terms.block_price, currency_exponent);
  ASSIGN_OR_RETURN(out.amount_minor, (price * Fraction::Of(out.blocks)).Round());
  if (out.blocks > 0) {
    absl::StrAppend(&out.derivation, ", ", out.blocks, " × ", terms.block_size.ToString(), " ",
                    terms.unit_name, " at ", PriceText(terms.block_price, currency_exponent));
  }
  if (!terms.maximum_charge.has_value()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int64_t maximum,
                   Fraction::MinorUnits(*terms.maximum_charge, currency_exponent).Round());
  if (out.amount_minor > maximum) {
    out.amount_minor = maximum;
    absl::StrAppend(&out.derivation, ", at most ",
                    PriceText(*terms.maximum_charge, currency_exponent));
  }
  return absl::OkStatus();
}

absl::Status PriceModelled(const DataTerms& terms, const Fraction& allowance, int64_t bytes,
                           int currency_exponent, DataCharge& out) {
  PriceTerms price = *terms.price;
  price.raw_per_unit = Decimal::FromInt(terms.unit_bytes);
  ASSIGN_OR_RETURN(price.included, allowance.ToDecimal());
  if (terms.maximum_charge.has_value()) price.maximum = terms.maximum_charge;
  ASSIGN_OR_RETURN(const UsageLine line, BillUsage(price, PriceQuantity(price, Fraction::Of(bytes)),
                                                   0, LineKind::kLast, currency_exponent));
  out.amount_minor = line.total_minor;
  absl::StrAppend(&out.derivation, ": ", line.derivation);
  return absl::OkStatus();
}

// "131.00 GB − 20.00 GB rolled over − 100.00 GB included − 10.00 GB top-up = 1.00 GB".
std::string SourcesText(const DataTerms& terms, const Covered& covered, const DataCharge& charge) {
  const auto units = [&](int64_t bytes) {
    return absl::StrCat(Units(bytes, terms.unit_bytes), " ", terms.unit_name);
  };
  if (covered.total() == 0) {
    return absl::StrCat(units(charge.counted_bytes), " of ", units(charge.allowance_bytes),
                        " included");
  }
  std::string out = units(charge.counted_bytes);
  const auto less = [&](int64_t bytes, const char* source) {
    if (bytes > 0) absl::StrAppend(&out, " − ", units(bytes), " ", source);
  };
  less(covered.rolled_over, "rolled over");
  less(charge.counted_bytes - charge.overage_bytes - covered.total(), "included");
  less(covered.bought, "top-up");
  less(covered.pool, "of the pool");
  return absl::StrCat(out, " = ", units(charge.overage_bytes));
}

}  // namespace

UsageStretches StretchesOf(const DataTerms& terms, absl::Time start, absl::Time end,
                           const absl::TimeZone& zone) {
  UsageStretches out;
  if (terms.measure != Measure::kTotal) {
    for (absl::Time at = start; at < end; at += kSlot) out.boundaries.push_back(at);
    out.free.assign(out.boundaries.size(), false);
    out.boundaries.push_back(end);
    return out;
  }
  const WindowSet windows(terms.free_windows);
  for (absl::Time at = start; at < end;) {
    const LocalTime local = LocalAt(at, zone);
    bool free = false;
    for (size_t i = 0; i < terms.free_windows.size(); ++i) free = free || windows.Holds(i, local);
    if (out.free.empty() || out.free.back() != free) {
      out.boundaries.push_back(at);
      out.free.push_back(free);
    }
    at = windows.empty() ? end : windows.NextChange(at, local, zone, end);
  }
  out.boundaries.push_back(end);
  return out;
}

PeriodOctets CountOctets(const DataTerms& terms, const UsageStretches& stretches,
                         const std::vector<Octets>& octets) {
  PeriodOctets out;
  for (size_t i = 0; i < octets.size(); ++i) {
    out.total.in += octets[i].in;
    out.total.out += octets[i].out;
    if (!stretches.free[i]) continue;
    out.free.in += octets[i].in;
    out.free.out += octets[i].out;
  }
  if (terms.measure == Measure::kTotal) {
    const Octets charged{out.total.in - out.free.in, out.total.out - out.free.out};
    out.counted = InDirection(terms.direction, charged);
    return out;
  }
  // In and out apart, each by its own slots.
  std::vector<uint64_t> in;
  std::vector<uint64_t> sent;
  for (const Octets& one : octets) {
    in.push_back(one.in);
    sent.push_back(one.out);
  }
  const auto slots = static_cast<int64_t>(octets.size());
  const Decimal percent =
      terms.measure == Measure::kPeak ? Decimal::FromInt(100) : terms.percentile;
  out.counted = InDirection(terms.direction,
                            {Percentile(in, slots, percent), Percentile(sent, slots, percent)});
  return out;
}

absl::StatusOr<int64_t> AllowanceBytes(const DataTerms& terms, int64_t days, int64_t full_days) {
  ASSIGN_OR_RETURN(const Fraction allowance, Allowance(terms, days, full_days));
  return (allowance * Fraction::Of(terms.unit_bytes)).Round(Rounding::kDown);
}

absl::StatusOr<DataCharge> PriceCounted(const DataTerms& terms, int64_t counted, int64_t days,
                                        int64_t full_days, int currency_exponent,
                                        const Covered& covered) {
  DataCharge out;
  out.counted_bytes = counted;
  if (terms.unlimited) {
    out.derivation =
        absl::StrCat(Units(counted, terms.unit_bytes), " ", terms.unit_name, ", unlimited");
    return out;
  }
  ASSIGN_OR_RETURN(const Fraction allowance, Allowance(terms, days, full_days));
  ASSIGN_OR_RETURN(out.allowance_bytes, AllowanceBytes(terms, days, full_days));
  const int64_t left = counted - covered.total();
  out.overage_bytes = std::max<int64_t>(0, left - out.allowance_bytes);
  out.derivation = SourcesText(terms, covered, out);
  const int64_t priced = terms.charges_overage ? left : std::min(left, out.allowance_bytes);
  RETURN_IF_ERROR(terms.price.has_value()
                      ? PriceModelled(terms, allowance, priced, currency_exponent, out)
                      : PriceBlocks(terms, currency_exponent, out));
  if (!terms.charges_overage && out.overage_bytes > 0) {
    absl::StrAppend(&out.derivation, ", ", Units(out.overage_bytes, terms.unit_bytes), " ",
                    terms.unit_name, " beyond not charged");
  }
  return out;
}

absl::StatusOr<DataCharge> PriceData(const DataTerms& terms, int64_t bytes_in, int64_t bytes_out,
                                     int64_t days, int64_t full_days, int currency_exponent) {
  const Octets octets{static_cast<uint64_t>(bytes_in), static_cast<uint64_t>(bytes_out)};
  return PriceCounted(terms, static_cast<int64_t>(InDirection(terms.direction, octets)), days,
                      full_days, currency_exponent);
}

}  // namespace broadbill::rating
