// A deck: its windows in the first line, then its CSV file; and calls that it rates.

#include <algorithm>
#include <set>
#include <tuple>

#include "libs/csv/writer.h"
#include "services/rating/domain/call.h"
#include "services/rating/domain/deck_file.h"
#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {
namespace {

using fuzz::Require;

const CivilDay kFirstDay(2026, 3, 1);

std::string Amount(int64_t micros) {
  return Decimal::FromScaled(Int128{micros} * (Decimal::kScale / 1000000)).ToString();
}

std::string Write(const std::vector<DeckRate>& rates) {
  std::string out;
  csv::AppendRow({"prefix", "destination", "rate_per_minute", "connect_fee", "first_increment",
                  "next_increment", "minimum", "maximum", "valid_from", "valid_to", "window",
                  "step_from", "step_rate_per_minute", "step_increment"},
                 out);
  const auto seconds = [](int32_t value) { return value > 0 ? std::to_string(value) : ""; };
  for (const DeckRate& rate : rates) {
    csv::AppendRow(
        {rate.prefix, rate.destination, Amount(rate.per_minute_micros), Amount(rate.connect_micros),
         seconds(rate.first_increment), seconds(rate.next_increment), Amount(rate.minimum_micros),
         rate.maximum_micros.has_value() ? Amount(*rate.maximum_micros) : "",
         FormatDate(rate.valid_from),
         rate.valid_to == CivilDay::max() ? "" : FormatDate(rate.valid_to), rate.window,
         seconds(rate.step_from), rate.step_from > 0 ? Amount(rate.step_per_minute_micros) : "",
         seconds(rate.step_increment)},
        out);
  }
  return out;
}

auto Fields(const DeckRate& r) {
  return std::tie(r.prefix, r.destination, r.connect_micros, r.per_minute_micros, r.first_increment,
                  r.next_increment, r.minimum_micros, r.valid_from, r.valid_to, r.window,
                  r.step_from, r.step_per_minute_micros, r.step_increment, r.maximum_micros);
}

void CheckRate(const DeckRate& rate, const std::set<std::string>& windows) {
  Require(!rate.prefix.empty() && rate.prefix.size() <= 18, "a prefix has 1 to 18 digits");
  Require(rate.prefix.find_first_not_of("0123456789") == std::string::npos, "a prefix is digits");
  fuzz::RequireName(rate.destination, 200);
  for (const int64_t amount : {rate.connect_micros, rate.per_minute_micros, rate.minimum_micros,
                               rate.step_per_minute_micros, rate.maximum_micros.value_or(0)}) {
    Require(amount >= 0 && amount <= kRateMicrosMax, "an amount is one that can be charged");
  }
  Require(rate.first_increment >= 1 && rate.next_increment >= 1, "increments are 1 or more");
  Require(rate.step_from >= 0 && rate.step_increment >= 0, "steps are not negative");
  Require(rate.valid_from < rate.valid_to, "a rate is valid on some day");
  Require(rate.window.empty() || windows.count(rate.window) > 0, "the window is the deck's");
}

// The longest prefix by looking at every rate.
size_t Longest(const std::vector<DeckRate>& rates, std::string_view digits, CivilDay day) {
  size_t out = 0;
  for (const DeckRate& rate : rates) {
    const bool begins = digits.substr(0, rate.prefix.size()) == rate.prefix;
    if (begins && rate.valid_from <= day && day < rate.valid_to) {
      out = std::max(out, rate.prefix.size());
    }
  }
  return out;
}

bool Alone(const std::vector<DeckRate>& rates, const std::string& prefix) {
  return std::count_if(rates.begin(), rates.end(),
                       [&](const DeckRate& rate) { return rate.prefix == prefix; }) == 1;
}

void CheckPrice(const CallPrice& price, int64_t seconds, bool alone) {
  if (price.outcome != CallOutcome::kRated) {
    Require(price.cost_micros == 0, "what is not rated costs nothing");
    return;
  }
  Require(price.rate != nullptr, "a rated call has a rate");
  int64_t billed = 0;
  int64_t widest = 0;
  for (const CallSegment& segment : price.segments) {
    Require(segment.seconds > 0 && segment.increment > 0, "a stretch of a call has a length");
    Require(segment.seconds % segment.increment == 0, "a stretch is of whole increments");
    billed += segment.seconds;
    widest = std::max<int64_t>(widest, segment.increment);
  }
  Require(billed == price.billed_seconds, "the stretches are the call");
  Require(billed >= seconds && billed - seconds < widest, "a call is rounded up by one increment");
  const DeckRate& rate = *price.rate;
  Require(price.cost_micros <= rate.maximum_micros.value_or(INT64_MAX), "at most the maximum");
  Require(
      price.cost_micros >= std::min(rate.minimum_micros, rate.maximum_micros.value_or(INT64_MAX)),
      "at least the minimum");
  if (alone && rate.step_from == 0) {
    Require(price.cost_micros == CallCostMicros(rate, seconds), "one rate costs what it says");
  }
}

void CheckCall(const Deck& deck, const DeckIndex& index, const std::string& prefix, int64_t seconds,
               absl::Time at) {
  static const absl::TimeZone zone = fuzz::Zone("America/New_York");
  static const DialPlan& plan = *FindDialPlan("US");
  std::string digits = prefix;
  while (digits.size() < 11) digits += '5';
  const CivilDay day(absl::ToCivilDay(at, zone));
  const DeckRate* const found = index.Find(digits, day);
  Require((found == nullptr ? 0 : found->prefix.size()) == Longest(deck.rates, digits, day),
          "the longest prefix is found");
  const std::string called = "+" + digits;
  CallTerms terms;
  terms.plan = &plan;
  terms.zone = zone;
  terms.decks = &index;
  const CallFacts facts{called, at, seconds};
  const CallPrice price = RateCall(facts, terms, {});
  CheckPrice(price, seconds, price.rate != nullptr && Alone(deck.rates, price.rate->prefix));
  // What a bundle covers is not charged, and it gives no more than it has.
  Bundle bundle{.id = "b", .left_seconds = seconds / 2 + 7};
  const int64_t before = bundle.left_seconds;
  const CallPrice drawn = RateCall(facts, terms, {&bundle, 1});
  Require(bundle.left_seconds >= 0 && before - bundle.left_seconds == drawn.bundle_seconds,
          "what is drawn is taken off the bundle");
  Require(drawn.bundle_seconds <= drawn.billed_seconds, "no more is drawn than is billed");
  const CallJob job{facts, &terms, {}};
  CallPrice many;
  RateMany({&job, 1}, {&many, 1});
  Require(many.outcome == price.outcome && many.cost_micros == price.cost_micros &&
              many.billed_seconds == price.billed_seconds && many.rate == price.rate,
          "many calls are rated as one is");
}

}  // namespace

FUZZ_TARGET(deck) {
  const size_t end = std::min(input.find('\n'), input.size());
  const auto windows = ParseWindows(std::string(input.substr(0, end)));
  Deck deck;
  if (windows.ok() && windows->size() <= 100) deck.windows = *windows;
  std::set<std::string> names;
  for (const TimeWindow& window : deck.windows) names.insert(window.name);
  const std::string_view file = input.substr(std::min(end + 1, input.size()));
  const auto parsed = ParseDeck(file, kFirstDay, names);
  if (!parsed.ok()) return;
  fuzz::RequireCounts(*parsed);
  for (const DeckRate& rate : parsed->records) CheckRate(rate, names);
  const auto again = ParseDeck(Write(parsed->records), kFirstDay, names);
  Require(again.ok() && again->errors.empty(), "a deck as written out is a deck");
  Require(std::equal(parsed->records.begin(), parsed->records.end(), again->records.begin(),
                     again->records.end(),
                     [](const DeckRate& a, const DeckRate& b) { return Fields(a) == Fields(b); }),
          "a deck as written out is the same");
  deck.rates = parsed->records;
  deck.rates.erase(std::remove_if(deck.rates.begin(), deck.rates.end(),
                                  [](const DeckRate& rate) { return rate.prefix.size() > 15; }),
                   deck.rates.end());
  const DeckIndex index(std::vector<Deck>{deck});
  Require(index.size() == deck.rates.size(), "the index has all rates that numbers can have");
  int64_t seconds = 1 + static_cast<int64_t>(input.size() % 200);
  for (size_t i = 0; i < std::min<size_t>(deck.rates.size(), 16); ++i) {
    CheckCall(deck, index, deck.rates[i].prefix, seconds,
              absl::FromUnixSeconds(1772323200 + static_cast<int64_t>(i) * 7919 * seconds));
    seconds = seconds * 31 % 1'000'003;
  }
}

}  // namespace broadbill::rating
