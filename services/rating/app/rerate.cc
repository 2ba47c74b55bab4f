#include "services/rating/app/rerate.h"

#include <algorithm>
#include <vector>

#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/convert/write.h"
#include "libs/status/macros.h"
#include "services/rating/app/decks.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/app/stored_call.h"
#include "services/rating/domain/number.h"

namespace broadbill::rating {
namespace {

constexpr size_t kItems = 500;  // whose calls are read at once

class Rerater {
 public:
  Rerater(db::Tx& tx, const RerateScope& scope) : tx_(tx), scope_(scope) {}

  absl::StatusOr<Rerated> Run() {
    ASSIGN_OR_RETURN(const db::Result rows,
                     tx_.Exec("SELECT DISTINCT item_id FROM item_terms WHERE ($1 = '' OR "
                              "$1 = ANY(decks)) AND ($2::uuid IS NULL OR item_id = $2) "
                              "ORDER BY item_id",
                              scope_.deck, scope_.item_id));
    std::vector<Uuid> items;
    for (int i = 0; i < rows.size(); ++i) {
      items.push_back(rows.Get<Uuid>(i, 0));
      if (items.size() < kItems && i + 1 < rows.size()) continue;
      RETURN_IF_ERROR(RateItems(items));
      items.clear();
    }
    return std::move(out_);
  }

 private:
  absl::Status RateItems(const std::vector<Uuid>& items) {
    ASSIGN_OR_RETURN(const std::vector<ItemTermsRow> terms,
                     db::Select<ItemTermsRow>(tx_, "WHERE item_id = ANY($1)", items));
    terms_.clear();
    for (const ItemTermsRow& row : terms) terms_.emplace(row.item_id, row);
    // Calls that no deck rated (inbound, emergency, on-net) cost nothing whatever the decks say.
    ASSIGN_OR_RETURN(
        const std::vector<CallRow> calls,
        db::Select<CallRow>(tx_,
                            "WHERE item_id = ANY($1) AND deck <> '' AND answered_at >= $2 AND "
                            "answered_at < $3",
                            items, scope_.start, scope_.end));
    for (const CallRow& call : calls) {
      if (InScope(call)) RETURN_IF_ERROR(RateOne(call));
    }
    return Save();
  }

  bool InScope(const CallRow& call) const {
    if (scope_.prefixes.empty()) return true;
    const auto begins = [&](const std::string& number) {
      for (size_t size = 1; size <= number.size(); ++size) {
        if (scope_.prefixes.count(number.substr(0, size)) > 0) return true;
      }
      return false;
    };
    return begins(call.called) || (call.inbound && begins(call.calling));
  }

  const ItemTermsRow* TermsOf(const CallRow& call, absl::TimeZone& zone) {
    const auto [begin, end] = terms_.equal_range(call.item_id);
    for (auto it = begin; it != end; ++it) {
      const auto loaded = LoadZone(it->second.time_zone);
      zone = loaded.ok() ? *loaded : absl::UTCTimeZone();
      const CivilDay day = DateIn(call.answered_at, zone);
      if (day >= it->second.valid_from && day < it->second.valid_to) return &it->second;
    }
    return nullptr;
  }

  absl::Status RateOne(const CallRow& call) {
    absl::TimeZone zone;
    const ItemTermsRow* terms = TermsOf(call, zone);
    if (terms == nullptr) return absl::OkStatus();  // after its end: as it was rated
    const bool named =
        std::find(terms->decks.begin(), terms->decks.end(), scope_.deck) != terms->decks.end();
    if (!scope_.deck.empty() && !named) return absl::OkStatus();
    ++out_.calls;
    LoadedDecks& decks = decks_[terms->decks];
    if (decks.index == nullptr) {
      ASSIGN_OR_RETURN(decks, LoadDecks(tx_, terms->decks));
    }
    const StoredCall stored(call);
    const DialPlan* plan = FindDialPlan(terms->country);
    if (plan == nullptr) plan = FindDialPlan("US");
    const CallPrice price = RateCall(stored.facts(), {plan, zone, decks.index.get(), nullptr}, {});
    if (price.outcome != CallOutcome::kRated) {
      ++out_.without_rate;
      return absl::OkStatus();
    }
    CallRow now = call;
    now.deck = decks.rows[price.deck].code;
    now.destination = price.rate->destination;
    now.prefix = price.rate->prefix;
    now.billed_seconds = price.billed_seconds;
    now.cost_micros = price.cost_micros;
    const bool same = now.deck == call.deck && now.destination == call.destination &&
                      now.prefix == call.prefix && now.billed_seconds == call.billed_seconds &&
                      now.cost_micros == call.cost_micros;
    if (same) return absl::OkStatus();
    ++out_.changed;
    out_.difference[call.currency] += now.cost_micros - call.cost_micros;
    changed_.push_back(std::move(now));
    return absl::OkStatus();
  }

  absl::Status Save() {
    std::vector<Uuid> keys;
    std::vector<std::string> decks, destinations, prefixes;
    std::vector<int64_t> seconds, costs;
    for (CallRow& row : changed_) {
      keys.push_back(row.call_key);
      decks.push_back(std::move(row.deck));
      destinations.push_back(std::move(row.destination));
      prefixes.push_back(std::move(row.prefix));
      seconds.push_back(row.billed_seconds);
      costs.push_back(row.cost_micros);
    }
    changed_.clear();
    if (keys.empty()) return absl::OkStatus();
    return tx_
        .Exec(
            "UPDATE call c SET deck = u.deck, destination = u.destination, prefix = u.prefix, "
            "billed_seconds = u.seconds, cost_micros = u.cost FROM unnest($1, $2, $3, $4, $5, "
            "$6) AS u(key, deck, destination, prefix, seconds, cost) WHERE c.call_key = u.key",
            keys, decks, destinations, prefixes, seconds, costs)
        .status();
  }

  db::Tx& tx_;
  const RerateScope& scope_;
  Rerated out_;
  std::multimap<Uuid, ItemTermsRow> terms_;
  std::map<std::vector<std::string>, LoadedDecks> decks_;
  std::vector<CallRow> changed_;
};

}  // namespace

absl::StatusOr<Rerated> RerateCalls(db::Tx& tx, const RerateScope& scope) {
  return Rerater(tx, scope).Run();
}

absl::StatusOr<pb::RerateCallsResponse> RatingApp::RerateCalls(
    const rpc::Context& context, const pb::RerateCallsRequest& request) {
  Violations violations;
  RerateScope scope;
  scope.deck = request.deck_code();
  scope.item_id = convert::ReadOptionalId("sub", request.item_id(), "item_id", violations);
  if (request.has_start_time()) scope.start = convert::FromProto(request.start_time());
  if (request.has_end_time()) scope.end = convert::FromProto(request.end_time());
  violations.Require(scope.start < scope.end, "end_time", "must be after start_time");
  violations.Require(!scope.deck.empty() || scope.item_id.has_value() || request.has_start_time(),
                     "deck_code", "a deck, an item or a start must be given");
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::RerateCallsResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::RerateCallsResponse> {
        ASSIGN_OR_RETURN(const Rerated done, rating::RerateCalls(tx, scope));
        pb::RerateCallsResponse response;
        response.set_calls(done.calls);
        response.set_changed(done.changed);
        response.set_without_rate(done.without_rate);
        for (const auto& [currency, micros] : done.difference) {
          pb::CallDifference* out = response.add_differences();
          out->set_currency_code(currency);
          *out->mutable_amount() = FromMicros(micros);
        }
        return response;
      });
}

}  // namespace broadbill::rating
