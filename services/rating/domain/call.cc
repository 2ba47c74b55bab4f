#include "services/rating/domain/call.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "libs/money/decimal.h"

namespace broadbill::rating {
namespace {

std::string Amount(int64_t micros) {
  return Decimal::FromScaled(Int128{micros} * (Decimal::kScale / 1000000)).ToString();
}

// What a call draws.
struct Drawn {
  int64_t seconds = 0;
  bool covered = false;  // bundles held all its real seconds
};

bool Covers(const Bundle& bundle, std::string_view digits) {
  if (bundle.prefixes.empty()) return true;
  return std::any_of(
      bundle.prefixes.begin(), bundle.prefixes.end(),
      [&](const std::string& prefix) { return digits.substr(0, prefix.size()) == prefix; });
}

Drawn Draw(std::span<Bundle> bundles, std::string_view digits, int64_t seconds,
           const RateRow& rate) {
  Drawn out;
  int64_t rest = seconds;
  for (Bundle& bundle : bundles) {
    if (bundle.left_seconds <= 0 || !Covers(bundle, digits)) continue;
    if (bundle.left_seconds < rest) {
      out.seconds += bundle.left_seconds;
      rest -= bundle.left_seconds;
      bundle.left_seconds = 0;
      continue;
    }
    const int32_t next = bundle.increment > 0 ? bundle.increment : rate.next_increment;
    const int32_t first = bundle.increment > 0 || out.seconds > 0 ? next : rate.first_increment;
    const int64_t draw = std::min(bundle.left_seconds, BilledSeconds(rest, first, next));
    bundle.left_seconds -= draw;
    out.seconds += draw;
    out.covered = true;
    break;
  }
  return out;
}

// What the seconds behind the first `skip` cost, in sixtieths of a millionth; false on overflow.
bool CostOf(const CallSegments& segments, int64_t skip, int64_t& out) {
  out = 0;
  for (const CallSegment& segment : segments) {
    const int64_t skipped = std::min(skip, segment.seconds);
    skip -= skipped;
    int64_t cost = 0;
    if (__builtin_mul_overflow(segment.seconds - skipped, segment.per_minute_micros, &cost) ||
        __builtin_add_overflow(out, cost, &out)) {
      return false;
    }
  }
  return true;
}

int64_t CallMicros(const RateRow& rate, int64_t sixtieths) {
  const int64_t used = sixtieths / 60 + (sixtieths % 60 >= 30 ? 1 : 0);
  const int64_t cost = std::max(rate.connect_micros + used, rate.minimum_micros);
  return std::min(cost, rate.maximum_micros);
}

int64_t Billed(const CallSegments& segments) {
  return std::accumulate(
      segments.begin(), segments.end(), int64_t{0},
      [](int64_t sum, const CallSegment& segment) { return sum + segment.seconds; });
}

// The supplier bills the call whatever the customer pays.
void AddSupplier(const CallFacts& call, const CallTerms& terms, CallPrice& out) {
  if (terms.supplier == nullptr) return;
  const auto match = terms.supplier->FindAt(out.asked.key(), call.answered, terms.zone);
  if (!match.found) return;
  CallSegments segments;
  terms.supplier->Walk(match, call.answered, call.seconds, terms.zone, segments);
  int64_t sixtieths = 0;
  out.has_supplier_cost = CostOf(segments, 0, sixtieths);
  out.supplier_micros = CallMicros(terms.supplier->row(match.first), sixtieths);
}

// The rules that come before decks.
CallOutcome RuleOf(const CallFacts& call, const CallTerms& terms, CallPrice& out) {
  const bool number = call.number != nullptr ? call.number->size > 0
                                             : Normalise(call.called, *terms.plan, out.called);
  if (call.number != nullptr) out.called = *call.number;
  if (!number) out.called.size = 0;
  if (call.seconds <= 0) return CallOutcome::kNotBillable;
  out.asked = out.called;
  if (call.inbound) {
    if (!number || !IsTollFree(out.called.text())) return CallOutcome::kInbound;
    if (call.calling.empty() || !Normalise(call.calling, *terms.plan, out.asked)) {
      out.asked = out.called;
    }
    return CallOutcome::kRated;
  }
  if (call.called.size() <= 4 && IsEmergency(call.called, *terms.plan)) {
    return CallOutcome::kEmergency;
  }
  if (call.on_net) return CallOutcome::kOnNet;
  if (!number) return CallOutcome::kNoNumber;
  if (IsTollFree(out.called.text())) return CallOutcome::kTollFree;
  return CallOutcome::kRated;
}

}  // namespace

void SortBundles(std::vector<Bundle>& bundles) {
  std::sort(bundles.begin(), bundles.end(), [](const Bundle& a, const Bundle& b) {
    return std::tie(a.priority, a.expires, a.id) < std::tie(b.priority, b.expires, b.id);
  });
}

namespace {

// Makes a price of a call before new, in the memory that it has.
void Reset(const CallFacts& call, CallPrice& out) {
  out.rate = nullptr;
  out.deck = 0;
  out.segments.clear();
  out.seconds = std::max<int64_t>(0, call.seconds);
  out.billed_seconds = out.bundle_seconds = out.charged_seconds = 0;
  out.charged_sixtieths = out.cost_micros = out.supplier_micros = 0;
  out.has_supplier_cost = false;
}

// Prices what the decks' rates in `match` say.
void PriceMatch(const CallFacts& call, const CallTerms& terms, const DeckIndex::Match& match,
                std::span<Bundle> bundles, CallPrice& out) {
  out.outcome = CallOutcome::kNoRate;
  if (!match.found) return;
  const RateRow& row = terms.decks->row(match.first);
  out.rate = &terms.decks->rate(match.first);
  out.deck = row.deck;
  terms.decks->Walk(match, call.answered, call.seconds, terms.zone, out.segments);
  out.billed_seconds = Billed(out.segments);
  // Checked before anything is drawn: a call that cannot be priced takes nothing.
  if (!CostOf(out.segments, 0, out.charged_sixtieths)) return;
  out.outcome = CallOutcome::kRated;
  AddSupplier(call, terms, out);
  const Drawn drawn = Draw(bundles, out.asked.text(), call.seconds, row);
  out.bundle_seconds = drawn.seconds;
  if (drawn.covered) {
    out.charged_sixtieths = 0;
    return;
  }
  out.charged_seconds = out.billed_seconds - drawn.seconds;
  if (drawn.seconds > 0) CostOf(out.segments, drawn.seconds, out.charged_sixtieths);
  out.cost_micros = CallMicros(row, out.charged_sixtieths);
}

}  // namespace

CallOutcome FreeOf(const CallFacts& call, const DialPlan& plan) {
  CallTerms terms;
  terms.plan = &plan;
  CallPrice none;
  return RuleOf(call, terms, none);
}

CallPrice RateCall(const CallFacts& call, const CallTerms& terms, std::span<Bundle> bundles) {
  CallPrice out;
  out.seconds = std::max<int64_t>(0, call.seconds);
  out.outcome = RuleOf(call, terms, out);
  if (out.outcome != CallOutcome::kRated) return out;
  const auto match = terms.decks->FindAt(out.asked.key(), call.answered, terms.zone);
  PriceMatch(call, terms, match, bundles, out);
  return out;
}

void RateMany(std::span<const CallJob> jobs, std::span<CallPrice> prices) {
  constexpr size_t kTogether = 32;
  std::array<E164, kTogether> numbers;
  std::array<uint64_t, kTogether> keys;
  std::array<uint32_t, kTogether> places;
  for (size_t begin = 0; begin < jobs.size(); begin += kTogether) {
    const std::span<const CallJob> some =
        jobs.subspan(begin, std::min(kTogether, jobs.size() - begin));
    for (size_t i = 0; i < some.size(); ++i) {
      const CallJob& job = some[i];
      if (job.facts.number != nullptr) {
        numbers[i] = *job.facts.number;
      } else if (!Normalise(job.facts.called, *job.terms->plan, numbers[i])) {
        numbers[i].size = 0;
      }
      keys[i] = numbers[i].key();
      job.terms->decks->Prefetch(keys[i], 0);
      if (!job.bundles.empty()) __builtin_prefetch(job.bundles.data());
    }
    for (size_t i = 0; i < some.size(); ++i) some[i].terms->decks->Prefetch(keys[i], 1);
    for (size_t i = 0; i < some.size(); ++i) places[i] = some[i].terms->decks->PlaceOf(keys[i]);
    for (size_t i = 0; i < some.size(); ++i) {
      const CallTerms& terms = *some[i].terms;
      CallFacts facts = some[i].facts;
      facts.number = &numbers[i];
      CallPrice& out = prices[begin + i];
      Reset(facts, out);
      out.outcome = RuleOf(facts, terms, out);
      if (out.outcome != CallOutcome::kRated) continue;
      const auto match = facts.inbound
                             ? terms.decks->FindAt(out.asked.key(), facts.answered, terms.zone)
                             : terms.decks->MatchAt(places[i], facts.answered, terms.zone);
      PriceMatch(facts, terms, match, some[i].bundles, out);
    }
  }
}

std::string CallPrice::Derivation() const {
  switch (outcome) {
    case CallOutcome::kNotBillable:
      return "no billable seconds";
    case CallOutcome::kEmergency:
      return "emergency";
    case CallOutcome::kOnNet:
      return "on-net";
    case CallOutcome::kTollFree:
      return "toll-free: the called party pays";
    case CallOutcome::kInbound:
      return "inbound";
    case CallOutcome::kNoNumber:
      return "no number that can be dialled";
    case CallOutcome::kNoRate:
      return "no rate";
    case CallOutcome::kRated:
      break;
  }
  std::string out;
  if (charged_seconds > 0 && rate->connect_micros > 0) out = Amount(rate->connect_micros);
  int64_t skip = billed_seconds - charged_seconds;
  for (const CallSegment& segment : segments) {
    const int64_t paid = segment.seconds - std::min(skip, segment.seconds);
    skip -= segment.seconds - paid;
    if (paid == 0) continue;
    absl::StrAppend(&out, out.empty() ? "" : " + ", paid, " s × ",
                    Amount(segment.per_minute_micros), "/min");
  }
  if (out.empty()) out = "0 s";
  absl::StrAppend(&out, " = ", Amount(cost_micros), " (", seconds, " s at ", rate->first_increment,
                  "/", rate->next_increment, " = ", billed_seconds, " s");
  if (bundle_seconds > 0) absl::StrAppend(&out, ", ", bundle_seconds, " s included");
  if (charged_seconds > 0 && cost_micros == rate->minimum_micros) {
    absl::StrAppend(&out, ", the minimum of a call");
  } else if (charged_seconds > 0 && rate->maximum_micros == cost_micros) {
    absl::StrAppend(&out, ", the maximum of a call");
  }
  return out + ")";
}

namespace {

// The places of calls in order of answer time, then of key.
std::vector<size_t> InAnswerOrder(const std::vector<SharedCall>& calls) {
  std::vector<size_t> order(calls.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tie(calls[a].facts.answered, calls[a].key) <
           std::tie(calls[b].facts.answered, calls[b].key);
  });
  return order;
}

}  // namespace

std::vector<CallPrice> RateCalls(const std::vector<SharedCall>& calls,
                                 std::vector<Bundle>& bundles) {
  SortBundles(bundles);
  std::vector<CallPrice> out(calls.size());
  for (const size_t i : InAnswerOrder(calls)) {
    out[i] = RateCall(calls[i].facts, calls[i].terms, bundles);
  }
  return out;
}

std::vector<CallPrice> RateCalls(const std::vector<SharedCall>& calls,
                                 std::vector<LineBundles>& lines, std::vector<int64_t>& stocks) {
  std::vector<CallPrice> out(calls.size());
  for (const size_t i : InAnswerOrder(calls)) {
    LineBundles& line = lines[calls[i].line];
    for (size_t b = 0; b < line.bundles.size(); ++b) {
      if (line.stocks[b] < 0) continue;
      line.bundles[b].left_seconds = stocks[static_cast<size_t>(line.stocks[b])];
    }
    out[i] = RateCall(calls[i].facts, calls[i].terms, line.bundles);
    for (size_t b = 0; b < line.bundles.size(); ++b) {
      if (line.stocks[b] < 0) continue;
      stocks[static_cast<size_t>(line.stocks[b])] = line.bundles[b].left_seconds;
    }
  }
  return out;
}

int64_t AffordableSeconds(const CallFacts& call, const CallTerms& terms, int64_t balance_micros) {
  const CallPrice price = RateCall(call, terms, {});
  if (price.outcome == CallOutcome::kNoRate || price.outcome == CallOutcome::kNoNumber) return 0;
  if (price.outcome != CallOutcome::kRated || price.cost_micros == 0) return call.seconds;
  const int64_t money = balance_micros - price.rate->connect_micros;
  if (money < 0 || balance_micros < price.rate->minimum_micros) return 0;
  if (price.rate->maximum_micros.has_value() && balance_micros >= *price.rate->maximum_micros) {
    return call.seconds;
  }
  Int128 left = Int128{money} * 60;
  int64_t allowed = 0;
  for (const CallSegment& segment : price.segments) {
    const Int128 step = Int128{segment.increment} * segment.per_minute_micros;
    const int64_t steps = segment.seconds / segment.increment;
    const int64_t paid =
        step == 0 ? steps : static_cast<int64_t>(std::min<Int128>(steps, left / step));
    allowed += paid * segment.increment;
    left -= step * paid;
    if (paid < steps) break;
  }
  return std::min(allowed, call.seconds);
}

}  // namespace broadbill::rating
