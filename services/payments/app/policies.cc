#include <set>

#include "absl/strings/str_cat.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {
namespace {

using Value = broadbill::common::v1::Decimal;

bool IsLowerSnake(const std::string& text) {
  if (text.empty() || text.size() > 40) return false;
  for (const char c : text) {
    if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_') return false;
  }
  return true;
}

// A decimal of 0 or more; unset reads as 0.
Decimal ReadAmount(bool given, const Value& value, const std::string& field,
                   Violations& violations) {
  if (!given) return Decimal();
  const Decimal out = convert::ReadDecimal(value, field, violations);
  violations.Require(!out.IsNegative(), field, "must not be negative");
  return out;
}

void CheckAmounts(const pb::LateFee& fee, const std::string& at, Violations& violations) {
  const Decimal flat = ReadAmount(fee.has_flat(), fee.flat(), at + ".flat", violations);
  const Decimal percent = ReadAmount(fee.has_percent(), fee.percent(), at + ".percent", violations);
  const auto mode = fee.mode();
  violations.Require(mode != pb::LateFee::MODE_UNSPECIFIED && pb::LateFee::Mode_IsValid(mode),
                     at + ".mode", "is required: FLAT, PERCENT, GREATER_OF or SUM");
  violations.Require(mode == pb::LateFee::PERCENT || !flat.IsZero(), at + ".flat",
                     "must be more than 0 in this mode");
  violations.Require(mode == pb::LateFee::FLAT || !percent.IsZero(), at + ".percent",
                     "must be more than 0 in this mode");
  const Decimal minimum = ReadAmount(fee.has_minimum(), fee.minimum(), at + ".minimum", violations);
  const Decimal maximum = ReadAmount(fee.has_maximum(), fee.maximum(), at + ".maximum", violations);
  violations.Require(!fee.has_maximum() || maximum >= minimum, at + ".maximum",
                     "must not be below the minimum");
  const Decimal cap =
      ReadAmount(fee.has_cap_amount(), fee.cap_amount(), at + ".cap_amount", violations);
  violations.Require(!fee.has_cap_amount() || !cap.IsZero(), at + ".cap_amount",
                     "must be more than 0; unset means no limit");
  const Decimal share =
      ReadAmount(fee.has_cap_percent(), fee.cap_percent(), at + ".cap_percent", violations);
  violations.Require(!fee.has_cap_percent() || !share.IsZero(), at + ".cap_percent",
                     "must be more than 0; unset means no limit");
  ReadAmount(fee.has_minimum_open(), fee.minimum_open(), at + ".minimum_open", violations);
}

void CheckFee(const pb::LateFee& fee, const std::string& at, Violations& violations) {
  CheckAmounts(fee, at, violations);
  violations.Require(fee.occurrences() >= 0 && fee.occurrences() <= 1000, at + ".occurrences",
                     "must be 0 to 1000");
  violations.Require(fee.every_days() >= 0 && fee.every_days() <= 3650, at + ".every_days",
                     "must be 0 to 3650");
  violations.Require(fee.occurrences() <= 1 || fee.every_days() >= 1, at + ".every_days",
                     "is required when it occurs more than once");
  violations.Require(fee.description().size() <= 200, at + ".description",
                     "must be at most 200 characters");
}

void CheckPolicy(const pb::DunningPolicy& policy, Violations& violations) {
  violations.Require(IsLowerSnake(policy.code()), "policy.code",
                     "is required: a to z, 0 to 9 and _, at most 40 characters");
  violations.Require(policy.grace_days() >= 0 && policy.grace_days() <= 90, "policy.grace_days",
                     "must be 0 to 90");
  ReadAmount(policy.has_threshold(), policy.threshold(), "policy.threshold", violations);
  convert::ReadOptionalDate(policy.from_date(), "policy.from_date", violations);
  violations.Require(policy.steps_size() > 0, "policy.steps", "must have at least one step");
  std::set<std::string> names;
  for (int i = 0; i < policy.steps_size(); ++i) {
    const pb::DunningStep& step = policy.steps(i);
    const std::string at = absl::StrCat("policy.steps[", i, "]");
    violations.Require(IsLowerSnake(step.name()) && names.insert(step.name()).second, at + ".name",
                       "must be given and unique: a to z, 0 to 9 and _");
    violations.Require(step.after_days() >= 0 && step.after_days() <= 3650, at + ".after_days",
                       "must be 0 to 3650");
    violations.Require(step.has_reminder() || step.has_late_fee(), at + ".kind",
                       "must be a reminder or a late fee");
    if (step.has_late_fee()) CheckFee(step.late_fee(), at + ".late_fee", violations);
  }
}

}  // namespace

absl::StatusOr<pb::DunningPolicy> PaymentsApp::CreateDunningPolicy(
    const rpc::Context& context, const pb::CreateDunningPolicyRequest& request) {
  pb::DunningPolicy policy = request.policy();
  Violations violations;
  CheckPolicy(policy, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::DunningPolicy>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::DunningPolicy> {
        ASSIGN_OR_RETURN(
            const db::Result taken,
            tx.Exec("SELECT code = $1, code FROM policy WHERE code = $1 OR account_group = $2",
                    policy.code(), policy.group()));
        if (!taken.empty()) {
          return taken.Get<bool>(0, 0)
                     ? AlreadyExistsError("POLICY_EXISTS", "there is a policy " + policy.code())
                     : AlreadyExistsError(
                           "POLICY_GROUP_TAKEN",
                           "policy " + taken.Get<std::string>(0, 1) + " holds for this group");
        }
        const Uuid id = Uuid::Make(clock_.Now());
        policy.set_policy_id(id.ToText("pol"));
        RETURN_IF_ERROR(tx.Exec("INSERT INTO policy VALUES ($1, $2, $3, $4)", id, policy.code(),
                                policy.group(), db::Bytes{policy.SerializeAsString()})
                            .status());
        return policy;
      });
}

absl::StatusOr<pb::ListDunningPoliciesResponse> PaymentsApp::ListDunningPolicies(
    const rpc::Context&, const pb::ListDunningPoliciesRequest&) {
  ASSIGN_OR_RETURN(const db::Result rows, pool_->Exec("SELECT body FROM policy ORDER BY code"));
  pb::ListDunningPoliciesResponse response;
  for (int i = 0; i < rows.size(); ++i) {
    response.add_policies()->ParseFromString(rows.Get<db::Bytes>(i, 0).data);
  }
  return response;
}

}  // namespace broadbill::payments
