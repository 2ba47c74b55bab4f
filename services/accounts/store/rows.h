#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libs/db/rows.h"

namespace broadbill::accounts {

// Rows keep postal addresses and plan bodies as serialized messages: nothing here looks into them.

struct CompanyRow {
  Uuid company_id;
  std::string code;
  int64_t version = 1;
  db::Json body;
  static constexpr char kTable[] = "company";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("company_id", &CompanyRow::company_id), db::Col("code", &CompanyRow::code),
        db::Col("version", &CompanyRow::version), db::Col("body", &CompanyRow::body));
  }
};

struct AccountRow {
  Uuid account_id;
  int16_t bucket = 0;
  Uuid company_id;
  std::string account_number, external_id;
  std::optional<Uuid> parent_account_id;
  std::string name, customer_class, currency, time_zone, language;
  std::vector<CivilDay> cycle_days;
  std::vector<int32_t> cycle_day_values;
  int32_t anchor_rule = 1, bill_ahead_days = 0, terms_days = 0, document_mode = 1, state = 1;
  db::Bytes billing_address;
  std::string tax_id, account_group;
  int64_t version = 1;
  absl::Time created_at, updated_at;
  static constexpr char kTable[] = "account";
  static constexpr auto Columns() {
    return std::make_tuple(
        db::Col("account_id", &AccountRow::account_id), db::Col("bucket", &AccountRow::bucket),
        db::Col("company_id", &AccountRow::company_id),
        db::Col("account_number", &AccountRow::account_number),
        db::Col("external_id", &AccountRow::external_id),
        db::Col("parent_account_id", &AccountRow::parent_account_id),
        db::Col("name", &AccountRow::name), db::Col("customer_class", &AccountRow::customer_class),
        db::Col("currency", &AccountRow::currency), db::Col("time_zone", &AccountRow::time_zone),
        db::Col("language", &AccountRow::language), db::Col("cycle_days", &AccountRow::cycle_days),
        db::Col("cycle_day_values", &AccountRow::cycle_day_values),
        db::Col("anchor_rule", &AccountRow::anchor_rule),
        db::Col("bill_ahead_days", &AccountRow::bill_ahead_days),
        db::Col("terms_days", &AccountRow::terms_days),
        db::Col("document_mode", &AccountRow::document_mode), db::Col("state", &AccountRow::state),
        db::Col("billing_address", &AccountRow::billing_address),
        db::Col("tax_id", &AccountRow::tax_id),
        db::Col("account_group", &AccountRow::account_group),
        db::Col("version", &AccountRow::version), db::Col("created_at", &AccountRow::created_at),
        db::Col("updated_at", &AccountRow::updated_at));
  }
};

struct ContactRow {
  Uuid account_id, contact_id;
  std::string name, email, phone;
  bool receives_invoices = false, receives_notices = false;
  static constexpr char kTable[] = "contact";
  static constexpr auto Columns() {
    return std::make_tuple(db::Col("account_id", &ContactRow::account_id),
                           db::Col("contact_id", &ContactRow::contact_id),
                           db::Col("name", &ContactRow::name), db::Col("email", &ContactRow::email),
                           db::Col("phone", &ContactRow::phone),
                           db::Col("receives_invoices", &ContactRow::receives_invoices),
                           db::Col("receives_notices", &ContactRow::receives_notices));
  }
};

struct LocationRow {
  Uuid account_id, location_id;
  std::string external_id, name;
  db::Bytes address;
  static constexpr char kTable[] = "location";
  static constexpr auto Columns() {
    return std::make_tuple(db::Col("account_id", &LocationRow::account_id),
                           db::Col("location_id", &LocationRow::location_id),
                           db::Col("external_id", &LocationRow::external_id),
                           db::Col("name", &LocationRow::name),
                           db::Col("address", &LocationRow::address));
  }
};

struct PlanRow {
  Uuid plan_id;
  std::string code;
  int64_t version = 1;
  db::Json body;
  static constexpr char kTable[] = "plan";
  static constexpr auto Columns() {
    return std::make_tuple(db::Col("plan_id", &PlanRow::plan_id), db::Col("code", &PlanRow::code),
                           db::Col("version", &PlanRow::version), db::Col("body", &PlanRow::body));
  }
};

struct SubscriptionRow {
  Uuid account_id, subscription_id;
  std::string external_id;
  std::optional<Uuid> location_id;
  Uuid plan_id;
  Decimal quantity = Decimal::FromInt(1);
  CivilDay start_date;
  std::optional<CivilDay> end_date;
  std::optional<Decimal> price_override;
  std::string override_reason;
  int32_t months = 0, days = 0;
  std::optional<CivilDay> paid_through;
  std::string description;
  bool no_refund = false;
  int64_t version = 1;
  int32_t acknowledged = 0;
  std::optional<absl::Time> acknowledged_at;
  std::optional<Uuid> coterminous_with;
  bool setup_fee_waived = false;
  static constexpr char kTable[] = "subscription";
  static constexpr auto Columns() {
    using R = SubscriptionRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("subscription_id", &R::subscription_id),
        db::Col("external_id", &R::external_id), db::Col("location_id", &R::location_id),
        db::Col("plan_id", &R::plan_id), db::Col("quantity", &R::quantity),
        db::Col("start_date", &R::start_date), db::Col("end_date", &R::end_date),
        db::Col("price_override", &R::price_override),
        db::Col("override_reason", &R::override_reason), db::Col("months", &R::months),
        db::Col("days", &R::days), db::Col("paid_through", &R::paid_through),
        db::Col("description", &R::description), db::Col("no_refund", &R::no_refund),
        db::Col("version", &R::version), db::Col("acknowledged", &R::acknowledged),
        db::Col("acknowledged_at", &R::acknowledged_at),
        db::Col("coterminous_with", &R::coterminous_with),
        db::Col("setup_fee_waived", &R::setup_fee_waived));
  }
};

struct ChangeRow {
  Uuid account_id, subscription_id, change_id;
  CivilDay effective;
  int64_t entered = 0;
  int16_t kind = 1;
  std::optional<Uuid> plan_id;
  bool keep_price = false;
  std::optional<Decimal> value;
  std::string reason;
  bool no_refund = false;
  std::string created_by;
  absl::Time created_at;
  std::optional<Uuid> location_id;
  static constexpr char kTable[] = "subscription_change";
  static constexpr auto Columns() {
    using R = ChangeRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("subscription_id", &R::subscription_id),
        db::Col("change_id", &R::change_id), db::Col("effective", &R::effective),
        db::Col("entered", &R::entered), db::Col("kind", &R::kind), db::Col("plan_id", &R::plan_id),
        db::Col("keep_price", &R::keep_price), db::Col("value", &R::value),
        db::Col("reason", &R::reason), db::Col("no_refund", &R::no_refund),
        db::Col("created_by", &R::created_by), db::Col("created_at", &R::created_at),
        db::Col("location_id", &R::location_id));
  }
};

struct DiscountRow {
  Uuid account_id, discount_id;
  std::optional<Uuid> subscription_id;
  std::string label;
  std::optional<Decimal> percent, amount;
  std::optional<CivilDay> from_date, to_date;
  int32_t periods = 0, position = 0;
  std::string account_code;
  static constexpr char kTable[] = "discount";
  static constexpr auto Columns() {
    using R = DiscountRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("discount_id", &R::discount_id),
        db::Col("subscription_id", &R::subscription_id), db::Col("label", &R::label),
        db::Col("percent", &R::percent), db::Col("amount", &R::amount),
        db::Col("from_date", &R::from_date), db::Col("to_date", &R::to_date),
        db::Col("periods", &R::periods), db::Col("position", &R::position),
        db::Col("account_code", &R::account_code));
  }
};

struct IdentifierRow {
  Uuid account_id, identifier_id, subscription_id;
  int32_t kind = 1;
  std::string value;
  CivilDay from_date, to_date;
  static constexpr char kTable[] = "identifier";
  static constexpr auto Columns() {
    using R = IdentifierRow;
    return std::make_tuple(db::Col("account_id", &R::account_id),
                           db::Col("identifier_id", &R::identifier_id),
                           db::Col("subscription_id", &R::subscription_id),
                           db::Col("kind", &R::kind), db::Col("value", &R::value),
                           db::Col("from_date", &R::from_date), db::Col("to_date", &R::to_date));
  }
};

struct UsageCapRow {
  Uuid account_id, subscription_id;
  int16_t action = 0;
  int64_t download_kbps = 0, upload_kbps = 0;
  absl::Time since;
  int64_t changes = 1;
  static constexpr char kTable[] = "usage_cap";
  static constexpr auto Columns() {
    using R = UsageCapRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("subscription_id", &R::subscription_id),
        db::Col("action", &R::action), db::Col("download_kbps", &R::download_kbps),
        db::Col("upload_kbps", &R::upload_kbps), db::Col("since", &R::since),
        db::Col("changes", &R::changes));
  }
};

}  // namespace broadbill::accounts
