#include "tests/scenarios/runner/usage_plan.h"

#include <vector>

#include "absl/strings/str_split.h"

namespace broadbill::scenarios {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace common = broadbill::common::v1;

// "10 at 1.00, 0.50": tiers with their upper bound, the last without.
absl::Status ReadTiers(Reader& r, common::UsagePrice::Model model, common::UsagePrice* price) {
  ASSIGN_OR_RETURN(const std::string text, r.Next("tiers like \"10 at 1.00, 0.50\""));
  price->set_model(model);
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ", "))) {
    const std::vector<std::string> words = absl::StrSplit(part, ' ');
    common::UsagePrice::Tier* tier = price->add_tiers();
    const bool bounded = words.size() == 3 && words[1] == "at";
    if (!bounded && words.size() != 1) {
      return InvalidArgumentError("SYNTAX", "no tier '" + part + "'");
    }
    if (bounded) tier->mutable_up_to()->set_value(words[0]);
    const bool flat = model == common::UsagePrice::FLAT;
    (flat ? tier->mutable_flat_fee() : tier->mutable_price())->set_value(words.back());
  }
  return absl::OkStatus();
}

// bundle NAME MINUTES [in SECONDS] [to PREFIX] [shared]
absl::Status ReadBundle(Reader& r, common::VoiceBundle* bundle) {
  ASSIGN_OR_RETURN(*bundle->mutable_name(), r.Next("the bundle's name"));
  ASSIGN_OR_RETURN(*bundle->mutable_minutes()->mutable_value(), r.Next("minutes"));
  if (r.Take("in")) {
    ASSIGN_OR_RETURN(const std::string seconds, r.Next("seconds"));
    bundle->set_increment_seconds(std::atoi(seconds.c_str()));
  }
  if (r.Take("to")) {
    ASSIGN_OR_RETURN(const std::string prefix, r.Next("a prefix"));
    bundle->add_prefixes(prefix);
  }
  bundle->set_shared(r.Take("shared"));
  return absl::OkStatus();
}

// "2000/1000" in kbit/s.
absl::Status ReadSpeed(Reader& r, int64_t& down, int64_t& up) {
  ASSIGN_OR_RETURN(const std::string text, r.Next("a speed like 2000/1000"));
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  down = std::atoll(parts[0].c_str());
  up = parts.size() > 1 ? std::atoll(parts[1].c_str()) : down;
  return absl::OkStatus();
}

// thresholds 50,80,100 | cap throttle DOWN/UP | cap block|nothing|charge | speed DOWN/UP
absl::Status ReadCap(const std::string& word, Reader& r, accounts::Plan* plan) {
  common::UsageTerms* usage = plan->mutable_usage();
  int64_t down = 0;
  int64_t up = 0;
  if (word == "speed") {
    RETURN_IF_ERROR(ReadSpeed(r, down, up));
    plan->mutable_speed()->set_download_kbps(down);
    plan->mutable_speed()->set_upload_kbps(up);
    return absl::OkStatus();
  }
  if (word == "thresholds") {
    ASSIGN_OR_RETURN(const std::string text, r.Next("percents"));
    for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ','))) {
      usage->add_thresholds(std::atoi(part.c_str()));
    }
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::string action, r.Next("throttle, block, nothing or charge"));
  usage->set_cap_action(action == "throttle"  ? common::UsageTerms::THROTTLE
                        : action == "block"   ? common::UsageTerms::BLOCK
                        : action == "nothing" ? common::UsageTerms::NOTHING
                                              : common::UsageTerms::CHARGE);
  if (action != "throttle") return absl::OkStatus();
  RETURN_IF_ERROR(ReadSpeed(r, down, up));
  usage->set_throttle_download_kbps(down);
  usage->set_throttle_upload_kbps(up);
  return absl::OkStatus();
}

// rollover PERIODS [up to UNITS] | pool NAME | top-up CODE UNITS GB [PRICE] [valid DAYS]
// [automatic] [at-most N]
absl::Status ReadBalance(const std::string& word, Reader& r, common::UsageTerms* usage) {
  if (word == "pool") {
    ASSIGN_OR_RETURN(*usage->mutable_pool(), r.Next("the pool's name"));
    return absl::OkStatus();
  }
  if (word == "rollover") {
    ASSIGN_OR_RETURN(const std::string periods, r.Next("periods"));
    usage->mutable_rollover()->set_periods(std::atoi(periods.c_str()));
    if (!r.Take("up")) return absl::OkStatus();
    r.Take("to");
    ASSIGN_OR_RETURN(*usage->mutable_rollover()->mutable_maximum()->mutable_value(),
                     r.Next("units"));
    r.Take("GB");
    return absl::OkStatus();
  }
  common::UsageTopUp* offer = usage->add_top_ups();
  ASSIGN_OR_RETURN(*offer->mutable_code(), r.Next("the offer's code"));
  ASSIGN_OR_RETURN(*offer->mutable_units()->mutable_value(), r.Next("units"));
  if (!r.Take("GB")) return InvalidArgumentError("SYNTAX", "expected GB");
  ASSIGN_OR_RETURN(*offer->mutable_price()->mutable_value(), r.Next("a price"));
  if (r.Take("valid")) {
    ASSIGN_OR_RETURN(const std::string days, r.Next("days"));
    offer->set_valid_days(std::atoi(days.c_str()));
  }
  offer->set_automatic(r.Take("automatic"));
  if (r.Take("at-most")) {
    ASSIGN_OR_RETURN(const std::string count, r.Next("a number"));
    offer->set_period_maximum(std::atoi(count.c_str()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> ReadUsageOption(const std::string& word, Reader& r, accounts::Plan* plan) {
  if (word == "bundle") {
    common::VoiceBundle* bundle = plan->mutable_voice()->add_bundles();
    RETURN_IF_ERROR(ReadBundle(r, bundle));
    return true;
  }
  if (word == "round-calls") {
    plan->mutable_voice()->set_round_calls(true);
    return true;
  }
  if (word == "thresholds" || word == "cap" || word == "speed") {
    RETURN_IF_ERROR(ReadCap(word, r, plan));
    return true;
  }
  if (word == "rollover" || word == "pool" || word == "top-up") {
    RETURN_IF_ERROR(ReadBalance(word, r, plan->mutable_usage()));
    return true;
  }
  common::UsagePrice::Model model = common::UsagePrice::MODEL_UNSPECIFIED;
  if (word == "graduated") model = common::UsagePrice::GRADUATED;
  if (word == "volume") model = common::UsagePrice::VOLUME;
  if (word == "flat-tiers") model = common::UsagePrice::FLAT;
  if (model != common::UsagePrice::MODEL_UNSPECIFIED) {
    RETURN_IF_ERROR(ReadTiers(r, model, plan->mutable_usage()->mutable_price()));
  } else if (word == "minimum") {
    ASSIGN_OR_RETURN(
        *plan->mutable_usage()->mutable_price()->mutable_minimum_charge()->mutable_value(),
        r.Next("the least a period costs"));
  } else if (word == "free-windows") {
    ASSIGN_OR_RETURN(*plan->mutable_usage()->mutable_free_windows(), r.Next("windows"));
  } else if (word == "percentile") {
    plan->mutable_usage()->set_measure(common::UsageTerms::PERCENTILE);
    plan->mutable_usage()->set_unit(common::UsageTerms::MBIT_PER_SECOND);
    ASSIGN_OR_RETURN(*plan->mutable_usage()->mutable_percentile()->mutable_value(),
                     r.Next("a percentile"));
  } else {
    return false;
  }
  return true;
}

}  // namespace broadbill::scenarios
