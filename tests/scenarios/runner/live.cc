#include "tests/scenarios/runner/live.h"

#include <cctype>

#include "broadbill/accounts/v1/subscription.pb.h"
#include "broadbill/rating/v1/top_ups.pb.h"
#include "broadbill/rating/v1/usage_balance.pb.h"
#include "libs/money/decimal.h"
#include "libs/money/money.h"

namespace broadbill::scenarios {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace rating = broadbill::rating::v1;

absl::StatusOr<accounts::Subscription> Find(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const std::string name, r.Next("a subscription"));
  const auto found = world.subscriptions.find(name);
  if (found == world.subscriptions.end()) {
    return InvalidArgumentError("SYNTAX", "no subscription '" + name + "'");
  }
  accounts::GetSubscriptionRequest request;
  request.set_subscription_id(found->second);
  return world.Call<accounts::Subscription>("broadbill.accounts.v1.Accounts/GetSubscription",
                                            request);
}

absl::StatusOr<rating::UsageBalance> BalanceOf(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const accounts::Subscription subscription, Find(world, r));
  rating::GetUsageBalanceRequest request;
  request.set_account_id(subscription.account_id());
  request.set_item_id(subscription.subscription_id());
  return world.Call<rating::UsageBalance>("broadbill.rating.v1.Rating/GetUsageBalance", request);
}

void Compare(const std::string& what, const std::string& expected, const std::string& was,
             std::string& out) {
  if (expected == was) return;
  absl::StrAppend(&out, out.empty() ? "" : "; ", what, ": expected ", expected, ", was ", was);
}

std::string Gigabytes(int64_t bytes) {
  return Decimal::FromScaled(Int128{bytes} * (Decimal::kScale / 1000000000)).ToString();
}

}  // namespace

absl::Status BuyTopUp(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const accounts::Subscription subscription, Find(world, r));
  rating::BuyTopUpRequest request;
  request.set_account_id(subscription.account_id());
  request.set_item_id(subscription.subscription_id());
  ASSIGN_OR_RETURN(*request.mutable_code(), r.Next("an offer"));
  std::string reason;
  if (!r.done() && r.Peek() != "refused") {
    ASSIGN_OR_RETURN(const std::string count, r.Next("a number"));
    request.set_count(std::atoi(count.c_str()));
    r.Take("times");
  }
  if (r.Take("refused")) {
    ASSIGN_OR_RETURN(reason, r.Next("a reason"));
  }
  const auto bought =
      world.Call<rating::BuyTopUpResponse>("broadbill.rating.v1.Rating/BuyTopUp", request);
  if (reason.empty()) return bought.status();
  if (bought.ok()) return InvalidArgumentError("BOUGHT", "it was not refused");
  return ReasonOf(bought.status()) == reason ? absl::OkStatus() : bought.status();
}

// expect service NAME active|restricted|suspended|… [because REASON] [speed DOWN/UP]
absl::StatusOr<std::string> ExpectService(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const accounts::Subscription subscription, Find(world, r));
  const accounts::ServiceState& state = subscription.service_state();
  ASSIGN_OR_RETURN(std::string expected, r.Next("a state"));
  for (char& c : expected) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string out;
  Compare("state", expected, accounts::ServiceState::State_Name(state.desired()), out);
  if (r.Take("because")) {
    ASSIGN_OR_RETURN(const std::string reason, r.Next("a reason"));
    Compare("reason", reason, state.reason(), out);
  }
  if (r.Take("speed")) {
    ASSIGN_OR_RETURN(const std::string speed, r.Next("a speed like 2000/1000"));
    Compare("speed", speed,
            absl::StrCat(state.speed().download_kbps(), "/", state.speed().upload_kbps()), out);
  }
  return out;
}

// expect thresholds NAME none|80 100…
absl::StatusOr<std::string> ExpectThresholds(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const rating::UsageBalance balance, BalanceOf(world, r));
  std::string expected;
  while (!r.done()) {
    ASSIGN_OR_RETURN(const std::string word, r.Next("a percent"));
    absl::StrAppend(&expected, expected.empty() ? "" : " ", word);
  }
  std::string was;
  for (const auto& threshold : balance.thresholds()) {
    absl::StrAppend(&was, was.empty() ? "" : " ", threshold.percent());
  }
  std::string out;
  Compare("thresholds", expected, was.empty() ? "none" : was, out);
  return out;
}

// expect usage NAME [used GB] [included GB] [left GB] [percent N] [overage A] [forecast GB]
// [forecast-overage A]
absl::StatusOr<std::string> ExpectUsage(World& world, Reader& r) {
  ASSIGN_OR_RETURN(const rating::UsageBalance balance, BalanceOf(world, r));
  ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(balance.currency_code()));
  std::string out;
  while (!r.done()) {
    ASSIGN_OR_RETURN(const std::string what, r.Next("what"));
    ASSIGN_OR_RETURN(const std::string value, r.Next("its value"));
    std::string was;
    if (what == "used") {
      was = Gigabytes(balance.counted_bytes());
    } else if (what == "included") {
      was = Gigabytes(balance.included_bytes());
    } else if (what == "left") {
      was = Gigabytes(balance.left_bytes());
    } else if (what == "percent") {
      was = absl::StrCat(balance.percent());
    } else if (what == "overage") {
      was = FormatMinor(balance.overage_minor(), exponent);
    } else if (what == "forecast") {
      was = Gigabytes(balance.forecast().counted_bytes());
    } else if (what == "forecast-overage") {
      was = FormatMinor(balance.forecast().overage_minor(), exponent);
    } else {
      return InvalidArgumentError("SYNTAX", "unknown word '" + what + "'");
    }
    Compare(what, value, was, out);
  }
  return out;
}

}  // namespace broadbill::scenarios
