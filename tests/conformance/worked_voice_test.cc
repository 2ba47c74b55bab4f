// Prefixes, dialled strings and costs of calls as other systems have them. Differences that are
// decided are told by what the case is, never by its name, and each is checked to come from the
// rule that it is said to (services/rating/README.md).

#include <catch2/catch.hpp>
#include <regex>

#include "absl/strings/str_cat.h"
#include "libs/money/rounding.h"
#include "services/rating/domain/call.h"
#include "services/rating/domain/jurisdiction.h"
#include "tests/conformance/inputs.h"
#include "tests/conformance/line.h"
#include "tests/conformance/rate_text.h"

namespace broadbill::conformance {
using rating::CallPrice;
using rating::DeckRate;

TEST_CASE("the longest prefix") {
  if (!HaveShared()) return;
  std::vector<DeckRate> rates;
  for (const Row& row : Table(SharedFile("data/voice/prefixes_38k.csv"))) {
    DeckRate rate;
    rate.prefix = row.at("dialprefix");
    rate.destination = row.at("destination");
    rates.push_back(std::move(rate));
  }
  const rating::DeckIndex index({rates});
  Tally tally("voice/longest_prefix.csv");
  for (const Row& row : Table(SharedFile("oracle/voice/longest_prefix.csv"))) {
    const DeckRate* found = index.Find(row.at("number"), CivilDay(2026, 1, 1));
    const std::string prefix = found == nullptr ? "" : found->prefix;
    const std::string name = found == nullptr ? "" : found->destination;
    INFO(row.at("number"));
    CHECK(tally.Count(prefix == row.at("matched_prefix") && name == row.at("destination")));
  }
}

TEST_CASE("dialled strings") {
  if (!HaveShared()) return;
  Tally tally("voice/e164_parse.csv");
  for (const Row& row : Table(SharedFile("oracle/voice/e164_parse.csv"))) {
    const std::string country =
        row.at("default_country").empty() ? "US" : row.at("default_country");
    const rating::DialPlan* plan = rating::FindDialPlan(country);
    if (plan == nullptr) {
      tally.Skip("the dialling plan of " + country + " is not known");
      continue;
    }
    const auto number = rating::ToE164(row.at("input"), *plan);
    INFO(row.at("input") << " → " << number.value_or("nothing"));
    const bool valid = row.at("valid") == "true";
    const bool abroad = number.has_value() && number->rfind(plan->calling_code, 0) != 0;
    if (!valid && abroad && "+" + *number == row.at("e164")) {
      tally.Skip("lengths of numbers abroad are not checked: the network completed the call");
      continue;
    }
    CHECK(tally.Count(valid ? "+" + number.value_or("") == row.at("e164") : !number.has_value()));
  }
}

TEST_CASE("jurisdictions of North American calls") {
  if (!HaveShared()) return;
  Tally tally("voice/nanp_jurisdiction_pairs.csv");
  for (const Row& row : Table(SharedFile("oracle/voice/nanp_jurisdiction_pairs.csv"))) {
    INFO(row.at("orig") << " → " << row.at("term"));
    const auto digits = [](const std::string& number) {
      return number[0] == '+' ? number.substr(1) : std::string();
    };
    const auto found = rating::JurisdictionOf(digits(row.at("orig")), row.at("orig_state"),
                                              digits(row.at("term")), row.at("term_state"));
    CHECK(tally.Count(rating::JurisdictionName(found) == row.at("expected")));
  }
}

namespace {

// A rate of a2billing_rate_engine.csv.
DeckRate A2BillingRate(const Row& row) {
  const int first = std::stoi(row.at("initblock_s"));
  const int next = std::stoi(row.at("billingblock_s"));
  DeckRate rate;
  rate.prefix = "1";
  rate.per_minute_micros = MicrosOf(row.at("rate_per_min"));
  // Both are due once a call.
  rate.connect_micros = MicrosOf(row.at("connect_charge")) + MicrosOf(row.at("disconnect_charge"));
  rate.minimum_micros = MicrosOf(row.at("minimal_call_cost"));
  rate.first_increment = first == 0 ? next : first;
  rate.next_increment = next;
  // "step;charge/min;time_s;block_s": a fee and a first rate of its own for some time.
  const std::vector<std::string> step =
      Split(row.at("progressive_a(step;charge/min;time_s;block_s)"), ';');
  if (step.size() < 4) return rate;
  rate.connect_micros += MicrosOf(step[0]);
  rate.step_per_minute_micros = rate.per_minute_micros;
  rate.step_increment = next;
  rate.per_minute_micros = MicrosOf(step[1]);
  rate.step_from = std::stoi(step[2]);
  rate.first_increment = rate.next_increment = std::stoi(step[3]);
  return rate;
}

}  // namespace

TEST_CASE("costs of calls by A2Billing's rate engine") {
  if (!HaveShared()) return;
  Tally tally("voice/a2billing_rate_engine.csv");
  for (const Row& row : Table(SharedFile("oracle/voice/a2billing_rate_engine.csv"))) {
    const DeckRate rate = A2BillingRate(row);
    // Its additional grace lengthens the call.
    const int64_t seconds = std::stoll(row.at("duration_s")) + std::stoll(row.at("grace_s"));
    Line line(rate);
    const int64_t cost = line.Call(seconds).cost_micros;
    const int64_t theirs = MicrosOf(row.at("a2billing_cost"));
    INFO(row.at("case") << ": " << cost << " millionths");
    // Theirs rounds the whole to next increments (30/18 bills 59 s as 72 s, ours as 66 s).
    const int64_t whole =
        (seconds + rate.next_increment - 1) / rate.next_increment * rate.next_increment;
    const bool uneven = rate.first_increment % rate.next_increment != 0;
    if (cost != theirs && uneven && seconds > rate.first_increment &&
        static_cast<int64_t>(RoundDiv(Int128{whole} * rate.per_minute_micros, 60)) +
                rate.connect_micros ==
            theirs) {
      const int64_t billed =
          rating::BilledSeconds(seconds, rate.first_increment, rate.next_increment);
      const auto ours = static_cast<int64_t>(RoundDiv(Int128{billed} * rate.per_minute_micros, 60));
      CHECK(tally.Differ("30/18: ours is the first increment, then whole next ones",
                         cost == ours + rate.connect_micros));
      continue;
    }
    CHECK(tally.Count(cost == theirs));
  }
}

TEST_CASE("included seconds by A2Billing") {
  if (!HaveShared()) return;
  Tally tally("voice/a2billing_free_seconds.csv");
  for (const Row& row : Table(SharedFile("oracle/voice/a2billing_free_seconds.csv"))) {
    const int64_t seconds = std::stoll(row.at("duration_s"));
    const int64_t left = std::stoll(row.at("free_seconds_left"));
    DeckRate rate;
    rate.prefix = "1";
    rate.per_minute_micros = MicrosOf(row.at("rate_per_min"));
    rate.first_increment = std::max(1, std::stoi(row.at("initblock_s")));
    rate.next_increment = std::max(1, std::stoi(row.at("billingblock_s")));
    Line line(rate);
    line.bundles = {Included(left)};
    const CallPrice price = line.Call(seconds);
    const int64_t theirs = MicrosOf(row.at("a2billing_cost"));
    INFO(row.at("case") << ": " << price.Derivation());
    if (price.cost_micros == 0 && theirs > 0 && left >= seconds && left < price.billed_seconds) {
      CHECK(tally.Differ("seconds that hold the real call cover it, though its increments are more",
                         price.bundle_seconds == left));
      continue;
    }
    // Theirs takes off the real seconds, ours the increments that they were billed as.
    const int64_t drawn = std::min(left, price.billed_seconds);
    CHECK(price.bundle_seconds == drawn);
    const bool same_use = price.billed_seconds != seconds || left < seconds ||
                          std::stoll(row.at("free_seconds_recorded_used")) == drawn;
    CHECK(tally.Count(price.cost_micros == theirs && same_use));
  }
}

namespace {

// "conn_charge 0.05 + 0.0127/min granularity 60", "in-group 0.06/min granularity 6 conn 0.05",
// "peak Mon-Fri 08-18 0.10/min else 0.02/min granularity 1"; nothing for another text.
std::optional<rating::Deck> FreesideDeck(const std::string& plan) {
  static const std::regex kPlan(
      R"((?:conn_charge ([0-9.]+) \+ )?(?:in-group )?([0-9.]+(?:e-?\d+)?)/min granularity (\d+)(?: conn ([0-9.]+))?)");
  static const std::regex kPeak(
      R"(peak (\S+ \d\d-\d\d) ([0-9.]+)/min else ([0-9.]+)/min granularity (\d+))");
  static const std::regex kExponent(R"((\d+)e-0?(\d+))");
  rating::Deck deck;
  const auto add = [&](const std::string& price, int granularity, const char* window) {
    DeckRate rate;
    rate.prefix = "1";
    rate.window = window;
    // 0 is a price per call, however long.
    (granularity == 0 ? rate.connect_micros : rate.per_minute_micros) = MicrosOf(price);
    rate.first_increment = rate.next_increment = std::max(1, granularity);
    deck.rates.push_back(rate);
  };
  std::smatch m;
  if (std::regex_match(plan, m, kPeak)) {
    const auto windows = ParseWindows("peak " + m[1].str());
    if (!windows.ok()) return std::nullopt;
    deck.windows = *windows;
    add(m[2], std::stoi(m[4]), "peak");
    add(m[3], std::stoi(m[4]), "");
    return deck;
  }
  if (!std::regex_match(plan, m, kPlan)) return std::nullopt;
  std::string price = m[2];
  std::smatch e;
  if (std::regex_match(price, e, kExponent)) {
    price = "0." + std::string(std::stoul(e[2]) - e[1].str().size(), '0') + e[1].str();
  }
  add(price, std::stoi(m[3]), "");
  for (const int group : {1, 4}) {
    if (m[group].matched) deck.rates[0].connect_micros += MicrosOf(m[group]);
  }
  return deck;
}

// The exact value by the rule that is ours, where the table has it.
std::string FreesideExpected(const Row& row) {
  if (!row.at("exact_by_increment_start").empty()) return row.at("exact_by_increment_start");
  if (!row.at("exact_same_convention").empty()) return row.at("exact_same_convention");
  return row.at("freeside_price");
}

}  // namespace

TEST_CASE("costs of calls by Freeside") {
  if (!HaveShared()) return;
  Tally tally("voice/freeside_rate.csv");
  for (const Row& row : Table(SharedFile("oracle/voice/freeside_rate.csv"))) {
    const auto deck = FreesideDeck(row.at("rate_plan"));
    if (!deck.has_value()) {
      tally.Skip("unknown text: " + row.at("rate_plan"));
      continue;
    }
    Line line(*deck);
    const auto included = Decimal::Parse(row.at("included_min_before"));
    REQUIRE(included.ok());
    if (!included->IsZero()) {
      line.bundles = {
          Included(static_cast<int64_t>(RoundDiv(included->scaled() * 60, Decimal::kScale)))};
    }
    absl::Time start;
    std::string error;
    REQUIRE(absl::ParseTime("%Y-%m-%d %H:%M:%S", row.at("start_utc"), &start, &error));
    const CallPrice price = line.Call(std::stoll(row.at("billsec")), start);
    const int64_t cost = RoundMicros(Exact(price), 1, std::stoi(row.at("rounding_decimals")),
                                     Rounding::kHalfAwayFromZero);
    INFO(row.at("case") << ": " << price.Derivation());
    CHECK(tally.Count(cost == MicrosOf(FreesideExpected(row))));
    if (line.bundles.empty()) continue;
    // Minutes with as many digits as the table has.
    const std::string after = row.at("included_min_after");
    const auto minutes = Decimal::Parse(after.substr(0, after.find('.') + 7));
    REQUIRE(minutes.ok());
    const auto left = Int128{line.bundles[0].left_seconds} * Decimal::kScale;
    CHECK(left - minutes->scaled() * 60 < Decimal::kScale / 1000);
    CHECK(left - minutes->scaled() * 60 > -Decimal::kScale / 1000);
  }
}

namespace {

// "voice bundle 40s for prefix 447596 rated with connect 0.01 and 20s increments at 0": a bundle
// that costs a connect fee; ours cost nothing while they cover the call.
bool BundleWithFee(const Row& row, int64_t seconds, Tally& tally) {
  static const std::regex kBundle(
      R"(voice bundle (\d+)s .*connect ([0-9.]+) and (\d+)s increments at 0)");
  std::smatch m;
  const std::string& tariff = row.at("tariff");
  if (!std::regex_match(tariff, m, kBundle)) return false;
  DeckRate rate;
  rate.prefix = "1";
  rate.connect_micros = MicrosOf(m[2]);
  Line line(rate);
  line.bundles = {Included(std::stoll(m[1]), std::stoi(m[3]))};
  const CallPrice price = line.Call(seconds);
  const bool fee_only = MicrosOf(row.at("expected_cost")) == rate.connect_micros;
  CHECK(price.bundle_seconds == rating::BilledSeconds(seconds, std::stoi(m[3]), std::stoi(m[3])));
  if (price.cost_micros == 0 && fee_only) {
    CHECK(tally.Differ("the connect fee is due only where a part of the call is charged",
                       price.charged_seconds == 0));
  } else {
    CHECK(tally.Count(price.cost_micros == MicrosOf(row.at("expected_cost"))));
  }
  return true;
}

// The value to meet: "NO exact=0.6417" where theirs is an artefact of binary numbers.
std::string CgratesExpected(const Row& row) {
  const std::string& reproduced = row.at("reproduced_exactly");
  const size_t exact = reproduced.find("exact=");
  if (exact != std::string::npos) return reproduced.substr(exact + 6);
  const std::string& cost = row.at("expected_cost");
  return cost.substr(0, cost.find(' '));
}

}  // namespace

TEST_CASE("costs of calls by CGRateS: voice/voice_rating.csv") {
  if (!HaveShared()) return;
  Tally tally("voice/voice_rating.csv");
  for (const Row& row : Table(SharedFile("oracle/voice/voice_rating.csv"))) {
    INFO(row.at("case_id") << ": " << row.at("tariff"));
    const auto seconds = static_cast<int64_t>(std::stod(row.at("duration_s")));
    if (BundleWithFee(row, seconds, tally)) continue;
    RateText rate = ReadRate(row.at("tariff"));
    if (!rate.unknown.empty()) {
      tally.Skip("unknown text: " + rate.unknown);
      continue;
    }
    if (!row.at("max_cost").empty() && row.at("max_cost_strategy") == "*free") {
      for (DeckRate& one : rate.deck.rates) one.maximum_micros = MicrosOf(row.at("max_cost"));
    }
    Line line(rate.deck);
    absl::Time start;
    std::string error;
    REQUIRE(absl::ParseTime("%Y-%m-%dT%H:%M:%S", row.at("start"), &start, &error));
    const CallPrice price = line.Call(seconds, start);
    int64_t exact = Exact(price);
    // A later part of a session whose connect fee is paid.
    if (row.at("session_part_index") != "0" && price.rate != nullptr) {
      exact -= price.rate->connect_micros * 60;
    }
    const int64_t cost = RoundMicros(exact, rate.divisor, std::stoi(row.at("rounding_decimals")),
                                     RoundingOf(row.at("rounding_method")));
    INFO(price.Derivation());
    CHECK(tally.Count(cost == MicrosOf(CgratesExpected(row))));
  }
}

}  // namespace broadbill::conformance
