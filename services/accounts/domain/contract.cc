#include "services/accounts/domain/contract.h"

#include <algorithm>

#include "services/accounts/domain/periods.h"

namespace broadbill::accounts {
namespace {

// The commitment that was entered last before or on a day.
struct Commitment {
  Uuid plan_id;
  CivilDay start;
  ContractDates dates;
  std::optional<CivilDay> frozen;  // from here on the plan has no contract: no more renewals

  CivilDay End(int renewals) const {
    return AddMonths(start, dates.months + int64_t{renewals} * dates.renewal_months);
  }
  // The last day of the term less the days of notice.
  CivilDay NoticeBy(int renewals) const { return End(renewals) - 1 - dates.notice_days; }
  bool Renews(int renewals) const {
    return dates.renewal_months > 0 && !(frozen.has_value() && *frozen < End(renewals));
  }
};

std::optional<Commitment> CommitmentOn(const std::vector<PlanFrom>& plans,
                                       const ContractOf& contract_of, CivilDay day) {
  std::optional<Commitment> out;
  for (const PlanFrom& plan : plans) {
    if (plan.start > day) break;
    const auto dates = contract_of(plan.plan_id);
    if (dates.has_value()) {
      out = Commitment{plan.plan_id, plan.start, *dates, std::nullopt};
    } else if (out.has_value() && !out->frozen.has_value()) {
      out->frozen = plan.start;
    }
  }
  return out;
}

// How often it has renewed for somebody who cancels on `recorded`.
int Renewals(const Commitment& commitment, CivilDay recorded) {
  int renewals = 0;
  while (commitment.Renews(renewals) && recorded > commitment.NoticeBy(renewals)) ++renewals;
  return renewals;
}

}  // namespace

std::optional<Term> TermOn(const std::vector<PlanFrom>& plans, const ContractOf& contract_of,
                           CivilDay today, CivilDay recorded) {
  const auto commitment = CommitmentOn(plans, contract_of, today);
  if (!commitment.has_value()) return std::nullopt;
  const int renewals = Renewals(*commitment, recorded);
  Term out{commitment->plan_id, commitment->start, commitment->End(renewals), std::nullopt};
  if (out.end <= today) return std::nullopt;
  if (commitment->Renews(renewals)) out.notice_by = commitment->NoticeBy(renewals);
  return out;
}

std::optional<Term> LeftEarly(const std::vector<PlanFrom>& plans, const ContractOf& contract_of,
                              CivilDay end, CivilDay recorded) {
  const auto commitment = CommitmentOn(plans, contract_of, end - 1);
  if (!commitment.has_value()) return std::nullopt;
  const int renewals = Renewals(*commitment, std::min(recorded, end));
  Term out{commitment->plan_id, commitment->start, commitment->End(renewals), std::nullopt};
  if (end >= out.end) return std::nullopt;
  for (int i = 0; i < renewals && commitment->End(i) <= end; ++i) out.start = commitment->End(i);
  return out;
}

}  // namespace broadbill::accounts
