#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/rating/app/decks.h"
#include "services/rating/app/page.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/app/usage_sums.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {
namespace {

// Hours, days or months of a zone between two instants.
std::vector<absl::Time> BoundsOf(pb::ListUsageRequest::Granularity granularity, absl::Time start,
                                 absl::Time end, const absl::TimeZone& zone) {
  std::vector<absl::Time> bounds = {start};
  while (bounds.back() < end) {
    absl::Time next;
    if (granularity == pb::ListUsageRequest::HOUR) {
      next = bounds.back() + absl::Hours(1);
    } else if (granularity == pb::ListUsageRequest::MONTH) {
      const absl::CivilMonth month(DateIn(bounds.back(), zone));
      next = StartOfDay(CivilDay(month + 1), zone);
    } else {
      next = StartOfDay(DateIn(bounds.back(), zone) + 1, zone);
    }
    bounds.push_back(std::min(next, end));
  }
  return bounds;
}

// Where a page of calls ends, as its token says it.
std::string CallPlace(const CallRow& row) {
  return absl::StrCat(absl::ToUnixMicros(row.answered_at), "/", row.call_key.ToHex());
}

absl::StatusOr<std::pair<absl::Time, Uuid>> ReadCallPlace(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  int64_t micros = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &micros)) {
    return InvalidField("page_token", "is not of a list of calls");
  }
  ASSIGN_OR_RETURN(const Uuid key, Uuid::FromHex(parts[1]));
  return std::pair(absl::FromUnixMicros(micros), key);
}

}  // namespace

absl::StatusOr<pb::ListDecksResponse> RatingApp::ListDecks(const rpc::Context&,
                                                           const pb::ListDecksRequest& request) {
  ASSIGN_OR_RETURN(const Page page, ReadPage(request));
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(std::vector<DeckRow> rows,
                   db::Select<DeckRow>(tx, "WHERE code > $1 ORDER BY code LIMIT $2", page.after,
                                       int64_t{page.size} + 1));
  pb::ListDecksResponse response;
  if (CutMore(rows, page.size)) {
    response.set_next_page_token(convert::MakePageToken(rows.back().code));
  }
  for (const DeckRow& row : rows) {
    ASSIGN_OR_RETURN(const db::Result count,
                     tx.Exec("SELECT count(*) FROM deck_rate WHERE deck = $1", row.code));
    pb::Deck* out = response.add_decks();
    out->set_deck_code(row.code);
    out->set_name(row.name);
    out->set_currency_code(row.currency);
    out->set_rate_count(count.Get<int64_t>(0, 0));
    *out->mutable_updated_at() = convert::ToProto(row.updated_at);
    out->set_windows(row.windows);
    out->set_time_zone(row.time_zone);
    out->set_supplier_deck_code(row.supplier_deck);
  }
  return response;
}

absl::StatusOr<pb::ListRatesResponse> RatingApp::ListRates(const rpc::Context&,
                                                           const pb::ListRatesRequest& request) {
  ASSIGN_OR_RETURN(const Page page, ReadPage(request));
  // "prefix|first day|window" of the last row.
  std::vector<std::string> after = absl::StrSplit(page.after, '|');
  after.resize(3);
  CivilDay from = CivilDay::min();
  if (!after[1].empty()) {
    ASSIGN_OR_RETURN(from, ParseDate(after[1]));
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(std::vector<DeckRateRow> rows,
                   db::Select<DeckRateRow>(tx,
                                           "WHERE deck = $1 AND starts_with(prefix, $2) AND "
                                           "(prefix, valid_from, time_window) > ($3, $4, $5) "
                                           "ORDER BY prefix, valid_from, time_window LIMIT $6",
                                           request.deck_code(), request.prefix(), after[0], from,
                                           after[2], int64_t{page.size} + 1));
  pb::ListRatesResponse response;
  if (CutMore(rows, page.size)) {
    response.set_next_page_token(convert::MakePageToken(
        rows.back().prefix + "|" + FormatDate(rows.back().valid_from) + "|" + rows.back().window));
  }
  for (const DeckRateRow& row : rows) *response.add_rates() = ToProto(ToRate(row));
  return response;
}

absl::StatusOr<pb::QuoteCallResponse> RatingApp::QuoteCall(const rpc::Context&,
                                                           const pb::QuoteCallRequest& request) {
  Violations violations;
  violations.Require(request.deck_codes_size() >= 1 && request.deck_codes_size() <= 20,
                     "deck_codes", "must name 1 to 20 decks");
  violations.Require(request.seconds() >= 0, "seconds", "must not be negative");
  const auto zone = LoadZone(request.time_zone().empty() ? "UTC" : request.time_zone());
  violations.Check(zone.status(), "time_zone");
  const auto digits = ToE164(request.called_number(), *FindDialPlan("US"));
  violations.Require(digits.has_value(), "called_number", "is no number that can be dialled");
  RETURN_IF_ERROR(violations.ToStatus());
  const absl::Time at =
      request.has_answer_time() ? convert::FromProto(request.answer_time()) : clock_.Now();
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const LoadedDecks decks,
                   LoadDecks(tx, {request.deck_codes().begin(), request.deck_codes().end()},
                             PrefixesOf(*digits)));
  const auto match = decks.index->FindAt(PackDigits(*digits), at, *zone);
  if (!match.found) {
    return NotFoundError("NO_RATE", "no deck has a rate for " + *digits + " on that day");
  }
  const CallFacts facts{request.called_number(), at, request.seconds()};
  const CallPrice price = RateCall(facts, {FindDialPlan("US"), *zone, decks.index.get()}, {});
  const DeckRow& deck = decks.rows[decks.index->row(match.first).deck];
  pb::QuoteCallResponse response;
  response.set_deck_code(deck.code);
  *response.mutable_rate() = ToProto(decks.index->rate(match.first));
  response.set_billed_seconds(price.billed_seconds);
  *response.mutable_amount() = FromMicros(price.cost_micros);
  response.set_currency_code(deck.currency);
  return response;
}

absl::StatusOr<pb::ListUsageResponse> RatingApp::ListUsage(const rpc::Context&,
                                                           const pb::ListUsageRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const Uuid item = convert::ReadId("sub", request.item_id(), "item_id", violations);
  violations.Require(request.has_start_time() && request.has_end_time(), "start_time",
                     "start_time and end_time are required");
  RETURN_IF_ERROR(violations.ToStatus());
  const absl::Time start = convert::FromProto(request.start_time());
  const absl::Time end = convert::FromProto(request.end_time());
  if (end <= start || end - start > absl::Hours(24 * 400)) {
    return InvalidField("end_time", "must be after start_time, at most 400 days later");
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(const std::vector<ItemTermsRow> terms,
                   db::Select<ItemTermsRow>(tx, "WHERE account_id = $1 AND item_id = $2 LIMIT 1",
                                            account, item));
  const auto zone = LoadZone(terms.empty() ? "UTC" : terms[0].time_zone);
  const std::vector<absl::Time> bounds = BoundsOf(request.granularity(), start, end, *zone);
  ItemOctets counted{account, item, bounds, std::vector<Octets>(bounds.size() - 1)};
  RETURN_IF_ERROR(UsageSums(tx).Count({&counted}));
  const std::vector<Octets>& totals = counted.octets;
  pb::ListUsageResponse response;
  for (size_t i = 0; i < totals.size(); ++i) {
    pb::UsageBucket* out = response.add_buckets();
    out->set_item_id(request.item_id());
    out->set_meter("data");
    *out->mutable_start_time() = convert::ToProto(bounds[i]);
    *out->mutable_end_time() = convert::ToProto(bounds[i + 1]);
    out->set_bytes_in(static_cast<int64_t>(totals[i].in));
    out->set_bytes_out(static_cast<int64_t>(totals[i].out));
  }
  return response;
}

absl::StatusOr<pb::ListCallsResponse> RatingApp::ListCalls(const rpc::Context&,
                                                           const pb::ListCallsRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const auto item = convert::ReadOptionalId("sub", request.item_id(), "item_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const Page page, ReadPage(request));
  const absl::Time start =
      request.has_start_time() ? convert::FromProto(request.start_time()) : absl::UnixEpoch();
  const absl::Time end = request.has_end_time() ? convert::FromProto(request.end_time())
                                                : absl::FromUnixSeconds(32503680000);
  absl::Time after_time = absl::UnixEpoch();
  Uuid after;
  if (!page.after.empty()) {
    ASSIGN_OR_RETURN(std::tie(after_time, after), ReadCallPlace(page.after));
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(
      std::vector<CallRow> rows,
      db::Select<CallRow>(tx,
                          "WHERE account_id = $1 AND ($2::uuid IS NULL OR item_id = $2) "
                          "AND answered_at >= $3 AND answered_at < $4 AND "
                          "(answered_at, call_key) > ($5, $6) ORDER BY answered_at, call_key "
                          "LIMIT $7",
                          account, item, start, end, after_time, after, int64_t{page.size} + 1));
  pb::ListCallsResponse response;
  if (CutMore(rows, page.size)) {
    response.set_next_page_token(convert::MakePageToken(CallPlace(rows.back())));
  }
  for (const CallRow& row : rows) {
    pb::Call* out = response.add_calls();
    out->set_call_id(row.call_key.ToText("call"));
    out->set_account_id(row.account_id.ToText("acc"));
    out->set_item_id(row.item_id.ToText("sub"));
    out->set_direction(row.inbound ? pb::Call::INBOUND : pb::Call::OUTBOUND);
    out->set_calling_number(row.calling);
    out->set_called_number(row.called);
    *out->mutable_answer_time() = convert::ToProto(row.answered_at);
    out->set_seconds(row.seconds);
    out->set_billed_seconds(row.billed_seconds);
    out->set_destination(row.destination);
    out->set_deck_code(row.deck);
    out->set_prefix(row.prefix);
    *out->mutable_amount() = FromMicros(row.cost_micros);
    out->set_currency_code(row.currency);
  }
  return response;
}

}  // namespace broadbill::rating
