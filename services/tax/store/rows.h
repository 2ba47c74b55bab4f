#pragma once

#include <string>
#include <vector>

#include "libs/db/rows.h"

namespace broadbill::tax {

struct JurisdictionRow {
  std::string code;
  Uuid jurisdiction_id;
  std::string name;
  int32_t level = 2;
  static constexpr char kTable[] = "jurisdiction";
  static constexpr auto Columns() {
    using R = JurisdictionRow;
    return std::make_tuple(db::Col("code", &R::code),
                           db::Col("jurisdiction_id", &R::jurisdiction_id),
                           db::Col("name", &R::name), db::Col("level", &R::level));
  }
};

struct RuleRow {
  Uuid rule_id;
  std::string jurisdiction_code, tax_code, name, category;
  int32_t kind = 1;
  Decimal rate, amount, base_factor = Decimal::FromInt(1);
  int32_t rounding = 1, round_level = 1;
  CivilDay valid_from, valid_to;
  std::vector<std::string> tax_classes, customer_classes;
  std::string data_version, file_set;
  static constexpr char kTable[] = "rule";
  static constexpr auto Columns() {
    using R = RuleRow;
    return std::make_tuple(
        db::Col("rule_id", &R::rule_id), db::Col("jurisdiction_code", &R::jurisdiction_code),
        db::Col("tax_code", &R::tax_code), db::Col("name", &R::name),
        db::Col("category", &R::category), db::Col("kind", &R::kind), db::Col("rate", &R::rate),
        db::Col("amount", &R::amount), db::Col("base_factor", &R::base_factor),
        db::Col("rounding", &R::rounding), db::Col("round_level", &R::round_level),
        db::Col("valid_from", &R::valid_from), db::Col("valid_to", &R::valid_to),
        db::Col("tax_classes", &R::tax_classes), db::Col("customer_classes", &R::customer_classes),
        db::Col("data_version", &R::data_version), db::Col("file_set", &R::file_set));
  }
};

struct TaxabilityRow {
  std::string jurisdiction_prefix, tax_code, tax_class, customer_class;
  bool taxable = true;
  int32_t treatment = 1;
  std::string reason;
  CivilDay valid_from, valid_to;
  static constexpr char kTable[] = "taxability";
  static constexpr auto Columns() {
    using R = TaxabilityRow;
    return std::make_tuple(db::Col("jurisdiction_prefix", &R::jurisdiction_prefix),
                           db::Col("tax_code", &R::tax_code), db::Col("tax_class", &R::tax_class),
                           db::Col("customer_class", &R::customer_class),
                           db::Col("taxable", &R::taxable), db::Col("treatment", &R::treatment),
                           db::Col("reason", &R::reason), db::Col("valid_from", &R::valid_from),
                           db::Col("valid_to", &R::valid_to));
  }
};

struct BoundaryRow {
  std::string country, region, zip_low, zip_high, plus4_low, plus4_high, city;
  std::vector<std::string> codes;
  CivilDay valid_from, valid_to;
  std::string data_version, file_set;
  static constexpr char kTable[] = "boundary";
  static constexpr auto Columns() {
    using R = BoundaryRow;
    return std::make_tuple(
        db::Col("country", &R::country), db::Col("region", &R::region),
        db::Col("zip_low", &R::zip_low), db::Col("zip_high", &R::zip_high),
        db::Col("plus4_low", &R::plus4_low), db::Col("plus4_high", &R::plus4_high),
        db::Col("city", &R::city), db::Col("codes", &R::codes),
        db::Col("valid_from", &R::valid_from), db::Col("valid_to", &R::valid_to),
        db::Col("data_version", &R::data_version), db::Col("file_set", &R::file_set));
  }
};

struct ExemptionRow {
  Uuid account_id, exemption_id;
  std::string certificate, reason;
  std::vector<std::string> jurisdiction_codes, tax_codes, tax_classes;
  std::string location_id;
  Decimal percent;
  CivilDay valid_from, valid_to;
  static constexpr char kTable[] = "exemption";
  static constexpr auto Columns() {
    using R = ExemptionRow;
    return std::make_tuple(
        db::Col("account_id", &R::account_id), db::Col("exemption_id", &R::exemption_id),
        db::Col("certificate", &R::certificate), db::Col("reason", &R::reason),
        db::Col("jurisdiction_codes", &R::jurisdiction_codes), db::Col("tax_codes", &R::tax_codes),
        db::Col("tax_classes", &R::tax_classes), db::Col("location_id", &R::location_id),
        db::Col("percent", &R::percent), db::Col("valid_from", &R::valid_from),
        db::Col("valid_to", &R::valid_to));
  }
};

}  // namespace broadbill::tax
