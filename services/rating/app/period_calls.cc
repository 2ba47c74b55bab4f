#include "services/rating/app/period_calls.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/rating/app/decks.h"
#include "services/rating/app/stored_call.h"
#include "services/rating/domain/call.h"

namespace broadbill::rating {
namespace {

namespace pb = broadbill::rating::v1;

// What calls come to.
struct Group {
  int64_t calls = 0, seconds = 0, bundle_seconds = 0, micros = 0;
};

// The period whose minutes they are: the whole one, also where terms hold in a part of it.
using Period = std::tuple<std::string, CivilDay, CivilDay>;  // account, first day, end
Period PeriodOf(const pb::PeriodUsageQuery& in) {
  const auto& days = in.has_full_period() ? in.full_period() : in.period();
  const auto day = [](const google::type::Date& date) {
    return CivilDay(date.year(), date.month(), date.day());
  };
  return {in.account_id(), day(days.start_date()), day(days.end_date())};
}

// Prices of the calls that bundles can cover, with the decks as they are: bundles are drawn in
// order of answer time over the whole period, so a late call can change what others draw.
class Bundled {
 public:
  explicit Bundled(const std::vector<PeriodCalls>& queries) : queries_(queries) {}

  absl::Status Price(db::Tx& tx) {
    std::map<Period, std::vector<size_t>> groups;
    for (size_t i = 0; i < queries_.size(); ++i) {
      const auto& bundles = queries_[i].query->voice().bundles();
      if (bundles.empty()) continue;
      const bool shared = std::any_of(bundles.begin(), bundles.end(),
                                      [](const auto& bundle) { return bundle.shared(); });
      if (shared) {
        groups[PeriodOf(*queries_[i].query)].push_back(i);
      } else {
        RETURN_IF_ERROR(PriceTogether(tx, {i}));
      }
    }
    for (const auto& [period, members] : groups) RETURN_IF_ERROR(PriceTogether(tx, members));
    return absl::OkStatus();
  }

  // nullptr: the call costs what it was rated.
  const Group* Find(const CallRow* call) const {
    const auto found = prices_.find(call);
    return found == prices_.end() ? nullptr : &found->second;
  }

 private:
  // The stocks of shared bundles: the minutes of all items that have a bundle of the name. An item
  // with several terms in the period brings them once, the most of them.
  absl::StatusOr<std::vector<LineBundles>> ReadLines(const std::vector<size_t>& members,
                                                     std::vector<int64_t>& stocks) {
    std::vector<LineBundles> out;
    std::map<std::string, size_t> places;
    std::map<std::pair<std::string, std::string>, int64_t> brought;  // bundle, item
    for (const size_t i : members) {
      const PeriodCalls& one = queries_[i];
      const auto& terms = one.query->voice().bundles();
      std::set<std::string> shared;
      for (const auto& bundle : terms) {
        if (bundle.shared()) shared.insert(bundle.name());
      }
      LineBundles line;
      ASSIGN_OR_RETURN(line.bundles, ReadBundles(terms, one.field + "voice.bundles"));
      for (const Bundle& bundle : line.bundles) {
        if (shared.count(bundle.id) == 0) {
          line.stocks.push_back(-1);
          continue;
        }
        const auto [place, fresh] = places.emplace(bundle.id, stocks.size());
        if (fresh) stocks.push_back(0);
        int64_t& mine = brought[{bundle.id, one.query->item_id()}];
        stocks[place->second] += std::max<int64_t>(0, bundle.left_seconds - mine);
        mine = std::max(mine, bundle.left_seconds);
        line.stocks.push_back(static_cast<int>(place->second));
      }
      out.push_back(std::move(line));
    }
    return out;
  }

  absl::StatusOr<const DeckIndex*> Decks(db::Tx& tx, const pb::PeriodUsageQuery& in) {
    const std::vector<std::string> codes(in.voice().deck_codes().begin(),
                                         in.voice().deck_codes().end());
    const auto found = decks_.find(codes);
    if (found != decks_.end()) return found->second.index.get();
    // The prefixes that any of the request's calls can be rated by.
    if (prefixes_.empty()) {
      std::set<std::string> distinct;
      for (const PeriodCalls& one : queries_) {
        for (const CallRow* call : one.calls) {
          if (!call->deck.empty()) distinct.insert(call->prefix);
        }
      }
      prefixes_.assign(distinct.begin(), distinct.end());
    }
    ASSIGN_OR_RETURN(LoadedDecks loaded, LoadDecks(tx, codes, prefixes_));
    return decks_.emplace(codes, std::move(loaded)).first->second.index.get();
  }

  absl::Status PriceTogether(db::Tx& tx, const std::vector<size_t>& members) {
    std::vector<int64_t> stocks;
    ASSIGN_OR_RETURN(std::vector<LineBundles> lines, ReadLines(members, stocks));
    std::vector<const CallRow*> rows;
    std::vector<size_t> member;
    for (size_t m = 0; m < members.size(); ++m) {
      for (const CallRow* call : queries_[members[m]].calls) {
        if (call->deck.empty()) continue;
        rows.push_back(call);
        member.push_back(m);
      }
    }
    std::vector<StoredCall> stored;  // calls point into it
    stored.reserve(rows.size());
    for (const CallRow* call : rows) stored.emplace_back(*call);
    std::vector<SharedCall> calls;
    for (size_t i = 0; i < rows.size(); ++i) {
      const PeriodCalls& of = queries_[members[member[i]]];
      ASSIGN_OR_RETURN(const DeckIndex* decks, Decks(tx, *of.query));
      calls.push_back({rows[i]->call_key.ToHex(),
                       stored[i].facts(),
                       {FindDialPlan("US"), of.zone, decks, nullptr},
                       member[i]});
    }
    const std::vector<CallPrice> made = RateCalls(calls, lines, stocks);
    for (size_t i = 0; i < rows.size(); ++i) {
      // A rate that is gone leaves the call as it was rated.
      if (made[i].outcome != CallOutcome::kRated) continue;
      prices_[rows[i]] = {1, made[i].billed_seconds, made[i].bundle_seconds, made[i].cost_micros};
    }
    return absl::OkStatus();
  }

  const std::vector<PeriodCalls>& queries_;
  std::map<std::vector<std::string>, LoadedDecks> decks_;
  std::vector<std::string> prefixes_;
  std::map<const CallRow*, Group> prices_;
};

// Millionths of the currency's minor unit; 1 where calls are not rounded one by one.
absl::StatusOr<int64_t> UnitOf(const pb::PeriodUsageQuery& in) {
  if (!in.voice().round_calls()) return 1;
  ASSIGN_OR_RETURN(const int exponent,
                   CurrencyExponent(in.currency_code().empty() ? "USD" : in.currency_code()));
  int64_t unit = 1000000;
  for (int i = 0; i < exponent && unit > 1; ++i) unit /= 10;
  return unit;
}

absl::Status AnswerOne(const PeriodCalls& one, const Bundled& bundled) {
  ASSIGN_OR_RETURN(const int64_t unit, UnitOf(*one.query));
  std::map<std::string, Group> groups;
  for (const CallRow* call : one.calls) {
    const Group* priced = bundled.Find(call);
    const Group as_rated{1, call->billed_seconds, 0, call->cost_micros};
    const Group& price = priced != nullptr ? *priced : as_rated;
    Group& group = groups[call->destination];
    group.calls += price.calls;
    group.seconds += price.seconds;
    group.bundle_seconds += price.bundle_seconds;
    group.micros += (price.micros / unit + (price.micros % unit * 2 >= unit ? 1 : 0)) * unit;
  }
  one.answer->set_revision(one.answer->revision() + static_cast<int64_t>(one.calls.size()));
  for (const auto& [destination, group] : groups) {
    pb::VoiceGroup* voice = one.answer->add_voice_groups();
    voice->set_destination(destination);
    voice->set_calls(group.calls);
    voice->set_billed_seconds(group.seconds);
    voice->set_bundle_seconds(group.bundle_seconds);
    *voice->mutable_amount() = FromMicros(group.micros);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AnswerCalls(db::Tx& tx, const std::vector<PeriodCalls>& queries) {
  Bundled bundled(queries);
  RETURN_IF_ERROR(bundled.Price(tx));
  for (const PeriodCalls& one : queries) RETURN_IF_ERROR(AnswerOne(one, bundled));
  return absl::OkStatus();
}

}  // namespace broadbill::rating
