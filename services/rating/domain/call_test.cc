#include "services/rating/domain/call.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "libs/calendar/time_zone.h"

namespace broadbill::rating {
namespace {

const absl::TimeZone kChicago = *LoadZone("America/Chicago");

absl::Time At(const char* text, const absl::TimeZone& zone = absl::UTCTimeZone()) {
  absl::Time out;
  std::string error;
  REQUIRE(absl::ParseTime("%Y-%m-%d %H:%M:%S", text, zone, &out, &error));
  return out;
}

DeckRate Rate(const char* prefix, int64_t per_minute, int32_t first = 60, int32_t next = 60,
              int64_t connect = 0) {
  DeckRate out;
  out.prefix = prefix;
  out.destination = out.prefix;
  out.per_minute_micros = per_minute;
  out.first_increment = first;
  out.next_increment = next;
  out.connect_micros = connect;
  return out;
}

DeckRate In(DeckRate rate, const char* window) {
  rate.window = window;
  return rate;
}

struct Line {
  explicit Line(std::vector<Deck> list, absl::TimeZone in = absl::UTCTimeZone()) : decks(list) {
    terms.plan = FindDialPlan("US");
    terms.zone = in;
    terms.decks = &decks;
  }
  CallPrice Call(int64_t seconds, absl::Time answered = At("2024-03-06 12:00:00"),
                 const char* called = "16125550142") {
    return RateCall({called, answered, seconds}, terms, bundles);
  }
  int64_t Micros(int64_t seconds, absl::Time answered = At("2024-03-06 12:00:00")) {
    return Call(seconds, answered).cost_micros;
  }
  DeckIndex decks;
  CallTerms terms;
  std::vector<Bundle> bundles;
};

Line Peak(int32_t increment, const char* windows = "peak Mon-Fri 08:00-18:00",
          absl::TimeZone zone = absl::UTCTimeZone()) {
  Deck deck{
      "d",
      {In(Rate("1", 100000, increment, increment), "peak"), Rate("1", 20000, increment, increment)},
      *ParseWindows(windows),
      std::nullopt};
  return Line({deck}, zone);
}

}  // namespace

TEST_CASE("a call is rated once, to a millionth, and says how") {
  Line line({{"d", {Rate("1", 12700, 1, 1)}, {}, std::nullopt}});
  CHECK(line.Micros(7) == 1482);
  CHECK(line.Micros(0) == 0);
  const CallPrice price = line.Call(7);
  CHECK(price.rate->prefix == "1");
  CHECK(price.Derivation() == "7 s × 0.0127/min = 0.001482 (7 s at 1/1 = 7 s)");
  // Second rate from second 60, connect 0.4: 120 s = 0.70.
  DeckRate step = Rate("1", 200000, 60, 60, 400000);
  step.step_from = 60;
  step.step_per_minute_micros = 100000;
  step.step_increment = 1;
  Line stepped({{"d", {step}, {}, std::nullopt}});
  CHECK(stepped.Micros(120) == 700000);
  CHECK(stepped.Micros(85) == 641667);
  CHECK(stepped.Micros(30) == 600000);
  CHECK(stepped.Call(85).Derivation() ==
        "0.4 + 60 s × 0.2/min + 25 s × 0.1/min = 0.641667 (85 s at 60/60 = 85 s)");
  // 2 a second for 30 s, then 1 a second in whole minutes: 60 s bill 90 s.
  DeckRate blocks = Rate("1", 120000000, 1, 1);
  blocks.step_from = 30;
  blocks.step_per_minute_micros = 60000000;
  blocks.step_increment = 60;
  Line blocked({{"d", {blocks}, {}, std::nullopt}});
  CHECK(blocked.Micros(60) == 120000000);
  CHECK(blocked.Call(60).billed_seconds == 90);
  DeckRate capped = Rate("1", 600000, 1, 1);
  capped.maximum_micros = 620000;
  Line most({{"d", {capped}, {}, std::nullopt}});
  CHECK(most.Micros(50) == 500000);
  CHECK(most.Micros(70) == 620000);
}

TEST_CASE("windows apply by each increment's start") {
  // 60 s from 17:59:30 at 60/60: one increment, begun in peak.
  CHECK(Peak(60).Micros(60, At("2024-03-06 17:59:30")) == 100000);
  CHECK(Peak(1).Micros(60, At("2024-03-06 17:59:30")) == 60000);
  CHECK(Peak(60).Micros(43200, At("2024-03-06 07:00:00")) == 62400000);
  CHECK(Peak(30).Micros(2, At("2024-03-06 17:59:59")) == 50000);
  CHECK(Peak(6).Micros(60, At("2024-03-09 12:00:00")) == 20000);  // a Saturday
  // Sunday 23:00 to Monday 10:00.
  CHECK(Peak(6).Micros(39600, At("2024-03-10 23:00:00")) == 22800000);
  // Holidays stand first; times may cross midnight and belong to the day they begin on.
  Line holiday = Peak(60, "off 2024-03-06; peak Mon-Fri 08:00-18:00");
  CHECK(holiday.Micros(60, At("2024-03-06 12:00:00")) == 100000);  // no row names "off"
  Deck deck{"d",
            {In(Rate("1", 100000), "peak"), In(Rate("1", 10000), "off"), Rate("1", 20000)},
            *ParseWindows("off 2024-03-06,01-01; off Fri 22:00-06:00; peak Mon-Fri 08:00-18:00"),
            std::nullopt};
  Line line({deck});
  CHECK(line.Micros(60, At("2024-03-06 12:00:00")) == 10000);
  CHECK(line.Micros(60, At("2030-01-01 12:00:00")) == 10000);
  CHECK(line.Micros(60, At("2024-03-09 05:59:00")) == 10000);  // the night from Friday
  CHECK(line.Micros(60, At("2024-03-09 06:00:00")) == 20000);
  CHECK(line.Micros(60, At("2024-03-08 05:59:00")) == 20000);
}

TEST_CASE("windows follow the line's clock where it is set") {
  // 2026-03-08 in Chicago: 01:59:59 is followed by 03:00:00.
  Line spring = Peak(1, "peak Mon-Sun 03:00-04:00", kChicago);
  CHECK(spring.Micros(120, At("2026-03-08 01:59:00", kChicago)) == 120000);
  // 2026-11-01: the hour from 01:00 comes twice, so the window lasts two hours.
  Line autumn = Peak(60, "peak Mon-Sun 01:00-02:00", kChicago);
  CHECK(autumn.Micros(3 * 3600, At("2026-11-01 00:30:00", kChicago)) == 120 * 100000 + 60 * 20000);
  // A deck with a zone of its own asks its clock.
  Deck deck{"d",
            {In(Rate("1", 100000), "peak"), Rate("1", 20000)},
            *ParseWindows("peak Mon-Fri 08:00-18:00"),
            kChicago};
  Line line({deck});
  CHECK(line.Micros(60, At("2024-03-06 23:30:00")) == 100000);  // 17:30 in Chicago
}

TEST_CASE("the deck valid at the answer rates the whole call, also past midnight") {
  DeckRate old = Rate("1", 20000, 1, 1);
  old.valid_to = CivilDay(2026, 3, 1);
  DeckRate now = Rate("1", 80000, 1, 1);
  now.valid_from = CivilDay(2026, 3, 1);
  Line line({{"d", {old, now}, {}, std::nullopt}}, kChicago);
  CHECK(line.Micros(120, At("2026-02-28 23:59:00", kChicago)) == 40000);
  CHECK(line.Micros(60, At("2026-03-01 00:00:00", kChicago)) == 80000);
}

TEST_CASE("longest prefix over all decks, then priority; a window without row leaves the prefix") {
  Line line({{"a", {Rate("1", 1000000), Rate("1612", 3000000)}, {}, std::nullopt},
             {"b", {Rate("16125", 5000000), Rate("1612", 4000000)}, {}, std::nullopt}});
  CHECK(line.Call(60).cost_micros == 5000000);
  CHECK(line.Call(60).deck == 1);
  CHECK(line.Call(60, At("2024-03-06 12:00:00"), "16124550142").cost_micros == 3000000);
  CHECK(line.Call(60, At("2024-03-06 12:00:00"), "17124550142").cost_micros == 1000000);
  CHECK(line.Call(60, At("2024-03-06 12:00:00"), "+442079460958").outcome == CallOutcome::kNoRate);
  CHECK(line.Call(60, At("2024-03-06 12:00:00"), "s").outcome == CallOutcome::kNoNumber);
  Deck deck{"d",
            {In(Rate("1612", 100000), "peak"), Rate("1", 20000)},
            *ParseWindows("peak Mon-Fri 08:00-18:00"),
            std::nullopt};
  Line part({deck});
  CHECK(part.Micros(60, At("2024-03-06 12:00:00")) == 100000);
  CHECK(part.Micros(60, At("2024-03-06 19:00:00")) == 20000);
}

TEST_CASE("the index finds what a search of all prefixes finds") {
  std::vector<DeckRate> rates;
  uint64_t seed = 7;
  const auto random = [&](uint64_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
  };
  const auto digits = [&](size_t size) {
    std::string out;
    // Few digits, so that prefixes begin each other often; 9 and 0 at the edges of the keys.
    for (size_t i = 0; i < size; ++i) out += "0199"[random(4)];
    return out;
  };
  for (int i = 0; i < 3000; ++i) rates.push_back(Rate(digits(1 + random(9)).c_str(), i));
  const DeckIndex index({rates});
  for (int i = 0; i < 20000; ++i) {
    const std::string number = digits(1 + random(15));
    size_t longest = 0;
    for (const DeckRate& rate : rates) {
      if (number.rfind(rate.prefix, 0) == 0) longest = std::max(longest, rate.prefix.size());
    }
    const DeckRate* found = index.Find(number, CivilDay(2026, 1, 1));
    const std::string expected = number.substr(0, longest);
    if ((found == nullptr ? "" : found->prefix) != expected) {
      FAIL(number << " found " << (found == nullptr ? "" : found->prefix) << ", not " << expected);
    }
  }
  CHECK(DeckIndex(std::vector<Deck>()).Find("1612", CivilDay(2026, 1, 1)) == nullptr);
}

TEST_CASE("bundles draw in their own increment, by priority; what they do not hold is charged") {
  const auto price = [](int64_t seconds, std::vector<Bundle> bundles, int64_t* left = nullptr,
                        int32_t increment = 60) {
    Line line({{"d", {Rate("1", 60000, increment, increment, 50000)}, {}, std::nullopt}});
    line.bundles = std::move(bundles);
    const int64_t cost = line.Micros(seconds);
    if (left != nullptr) *left = line.bundles.back().left_seconds;
    return cost;
  };
  int64_t left = 0;
  const auto of = [](int64_t seconds, int32_t increment = 0) {
    Bundle out;
    out.left_seconds = seconds;
    out.increment = increment;
    return std::vector<Bundle>{out};
  };
  // 61 s at 60/60 with 60 s left: 60 of 120 s are charged, with the connect fee.
  CHECK(price(61, of(60), &left) == 110000);
  CHECK(left == 0);
  // 55 s cover 50 s: nothing is charged, nothing is left.
  CHECK(price(50, of(55), &left) == 0);
  CHECK(left == 0);
  CHECK(price(61, of(600), &left) == 0);
  CHECK(left == 480);
  CHECK(price(10, of(70, 60), &left) == 0);
  CHECK(left == 10);
  CHECK(price(5, of(40, 20), &left) == 0);
  CHECK(left == 20);
  CHECK(price(60, of(0), &left) == 110000);
  Bundle first{"a", 1, absl::InfiniteFuture(), 10, 1};
  Bundle second{"b", 2, absl::InfiniteFuture(), 70, 60};
  std::vector<Bundle> both = {second, first};
  SortBundles(both);
  CHECK(price(20, both, &left) == 0);
  CHECK(left == 10);
  Bundle abroad{"c", 1, absl::InfiniteFuture(), 600, 60, {"44"}};
  CHECK(price(60, {abroad}, &left) == 110000);
  CHECK(left == 600);
}

TEST_CASE("shared bundles depend on the set of calls, not on the order they came in") {
  Line line({{"d", {Rate("1", 60000, 60, 60)}, {}, std::nullopt}});
  std::vector<SharedCall> calls;
  for (int i = 0; i < 6; ++i) {
    const auto answered = At("2024-03-06 12:00:00") + absl::Seconds(40 * (i / 2));
    calls.push_back({std::string(1, static_cast<char>('a' + i)),
                     {"16125550142", answered, 45 + 7 * i},
                     line.terms});
  }
  const auto run = [&](std::vector<SharedCall> order) {
    std::vector<Bundle> bundles = {{"x", 0, absl::InfiniteFuture(), 200, 0}};
    const std::vector<CallPrice> prices = RateCalls(order, bundles);
    std::vector<std::pair<std::string, int64_t>> out;
    for (size_t i = 0; i < order.size(); ++i) out.emplace_back(order[i].key, prices[i].cost_micros);
    std::sort(out.begin(), out.end());
    return out;
  };
  const auto expected = run(calls);
  CHECK(expected[0].second == 0);
  CHECK(expected[5].second > 0);
  for (int i = 0; i < 719; ++i) {
    std::next_permutation(calls.begin(), calls.end(),
                          [](const auto& a, const auto& b) { return a.key < b.key; });
    if (run(calls) != expected) FAIL("another order, another price");
  }
}

TEST_CASE(
    "lines that share a stock never draw more than it holds, in answer order over all of them") {
  Line line({{"d", {Rate("1", 60000, 60, 60)}, {}, std::nullopt}});
  uint32_t seed = 7;
  const auto random = [&](uint32_t below) {
    return (seed = seed * 1664525 + 1013904223) / 7 % below;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<SharedCall> calls;
    for (int i = 0; i < 12; ++i) {
      const auto answered = At("2024-03-06 12:00:00") + absl::Seconds(random(600));
      calls.push_back(
          {std::to_string(i), {"16125550142", answered, 1 + random(200)}, line.terms, random(3)});
    }
    const int64_t stock = random(900);
    // The third line has minutes of its own that draw first.
    std::vector<LineBundles> lines(3);
    for (LineBundles& one : lines) {
      one.bundles = {{"shared", 1, absl::InfiniteFuture(), 0, static_cast<int32_t>(random(2)) * 7}};
      one.stocks = {0};
    }
    lines[2].bundles.insert(lines[2].bundles.begin(), {"own", 0, absl::InfiniteFuture(), 100, 0});
    lines[2].stocks.insert(lines[2].stocks.begin(), -1);
    std::vector<int64_t> left = {stock};
    const std::vector<CallPrice> prices = RateCalls(calls, lines, left);
    int64_t drawn = 0;
    for (const CallPrice& price : prices) drawn += price.bundle_seconds;
    const int64_t own = 100 - lines[2].bundles[0].left_seconds;
    CHECK(left[0] >= 0);
    CHECK(drawn - own == stock - left[0]);
    CHECK(lines[2].bundles[0].left_seconds >= 0);
  }
}

TEST_CASE("calls that decks do not rate") {
  Line line({{"d", {Rate("1", 60000)}, {}, std::nullopt}});
  const absl::Time at = At("2024-03-06 12:00:00");
  const auto outcome = [&](CallFacts facts) { return RateCall(facts, line.terms, {}).outcome; };
  CHECK(outcome({"911", at, 60}) == CallOutcome::kEmergency);
  CHECK(outcome({"16125550142", at, 60, false, true}) == CallOutcome::kOnNet);
  CHECK(outcome({"18005550142", at, 60}) == CallOutcome::kTollFree);
  CHECK(outcome({"+80012345678", at, 60}) == CallOutcome::kTollFree);
  CHECK(outcome({"16125550142", at, 60, true, false}) == CallOutcome::kInbound);
  CHECK(outcome({"16125550142", at, 0}) == CallOutcome::kNotBillable);
  CHECK(outcome({"16125550142", at, 60}) == CallOutcome::kRated);
  // What a call costs us is known also where bundles cover it.
  const DeckIndex supplier({{Rate("1", 9000, 6, 6)}});
  line.terms.supplier = &supplier;
  line.bundles = {{"x", 0, absl::InfiniteFuture(), 600, 0}};
  const CallPrice price = line.Call(61);
  CHECK(price.cost_micros == 0);
  CHECK(price.has_supplier_cost);
  CHECK(price.supplier_micros == 9900);
}

TEST_CASE("who owns a toll-free number pays for the calls to it, by where they come from") {
  Line line({{"d",
              {Rate("1", 30000, 6, 6), Rate("1612", 10000, 6, 6), Rate("1800", 50000, 6, 6)},
              {},
              std::nullopt}});
  CallFacts call{"18005550142", At("2024-03-06 12:00:00"), 60, true, true};
  call.calling = "16125550100";
  const CallPrice price = RateCall(call, line.terms, {});
  CHECK(price.outcome == CallOutcome::kRated);
  CHECK(price.cost_micros == 10000);
  CHECK(price.called.text() == "18005550142");
  call.calling = "(202) 555-0100";
  CHECK(RateCall(call, line.terms, {}).cost_micros == 30000);
  // A hidden caller: by the toll-free number.
  call.calling = "anonymous";
  CHECK(RateCall(call, line.terms, {}).cost_micros == 50000);
  const CallJob job{call, &line.terms, {}};
  CallPrice many;
  RateMany({&job, 1}, {&many, 1});
  CHECK(many.cost_micros == 50000);
  // Other calls that come in cost nothing.
  call.called = "16125550142";
  CHECK(RateCall(call, line.terms, {}).outcome == CallOutcome::kInbound);
}

TEST_CASE("how long a balance lasts") {
  Line line({{"d", {Rate("1", 50000, 1, 1, 150000)}, {}, std::nullopt}});
  const CallFacts half_hour{"16125550142", At("2024-03-06 12:00:00"), 1800};
  CHECK(AffordableSeconds(half_hour, line.terms, 1000000) == 1020);
  CHECK(AffordableSeconds(half_hour, line.terms, 100000) == 0);
  CHECK(AffordableSeconds(half_hour, line.terms, 100000000) == 1800);
}

}  // namespace broadbill::rating
