// Prefixes, dialled strings and costs of calls as other systems have them. The order of the rules
// that differ: a row is skipped when it needs what decks do not have, or where our documented rule
// is another (services/rating/README.md).

#include <catch2/catch.hpp>

#include "absl/strings/str_cat.h"
#include "libs/money/rounding.h"
#include "services/rating/domain/deck.h"
#include "services/rating/domain/number.h"
#include "tests/conformance/inputs.h"

namespace broadbill::conformance {
namespace {

using rating::DeckRate;

int64_t Micros(const std::string& text) {
  const auto value = Decimal::Parse(text);
  REQUIRE(value.ok());
  return static_cast<int64_t>(RoundDiv(value->scaled(), Decimal::kScale / 1000000));
}

}  // namespace

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

TEST_CASE("costs of calls by A2Billing's rate engine") {
  if (!HaveShared()) return;
  Tally tally("voice/a2billing_rate_engine.csv");
  for (const Row& row : Table(SharedFile("oracle/voice/a2billing_rate_engine.csv"))) {
    const int64_t seconds = std::stoll(row.at("duration_s"));
    const int first = std::stoi(row.at("initblock_s"));
    const int next = std::stoi(row.at("billingblock_s"));
    if (!row.at("progressive_a(step;charge/min;time_s;block_s)").empty()) {
      tally.Skip("decks have no second rate within a call yet");
      continue;
    }
    if (row.at("grace_s") != "0") {
      tally.Skip("its additional grace lengthens the call; decks have none");
      continue;
    }
    if (first % next != 0 && seconds > first) {
      tally.Skip(
          "30/18: ours is the first increment, then whole next ones; theirs rounds the whole");
      continue;
    }
    DeckRate rate;
    rate.per_minute_micros = Micros(row.at("rate_per_min"));
    // Both are due once a call.
    rate.connect_micros = Micros(row.at("connect_charge")) + Micros(row.at("disconnect_charge"));
    rate.minimum_micros = Micros(row.at("minimal_call_cost"));
    rate.first_increment = first == 0 ? next : first;
    rate.next_increment = next;
    const int64_t cost = rating::CallCostMicros(rate, seconds);
    INFO(row.at("case") << ": " << cost << " millionths");
    CHECK(tally.Count(cost == Micros(row.at("a2billing_cost"))));
  }
}

TEST_CASE("costs of calls by Freeside") {
  if (!HaveShared()) return;
  Tally tally("voice/freeside_rate.csv");
  for (const Row& row : Table(SharedFile("oracle/voice/freeside_rate.csv"))) {
    const std::string& plan = row.at("rate_plan");
    if (plan.rfind("peak", 0) == 0) {
      tally.Skip("decks have no time windows yet");
      continue;
    }
    if (row.at("included_min_before") != "0") {
      tally.Skip("included minutes are not there yet");
      continue;
    }
    // "conn_charge 0.05 + 0.0127/min granularity 60", "in-group 0.06/min granularity 6 conn 0.05".
    const auto after = [&](const std::string& word) {
      const size_t at = plan.find(word);
      if (at == std::string::npos) return std::string();
      const size_t from = at + word.size();
      return plan.substr(from, plan.find(' ', from) - from);
    };
    const size_t slash = plan.find("/min");
    const size_t blank = plan.rfind(' ', slash);
    std::string price = plan.substr(blank == std::string::npos ? 0 : blank + 1,
                                    slash - (blank == std::string::npos ? 0 : blank + 1));
    if (price == "4e-05") price = "0.00004";
    DeckRate rate;
    const int granularity = std::stoi(after("granularity "));
    const std::string connect =
        after("conn_charge ").empty() ? after(" conn ") : after("conn_charge ");
    rate.connect_micros = connect.empty() ? 0 : Micros(connect);
    if (granularity == 0) {
      rate.connect_micros += Micros(price);  // a call, however long
    } else {
      rate.per_minute_micros = Micros(price);
      rate.first_increment = rate.next_increment = granularity;
    }
    const int64_t cost = rating::CallCostMicros(rate, std::stoll(row.at("billsec")));
    int64_t step = 1000000;
    for (int i = std::stoi(row.at("rounding_decimals")); i > 0; --i) step /= 10;
    const auto rounded = static_cast<int64_t>(RoundToStep(cost, step));
    INFO(row.at("case") << ": " << rounded << " millionths");
    CHECK(tally.Count(rounded == Micros(row.at("exact_same_convention"))));
  }
}

TEST_CASE("costs of calls by CGRateS") {
  if (!HaveShared()) return;
  Tally tally("voice/voice_rating.csv");
  // Tariffs that a deck row can say: connect fee, rate, increments.
  struct Tariff {
    const char* text;
    DeckRate rate;
  };
  const auto rate = [](int64_t connect, int64_t per_minute, int first, int next) {
    DeckRate out;
    out.connect_micros = connect;
    out.per_minute_micros = per_minute;
    out.first_increment = first;
    out.next_increment = next;
    return out;
  };
  const Tariff tariffs[] = {
      {"1/1s inc 1s", rate(0, 60000000, 1, 1)},
      {"00-60s: 1/1s inc 60s; from 60s: 1/1s inc 1s (rate groups)", rate(0, 60000000, 60, 1)},
      {"00-60s: 1/1s inc 60s; from 60s: 1/1s inc 1s (rate groups) (any time)",
       rate(0, 60000000, 60, 1)},
      {"connect 0.15, 0.05/60s inc 1s", rate(150000, 50000, 1, 1)},
      {"connect 0.15, 0.05/60s inc 1s; three 10s spans each rounded to 0.01",
       rate(150000, 50000, 1, 1)},
      {"connect 0.1, 0.01/1s inc 1s", rate(100000, 600000, 1, 1)},
      {"1/1s inc 1s connect 1", rate(1000000, 60000000, 1, 1)},
  };
  for (const Row& row : Table(SharedFile("oracle/voice/voice_rating.csv"))) {
    const std::string& text = row.at("tariff");
    const auto seconds = static_cast<int64_t>(std::stod(row.at("duration_s")));
    const Tariff* found = nullptr;
    for (const Tariff& tariff : tariffs) {
      if (text == tariff.text) found = &tariff;
    }
    if (found == nullptr) {
      const bool bundle = text.find("bundle") != std::string::npos;
      const bool maximum = text.find("max") != std::string::npos;
      const bool steps =
          text.find("first minute") != std::string::npos && text.find("peak") == std::string::npos;
      tally.Skip(bundle    ? "included minutes are not there yet"
                 : maximum ? "decks have no maximum yet"
                 : steps   ? "decks have no second rate within a call yet"
                           : "decks have no time windows yet");
      continue;
    }
    int64_t step = 1000000;
    for (int i = std::stoi(row.at("rounding_decimals")); i > 0; --i) step /= 10;
    const auto cost = static_cast<int64_t>(RoundToStep(
        rating::CallCostMicros(found->rate, seconds), step,
        row.at("rounding_method") == "*up" ? Rounding::kUp : Rounding::kHalfAwayFromZero));
    const std::string expected =
        row.at("expected_cost").substr(0, row.at("expected_cost").find(' '));
    INFO(row.at("case_id") << ": " << cost << " millionths");
    CHECK(tally.Count(cost == Micros(expected)));
  }
}

}  // namespace broadbill::conformance
