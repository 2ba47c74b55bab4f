#pragma once

// A call from its dialled string to its amount, with how it came about: number → rule → rate →
// increments → bundles → amount. A pure function of the call, the line's terms and what the bundles
// hold. BILLING.md §7.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/rating/domain/deck.h"

namespace broadbill::rating {

// Included seconds of one or several lines.
struct Bundle {
  std::string id;
  int32_t priority = 0;  // lower draws first, then what expires first, then the id
  absl::Time expires = absl::InfiniteFuture();
  int64_t left_seconds = 0;
  int32_t increment = 0;                   // 0: the deck's
  std::vector<std::string> prefixes = {};  // of the numbers it covers; none: all that decks rate
};
// Puts bundles in the order in which they draw.
void SortBundles(std::vector<Bundle>& bundles);

enum class CallOutcome {
  kRated,
  kNotBillable,  // no seconds: costs nothing, connect fee included
  kEmergency,    // never charged, never blocked
  kOnNet,        // both ends are ours
  kTollFree,     // the called party pays
  kInbound,      // received by our line, and its number is not toll-free
  kNoNumber,     // waits: no number that can be dialled from the line's country
  kNoRate,       // waits: no deck has a rate; never 0
};

// What the line is rated by on the call's day.
struct CallTerms {
  const DialPlan* plan = nullptr;
  absl::TimeZone zone;
  const DeckIndex* decks = nullptr;
  const DeckIndex* supplier = nullptr;  // what the call costs us; nullptr: not known
};

struct CallFacts {
  std::string_view called;  // as dialled
  absl::Time answered;
  int64_t seconds = 0;  // billable, as the switch measured them
  bool inbound = false;
  bool on_net = false;           // the called number is a line of ours at that time
  const E164* number = nullptr;  // `called` as Normalise found it; nullptr: not done yet
  // Calls to toll-free numbers of our lines are rated by where they come from; hidden: by `called`.
  std::string_view calling = {};
};

// The price of a call.
struct CallPrice {
  CallOutcome outcome = CallOutcome::kNotBillable;
  E164 called;
  E164 asked;  // the number that decks and bundles are asked for: the called one, as a rule
  const DeckRate* rate = nullptr;  // of the call's start
  size_t deck = 0;                 // its place among the decks
  CallSegments segments;           // the whole call, whole increments
  int64_t seconds = 0;             // real
  int64_t billed_seconds = 0;      // after increments
  int64_t bundle_seconds = 0;      // drawn from bundles
  int64_t charged_seconds = 0;     // billed and not drawn; 0 when bundles cover the call
  int64_t charged_sixtieths = 0;   // of a millionth: what the charged seconds cost, unrounded
  int64_t cost_micros = 0;
  bool has_supplier_cost = false;
  int64_t supplier_micros = 0;
  // 0.05 + 60 s × 0.06/min = 0.11 (61 s at 60/60 = 120 s, 60 s included).
  std::string Derivation() const;
};

// What decides a call before decks are asked; kRated: they are.
CallOutcome FreeOf(const CallFacts& call, const DialPlan& plan);

// `bundles` in drawing order; what the call draws is taken off them. A call that does not fit
// 64 bits is kNoRate.
CallPrice RateCall(const CallFacts& call, const CallTerms& terms, std::span<Bundle> bundles);

// A call of many.
struct CallJob {
  CallFacts facts;
  const CallTerms* terms = nullptr;
  std::span<Bundle> bundles;  // of its line, in drawing order
};
// The same as RateCall of each in turn, faster: look-ups of several calls wait for memory together.
// `prices` has as many places as there are jobs.
void RateMany(std::span<const CallJob> jobs, std::span<CallPrice> prices);

// Calls of several lines that share bundles draw in order of answer time, then of key, whatever
// order they came in. Prices in the order of `calls`.
struct SharedCall {
  std::string key;
  CallFacts facts;
  CallTerms terms;
  size_t line = 0;
};
std::vector<CallPrice> RateCalls(const std::vector<SharedCall>& calls,
                                 std::vector<Bundle>& bundles);

// The same for lines with bundles of their own and shared ones.
struct LineBundles {
  std::vector<Bundle> bundles;  // in drawing order
  std::vector<int> stocks;      // of each: the stock that it draws from; −1: its own seconds
};
// `stocks`: seconds. What calls draw together never exceeds what is there.
std::vector<CallPrice> RateCalls(const std::vector<SharedCall>& calls,
                                 std::vector<LineBundles>& lines, std::vector<int64_t>& stocks);

// How long a call may last on `balance_micros`: at most `seconds`, whole increments paid in
// advance; 0 when the connect fee does not fit. Rates of 0 need no balance.
int64_t AffordableSeconds(const CallFacts& call, const CallTerms& terms, int64_t balance_micros);

}  // namespace broadbill::rating
