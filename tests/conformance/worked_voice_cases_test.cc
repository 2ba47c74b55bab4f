// Calls in words (voice/voice_cases.csv): costs, balances, bundles, spans, roundings. Where a row
// has an exact decimal, that is the value to meet; what the other system asserts may be an artefact
// of binary numbers.

#include <catch2/catch.hpp>
#include <map>
#include <regex>

#include "absl/strings/str_cat.h"
#include "tests/conformance/inputs.h"
#include "tests/conformance/line.h"
#include "tests/conformance/rate_text.h"

namespace broadbill::conformance {
namespace {

using rating::CallPrice;
using rating::DeckRate;

// What a row became.
enum class Verdict { kSame, kOther, kNotThisKind };
Verdict Compared(bool same) { return same ? Verdict::kSame : Verdict::kOther; }

struct Case {
  std::string call, rate, expected, exact;
  int64_t ordinal = 1;  // of a call in a run of equal ones: "#TestDebit (2nd)"
};

bool Find(const std::string& text, const std::string& pattern, std::smatch& out) {
  return std::regex_search(text, out, std::regex(pattern));
}

// "amount 12.21", "round up to 1 decimals".
Verdict RoundingCase(const Case& one) {
  std::smatch amount;
  std::smatch how;
  const bool is = Find(one.call, R"(^amount (-?[0-9.]+)$)", amount) &&
                  Find(one.rate, R"(^round (\S+) to (\d) decimals$)", how);
  if (!is) return Verdict::kNotThisKind;
  const int64_t ours =
      RoundMicros(MicrosOf(amount[1]) * 60, 1, std::stoi(how[2]), RoundingOf(how[1]));
  return Compared(ours == MicrosOf(one.exact));
}

// No prefix: an error of its own, never a cost of 0.
Verdict UnratedCase(const Case& one) {
  const bool none = one.rate == "no prefix" || one.expected.rfind("-1", 0) == 0 ||
                    one.expected.find("UNAUTHORIZED") != std::string::npos ||
                    one.expected.find("Unauthorized") != std::string::npos;
  if (!none) return Verdict::kNotThisKind;
  DeckRate elsewhere;
  elsewhere.prefix = "44";
  Line line(elsewhere);
  return Compared(line.Call(60).outcome == rating::CallOutcome::kNoRate);
}

struct NamedBundle {
  std::string name;  // "A", "bundle", …
  int64_t seconds = 0;
  int32_t increment = 1;
  int32_t weight = 0;
};

// "bundle A 10 s (1 s blocks, weight 10) and B 70 s (60 s blocks, weight 5)"; "bundle 70 s in 60 s
// blocks".
std::vector<NamedBundle> Bundles(const std::string& call) {
  static const std::regex kOne(
      R"((?:bundle|and)(?: ([A-Z]))? (\d+) s(?: in (\d+) s blocks| \((\d+) s blocks(?:, weight (\d+))?\))?)");
  std::vector<NamedBundle> out;
  for (std::sregex_iterator it(call.begin(), call.end(), kOne), end; it != end; ++it) {
    const std::smatch& m = *it;
    NamedBundle bundle;
    bundle.name = m[1].matched ? m[1].str() : "bundle";
    bundle.seconds = std::stoll(m[2]);
    if (m[3].matched) bundle.increment = std::stoi(m[3]);
    if (m[4].matched) bundle.increment = std::stoi(m[4]);
    if (m[5].matched) bundle.weight = std::stoi(m[5]);
    out.push_back(bundle);
  }
  return out;
}

// Higher weights draw first.
std::vector<rating::Bundle> InOrder(const std::vector<NamedBundle>& bundles) {
  std::vector<rating::Bundle> out;
  for (const NamedBundle& one : bundles) {
    out.push_back(Included(one.seconds, one.increment));
    out.back().id = one.name;
    out.back().priority = -one.weight;
  }
  rating::SortBundles(out);
  return out;
}

std::map<std::string, int64_t> LeftAfter(int64_t seconds, const std::vector<NamedBundle>& bundles,
                                         CallPrice* price, const std::string& rate_text = "-") {
  DeckRate free;
  free.prefix = "1";
  free.first_increment = free.next_increment = 1;
  const RateText rate = ReadRate(rate_text);
  Line line = rate.unknown.empty() ? Line(rate.deck) : Line(free);
  line.bundles = InOrder(bundles);
  const CallPrice made = line.Call(seconds);
  if (price != nullptr) *price = made;
  std::map<std::string, int64_t> out;
  for (const rating::Bundle& bundle : line.bundles) out[bundle.id] = bundle.left_seconds * 1000000;
  return out;
}

// What bundles and money hold after a call: "bundle 10 s left", "bundle 0, money 21", "A 0, B 10".
Verdict BundleCase(const Case& one, const CallText& call) {
  const std::vector<NamedBundle> bundles = Bundles(one.call);
  if (bundles.empty()) return Verdict::kNotThisKind;
  CallPrice price;
  auto left = LeftAfter(call.seconds, bundles, &price, one.rate);
  // Without a rate the money is only known where bundles cover the call.
  const bool known = price.charged_seconds == 0 || one.rate != "-";
  std::smatch money;
  if (known && Find(one.call, R"(money ([0-9.]+))", money)) {
    left["money"] = MicrosOf(money[1]) - price.cost_micros;
  }
  static const std::regex kLeft(R"((\w+) (-?[0-9.]+)(?: s)?)");
  int checked = 0;
  bool same = true;
  for (std::sregex_iterator it(one.expected.begin(), one.expected.end(), kLeft), end; it != end;
       ++it) {
    const auto found = left.find((*it)[1]);
    if (found == left.end()) return Verdict::kNotThisKind;
    same = same && found->second == MicrosOf((*it)[2]);
    ++checked;
  }
  return checked == 0 ? Verdict::kNotThisKind : Compared(same);
}

// "5 s", "bundle in 20 s blocks", "20 s of 40 s bundle consumed".
Verdict ConsumedCase(const Case& one, const CallText& call) {
  std::smatch rate;
  std::smatch used;
  const bool is = Find(one.rate, R"(^bundle in (\d+) s blocks$)", rate) &&
                  Find(one.expected, R"(^(\d+) s of (\d+) s bundle consumed$)", used);
  if (!is) return Verdict::kNotThisKind;
  CallPrice price;
  LeftAfter(call.seconds, {{"bundle", std::stoll(used[2]), std::stoi(rate[1]), 0}}, &price);
  return Compared(price.bundle_seconds == std::stoll(used[1]));
}

// "generic bundle 100 with 1 unit = 60 s": seconds held in another unit.
Verdict UnitBundleCase(const Case& one, const CallText& call) {
  std::smatch m;
  if (!Find(one.call, R"(generic bundle (\d+) with 1 unit = (\d+) s)", m)) {
    return Verdict::kNotThisKind;
  }
  const int64_t unit = std::stoll(m[2]);
  const auto left = LeftAfter(call.seconds, {{"bundle", std::stoll(m[1]) * unit, 1, 0}}, nullptr);
  return Compared(left.at("bundle") / unit == MicrosOf(one.exact));
}

// A line whose rates have windows from the start of a minute on; the call begins `before` seconds
// earlier.
Line WindowLine(const std::vector<TimeWindow>& windows, const std::vector<int32_t>& steps) {
  rating::Deck deck;
  deck.windows = windows;
  for (size_t i = 0; i < windows.size(); ++i) {
    DeckRate rate;
    rate.prefix = "1";
    rate.window = windows[i].name;
    rate.per_minute_micros = static_cast<int64_t>(i + 1) * 600000;
    rate.first_increment = rate.next_increment = steps[i];
    deck.rates.push_back(rate);
  }
  return Line(deck);
}

bool SameSpans(const rating::CallSegments& segments, const std::string& list) {
  static const std::regex kSeconds(R"((\d+) s)");
  std::vector<int64_t> expected;
  for (std::sregex_iterator it(list.begin(), list.end(), kSeconds), end; it != end; ++it) {
    expected.push_back(std::stoll((*it)[1]));
  }
  bool same = segments.size() == expected.size();
  for (size_t i = 0; same && i < expected.size(); ++i) same = segments[i].seconds == expected[i];
  return same;
}

// How a call is cut: "2 spans: 56 s + 120 s", "1 span, holiday rate", "1 span of 60 s", "first span
// grows to 30 s".
Verdict SpanCase(const Case& one, const CallText& call) {
  std::smatch m;
  std::smatch at;
  const absl::Time nine = absl::FromUnixSeconds(1712566800);  // a Monday, 09:00
  if (Find(one.call, R"(in spans (\d+)\+(\d+)(?![\d+]))", m)) {
    std::smatch block;
    if (!Find(one.rate, R"(^(\d+) s block( in first span)?$)", block)) return Verdict::kNotThisKind;
    const int32_t size = std::stoi(block[1]);
    Line line = WindowLine({{"a", 0x7f, {}, 0, 540}, {"b", 0x7f, {}, 540, 1440}},
                           {size, block[2].matched ? 1 : size});
    const CallPrice price = line.Call(call.seconds, nine - absl::Seconds(std::stoi(m[1])));
    if (Find(one.expected, R"(^1 span of (\d+) s$)", at)) {
      return Compared(price.segments.size() == 1 && price.segments[0].seconds == std::stoll(at[1]));
    }
    if (Find(one.expected, R"(^first span grows to (\d+) s$)", at)) {
      return Compared(price.segments[0].seconds == std::stoll(at[1]));
    }
    return Verdict::kNotThisKind;
  }
  if (Find(one.rate, R"(^weekday (\d\d):00 and (\d\d):00 rates$)", m) &&
      Find(one.expected, R"(^\d+ spans?: (.*)$)", at)) {
    const int32_t from = std::stoi(m[1]) * 60;
    const int32_t to = std::stoi(m[2]) * 60;
    Line line = WindowLine({{"a", 0x1f, {}, from, to}, {"b", 0x1f, {}, to, 1440}}, {1, 1});
    return Compared(SameSpans(line.Call(call.seconds, call.answered).segments, at[1]));
  }
  if (Find(one.rate, R"(^weekday rate weight \d+, holiday (\d+) May weight \d+$)", m) &&
      one.expected == "1 span, holiday rate") {
    Line line = WindowLine(
        {{"holiday", 0x7f, {{0, 5, std::stoi(m[1])}}, 0, 1440}, {"weekday", 0x1f, {}, 0, 1440}},
        {1, 1});
    const CallPrice price = line.Call(call.seconds, call.answered);
    return Compared(price.segments.size() == 1 && price.rate->window == "holiday");
  }
  return Verdict::kNotThisKind;
}

// "authorise 30 min, balance 1 …" → "allowed 1020 s".
Verdict AllowedCase(const Case& one, const CallText& call, Line& line) {
  std::smatch m;
  if (!Find(one.expected, R"(^allowed (\d+) s)", m) || !call.balance.has_value()) {
    return Verdict::kNotThisKind;
  }
  const auto balance = static_cast<int64_t>(call.balance->scaled() / (Decimal::kScale / 1000000));
  const int64_t allowed =
      rating::AffordableSeconds({"16125550142", call.answered, call.seconds}, line.terms, balance);
  return Compared(allowed == std::stoll(m[1]));
}

// Costs, and what a balance is after them.
Verdict CostCase(const Case& one, const CallText& call, const RateText& rate, Line& line) {
  line.bundles = InOrder(Bundles(one.call));
  const CallPrice price = line.Call(call.seconds, call.answered);
  int64_t exact = Exact(price);
  if (call.later_part && price.rate != nullptr) exact -= price.rate->connect_micros * 60;
  const int64_t cost = RoundMicros(exact, rate.divisor, rate.decimals, rate.rounding) * call.count;
  INFO(price.Derivation());
  const std::string& value = one.exact.empty() ? one.expected : one.exact;
  const int64_t expected = MicrosOf(value);
  if (expected == INT64_MIN || one.expected.rfind("allowed", 0) == 0) return Verdict::kNotThisKind;
  const bool balance =
      one.expected.rfind("balance", 0) == 0 || one.expected.find("left") != std::string::npos;
  if (!balance) return Compared(cost == expected);
  // Postpaid begins at nothing.
  const bool postpaid = one.call.find("postpaid") != std::string::npos;
  if (!call.balance.has_value() && !postpaid) return Verdict::kNotThisKind;
  const auto before = call.balance.value_or(Decimal()).scaled() / (Decimal::kScale / 1000000);
  return Compared(static_cast<int64_t>(before) - cost * one.ordinal == expected);
}

// The kinds of rows in turn; `reason` says why a row is none of them.
Verdict Compare(const Case& one, std::string& reason) {
  for (const Verdict verdict : {RoundingCase(one), UnratedCase(one)}) {
    if (verdict != Verdict::kNotThisKind) return verdict;
  }
  CallText call = ReadCall(one.call);
  reason = "unknown text: " + one.call + " | " + one.rate;
  if (!call.known) return Verdict::kNotThisKind;
  if (one.call.find("blocking balance 0") != std::string::npos) {
    reason = "balances that block a destination: prepaid balances are wallets of payments";
    return Verdict::kNotThisKind;
  }
  for (const Verdict verdict : {ConsumedCase(one, call), BundleCase(one, call),
                                UnitBundleCase(one, call), SpanCase(one, call)}) {
    if (verdict != Verdict::kNotThisKind) return verdict;
  }
  std::smatch m;
  std::string rate_text = one.rate;
  if (Find(one.call, R"(^\d+ increments of ([0-9.]+)$)", m)) rate_text = m[1].str() + "/s";
  const RateText rate = ReadRate(rate_text);
  if (!rate.unknown.empty()) return Verdict::kNotThisKind;
  Line line(rate.deck);
  const Verdict allowed = AllowedCase(one, call, line);
  return allowed != Verdict::kNotThisKind ? allowed : CostCase(one, call, rate, line);
}

// "bundle only": a connect fee although the bundle covers the call; ours costs nothing.
bool FeeOnBundle(const Case& one, Tally& tally) {
  std::smatch m;
  std::smatch used;
  if (!Find(one.rate, "^bundle only$", m) ||
      !Find(one.expected, R"(^(\d+) s, cost ([0-9.]+)$)", used)) {
    return false;
  }
  DeckRate rate;
  rate.prefix = "1";
  rate.connect_micros = MicrosOf(used[2]);
  Line line(rate);
  line.bundles = {Included(std::stoll(used[1]), 1)};
  const CallPrice price = line.Call(std::stoll(used[1]));
  CHECK(tally.Differ("the connect fee is due only where a part of the call is charged",
                     price.cost_micros == 0 && price.bundle_seconds == std::stoll(used[1])));
  return true;
}

int IdNumber(const std::string& id) { return std::stoi(id.substr(id.find_first_of("0123456789"))); }

}  // namespace

TEST_CASE("calls in words: voice/voice_cases.csv") {
  if (!HaveShared()) return;
  Tally tally("voice/voice_cases.csv");
  std::string id = "V-9";
  Case last;
  for (const Row& row : Table(SharedFile("oracle/voice/voice_cases.csv"))) {
    Case one{row.at("call"), row.at("rate"), row.at("expected_upstream"), row.at("exact_decimal")};
    std::smatch ordinal;
    if (Find(row.at("source"), R"(\((\d)(?:st|nd|rd|th)\)$)", ordinal)) {
      one.ordinal = std::stoll(ordinal[1]);
    }
    INFO(row.at("id") << ": " << one.call << " | " << one.rate);
    // "same" means the row before, in the whole collection.
    const bool follows = IdNumber(id) + 1 == IdNumber(row.at("id"));
    const bool same_call = one.call.rfind("same", 0) == 0 && one.rate != "-";
    const bool same_rate = one.rate.rfind("same", 0) == 0;
    if ((same_call || same_rate) &&
        (!follows || last.call.rfind("same", 0) == 0 || last.rate.rfind("same", 0) == 0)) {
      tally.Skip("\"same\" means a row that is not in the file");
      continue;
    }
    if (same_call) one.call = last.call + " " + one.call.substr(4);
    if (same_rate) one.rate = last.rate + one.rate.substr(4);
    last = one;
    id = row.at("id");
    if (FeeOnBundle(one, tally)) continue;
    std::string reason;
    const Verdict verdict = Compare(one, reason);
    if (verdict == Verdict::kNotThisKind) {
      tally.Skip(reason);
      continue;
    }
    CHECK(tally.Count(verdict == Verdict::kSame));
  }
}

}  // namespace broadbill::conformance
