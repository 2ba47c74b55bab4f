#include "services/rating/app/top_ups.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/convert/write.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/app/terms.h"

namespace broadbill::rating {
namespace {

namespace common = broadbill::common::v1;

pb::TopUp ToProto(const TopUpRow& row) {
  pb::TopUp out;
  out.set_top_up_id(row.top_up_id.ToText("top"));
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_item_id(row.item_id.ToText("sub"));
  out.set_code(row.code);
  out.set_description(row.description);
  *out.mutable_bought_at() = convert::ToProto(row.bought_at);
  *out.mutable_usable()->mutable_start_date() = convert::ToProto(row.bought_on);
  if (row.usable_to.has_value()) {
    *out.mutable_usable()->mutable_end_date() = convert::ToProto(*row.usable_to);
  }
  *out.mutable_units() = convert::ToProto(row.units);
  out.set_bytes(row.bytes);
  *out.mutable_price() = convert::ToProto(row.price);
  out.set_currency_code(row.currency);
  out.set_automatic(row.automatic);
  return out;
}

}  // namespace

absl::StatusOr<int64_t> BytesOf(const LiveStretch& stretch, const common::UsageTopUp& offer) {
  ASSIGN_OR_RETURN(const DataTerms terms, ReadTerms(stretch.terms, "usage."));
  Violations violations;
  const Decimal units = convert::ReadDecimal(offer.units(), "units", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return (Fraction::Of(units) * Fraction::Of(terms.unit_bytes)).Round(Rounding::kDown);
}

absl::StatusOr<int64_t> CanStillBuy(db::Tx& tx, const LiveStretch& stretch,
                                    const Purchase& purchase) {
  int64_t maximum = purchase.offer->period_maximum();
  if (maximum == 0) {
    if (!purchase.automatic) return std::numeric_limits<int64_t>::max();
    maximum = 1;
  }
  // Without a maximum only those that were bought by themselves count.
  const bool only_automatic = purchase.offer->period_maximum() == 0;
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT count(*) FROM top_up WHERE item_id = $1 AND code = $2 AND "
                           "bought_on >= $3 AND bought_on < $4 AND (automatic OR NOT $5)",
                           stretch.item_id, purchase.offer->code(), stretch.full.start,
                           stretch.full.end, only_automatic));
  return std::max<int64_t>(0, maximum - rows.Get<int64_t>(0, 0));
}

absl::StatusOr<std::vector<TopUpRow>> Buy(db::Tx& tx, const LiveStretch& stretch,
                                          const Purchase& purchase) {
  const common::UsageTopUp& offer = *purchase.offer;
  ASSIGN_OR_RETURN(const int64_t left, CanStillBuy(tx, stretch, purchase));
  if (left < purchase.count) {
    return FailedPreconditionError("TOP_UP_MAXIMUM", absl::StrCat("the period can have ", left,
                                                                  " more of '", offer.code(), "'"));
  }
  ASSIGN_OR_RETURN(const DataTerms terms, ReadTerms(stretch.terms, "usage."));
  TopUpRow row;
  row.account_id = stretch.account_id;
  row.item_id = stretch.item_id;
  row.code = offer.code();
  row.bought_at = purchase.now;
  row.bought_on = DateIn(purchase.now, stretch.zone);
  if (offer.valid_days() > 0) row.usable_to = row.bought_on + offer.valid_days();
  Violations violations;
  row.units = convert::ReadDecimal(offer.units(), "units", violations);
  if (offer.has_price()) row.price = convert::ReadDecimal(offer.price(), "price", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  row.unit_name = terms.unit_name;
  ASSIGN_OR_RETURN(row.bytes, BytesOf(stretch, offer));
  row.description = offer.description().empty()
                        ? absl::StrCat(row.units.ToString(), " ", row.unit_name, " top-up")
                        : offer.description();
  row.currency = stretch.currency;
  row.automatic = purchase.automatic;
  row.bought_by = purchase.by;
  std::vector<TopUpRow> rows(static_cast<size_t>(purchase.count), row);
  for (TopUpRow& one : rows) one.top_up_id = Uuid::Make(purchase.now);
  RETURN_IF_ERROR(db::InsertArrays(tx, rows, "").status());
  RETURN_IF_ERROR(TouchUsage(tx, purchase.now, {stretch.item_id}));
  return rows;
}

absl::StatusOr<pb::BuyTopUpResponse> RatingApp::BuyTopUp(const rpc::Context& context,
                                                         const pb::BuyTopUpRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const Uuid item = convert::ReadId("sub", request.item_id(), "item_id", violations);
  violations.Require(!request.code().empty(), "code", "is required");
  violations.Require(request.count() >= 0 && request.count() <= 100, "count",
                     "must be at most 100");
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::BuyTopUpResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::BuyTopUpResponse> {
        const absl::Time now = clock_.Now();
        ASSIGN_OR_RETURN(const auto items, LoadLiveItems(tx, {item}, /*lock=*/true));
        const auto found = items.find(item);
        if (found == items.end() || found->second.cycle.account_id != account) {
          return NotFoundError("ITEM_NOT_FOUND", "the account has no such subscription");
        }
        const auto stretch = StretchAt(found->second, now);
        if (!stretch.has_value()) {
          return FailedPreconditionError("NOT_IN_SERVICE",
                                         "no period with terms of data usage is running");
        }
        Purchase purchase{nullptr, std::max(1, request.count()), false, context.principal.id, now};
        for (const common::UsageTopUp& offer : stretch->terms.top_ups()) {
          if (offer.code() == request.code()) purchase.offer = &offer;
        }
        if (purchase.offer == nullptr) {
          return FailedPreconditionError("UNKNOWN_TOP_UP",
                                         "the plan offers no '" + request.code() + "'");
        }
        ASSIGN_OR_RETURN(const std::vector<TopUpRow> rows, Buy(tx, *stretch, purchase));
        pb::BuyTopUpResponse response;
        for (const TopUpRow& row : rows) *response.add_top_ups() = ToProto(row);
        return response;
      });
}

absl::StatusOr<pb::ListTopUpsResponse> RatingApp::ListTopUps(const rpc::Context&,
                                                             const pb::ListTopUpsRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const Uuid item = convert::ReadId("sub", request.item_id(), "item_id", violations);
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(
      const std::vector<TopUpRow> rows,
      db::Select<TopUpRow>(tx,
                           "WHERE item_id = $1 AND account_id = $2 ORDER BY bought_at DESC, "
                           "top_up_id DESC LIMIT $3",
                           item, account, int64_t{size}));
  pb::ListTopUpsResponse response;
  for (const TopUpRow& row : rows) *response.add_top_ups() = ToProto(row);
  return response;
}

}  // namespace broadbill::rating
