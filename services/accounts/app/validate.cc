#include <algorithm>

#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "services/accounts/app/accounts_app.h"
#include "services/accounts/app/usage_terms.h"

namespace broadbill::accounts {
namespace {

void CheckDecimal(const broadbill::common::v1::Decimal& value, const std::string& field,
                  Violations& violations) {
  const Decimal number = convert::ReadDecimal(value, field, violations);
  violations.Require(!number.IsNegative(), field, "must not be negative");
}

void NormaliseProration(pb::Proration* proration) {
  const auto fill = [](pb::Proration::Method method) {
    return method == pb::Proration::METHOD_UNSPECIFIED ? pb::Proration::ACTUAL : method;
  };
  proration->set_start(fill(proration->start()));
  proration->set_change(fill(proration->change()));
  proration->set_quantity(fill(proration->quantity()));
  proration->set_suspend(fill(proration->suspend()));
  proration->set_cancel(fill(proration->cancel()));
}

void RequireRange(int32_t value, int32_t from, int32_t to, const std::string& field,
                  Violations& violations) {
  violations.Require(value >= from && value <= to, field,
                     "must be " + std::to_string(from) + " to " + std::to_string(to));
}

void RequirePositive(const broadbill::common::v1::Decimal& value, const std::string& field,
                     Violations& violations) {
  Violations unreadable;
  const Decimal number = convert::ReadDecimal(value, field, unreadable);
  if (!violations.Check(unreadable.ToStatus(), field)) return;
  violations.Require(!number.IsNegative() && !number.IsZero(), field, "must be more than 0");
}

void CheckContract(const pb::Contract& contract, Violations& violations) {
  RequireRange(contract.months(), 1, 120, "plan.contract.months", violations);
  RequireRange(contract.renewal_months(), 0, 120, "plan.contract.renewal_months", violations);
  RequireRange(contract.notice_days(), 0, 365, "plan.contract.notice_days", violations);
  if (contract.early_termination() == pb::Contract::FIXED ||
      contract.early_termination() == pb::Contract::REMAINING_MONTHS) {
    RequirePositive(contract.fee_amount(), "plan.contract.fee_amount", violations);
  }
}

void CheckLoyalty(const pb::Plan& plan, Violations& violations) {
  int32_t before = 0;
  for (const pb::LoyaltyStep& step : plan.loyalty()) {
    RequireRange(step.after_months(), 1, 600, "plan.loyalty.after_months", violations);
    violations.Require(step.after_months() > before, "plan.loyalty.after_months", "must ascend");
    before = step.after_months();
    const Decimal percent =
        convert::ReadDecimal(step.percent(), "plan.loyalty.percent", violations);
    violations.Require(
        !percent.IsNegative() && !percent.IsZero() && percent <= Decimal::FromInt(100),
        "plan.loyalty.percent", "must be more than 0, at most 100");
  }
}

// What binds and what rewards a customer.
void NormaliseTerms(pb::Plan& plan, Violations& violations) {
  if (plan.first_invoice() == pb::FIRST_INVOICE_UNSPECIFIED) plan.set_first_invoice(pb::PRORATE);
  if (plan.has_contract()) {
    if (plan.contract().early_termination() == pb::Contract::EARLY_TERMINATION_UNSPECIFIED) {
      plan.mutable_contract()->set_early_termination(pb::Contract::NO_FEE);
    }
    CheckContract(plan.contract(), violations);
  }
  if (plan.has_setup_fee()) {
    RequirePositive(plan.setup_fee().amount(), "plan.setup_fee.amount", violations);
  }
  RequireRange(plan.free_periods(), 0, 60, "plan.free_periods", violations);
  if (plan.has_seasonal_hold()) {
    const pb::SeasonalHold& hold = plan.seasonal_hold();
    RequireRange(hold.min_days(), 0, 366, "plan.seasonal_hold.min_days", violations);
    RequireRange(hold.max_days_per_year(), 0, 366, "plan.seasonal_hold.max_days_per_year",
                 violations);
    RequireRange(hold.max_per_year(), 0, 366, "plan.seasonal_hold.max_per_year", violations);
    violations.Require(hold.max_days_per_year() == 0 || hold.min_days() <= hold.max_days_per_year(),
                       "plan.seasonal_hold.min_days", "must not be more than max_days_per_year");
  }
  CheckLoyalty(plan, violations);
}

}  // namespace

AccountRow ReadAccount(const pb::Account& in, const pb::Company& company, absl::Time now,
                       Violations& violations) {
  AccountRow out;
  out.account_id = Uuid::Make(now);
  out.bucket = static_cast<int16_t>(Bucket(out.account_id));
  out.name = in.name();
  violations.Require(!in.name().empty() && in.name().size() <= 200, "account.name",
                     "must have 1 to 200 characters");
  out.account_number =
      in.account_number().empty() ? out.account_id.ToText("").substr(14) : in.account_number();
  violations.Require(out.account_number.size() <= 50, "account.account_number",
                     "must have at most 50 characters");
  out.external_id = in.external_id();
  out.parent_account_id = convert::ReadOptionalId("acc", in.parent_account_id(),
                                                  "account.parent_account_id", violations);
  out.customer_class = in.customer_class().empty() ? "residential" : in.customer_class();
  out.currency = in.currency_code().empty() ? company.currency_code() : in.currency_code();
  violations.Check(CurrencyExponent(out.currency).status(), "account.currency_code");
  out.time_zone = in.time_zone().empty() ? company.time_zone() : in.time_zone();
  violations.Check(LoadZone(out.time_zone).status(), "account.time_zone");
  out.language = in.language().empty() ? company.language() : in.language();
  const int32_t cycle_day = in.cycle_day() == 0 ? 1 : in.cycle_day();
  violations.Require(cycle_day >= 1 && cycle_day <= 31, "account.cycle_day", "must be 1 to 31");
  out.cycle_days = {CivilDay(1970, 1, 1)};
  out.cycle_day_values = {cycle_day};
  out.anchor_rule = in.anchor_rule() == pb::Account::ANCHOR_RULE_UNSPECIFIED
                        ? pb::Account::FIRST_CYCLE_DAY
                        : in.anchor_rule();
  out.bill_ahead_days = in.has_bill_ahead_days() ? in.bill_ahead_days() : 0;
  violations.Require(out.bill_ahead_days >= 0 && out.bill_ahead_days <= 60,
                     "account.bill_ahead_days", "must be 0 to 60");
  out.terms_days = in.has_terms_days() ? in.terms_days() : 15;
  violations.Require(out.terms_days >= 0 && out.terms_days <= 365, "account.terms_days",
                     "must be 0 to 365");
  out.document_mode =
      in.document_mode() == pb::Account::STATEMENT ? pb::Account::STATEMENT : pb::Account::INVOICE;
  out.state = in.state() == pb::Account::CLOSED ? pb::Account::CLOSED : pb::Account::ACTIVE;
  out.billing_address.data = in.billing_address().SerializeAsString();
  out.tax_id = in.tax_id();
  out.account_group = in.group();
  out.created_at = now;
  out.updated_at = now;
  return out;
}

std::vector<ContactRow> ReadContacts(const pb::Account& in, const Uuid& account_id, absl::Time now,
                                     Violations& violations) {
  std::vector<ContactRow> out;
  for (const pb::Contact& contact : in.contacts()) {
    const size_t at = contact.email().find('@');
    violations.Require(contact.email().empty() ||
                           (at != std::string::npos && at > 0 && at + 1 < contact.email().size()),
                       "account.contacts.email", "'" + contact.email() + "' is no mail address");
    out.push_back({account_id, Uuid::Make(now), contact.name(), contact.email(), contact.phone(),
                   contact.receives_invoices(), contact.receives_notices()});
  }
  return out;
}

LocationRow ReadLocation(const pb::Location& in, const Uuid& account_id, absl::Time now,
                         const std::string& field, Violations& violations) {
  violations.Require(in.has_address(), field + ".address", "is required");
  violations.Require(!in.address().country_code().empty(), field + ".address.country_code",
                     "is required");
  return {
      account_id, Uuid::Make(now), in.external_id(), in.name(), {in.address().SerializeAsString()}};
}

void NormalisePlan(pb::Plan& plan, const std::string& default_currency, Violations& violations) {
  violations.Require(!plan.code().empty(), "plan.code", "is required");
  violations.Require(!plan.name().empty(), "plan.name", "is required");
  violations.Require(!plan.tax_class().empty(), "plan.tax_class", "is required");
  violations.Require(!plan.account_code().empty(), "plan.account_code", "is required");
  if (plan.currency_code().empty()) plan.set_currency_code(default_currency);
  violations.Check(CurrencyExponent(plan.currency_code()).status(), "plan.currency_code");
  if (plan.timing() == pb::TIMING_UNSPECIFIED) plan.set_timing(pb::ADVANCE);
  pb::Recurrence* recurrence = plan.mutable_recurrence();
  if (recurrence->months() == 0 && recurrence->days() == 0) recurrence->set_months(1);
  violations.Require(recurrence->months() == 0 || recurrence->days() == 0, "plan.recurrence",
                     "must give months or days, not both");
  violations.Require(recurrence->months() >= 0 && recurrence->months() <= 60,
                     "plan.recurrence.months", "must be 1 to 60");
  violations.Require(recurrence->days() >= 0 && recurrence->days() <= 366, "plan.recurrence.days",
                     "must be 1 to 366");
  NormaliseProration(plan.mutable_proration());
  if (plan.suspension().mode() == pb::SuspensionPolicy::MODE_UNSPECIFIED) {
    plan.mutable_suspension()->set_mode(pb::SuspensionPolicy::KEEP);
  }
  if (plan.suspension().mode() == pb::SuspensionPolicy::HOLD) {
    CheckDecimal(plan.suspension().hold_price(), "plan.suspension.hold_price", violations);
  }
  violations.Require(plan.prices_size() > 0, "plan.prices", "must have at least one price");
  for (const pb::PlanPrice& price : plan.prices()) {
    CheckDecimal(price.amount(), "plan.prices.amount", violations);
    convert::ReadOptionalDate(price.valid_from(), "plan.prices.valid_from", violations);
  }
  if (plan.has_term_discount_percent()) {
    CheckDecimal(plan.term_discount_percent(), "plan.term_discount_percent", violations);
  }
  NormaliseTerms(plan, violations);
  if (plan.has_usage()) {
    auto* usage = plan.mutable_usage();
    if (usage->meter().empty()) usage->set_meter("data");
    if (!usage->has_allowance()) usage->mutable_allowance()->set_value("0");
    if (!usage->has_block_size()) usage->mutable_block_size()->set_value("1");
    if (!usage->has_block_price()) usage->mutable_block_price()->set_value("0");
    CheckDecimal(usage->allowance(), "plan.usage.allowance", violations);
    CheckDecimal(usage->block_size(), "plan.usage.block_size", violations);
    CheckDecimal(usage->block_price(), "plan.usage.block_price", violations);
    violations.Require(usage->block_size().value() != "0", "plan.usage.block_size",
                       "must be more than 0");
    CheckUsageTerms(*usage, violations);
    if (usage->tax_class().empty()) usage->set_tax_class(plan.tax_class());
    if (usage->account_code().empty()) usage->set_account_code(plan.account_code());
  }
  if (plan.has_voice()) {
    CheckVoiceTerms(plan.voice(), violations);
    if (plan.voice().tax_class().empty()) {
      plan.mutable_voice()->set_tax_class(plan.tax_class());
    }
    if (plan.voice().account_code().empty()) {
      plan.mutable_voice()->set_account_code(plan.account_code());
    }
  }
  if (plan.state() == pb::Plan::STATE_UNSPECIFIED) plan.set_state(pb::Plan::ACTIVE);
}

}  // namespace broadbill::accounts
