#include "libs/convert/convert.h"
#include "libs/convert/write.h"
#include "libs/status/macros.h"
#include "services/tax/app/tax_app.h"

namespace broadbill::tax {
namespace {

absl::Status Bump(db::Tx& tx) {
  return tx.Exec("UPDATE data_state SET version = version + 1, name = 'manual'").status();
}

}  // namespace

absl::StatusOr<pb::TaxRule> TaxApp::CreateTaxRule(const rpc::Context& context,
                                                  const pb::CreateTaxRuleRequest& request) {
  const pb::TaxRule& in = request.rule();
  Violations violations;
  RuleRow row;
  row.rule_id = Uuid::Make(clock_.Now());
  row.jurisdiction_code = in.jurisdiction_code();
  row.tax_code = in.tax_code();
  row.name = in.name();
  row.category = in.category();
  row.kind = in.kind() == pb::TaxRule::KIND_UNSPECIFIED ? pb::TaxRule::PERCENT_OF_NET : in.kind();
  violations.Require(!in.jurisdiction_code().empty(), "rule.jurisdiction_code", "is required");
  violations.Require(!in.tax_code().empty(), "rule.tax_code", "is required");
  if (in.kind() == pb::TaxRule::FIXED) {
    row.amount = convert::ReadDecimal(in.amount(), "rule.amount", violations);
  } else {
    row.rate = convert::ReadDecimal(in.rate(), "rule.rate", violations);
  }
  if (in.has_base_factor()) {
    row.base_factor = convert::ReadDecimal(in.base_factor(), "rule.base_factor", violations);
  }
  row.rounding = in.rounding() == pb::TaxRule::ROUNDING_UNSPECIFIED ? 1 : in.rounding();
  row.round_level =
      in.rounding_level() == pb::TaxRule::ROUNDING_LEVEL_UNSPECIFIED ? 1 : in.rounding_level();
  row.valid_from = convert::ReadOptionalDate(in.valid_from(), "rule.valid_from", violations)
                       .value_or(CivilDay(1970, 1, 1));
  row.valid_to = convert::ReadOptionalDate(in.valid_to(), "rule.valid_to", violations)
                     .value_or(CivilDay::max());
  row.tax_classes.assign(in.tax_classes().begin(), in.tax_classes().end());
  row.customer_classes.assign(in.customer_classes().begin(), in.customer_classes().end());
  row.data_version = "manual";
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::TaxRule>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::TaxRule> {
        const JurisdictionRow jurisdiction{row.jurisdiction_code, Uuid::Make(clock_.Now()),
                                           row.jurisdiction_code, 2};
        RETURN_IF_ERROR(db::InsertOne(tx, jurisdiction, "ON CONFLICT DO NOTHING").status());
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        RETURN_IF_ERROR(Bump(tx));
        pb::TaxRule out = in;
        out.set_rule_id(row.rule_id.ToText("rul"));
        return out;
      });
}

absl::StatusOr<pb::Taxability> TaxApp::SetTaxability(const rpc::Context& context,
                                                     const pb::SetTaxabilityRequest& request) {
  const pb::Taxability& in = request.entry();
  Violations violations;
  violations.Require(in.treatment() != pb::Taxability::TREATMENT_UNSPECIFIED, "entry.treatment",
                     "is required");
  TaxabilityRow row{in.jurisdiction_code(),
                    in.tax_code(),
                    in.tax_class(),
                    in.customer_class(),
                    in.treatment() == pb::Taxability::TAXABLE,
                    in.treatment(),
                    in.reason(),
                    convert::ReadOptionalDate(in.valid_from(), "entry.valid_from", violations)
                        .value_or(CivilDay(1970, 1, 1)),
                    convert::ReadOptionalDate(in.valid_to(), "entry.valid_to", violations)
                        .value_or(CivilDay::max())};
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Taxability>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Taxability> {
        RETURN_IF_ERROR(db::InsertOne(tx, row,
                                      "ON CONFLICT (jurisdiction_prefix, tax_code, tax_class, "
                                      "customer_class, valid_from) DO UPDATE SET taxable = "
                                      "excluded.taxable, treatment = excluded.treatment, "
                                      "reason = excluded.reason, valid_to = excluded.valid_to")
                            .status());
        RETURN_IF_ERROR(Bump(tx));
        return in;
      });
}

absl::StatusOr<pb::Exemption> TaxApp::CreateExemption(const rpc::Context& context,
                                                      const pb::CreateExemptionRequest& request) {
  const pb::Exemption& in = request.exemption();
  Violations violations;
  ExemptionRow row;
  row.account_id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  row.exemption_id = Uuid::Make(clock_.Now());
  row.certificate = in.certificate();
  row.reason = in.reason();
  violations.Require(!in.reason().empty(), "exemption.reason", "is required");
  row.jurisdiction_codes.assign(in.jurisdiction_codes().begin(), in.jurisdiction_codes().end());
  row.tax_codes.assign(in.tax_codes().begin(), in.tax_codes().end());
  row.tax_classes.assign(in.tax_classes().begin(), in.tax_classes().end());
  row.location_id = in.location_id();
  row.percent = in.has_percent()
                    ? convert::ReadDecimal(in.percent(), "exemption.percent", violations)
                    : Decimal::FromInt(100);
  row.valid_from = convert::ReadOptionalDate(in.valid_from(), "exemption.valid_from", violations)
                       .value_or(CivilDay(1970, 1, 1));
  row.valid_to = convert::ReadOptionalDate(in.valid_to(), "exemption.valid_to", violations)
                     .value_or(CivilDay::max());
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Exemption>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Exemption> {
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        pb::Exemption out = in;
        out.set_exemption_id(row.exemption_id.ToText("exm"));
        out.set_account_id(request.account_id());
        return out;
      });
}

}  // namespace broadbill::tax
