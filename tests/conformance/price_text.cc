#include "tests/conformance/price_text.h"

#include <regex>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace broadbill::conformance {
namespace {

using rating::LineKind;
using rating::PriceModel;
using rating::PriceTerms;
using rating::PriceTier;

const std::string kNumber = R"((-?\d+(?:\.\d+)?))";

std::string Trim(const std::string& text) { return std::string(absl::StripAsciiWhitespace(text)); }

Decimal Read(const std::string& text) {
  const auto value = Decimal::Parse(text);
  return value.ok() ? *value : Decimal();
}

bool Match(const std::string& text, const std::string& pattern, std::smatch& out) {
  return std::regex_match(text, out, std::regex(pattern));
}

// Cuts what a pattern finds out of a text; its groups, "" where one is not there.
using Groups = std::vector<std::string>;
bool Take(std::string& text, const std::string& pattern, Groups& out) {
  std::smatch m;
  if (!std::regex_search(text, m, std::regex(pattern))) return false;
  out.assign(m.begin(), m.end());
  text = Trim(m.prefix().str() + m.suffix().str());
  return true;
}

// "0-10 @10 +2", "21+ @5", "11-20 2% +300", "<=5 flat 100", "<=15 @10", "rest @5".
bool ReadTier(const std::string& text, PriceTier& out, bool& percent) {
  std::smatch m;
  if (Match(text,
            "(?:" + kNumber + "-" + kNumber + "|" + kNumber + R"(\+) (?:@)" + kNumber + "|" +
                kNumber + R"(%)(?: ?\+ ?)" + kNumber + ")?",
            m)) {
    if (m[2].matched) out.up_to = Read(m[2]);
    percent = percent || m[5].matched;
    out.price = Read(m[4].matched ? m[4] : m[5]);
    if (m[6].matched) out.flat = Read(m[6]);
    return true;
  }
  if (Match(text,
            "(?:<= ?" + kNumber + "|rest|> ?" + kNumber + ")(?:,? flat " + kNumber + ")?(?:,? @" +
                kNumber + ")?(?:,? flat " + kNumber + ")?",
            m)) {
    if (m[1].matched) out.up_to = Read(m[1]);
    if (m[3].matched) out.flat = Read(m[3]);
    if (m[5].matched) out.flat = Read(m[5]);
    if (m[4].matched) out.price = Read(m[4]);
    return m[3].matched || m[4].matched || m[5].matched;
  }
  return false;
}

// "block 1: 10 @1.5; 100 @1.0": tiers whose bounds count blocks.
bool ReadBlockTier(const std::string& text, Decimal& block, Decimal& bound, PriceTier& out) {
  std::smatch m;
  if (!Match(text, "(?:block (\\d+)[: ]+)?(?:max )?(\\d+|unlimited|rest) @" + kNumber, m)) {
    return false;
  }
  if (m[1].matched) block = Read(m[1]);
  if (block.IsZero()) return false;
  out.block = block;
  out.price = Read(m[3]);
  if (m[2] != "unlimited" && m[2] != "rest") {
    const auto blocks = static_cast<int64_t>(Read(m[2]).scaled() / Decimal::kScale);
    bound = Decimal::FromScaled(bound.scaled() + block.scaled() * blocks);
    out.up_to = bound;
  }
  return true;
}

bool ReadTiers(const std::string& text, PriceTerms& out) {
  Decimal block;
  Decimal bound;
  for (std::string part : std::vector<std::string>(absl::StrSplit(text, ';'))) {
    part = Trim(part);
    // Tiers that the text leaves out are never reached by what it asks.
    if (part == "..." && !out.tiers.empty()) continue;
    PriceTier tier;
    if (!ReadTier(part, tier, out.percent) && !ReadBlockTier(part, block, bound, tier)) {
      return false;
    }
    out.tiers.push_back(tier);
  }
  return true;
}

// "1.3% + 2.0 fixed per event; free 3 events or 250 units, running totals 50/150/400, 4 events".
bool ReadPercentage(std::string text, const PriceTerms& limits, PriceText& out) {
  PriceTerms terms;
  terms.model = PriceModel::kPercentage;
  Groups m;
  if (!Take(text, "^" + kNumber + "%", m)) return false;
  terms.tiers = {{std::nullopt, Read(m[1]), Decimal(), Decimal()}};
  if (Take(text, R"(\+ )" + kNumber + " fixed(?: per event)?", m)) terms.event_fee = Read(m[1]);
  if (Take(text, "per event min " + kNumber + " max " + kNumber, m)) {
    terms.event_minimum = Read(m[1]);
    terms.event_maximum = Read(m[2]);
  }
  if (Take(text, "min/max", m)) {
    terms.event_minimum = limits.event_minimum;
    terms.event_maximum = limits.event_maximum;
    if (!limits.event_minimum.has_value()) return false;
  }
  if (Take(text, "free (\\d+) events? or " + kNumber + " units", m)) {
    terms.free_events = std::stoll(m[1]);
    terms.free_amount = Read(m[2]);
  }
  if (Take(text, "(\\d+) free events?", m)) terms.free_events = std::stoll(m[1]);
  if (Take(text, kNumber + " free units?", m)) terms.free_amount = Read(m[1]);
  if (Take(text, "free (\\d+) events?", m)) terms.free_events = std::stoll(m[1]);
  if (Take(text, "free " + kNumber + " units?", m)) terms.free_amount = Read(m[1]);
  if (Take(text, R"(\(free events unset\))", m)) terms.free_events.reset();
  if (Take(text, R"(\(free (?:units|amount) unset\))", m)) terms.free_amount.reset();
  if (Take(text, R"(running totals ([\d./]+))", m)) {
    for (const std::string& total : std::vector<std::string>(absl::StrSplit(m[1], '/'))) {
      out.events.running_totals.push_back(Read(total));
    }
  }
  if (Take(text, "(\\d+) events", m)) out.events.events = std::stoll(m[1]);
  Take(text, "nothing free", m);
  std::string rest;
  for (const char c : text) {
    if (c != ',' && c != ';' && c != ' ') rest += c;
  }
  if (rest == "and" || rest.empty()) out.meters = {terms};
  return !out.meters.empty();
}

// A model without its commitments.
bool ReadModel(std::string text, const PriceTerms& limits, PriceText& out) {
  std::smatch m;
  if (Match(text, kNumber + "%.*", m)) return ReadPercentage(text, limits, out);
  PriceTerms terms;
  if (Match(text, "(?:per unit |standard |unit price )?@" + kNumber, m)) {
    out.meters = {rating::PerUnit(Read(m[1]))};
    return true;
  }
  if (Match(text, "metered amount x " + kNumber, m)) {
    out.metered = true;
    out.meters = {rating::PerUnit(Read(m[1]))};
    return true;
  }
  if (Match(text, "package of " + kNumber + "(?: @" + kNumber + ")?(?:, " + kNumber + " free)?",
            m)) {
    terms = rating::Package(Read(m[1]), m[2].matched ? Read(m[2]) : Decimal::FromInt(1));
    if (m[3].matched) terms.included = Read(m[3]);
    out.meters = {terms};
    return true;
  }
  if (Match(text, "divide by " + kNumber + "(?:, (ceil|round))?, @" + kNumber, m)) {
    terms = rating::PerUnit(Read(m[3]));
    terms.raw_per_unit = Read(m[1]);
    if (m[2] == "ceil") terms.unit_rounding = rating::UnitRounding::kUp;
    if (m[2] == "round") terms.unit_rounding = rating::UnitRounding::kNearest;
    out.meters = {terms};
    return true;
  }
  if (Match(text, "(\\w+) block (\\d+) @" + kNumber + " and (\\w+) block (\\d+) @" + kNumber, m)) {
    out.meters = {rating::Package(Read(m[2]), Read(m[3])), rating::Package(Read(m[5]), Read(m[6]))};
    return true;
  }
  Groups none;
  out.prorated = Take(text, "^prorated ", none);
  Take(text, R"(\([a-z -]+\))", none);  // a remark
  if (Take(text, "^(?:volume|TOP_TIER):?", none)) terms.model = PriceModel::kVolume;
  Take(text, "^(?:graduated %|graduated|ALL_TIERS):?", none);
  if (Match(text, "(?:single open tier )?@" + kNumber, m)) {
    terms.tiers = {{std::nullopt, Read(m[1]), Decimal(), Decimal()}};
  } else if (!ReadTiers(text, terms)) {
    return false;
  }
  out.meters = {terms};
  return true;
}

}  // namespace

PriceText ReadPrice(const std::string& text, const PriceTerms& limits) {
  PriceText out;
  std::string rest = text;
  Groups m;
  std::optional<Decimal> minimum;
  std::optional<Decimal> maximum;
  if (Take(rest, ",? (?:with )?minimum (?:spend )?" + kNumber, m)) minimum = Read(m[1]);
  if (Take(rest, ",? (?:with )?maximum (?:spend )?" + kNumber, m)) maximum = Read(m[1]);
  if (!ReadModel(rest, limits, out)) {
    out.unknown = rest;
    return out;
  }
  for (PriceTerms& terms : out.meters) {
    terms.minimum = minimum;
    terms.maximum = maximum;
  }
  return out;
}

namespace {

// "[1,4,-5]".
std::vector<Decimal> ReadList(const std::string& text) {
  std::vector<Decimal> out;
  static const std::regex kOne(kNumber);
  for (std::sregex_iterator it(text.begin(), text.end(), kOne), end; it != end; ++it) {
    out.push_back(Read((*it)[1]));
  }
  return out;
}

LineKind KindOf(const std::string& text, LineKind otherwise) {
  if (text.find("not last") != std::string::npos || text.find("mid") != std::string::npos ||
      text.find("partial") != std::string::npos) {
    return LineKind::kPartial;
  }
  const bool last =
      text.find("last") != std::string::npos || text.find("final") != std::string::npos;
  return last ? LineKind::kLast : otherwise;
}

// "333 then 666", "10 (partial run) then 10 (final run)", "cumulative 5".
bool ReadSequence(const std::string& text, InputText& out) {
  std::string rest = text;
  std::smatch m;
  Groups none;
  const bool cumulative = Take(rest, "^cumulative ", none);
  const std::vector<std::string> parts = absl::StrSplit(rest, " then ");
  if (parts.size() == 1 && !cumulative) return false;
  for (const std::string& part : parts) {
    if (!Match(part, kNumber + R"((?: units)?(?: \(([a-z ]+)\))?)", m)) return false;
    out.lines.push_back({{Read(m[1])}, KindOf(m[2], LineKind::kPartial), std::nullopt, true});
  }
  out.deltas = true;
  return true;
}

bool ReadChanges(const std::string& text, InputText& out) {
  std::smatch m;
  if (!Match(text, R"(events \[([^\]]*)\] (?:prorated \[([^\]]*)\]|unprorated))", m)) return false;
  const std::vector<Decimal> units = ReadList(m[1]);
  const std::vector<Decimal> weights = m[2].matched ? ReadList(m[2]) : units;
  if (units.size() != weights.size()) return false;
  for (size_t i = 0; i < units.size(); ++i) out.changes.push_back({units[i], weights[i]});
  return true;
}

}  // namespace

InputText ReadInput(const std::string& text, const PriceText& price) {
  InputText out;
  std::smatch m;
  if (price.prorated || text.rfind("events [", 0) == 0) {
    out.known = ReadChanges(text, out);
    return out;
  }
  const bool percentage = !price.meters.empty() && price.meters[0].model == PriceModel::kPercentage;
  if (percentage && Match(text, kNumber + "(?:, " + kNumber + ")+", m)) {
    out.amounts = ReadList(text);
    out.known = true;
  } else if (Match(text, kNumber + " units, (\\d+) events", m)) {
    out.lines = {{{Read(m[1])}, LineKind::kLast, std::nullopt, true}};
    out.events = std::stoll(m[2]);
    out.known = true;
  } else if (ReadSequence(text, out)) {
    out.known = true;
  } else if (Match(text,
                   "(?:split(?: line)?: )?before " + kNumber + "(?: \\(billed " + kNumber +
                       "\\))?, this " + kNumber + "(?: \\(total [^)]*\\))?(.*)",
                   m)) {
    const Decimal before = Read(m[1]);
    const auto billed = m[2].matched ? std::optional(Read(m[2])) : std::nullopt;
    const LineKind kind = KindOf(m[4], LineKind::kPartial);
    out.lines = {{{before}, LineKind::kPartial, std::nullopt, false},
                 {{*before.Add(Read(m[3]))}, kind, billed, true}};
    out.known = true;
  } else if (Match(text, kNumber + " with " + kNumber + " already billed", m)) {
    out.lines = {{{Read(m[2])}, LineKind::kPartial, std::nullopt, false},
                 {{Read(m[1])}, LineKind::kLast, std::nullopt, true}};
    out.deltas = out.known = true;
  } else if (Match(text, kNumber + " \\w+ \\+ " + kNumber + " \\w+", m) &&
             price.meters.size() == 2) {
    out.lines = {{{Read(m[1]), Read(m[2])}, LineKind::kLast, std::nullopt, true}};
    out.known = true;
  } else if (Match(text, kNumber + "(?: units| raw)?(?: in one period)?((?:,.*line)?)", m)) {
    out.lines = {{{Read(m[1])}, KindOf(m[2], LineKind::kLast), std::nullopt, true}};
    out.known = true;
  }
  return out;
}

std::vector<Decimal> ReadExpected(const std::string& text) {
  const std::string plain = std::regex_replace(text, std::regex(R"(\([^)]*\))"), "");
  std::vector<Decimal> out;
  for (std::string part : std::vector<std::string>(absl::StrSplit(plain, ','))) {
    part = Trim(part);
    if (part == "nothing") {
      out.push_back(Decimal());
      continue;
    }
    Decimal sum;
    for (std::string term : std::vector<std::string>(absl::StrSplit(part, " + "))) {
      std::smatch m;
      term = Trim(term);
      if (!Match(term, R"(\+?)" + kNumber + "(?: [a-z]+)?", m)) return {};
      sum = *sum.Add(Read(m[1]));
    }
    out.push_back(sum);
  }
  return out;
}

}  // namespace broadbill::conformance
