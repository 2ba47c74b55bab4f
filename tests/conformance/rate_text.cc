#include "tests/conformance/rate_text.h"

#include <algorithm>
#include <map>
#include <regex>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace broadbill::conformance {
namespace {

using rating::DeckRate;

const std::string kNumber = R"((\d+(?:\.\d+)?))";
constexpr uint8_t kWeekdays = 0x1f;
constexpr uint8_t kWeekend = 0x60;

// Cuts what a pattern finds out of a text; its groups, "" where one is not there.
using Groups = std::vector<std::string>;
bool Take(std::string& text, const std::string& pattern, Groups& out) {
  std::smatch m;
  if (!std::regex_search(text, m, std::regex(pattern))) return false;
  out.assign(m.begin(), m.end());
  text = m.prefix().str() + " " + m.suffix().str();
  return true;
}

int32_t Minutes(const std::string& clock) {
  return std::stoi(clock) * 60 + std::stoi(clock.substr(3));
}

// When a clause of a tariff begins to hold.
struct When {
  std::vector<std::pair<int32_t, int32_t>>
      weekday;  // from, to; to −1: until the next clause's from
  bool weekend = false;
  std::vector<Holiday> holidays;
  int32_t step_from = 0;  // second of the call
  bool any() const { return !weekday.empty() || weekend || !holidays.empty(); }
};

When ReadWhen(std::string text) {
  static const std::map<std::string, int> kMonths = {
      {"January", 1},   {"February", 2}, {"March", 3},     {"April", 4},
      {"May", 5},       {"June", 6},     {"July", 7},      {"August", 8},
      {"September", 9}, {"October", 10}, {"November", 11}, {"December", 12}};
  When out;
  Groups m;
  if (Take(text, "from (\\d+) ?s", m)) out.step_from = std::stoi(m[1]);
  while (Take(text, R"((\d\d:\d\d)(?:-(\d\d:\d\d))?)", m)) {
    out.weekday.emplace_back(Minutes(m[1]), m[2].empty() ? -1 : Minutes(m[2]));
  }
  out.weekend =
      text.find("weekend") != std::string::npos || text.find("Sat-Sun") != std::string::npos;
  for (const auto& [name, month] : kMonths) {
    if (Take(text, "(\\d+) " + name, m)) out.holidays.push_back({0, month, std::stoi(m[1])});
  }
  return out;
}

// The price of one stretch of a call.
struct Part {
  int64_t connect = 0;
  int64_t per_minute = 0;
  int32_t first = 0, next = 0;  // 0: not said
  int32_t lasts = 0;            // seconds until the next stretch; 0: not said
  bool priced = false;
};

// Price × 60 ÷ seconds in millionths, times a divisor where that does not end.
int64_t PerMinute(const std::string& price, int64_t seconds, int64_t& divisor) {
  const int64_t micros = MicrosOf(price) * 60;
  if (micros % seconds == 0) return micros / seconds * divisor;
  divisor *= seconds;
  return micros / seconds * divisor + micros % seconds * (divisor / seconds);
}

bool ReadIncrements(std::string& text, Part& out) {
  Groups m;
  const auto set = [&](const std::string& first, const std::string& next) {
    out.first = std::stoi(first);
    out.next = next.empty() ? out.first : std::stoi(next);
    return true;
  };
  if (Take(text, "incr? (\\d+) ?s?(?:/(\\d+) ?s?)?", m)) return set(m[1], m[2]);
  if (Take(text, "blocks (\\d+)", m)) return set(m[1], "");
  if (Take(text, "in (\\d+) s(?: blocks)?", m)) return set(m[1], "");
  if (Take(text, "(\\d+)/(\\d+) *$", m)) return set(m[1], m[2]);
  if (Take(text, "per s *$", m)) return set("1", "");
  return false;
}

bool ReadPart(std::string text, Part& out, int64_t& divisor, std::string& unknown) {
  Groups m;
  if (Take(text, "connect(?: fee)? " + kNumber, m)) out.connect = MicrosOf(m[1]);
  if (Take(text, kNumber + "(?: per call(?:, any length)?| each)", m)) {
    out.connect += MicrosOf(m[1]);
    out.priced = true;
  } else if (Take(text, kNumber + " ?(?:/|per) ?(\\d*) ?(s|min|unit|)(?![a-z0-9])", m)) {
    const int64_t unit = (m[2].empty() ? 1 : std::stoll(m[2])) * (m[3] == "min" ? 60 : 1);
    out.per_minute = PerMinute(m[1], unit, divisor);
    out.priced = true;
  } else if (Take(text, kNumber + " (?=first min)", m)) {
    out.per_minute = MicrosOf(m[1]);
    out.first = out.next = 60;
    out.priced = true;
  }
  if (Take(text, "first (\\d+) s", m)) out.lasts = std::stoi(m[1]);
  if (Take(text, "first min(?:ute)?", m)) out.lasts = 60;
  if (!ReadIncrements(text, out) && Take(text, "^ *(\\d+) ?s? *$", m)) {
    out.first = out.next = std::stoi(m[1]);  // "… then 1s"
  }
  for (const char c : text) {
    if (c != ' ' && c != ',' && c != '+') {
      unknown = text;
      return false;
    }
  }
  return true;
}

// One clause's price, of one stretch or two.
bool ReadRates(const std::string& text, DeckRate& out, int64_t& divisor, std::string& unknown) {
  const std::vector<std::string> texts = absl::StrSplit(text, "then ");
  if (texts.size() > 2) return false;
  Part first;
  if (!ReadPart(texts[0], first, divisor, unknown)) return false;
  out.connect_micros = first.connect * divisor;
  out.per_minute_micros = first.per_minute;
  out.first_increment = std::max(1, first.first);
  out.next_increment = std::max(1, first.next);
  if (texts.size() == 1) return true;
  Part second;
  if (!ReadPart(texts[1], second, divisor, unknown)) return false;
  if (!second.priced) {
    out.next_increment = std::max(1, second.first);
    return true;
  }
  out.step_from = first.lasts > 0 ? first.lasts : 60;
  out.step_per_minute_micros = second.per_minute;
  out.step_increment = std::max(1, second.first);
  return true;
}

struct Clause {
  When when;
  DeckRate rate;
};

bool ReadClause(const std::string& text, Clause& out, int64_t& divisor, std::string& unknown) {
  // The price begins with a fee or an amount of something.
  static const std::regex kPrice(
      R"(connect|first min|then |\d+(?:\.\d+)? ?/ ?\d*(?:s|min|unit|)\b|\d+(?:\.\d+)? (?:per|each)|^ *0 *$)");
  std::smatch m;
  if (!std::regex_search(text, m, kPrice)) {
    unknown = text;
    return false;
  }
  out.when = ReadWhen(m.prefix());
  std::string price =
      std::regex_replace(m[0].str() + m.suffix().str(), std::regex(R"(\([^)]*\))"), "");
  if (price.find_first_not_of(" 0") == std::string::npos) return true;  // free
  out.rate.prefix = "1";
  return ReadRates(price, out.rate, divisor, unknown);
}

// Clauses as windows; the last one without a time of its own is for all other times.
void MakeDeck(std::vector<Clause>& clauses, rating::Deck& out) {
  std::vector<int32_t> starts;
  for (const Clause& clause : clauses) {
    for (const auto& [from, to] : clause.when.weekday) starts.push_back(from);
  }
  std::sort(starts.begin(), starts.end());
  std::vector<TimeWindow> holidays;
  for (size_t i = 0; i < clauses.size(); ++i) {
    const When& when = clauses[i].when;
    DeckRate rate = clauses[i].rate;
    rate.prefix = "1";
    rate.destination = "all";
    if (when.any()) rate.window = "w" + std::to_string(i);
    if (!when.holidays.empty()) {
      holidays.push_back({rate.window, 0x7f, when.holidays, 0, 1440});
    }
    for (const auto& [from, to] : when.weekday) {
      const auto next = std::upper_bound(starts.begin(), starts.end(), from);
      const int32_t end = to >= 0 ? to : next == starts.end() ? 1440 : *next;
      out.windows.push_back({rate.window, kWeekdays, {}, from, end});
    }
    if (when.weekend) out.windows.push_back({rate.window, kWeekend, {}, 0, 1440});
    out.rates.push_back(rate);
  }
  out.windows.insert(out.windows.begin(), holidays.begin(), holidays.end());
}

}  // namespace

int64_t MicrosOf(const std::string& text) {
  const auto value = Decimal::Parse(text);
  return value.ok() ? static_cast<int64_t>(RoundDiv(value->scaled(), Decimal::kScale / 1000000))
                    : INT64_MIN;
}

Rounding RoundingOf(const std::string& word) {
  if (word.find("up") != std::string::npos && word.find("half") == std::string::npos) {
    return Rounding::kUp;
  }
  return word.find("down") != std::string::npos ? Rounding::kDown : Rounding::kHalfAwayFromZero;
}

int64_t RoundMicros(int64_t sixtieths, int64_t divisor, int decimals, Rounding rounding) {
  int64_t step = 1000000;
  for (int i = 0; i < decimals; ++i) step /= 10;
  return static_cast<int64_t>(RoundDiv(sixtieths, Int128{60} * divisor * step, rounding)) * step;
}

RateText ReadRate(const std::string& text) {
  RateText out;
  std::string rest = text;
  Groups m;
  std::optional<int64_t> maximum;
  if (Take(rest, ",? ?round (half-up|up|down|middle) (\\d)", m)) {
    out.rounding = RoundingOf(m[1]);
    out.decimals = std::stoi(m[2]);
  }
  // *disconnect ends a call; what was used is charged.
  if (Take(rest, ",? ?max(?: cost)? " + kNumber + R"((?: \*(\w+))?(?: after \d\d:\d\d)?)", m) &&
      m[2] != "disconnect") {
    maximum = MicrosOf(m[1]);
  }
  Take(rest, ";? ?prefixes [+0-9, ]+", m);
  Take(rest, "^ ?prefix \\d+:", m);
  // What is done to a split call; ours is one.
  Take(rest, "; three 10s spans each rounded to 0.01", m);
  std::vector<Clause> clauses;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(rest, ';'))) {
    Clause clause;
    if (!ReadClause(part, clause, out.divisor, out.unknown)) {
      if (out.unknown.empty()) out.unknown = text;
      return out;
    }
    const bool then = part.find("then ") < 3;
    if (clauses.empty() || (!then && clause.when.step_from == 0)) {
      clauses.push_back(clause);
      continue;
    }
    // A second stretch in a clause of its own: "; then 1/s in 60 s blocks", "; from 60s: …".
    DeckRate& rate = clauses.back().rate;
    rate.step_from = clause.when.step_from;
    rate.step_per_minute_micros =
        then ? clause.rate.step_per_minute_micros : clause.rate.per_minute_micros;
    rate.step_increment = then ? clause.rate.step_increment : clause.rate.first_increment;
    std::smatch lasts;
    if (std::regex_search(rest, lasts, std::regex("first (\\d+) s"))) {
      rate.step_from = std::stoi(lasts[1]);
    }
  }
  for (Clause& clause : clauses) {
    if (maximum.has_value()) clause.rate.maximum_micros = *maximum * out.divisor;
  }
  MakeDeck(clauses, out.deck);
  return out;
}

CallText ReadCall(const std::string& text) {
  CallText out;
  std::string rest = text;
  Groups m;
  out.answered = absl::FromUnixSeconds(1330862400);  // a Sunday, where a case does not say
  out.later_part = Take(rest, "LoopIndex [1-9]", m);
  if (Take(rest, "(?:balance|member|money) " + kNumber, m)) {
    out.balance = *Decimal::Parse(m[1]);
  }
  const std::string kClock = R"((\d\d:\d\d(?::\d\d)?))";
  if (Take(rest, R"((?:(\d{4}-\d\d-\d\d) )?)" + kClock + " ?- ?(?:[A-Z][a-z]{2} )?" + kClock, m)) {
    const auto at = [&](const std::string& clock) {
      absl::Time time;
      std::string error;
      absl::ParseTime(
          "%Y-%m-%d %H:%M:%S",
          (m[1].empty() ? "2012-02-02" : m[1]) + " " + clock + (clock.size() == 5 ? ":00" : ""),
          &time, &error);
      return time;
    };
    out.answered = at(m[2]);
    out.seconds = absl::ToInt64Seconds(at(m[3]) - out.answered);
    if (out.seconds < 0) out.seconds += 86400;
    out.known = true;
    return out;
  }
  if (Take(rest, "(\\d+) calls of (\\d+) s", m)) {
    out.count = std::stoll(m[1]);
    out.seconds = std::stoll(m[2]);
    out.known = true;
  } else if (Take(rest, "(\\d+) (s|min|h|units?|SMS|increments)(?![a-z])", m)) {
    out.seconds = std::stoll(m[1]) * (m[2] == "min" ? 60 : m[2] == "h" ? 3600 : 1);
    out.known = true;
  } else if (Take(rest, "to \\d{8,}", m)) {
    out.seconds = 60;
    out.known = true;
  }
  return out;
}

}  // namespace broadbill::conformance
