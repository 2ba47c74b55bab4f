#include <algorithm>
#include <set>

#include "broadbill/accounts/v1/events.pb.h"
#include "libs/convert/convert.h"
#include "libs/money/fraction.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/accounts/app/accounts_app.h"
#include "services/accounts/app/edit.h"
#include "services/accounts/app/resolve.h"

namespace broadbill::accounts {
namespace {

// Subscriptions are read this many at a time when a plan changes for all of them.
constexpr size_t kChunk = 5000;

absl::StatusOr<PlanRow> LockPlan(db::Tx& tx, const std::string& id_or_code) {
  const auto id = Uuid::Parse("pln", id_or_code);
  ASSIGN_OR_RETURN(auto rows, db::Select<PlanRow>(tx, "WHERE plan_id = $1 OR code = $2 FOR UPDATE",
                                                  id.ok() ? *id : Uuid(), id_or_code));
  if (rows.empty()) return NotFoundError("PLAN_NOT_FOUND", "there is no plan " + id_or_code);
  return rows.front();
}

// Writes what `plan` has become; `row` follows.
absl::Status SavePlan(db::Tx& tx, const pb::Plan& plan, PlanRow& row) {
  row.body.text = Json(plan);
  ++row.version;
  return tx
      .Exec("UPDATE plan SET body = $2, version = $3 WHERE plan_id = $1", row.plan_id, row.body,
            row.version)
      .status();
}

// Everybody who has or had the plan, or will have it.
absl::StatusOr<std::vector<Uuid>> SubscribersOf(db::Tx& tx, const std::vector<Uuid>& plan_ids) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT subscription_id FROM subscription WHERE plan_id = ANY($1) UNION "
              "SELECT subscription_id FROM subscription_change WHERE plan_id = ANY($1) ORDER BY 1",
              plan_ids));
  std::vector<Uuid> out;
  for (int i = 0; i < rows.size(); ++i) out.push_back(rows.Get<Uuid>(i, 0));
  return out;
}

absl::Status TouchAccountsOf(db::Tx& tx, const std::vector<Uuid>& subscription_ids) {
  return tx
      .Exec(
          "UPDATE account SET version = version + 1 WHERE account_id IN "
          "(SELECT account_id FROM subscription WHERE subscription_id = ANY($1))",
          subscription_ids)
      .status();
}

bool SameDay(const google::type::Date& a, const google::type::Date& b) {
  return a.year() == b.year() && a.month() == b.month() && a.day() == b.day();
}

void SetPrice(const pb::PlanPrice& price, pb::Plan& plan) {
  for (pb::PlanPrice& known : *plan.mutable_prices()) {
    if (!SameDay(known.valid_from(), price.valid_from())) continue;
    *known.mutable_amount() = price.amount();
    return;
  }
  *plan.add_prices() = price;
}

// The price from the day on, rounded to the currency's minor unit.
absl::StatusOr<Decimal> NewPrice(const pb::ChangePricesRequest& request, const Decimal& old,
                                 const std::string& currency) {
  Violations violations;
  Fraction value = Fraction::Of(old);
  const char* field = "price";
  switch (request.change_case()) {
    case pb::ChangePricesRequest::kPercent: {
      field = "percent";
      const Decimal percent = convert::ReadDecimal(request.percent(), field, violations);
      value = value * (Fraction::Of(1) + Fraction::Of(percent) * Fraction::Ratio(1, 100));
      break;
    }
    case pb::ChangePricesRequest::kAmount:
      field = "amount";
      value = value + Fraction::Of(convert::ReadDecimal(request.amount(), field, violations));
      break;
    case pb::ChangePricesRequest::kPrice:
      value = Fraction::Of(convert::ReadDecimal(request.price(), field, violations));
      break;
    case pb::ChangePricesRequest::CHANGE_NOT_SET:
      violations.Add("change", "percent, amount or price is required");
      break;
  }
  RETURN_IF_ERROR(violations.ToStatus());
  if (value.IsNegative()) return InvalidField(field, "a price must not fall below 0");
  ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(currency));
  int64_t units = 1;
  for (int i = 0; i < exponent; ++i) units *= 10;
  ASSIGN_OR_RETURN(const int64_t minor, (value * Fraction::Of(units)).Round());
  return Decimal::Parse(FormatMinor(minor, exponent));
}

absl::StatusOr<CivilDay> ReadChangePrices(const pb::ChangePricesRequest& request) {
  Violations violations;
  violations.Require(request.plan_ids_size() >= 1 && request.plan_ids_size() <= 1000, "plan_ids",
                     "must name 1 to 1,000 plans");
  violations.Require(request.notice_days() >= 0 && request.notice_days() <= 365, "notice_days",
                     "must be 0 to 365");
  const CivilDay from = convert::ReadDate(request.valid_from(), "valid_from", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return from;
}

// The plans asked for, locked in one order whatever the order of the request.
absl::StatusOr<std::vector<PlanRow>> LockPlans(db::Tx& tx, const pb::ChangePricesRequest& request) {
  const std::vector<std::string> names(request.plan_ids().begin(), request.plan_ids().end());
  std::vector<Uuid> ids;
  for (const std::string& name : names) {
    if (const auto id = Uuid::Parse("pln", name); id.ok()) ids.push_back(*id);
  }
  ASSIGN_OR_RETURN(
      const auto found,
      db::Select<PlanRow>(
          tx, "WHERE plan_id = ANY($1) OR code = ANY($2) ORDER BY plan_id FOR UPDATE", ids, names));
  std::vector<PlanRow> out;
  std::set<Uuid> seen;
  for (const std::string& name : names) {
    const auto row = std::find_if(found.begin(), found.end(), [&](const PlanRow& one) {
      return one.code == name || one.plan_id.ToText("pln") == name;
    });
    if (row == found.end()) return NotFoundError("PLAN_NOT_FOUND", "there is no plan " + name);
    if (!seen.insert(row->plan_id).second) {
      return InvalidField("plan_ids", "'" + name + "' is named twice");
    }
    out.push_back(*row);
  }
  return out;
}

// A change of a plan's price, as it is counted over the subscriptions.
struct Repricing {
  Uuid plan_id;
  Decimal old_price, new_price;
  pb::PlanPriceChange* answer = nullptr;
};

void Announce(const Bundle& bundle, const pb::Plan& plan, const Repricing& change, CivilDay from,
              absl::Time at, convert::Events& events) {
  pb::Event event;
  event.set_account_id(bundle.row.account_id.ToText("acc"));
  event.set_event_id(Uuid::Make(at).ToText("evt"));
  *event.mutable_at() = convert::ToProto(at);
  pb::PriceChangeAnnounced* out = event.mutable_price_change_announced();
  out->set_subscription_id(bundle.row.subscription_id.ToText("sub"));
  out->set_description(bundle.row.description.empty() ? plan.name() : bundle.row.description);
  out->set_currency_code(plan.currency_code());
  *out->mutable_old_price() = convert::ToProto(change.old_price);
  *out->mutable_new_price() = convert::ToProto(change.new_price);
  *out->mutable_valid_from() = convert::ToProto(from);
  events.Add(bundle.row.account_id, event);
}

// Counts a subscription with the plan that it has on `day`; whether its price changes.
bool CountSubscriber(const Bundle& bundle, const Plans& before, CivilDay day,
                     std::map<Uuid, Repricing>& changes, Repricing** found) {
  for (const Segment& segment : SegmentsOf(bundle, before)) {
    if (!segment.days.Contains(std::max(day, bundle.row.start_date))) continue;
    const auto change = changes.find(segment.plan_id);
    if (change == changes.end()) return false;
    *found = &change->second;
    pb::PlanPriceChange* answer = change->second.answer;
    if (segment.overridden) {
      answer->set_overridden(answer->overridden() + 1);
      return false;
    }
    if (change->second.old_price == change->second.new_price) return false;
    answer->set_subscriptions(answer->subscriptions() + 1);
    return true;
  }
  return false;
}

// Counts, tells and gives new versions to those whose price changes.
absl::Status TellSubscribers(db::Tx& tx, const std::vector<Uuid>& plan_ids, const Plans& before,
                             CivilDay from, bool notify, absl::Time at,
                             std::map<Uuid, Repricing>& changes, convert::Events& events) {
  ASSIGN_OR_RETURN(const std::vector<Uuid> ids, SubscribersOf(tx, plan_ids));
  for (size_t i = 0; i < ids.size(); i += kChunk) {
    const size_t end = std::min(ids.size(), i + kChunk);
    const std::vector<Uuid> part(ids.begin() + static_cast<std::ptrdiff_t>(i),
                                 ids.begin() + static_cast<std::ptrdiff_t>(end));
    ASSIGN_OR_RETURN(const std::vector<Bundle> bundles, LoadBundles(tx, {}, part));
    std::vector<Uuid> changed;
    for (const Bundle& bundle : bundles) {
      Repricing* change = nullptr;
      if (!CountSubscriber(bundle, before, from, changes, &change)) continue;
      changed.push_back(bundle.row.subscription_id);
      if (notify) Announce(bundle, before.at(change->plan_id), *change, from, at, events);
    }
    RETURN_IF_ERROR(TouchAccountsOf(tx, changed));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<pb::Plan> AccountsApp::CreatePlan(const rpc::Context& context,
                                                 const pb::CreatePlanRequest& request) {
  return convert::Write<pb::Plan>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Plan> {
        pb::Plan plan = request.plan();
        ASSIGN_OR_RETURN(const CompanyRow company, FindCompany(tx, plan.company_id()));
        plan.set_company_id(company.company_id.ToText("co"));
        Violations violations;
        NormalisePlan(plan, ToProto(company).currency_code(), violations);
        RETURN_IF_ERROR(violations.ToStatus());
        const PlanRow row{Uuid::Make(clock_.Now()), plan.code(), 1, {Json(plan)}};
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        AddPlanEvent(row, clock_.Now(), events);
        return ToProto(row);
      });
}

absl::StatusOr<pb::Plan> AccountsApp::GetPlan(const rpc::Context&,
                                              const pb::GetPlanRequest& request) {
  const auto id = Uuid::Parse("pln", request.plan_id());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows, db::Select<PlanRow>(tx, "WHERE plan_id = $1 OR code = $2",
                                                        id.ok() ? *id : Uuid(), request.plan_id()));
  if (rows.empty()) return NotFoundError("PLAN_NOT_FOUND", "no plan " + request.plan_id());
  return ToProto(rows.front());
}

absl::StatusOr<pb::ListPlansResponse> AccountsApp::ListPlans(const rpc::Context&,
                                                             const pb::ListPlansRequest& request) {
  const std::vector<std::string> codes(request.codes().begin(), request.codes().end());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<PlanRow>(tx,
                                       "WHERE cardinality($1) = 0 OR code = ANY($1) "
                                       "ORDER BY plan_id LIMIT 1000",
                                       codes));
  pb::ListPlansResponse response;
  for (const PlanRow& row : rows) *response.add_plans() = ToProto(row);
  return response;
}

absl::StatusOr<pb::Plan> AccountsApp::UpdatePlan(const rpc::Context& context,
                                                 const pb::UpdatePlanRequest& request) {
  return convert::Write<pb::Plan>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Plan> {
        ASSIGN_OR_RETURN(PlanRow row, LockPlan(tx, request.plan_id()));
        RETURN_IF_ERROR(CheckEtag(request.etag(), row.version));
        const pb::Plan before = ToProto(row);
        pb::Plan plan = before;
        RETURN_IF_ERROR(Edit(request.plan(), request.update_mask(), plan));
        Violations violations;
        violations.Require(plan.code() == before.code(), "plan.code", "cannot change");
        violations.Require(plan.currency_code() == before.currency_code(), "plan.currency_code",
                           "cannot change");
        violations.Require(plan.company_id() == before.company_id(), "plan.company_id",
                           "cannot change");
        NormalisePlan(plan, before.currency_code(), violations);
        RETURN_IF_ERROR(violations.ToStatus());
        RETURN_IF_ERROR(SavePlan(tx, plan, row));
        AddPlanEvent(row, clock_.Now(), events);
        ASSIGN_OR_RETURN(const std::vector<Uuid> ids, SubscribersOf(tx, {row.plan_id}));
        // Rating knows the terms of usage and calls by subscription.
        const bool rated = Json(before.usage()) != Json(plan.usage()) ||
                           Json(before.voice()) != Json(plan.voice());
        for (size_t i = 0; i < ids.size(); i += kChunk) {
          const std::vector<Uuid> part(
              ids.begin() + static_cast<std::ptrdiff_t>(i),
              ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), i + kChunk)));
          RETURN_IF_ERROR(rated ? ChangedMany(tx, part, false, events) : TouchAccountsOf(tx, part));
        }
        return ToProto(row);
      });
}

absl::StatusOr<pb::Plan> AccountsApp::AddPlanPrice(const rpc::Context& context,
                                                   const pb::AddPlanPriceRequest& request) {
  Violations violations;
  convert::ReadDate(request.price().valid_from(), "price.valid_from", violations);
  const Decimal amount = convert::ReadDecimal(request.price().amount(), "price.amount", violations);
  violations.Require(!amount.IsNegative(), "price.amount", "must not be negative");
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Plan>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::Plan> {
        ASSIGN_OR_RETURN(PlanRow row, LockPlan(tx, request.plan_id()));
        RETURN_IF_ERROR(CheckEtag(request.etag(), row.version));
        pb::Plan plan = ToProto(row);
        SetPrice(request.price(), plan);
        RETURN_IF_ERROR(SavePlan(tx, plan, row));
        AddPlanEvent(row, clock_.Now(), events);
        // Whoever has the plan may have other segments now.
        ASSIGN_OR_RETURN(const std::vector<Uuid> ids, SubscribersOf(tx, {row.plan_id}));
        RETURN_IF_ERROR(TouchAccountsOf(tx, ids));
        return ToProto(row);
      });
}

absl::Status AccountsApp::CheckNotice(db::Tx& tx, const pb::Plan& plan,
                                      const pb::ChangePricesRequest& request, CivilDay from) {
  ASSIGN_OR_RETURN(const CompanyRow company, FindCompany(tx, plan.company_id()));
  const CivilDay earliest = Today(ToProto(company).time_zone()) + request.notice_days();
  if (from >= earliest) return absl::OkStatus();
  const std::string message = "customers must have " + std::to_string(request.notice_days()) +
                              " days of notice: at the earliest " + FormatDate(earliest);
  return WithViolations(InvalidArgumentError("NOTICE_TOO_SHORT", message),
                        {{"valid_from", message}});
}

absl::StatusOr<pb::ChangePricesResponse> AccountsApp::ChangePrices(
    const rpc::Context& context, const pb::ChangePricesRequest& request) {
  ASSIGN_OR_RETURN(const CivilDay from, ReadChangePrices(request));
  return convert::Write<pb::ChangePricesResponse>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events& events) -> absl::StatusOr<pb::ChangePricesResponse> {
        ASSIGN_OR_RETURN(std::vector<PlanRow> rows, LockPlans(tx, request));
        ASSIGN_OR_RETURN(const Plans before, LoadPlans(tx));
        pb::ChangePricesResponse response;
        response.mutable_plans()->Reserve(static_cast<int>(rows.size()));
        std::map<Uuid, Repricing> changes;
        std::vector<Uuid> plan_ids;
        for (PlanRow& row : rows) {
          pb::Plan plan = ToProto(row);
          RETURN_IF_ERROR(CheckNotice(tx, plan, request, from));
          Repricing change{row.plan_id, PlanPriceOn(plan, from), Decimal(), response.add_plans()};
          ASSIGN_OR_RETURN(change.new_price,
                           NewPrice(request, change.old_price, plan.currency_code()));
          change.answer->set_plan_code(plan.code());
          *change.answer->mutable_old_price() = convert::ToProto(change.old_price);
          *change.answer->mutable_new_price() = convert::ToProto(change.new_price);
          pb::PlanPrice price;
          *price.mutable_valid_from() = request.valid_from();
          *price.mutable_amount() = convert::ToProto(change.new_price);
          SetPrice(price, plan);
          RETURN_IF_ERROR(SavePlan(tx, plan, row));
          AddPlanEvent(row, clock_.Now(), events);
          changes[row.plan_id] = change;
          plan_ids.push_back(row.plan_id);
        }
        RETURN_IF_ERROR(TellSubscribers(tx, plan_ids, before, from, request.notify(), clock_.Now(),
                                        changes, events));
        return response;
      });
}

}  // namespace broadbill::accounts
