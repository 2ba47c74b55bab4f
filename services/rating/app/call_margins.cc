#include <map>
#include <utility>

#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/app/decks.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/app/stored_call.h"
#include "services/rating/domain/call.h"

namespace broadbill::rating {
namespace {

constexpr size_t kItems = 500;  // whose calls are read at once

struct Sum {
  int64_t calls = 0, seconds = 0, revenue = 0, cost = 0, margin = 0, without = 0;
};
using Sums = std::map<std::pair<std::string, std::string>, Sum>;  // group, currency

// What calls of a deck cost us.
struct Supplier {
  std::shared_ptr<const LoadedDecks> decks;  // nullptr: not known
  std::string currency;
};

class MarginReader {
 public:
  MarginReader(db::Tx& tx, DeckCache& cache, const pb::ListMarginsRequest& request)
      : tx_(tx), cache_(cache), request_(request) {}

  absl::StatusOr<Sums> Read(const std::optional<Uuid>& account) {
    ASSIGN_OR_RETURN(const db::Result rows,
                     tx_.Exec("SELECT DISTINCT item_id FROM item_terms WHERE ($1::uuid IS NULL OR "
                              "account_id = $1) ORDER BY item_id",
                              account));
    std::vector<Uuid> items;
    for (int i = 0; i < rows.size(); ++i) {
      items.push_back(rows.Get<Uuid>(i, 0));
      if (items.size() < kItems && i + 1 < rows.size()) continue;
      RETURN_IF_ERROR(ReadItems(items, account));
      items.clear();
    }
    return std::move(sums_);
  }

 private:
  absl::Status ReadItems(const std::vector<Uuid>& items, const std::optional<Uuid>& account) {
    ASSIGN_OR_RETURN(const std::vector<ItemTermsRow> terms,
                     db::Select<ItemTermsRow>(tx_, "WHERE item_id = ANY($1)", items));
    std::multimap<Uuid, std::pair<const ItemTermsRow*, absl::TimeZone>> of;
    for (const ItemTermsRow& row : terms) {
      const auto zone = LoadZone(row.time_zone);
      of.emplace(row.item_id, std::pair(&row, zone.ok() ? *zone : absl::UTCTimeZone()));
    }
    ASSIGN_OR_RETURN(const std::vector<CallRow> calls,
                     db::Select<CallRow>(
                         tx_,
                         "WHERE item_id = ANY($1) AND answered_at >= $2 AND answered_at < $3 "
                         "AND deck <> '' AND ($4 = '' OR deck = $4) AND ($5::uuid IS NULL OR "
                         "account_id = $5)",
                         items, convert::FromProto(request_.start_time()),
                         convert::FromProto(request_.end_time()), request_.deck_code(), account));
    for (const CallRow& call : calls) {
      absl::TimeZone zone = absl::UTCTimeZone();
      const auto [begin, end] = of.equal_range(call.item_id);
      for (auto it = begin; it != end; ++it) {
        zone = it->second.second;
        const CivilDay day = DateIn(call.answered_at, zone);
        if (day >= it->second.first->valid_from && day < it->second.first->valid_to) break;
      }
      RETURN_IF_ERROR(Add(call, zone));
    }
    return absl::OkStatus();
  }

  absl::Status Add(const CallRow& call, absl::TimeZone zone) {
    const std::string group = request_.group_by() == pb::ListMarginsRequest::DECK ? call.deck
                              : request_.group_by() == pb::ListMarginsRequest::ACCOUNT
                                  ? call.account_id.ToText("acc")
                                  : call.destination;
    Sum& sum = sums_[{group, call.currency}];
    ++sum.calls;
    sum.seconds += call.seconds;
    sum.revenue += call.cost_micros;
    ASSIGN_OR_RETURN(const Supplier* supplier, SupplierOf(call.deck));
    if (supplier->decks == nullptr || supplier->currency != call.currency) {
      ++sum.without;
      return absl::OkStatus();
    }
    const StoredCall stored(call);
    const CallPrice price = RateCall(
        stored.facts(), {FindDialPlan("US"), zone, supplier->decks->index.get(), nullptr}, {});
    if (price.outcome != CallOutcome::kRated) {
      ++sum.without;
      return absl::OkStatus();
    }
    sum.cost += price.cost_micros;
    sum.margin += call.cost_micros - price.cost_micros;
    return absl::OkStatus();
  }

  absl::StatusOr<const Supplier*> SupplierOf(const std::string& deck) {
    const auto found = suppliers_.find(deck);
    if (found != suppliers_.end()) return &found->second;
    Supplier out;
    ASSIGN_OR_RETURN(const db::Result row,
                     tx_.Exec("SELECT s.code, s.currency FROM deck d JOIN deck s ON s.code = "
                              "d.supplier_deck WHERE d.code = $1",
                              deck));
    if (!row.empty()) {
      out.currency = row.Get<std::string>(0, 1);
      ASSIGN_OR_RETURN(out.decks, cache_.Get(tx_, {row.Get<std::string>(0, 0)}));
    }
    return &suppliers_.emplace(deck, std::move(out)).first->second;
  }

  db::Tx& tx_;
  DeckCache& cache_;
  const pb::ListMarginsRequest& request_;
  std::map<std::string, Supplier> suppliers_;  // by deck
  Sums sums_;
};

}  // namespace

absl::StatusOr<pb::ListMarginsResponse> RatingApp::ListMargins(
    const rpc::Context&, const pb::ListMarginsRequest& request) {
  Violations violations;
  const auto account =
      convert::ReadOptionalId("acc", request.account_id(), "account_id", violations);
  violations.Require(request.has_start_time(), "start_time", "is required");
  violations.Require(request.has_end_time(), "end_time", "is required");
  const absl::Duration length =
      convert::FromProto(request.end_time()) - convert::FromProto(request.start_time());
  violations.Require(length > absl::ZeroDuration() && length <= absl::Hours(24 * 400), "end_time",
                     "must be after start_time, at most 400 days later");
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string after, convert::ReadPageToken(request.page_token()));
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(const Sums sums, MarginReader(tx, decks_, request).Read(account));
  pb::ListMarginsResponse response;
  std::string last;
  for (const auto& [key, sum] : sums) {
    const std::string place = key.first + '\x1f' + key.second;
    if (!after.empty() && place <= after) continue;
    if (response.margins_size() == size) {
      response.set_next_page_token(convert::MakePageToken(last));
      break;
    }
    last = place;
    pb::Margin* out = response.add_margins();
    out->set_group(key.first);
    out->set_currency_code(key.second);
    out->set_call_count(sum.calls);
    out->set_seconds(sum.seconds);
    *out->mutable_revenue() = FromMicros(sum.revenue);
    *out->mutable_supplier_cost() = FromMicros(sum.cost);
    *out->mutable_margin() = FromMicros(sum.margin);
    out->set_without_supplier_rate(sum.without);
  }
  return response;
}

}  // namespace broadbill::rating
