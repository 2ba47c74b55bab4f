#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/rating/app/decks.h"
#include "services/rating/app/rating_app.h"
#include "services/rating/app/terms.h"

namespace broadbill::rating {
namespace {

absl::StatusOr<broadbill::common::v1::Decimal> Cut(const Fraction& value) {
  ASSIGN_OR_RETURN(const Decimal decimal, value.ToDecimal());
  return convert::ToProto(decimal);
}

// The price that terms ask for: the model, or the blocks as tiers.
PriceTerms PriceOf(const DataTerms& terms) {
  PriceTerms out = terms.price.value_or(Package(terms.block_size, terms.block_price));
  out.included = terms.allowance;
  if (terms.maximum_charge.has_value()) out.maximum = terms.maximum_charge;
  return out;
}

absl::StatusOr<Priced> PriceUnits(const DataTerms& terms, const PriceTerms& price,
                                  const pb::SimulateUsageRequest& request, Violations& violations) {
  EventAmounts events;
  events.events = request.event_count();
  if (request.has_quantity()) {
    events.total = convert::ReadDecimal(request.quantity(), "quantity", violations);
  }
  for (int i = 0; i < request.event_amounts_size(); ++i) {
    events.amounts.push_back(convert::ReadDecimal(
        request.event_amounts(i), absl::StrCat("event_amounts[", i, "]"), violations));
  }
  const bool percentage = price.model == PriceModel::kPercentage;
  violations.Require(percentage || events.amounts.empty(), "event_amounts",
                     "need a price of the model PERCENTAGE");
  violations.Require(events.events >= 0, "event_count", "must be 0 or more");
  RETURN_IF_ERROR(violations.ToStatus());
  if (!terms.charges_overage) events.total = std::min(events.total, terms.allowance);
  return percentage ? PricePercentage(price, events)
                    : PriceQuantity(price, Fraction::Of(events.total));
}

pb::SimulateCallResponse::Outcome OutcomeOf(CallOutcome outcome) {
  switch (outcome) {
    case CallOutcome::kNotBillable:
      return pb::SimulateCallResponse::NOT_BILLABLE;
    case CallOutcome::kEmergency:
      return pb::SimulateCallResponse::EMERGENCY;
    case CallOutcome::kTollFree:
      return pb::SimulateCallResponse::TOLL_FREE;
    case CallOutcome::kNoNumber:
      return pb::SimulateCallResponse::NO_NUMBER;
    case CallOutcome::kNoRate:
      return pb::SimulateCallResponse::NO_RATE;
    default:
      return pb::SimulateCallResponse::RATED;
  }
}

void AddRate(const CallPrice& price, const LoadedDecks& decks, pb::SimulateCallResponse& out) {
  out.set_deck_code(decks.rows[price.deck].code);
  out.set_currency_code(decks.rows[price.deck].currency);
  *out.mutable_rate() = ToProto(*price.rate);
  for (const CallSegment& segment : price.segments) {
    pb::SimulateCallResponse::Segment* to = out.add_segments();
    to->set_seconds(segment.seconds);
    *to->mutable_rate_per_minute() = FromMicros(segment.per_minute_micros);
    to->set_window(decks.index->rate(segment.rate).window);
  }
}

}  // namespace

absl::StatusOr<pb::SimulateUsageResponse> RatingApp::SimulateUsage(
    const rpc::Context&, const pb::SimulateUsageRequest& request) {
  Violations violations;
  violations.Require(request.has_terms(), "terms", "is required");
  const auto terms = ReadTerms(request.terms(), "terms.");
  violations.Check(terms.status(), "terms");
  const auto exponent =
      CurrencyExponent(request.currency_code().empty() ? "USD" : request.currency_code());
  violations.Check(exponent.status(), "currency_code");
  RETURN_IF_ERROR(violations.ToStatus());
  const PriceTerms price = PriceOf(*terms);
  ASSIGN_OR_RETURN(const Priced priced, PriceUnits(*terms, price, request, violations));
  ASSIGN_OR_RETURN(const UsageLine line,
                   BillUsage(price, priced, request.billed_minor(),
                             request.partial() ? LineKind::kPartial : LineKind::kLast, *exponent));
  pb::SimulateUsageResponse response;
  response.set_amount_minor(line.amount_minor);
  response.set_total_minor(line.total_minor);
  response.set_minimum_minor(line.commitment_minor);
  response.set_capped_minor(line.capped_minor);
  response.set_derivation(line.derivation);
  ASSIGN_OR_RETURN(*response.mutable_unrounded(), Cut(priced.amount));
  for (const PriceLine& step : priced.lines) {
    pb::SimulateUsageResponse::Line* out = response.add_lines();
    out->set_name(step.what);
    ASSIGN_OR_RETURN(*out->mutable_quantity(), Cut(step.quantity));
    *out->mutable_price() = convert::ToProto(step.price);
    *out->mutable_flat_fee() = convert::ToProto(step.flat);
    ASSIGN_OR_RETURN(*out->mutable_amount(), Cut(step.amount));
  }
  return response;
}

absl::StatusOr<pb::SimulateCallResponse> RatingApp::SimulateCall(
    const rpc::Context&, const pb::SimulateCallRequest& request) {
  Violations violations;
  violations.Require(request.deck_codes_size() >= 1 && request.deck_codes_size() <= 20,
                     "deck_codes", "must name 1 to 20 decks");
  violations.Require(request.seconds() >= 0, "seconds", "must not be negative");
  const auto zone = LoadZone(request.time_zone().empty() ? "UTC" : request.time_zone());
  violations.Check(zone.status(), "time_zone");
  const DialPlan* plan =
      FindDialPlan(request.country_code().empty() ? "US" : request.country_code());
  violations.Require(plan != nullptr, "country_code", "has no dialling rules here");
  auto bundles = ReadBundles(request.bundles(), "bundles");
  violations.Check(bundles.status(), "bundles");
  RETURN_IF_ERROR(violations.ToStatus());
  E164 number;
  const bool dialled = Normalise(request.called_number(), *plan, number);
  const std::vector<std::string> prefixes =
      dialled ? PrefixesOf(number.text()) : std::vector<std::string>();
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(
      const LoadedDecks decks,
      LoadDecks(tx, {request.deck_codes().begin(), request.deck_codes().end()}, prefixes));
  LoadedDecks supplier;
  CallTerms terms{plan, *zone, decks.index.get(), nullptr};
  if (!request.supplier_deck_code().empty()) {
    ASSIGN_OR_RETURN(supplier, LoadDecks(tx, {request.supplier_deck_code()}, prefixes));
    terms.supplier = supplier.index.get();
  }
  CallFacts facts;
  facts.called = request.called_number();
  facts.answered =
      request.has_answer_time() ? convert::FromProto(request.answer_time()) : clock_.Now();
  facts.seconds = request.seconds();
  const CallPrice price = RateCall(facts, terms, *bundles);
  pb::SimulateCallResponse response;
  response.set_outcome(OutcomeOf(price.outcome));
  if (price.called.size > 0)
    response.set_called_number(absl::StrCat("+", std::string(price.called.text())));
  if (price.rate != nullptr) AddRate(price, decks, response);
  response.set_billed_seconds(price.billed_seconds);
  response.set_bundle_seconds(price.bundle_seconds);
  response.set_charged_seconds(price.charged_seconds);
  *response.mutable_amount() = FromMicros(price.cost_micros);
  if (price.has_supplier_cost) {
    *response.mutable_supplier_amount() = FromMicros(price.supplier_micros);
  }
  response.set_derivation(price.Derivation());
  return response;
}

}  // namespace broadbill::rating
