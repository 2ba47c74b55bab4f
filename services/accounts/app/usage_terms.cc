#include "services/accounts/app/usage_terms.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "libs/calendar/window.h"
#include "libs/convert/convert.h"

namespace broadbill::accounts {
namespace {

namespace common = broadbill::common::v1;

// A number that may be left out; 0 or more. Returns it, 0 when it is not there.
Decimal Check(bool set, const common::Decimal& value, const std::string& field,
              Violations& violations) {
  if (!set) return Decimal();
  const Decimal number = convert::ReadDecimal(value, field, violations);
  violations.Require(!number.IsNegative(), field, "must not be negative");
  return number;
}

void CheckTiers(const common::UsagePrice& price, const std::string& field, Violations& violations) {
  const bool one = price.model() == common::UsagePrice::PER_UNIT ||
                   price.model() == common::UsagePrice::PERCENTAGE;
  violations.Require(price.tiers_size() >= 1 && price.tiers_size() <= (one ? 1 : 100),
                     field + "tiers", one ? "must be one tier" : "must be 1 to 100 tiers");
  Decimal before;
  for (int i = 0; i < price.tiers_size(); ++i) {
    const auto& tier = price.tiers(i);
    const std::string at = absl::StrCat(field, "tiers[", i, "].");
    const bool last = i + 1 == price.tiers_size();
    violations.Require(tier.has_up_to() != last, at + "up_to",
                       last ? "must be unset: the last tier is open" : "is required");
    const Decimal bound = Check(tier.has_up_to(), tier.up_to(), at + "up_to", violations);
    violations.Require(last || bound > before, at + "up_to", "must be more than the tier before");
    before = bound;
    Check(tier.has_price(), tier.price(), at + "price", violations);
    Check(tier.has_flat_fee(), tier.flat_fee(), at + "flat_fee", violations);
    Check(tier.has_block_size(), tier.block_size(), at + "block_size", violations);
  }
}

void CheckPrice(const common::UsageTerms& usage, const std::string& field, Violations& violations) {
  const common::UsagePrice& price = usage.price();
  violations.Require(price.model() != common::UsagePrice::MODEL_UNSPECIFIED, field + "model",
                     "is required");
  // Octets are no amount of money.
  violations.Require(price.model() != common::UsagePrice::PERCENTAGE &&
                         price.model() != common::UsagePrice::GRADUATED_PERCENTAGE,
                     field + "model", "must price units of data");
  CheckTiers(price, field, violations);
  const Decimal minimum = Check(price.has_minimum_charge(), price.minimum_charge(),
                                field + "minimum_charge", violations);
  const Decimal maximum = Check(usage.has_maximum_charge(), usage.maximum_charge(),
                                "plan.usage.maximum_charge", violations);
  violations.Require(!usage.has_maximum_charge() || minimum <= maximum, field + "minimum_charge",
                     "must not be more than the maximum");
}

// What is watched while a period runs: thresholds, and what happens when nothing is left.
void CheckCap(const common::UsageTerms& usage, Violations& violations) {
  const std::string at = "plan.usage.";
  const auto action = usage.cap_action();
  const bool throttle = action == common::UsageTerms::THROTTLE;
  const bool stops = throttle || action == common::UsageTerms::BLOCK;
  const bool total = usage.measure() != common::UsageTerms::PERCENTILE &&
                     usage.measure() != common::UsageTerms::PEAK;
  violations.Require(common::UsageTerms::CapAction_IsValid(action), at + "cap_action",
                     "is not known");
  violations.Require(!stops || (total && !usage.unlimited()), at + "cap_action",
                     "THROTTLE and BLOCK need usage that can be used up");
  violations.Require(usage.throttle_download_kbps() >= (throttle ? 1 : 0),
                     at + "throttle_download_kbps", "must be 1 or more with THROTTLE");
  violations.Require(usage.throttle_upload_kbps() >= (throttle ? 1 : 0),
                     at + "throttle_upload_kbps", "must be 1 or more with THROTTLE");
  violations.Require(
      throttle || (usage.throttle_download_kbps() == 0 && usage.throttle_upload_kbps() == 0),
      at + "throttle_download_kbps", "needs the cap action THROTTLE");
  violations.Require(usage.thresholds_size() <= 20, at + "thresholds", "must be at most 20");
  int32_t before = 0;
  for (const int32_t percent : usage.thresholds()) {
    violations.Require(percent > before && percent <= 1000, at + "thresholds",
                       "must ascend, from 1 to 1,000");
    before = percent;
  }
  int automatic = 0;
  for (const common::UsageTopUp& offer : usage.top_ups()) automatic += offer.automatic() ? 1 : 0;
  violations.Require(automatic <= 1, at + "top_ups", "only one can be bought by itself");
}

bool IsName(const std::string& text) {
  return !text.empty() && text.size() <= 50 && text[0] >= 'a' && text[0] <= 'z' &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos;
}

// What can be used beside the allowance.
void CheckBalance(const common::UsageTerms& usage, Violations& violations) {
  const std::string at = "plan.usage.";
  const bool total = usage.measure() != common::UsageTerms::PERCENTILE &&
                     usage.measure() != common::UsageTerms::PEAK;
  const bool limited = total && !usage.unlimited();
  violations.Require(usage.pool().empty() || IsName(usage.pool()), at + "pool",
                     "must be lower_snake, at most 50 characters");
  violations.Require(usage.pool().empty() || limited, at + "pool",
                     "needs usage that can be used up");
  if (usage.has_rollover()) {
    const common::UsageRollover& rollover = usage.rollover();
    violations.Require(limited, at + "rollover", "needs usage that can be used up");
    violations.Require(rollover.periods() >= 1 && rollover.periods() <= 24, at + "rollover.periods",
                       "must be 1 to 24");
    Check(rollover.has_maximum(), rollover.maximum(), at + "rollover.maximum", violations);
  }
  violations.Require(usage.top_ups_size() <= 20, at + "top_ups", "must be at most 20");
  violations.Require(usage.top_ups_size() == 0 || limited, at + "top_ups",
                     "need usage that can be used up");
  std::set<std::string> codes;
  for (int i = 0; i < usage.top_ups_size(); ++i) {
    const common::UsageTopUp& offer = usage.top_ups(i);
    const std::string of = absl::StrCat(at, "top_ups[", i, "].");
    violations.Require(IsName(offer.code()) && codes.insert(offer.code()).second, of + "code",
                       "must be lower_snake and unique in the plan");
    const Decimal units = Check(true, offer.units(), of + "units", violations);
    violations.Require(units > Decimal() && units <= Decimal::FromInt(1000000), of + "units",
                       "must be more than 0, at most 1,000,000");
    Check(offer.has_price(), offer.price(), of + "price", violations);
    violations.Require(offer.valid_days() >= 0 && offer.valid_days() <= 366, of + "valid_days",
                       "must be 0 to 366");
    violations.Require(offer.period_maximum() >= 0, of + "period_maximum", "must be 0 or more");
  }
}

}  // namespace

void CheckUsageTerms(const common::UsageTerms& usage, Violations& violations) {
  CheckCap(usage, violations);
  CheckBalance(usage, violations);
  Check(usage.has_maximum_charge(), usage.maximum_charge(), "plan.usage.maximum_charge",
        violations);
  if (usage.has_price()) CheckPrice(usage, "plan.usage.price.", violations);
  const bool total = usage.measure() != common::UsageTerms::PERCENTILE &&
                     usage.measure() != common::UsageTerms::PEAK;
  violations.Require(total || usage.free_windows().empty(), "plan.usage.free_windows",
                     "need the measure TOTAL");
  violations.Require(!total || usage.unit() != common::UsageTerms::MBIT_PER_SECOND,
                     "plan.usage.unit", "MBIT_PER_SECOND needs the measure PERCENTILE or PEAK");
  violations.Check(ParseWindows(usage.free_windows()).status(), "plan.usage.free_windows");
  if (!usage.has_percentile()) return;
  const Decimal percent = Check(true, usage.percentile(), "plan.usage.percentile", violations);
  violations.Require(percent > Decimal() && percent <= Decimal::FromInt(100),
                     "plan.usage.percentile", "must be more than 0 and at most 100");
}

void CheckVoiceTerms(const common::VoiceTerms& voice, Violations& violations) {
  violations.Require(voice.bundles_size() <= 20, "plan.voice.bundles", "must be at most 20");
  violations.Require(voice.deck_codes_size() <= 20, "plan.voice.deck_codes", "must be at most 20");
  violations.Require(!voice.round_calls() || voice.deck_codes_size() > 0, "plan.voice.round_calls",
                     "needs a deck that rates calls");
  std::set<std::string> names;
  for (int i = 0; i < voice.bundles_size(); ++i) {
    const common::VoiceBundle& bundle = voice.bundles(i);
    const std::string at = absl::StrCat("plan.voice.bundles[", i, "].");
    violations.Require(!bundle.name().empty() && names.insert(bundle.name()).second, at + "name",
                       "is required and unique in the plan");
    const Decimal minutes = Check(true, bundle.minutes(), at + "minutes", violations);
    violations.Require(minutes > Decimal() && minutes <= Decimal::FromInt(1000000000),
                       at + "minutes", "must be more than 0");
    violations.Require(bundle.increment_seconds() >= 0, at + "increment_seconds",
                       "must be 0 or more");
    violations.Require(!bundle.shared() || voice.deck_codes_size() > 0, at + "shared",
                       "needs a deck that rates calls");
    for (const std::string& prefix : bundle.prefixes()) {
      violations.Require(
          !prefix.empty() && prefix.find_first_not_of("0123456789") == std::string::npos,
          at + "prefixes", "must be digits of E.164 without '+'");
    }
  }
}

}  // namespace broadbill::accounts
