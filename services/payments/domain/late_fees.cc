#include "services/payments/domain/late_fees.h"

#include <algorithm>
#include <limits>

#include "libs/money/fraction.h"
#include "libs/status/macros.h"

namespace broadbill::payments {
namespace {

absl::StatusOr<int64_t> Minor(const Decimal& major, int exponent) {
  return Fraction::MinorUnits(major, exponent).Round();
}

absl::StatusOr<int64_t> PercentOf(const Decimal& percent, int64_t base) {
  return (Fraction::Of(base) * Fraction::Of(percent) * Fraction::Ratio(1, 100)).Round();
}

// The most that all fees of the document may come to.
absl::StatusOr<int64_t> CapOf(const FeeStep& step, const LateDocument& document, int exponent) {
  int64_t cap = std::numeric_limits<int64_t>::max();
  if (step.cap_amount.has_value()) {
    ASSIGN_OR_RETURN(cap, Minor(*step.cap_amount, exponent));
  }
  if (step.cap_percent.has_value()) {
    ASSIGN_OR_RETURN(const int64_t part,
                     PercentOf(*step.cap_percent, document.total - document.fees));
    cap = std::min(cap, part);
  }
  return cap;
}

// One occurrence of a step that may be due.
struct Occasion {
  CivilDay day;
  const FeeStep* step = nullptr;
  int occurrence = 0;
};

// The occurrences up to and including `as_of` that are not assessed, in order of day.
std::vector<Occasion> Occasions(const FeePolicy& policy, const LateDocument& document,
                                CivilDay as_of) {
  std::vector<Occasion> out;
  for (const FeeStep& step : policy.steps) {
    const bool endless = step.occurrences <= 0 && step.every_days > 0;
    const int count = endless ? std::numeric_limits<int>::max() : std::max(1, step.occurrences);
    CivilDay day = StepDay(document.due_date, policy.grace_days, step.after_days);
    for (int n = 1; n <= count && day <= as_of; ++n, day += std::max(1, step.every_days)) {
      if (policy.from_date.has_value() && day < *policy.from_date) continue;
      if (document.assessed.count({step.name, n}) == 0) out.push_back({day, &step, n});
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Occasion& a, const Occasion& b) { return a.day < b.day; });
  return out;
}

}  // namespace

absl::StatusOr<int64_t> LateFee(const FeeTerms& terms, int64_t base, int currency_exponent) {
  if (base <= 0) return 0;
  ASSIGN_OR_RETURN(const int64_t flat, Minor(terms.flat, currency_exponent));
  ASSIGN_OR_RETURN(const int64_t percent, PercentOf(terms.percent, base));
  int64_t fee = flat;
  if (terms.mode == FeeMode::kPercent) fee = percent;
  if (terms.mode == FeeMode::kGreaterOf) fee = std::max(flat, percent);
  if (terms.mode == FeeMode::kSum) fee = flat + percent;
  if (terms.minimum.has_value()) {
    ASSIGN_OR_RETURN(const int64_t least, Minor(*terms.minimum, currency_exponent));
    fee = std::max(fee, least);
  }
  if (terms.maximum.has_value()) {
    ASSIGN_OR_RETURN(const int64_t most, Minor(*terms.maximum, currency_exponent));
    fee = std::min(fee, most);
  }
  return fee;
}

CivilDay StepDay(CivilDay due_date, int grace_days, int after_days) {
  return due_date + grace_days + std::max(1, after_days);
}

int64_t OpenOn(const LateDocument& document, CivilDay day) {
  int64_t open = document.total;
  for (const PaidPart& part : document.paid) {
    if (part.value_date < day) open -= part.amount;
  }
  return std::max<int64_t>(0, open);
}

int64_t FeeBaseOn(const LateDocument& document, CivilDay day) {
  int64_t base = OpenOn(document, day) - document.fees;
  for (const DisputedPart& part : document.disputed) {
    if (part.days.Contains(day)) base -= part.amount;
  }
  return std::max<int64_t>(0, base);
}

absl::StatusOr<bool> ReachesThreshold(const FeePolicy& policy,
                                      const std::vector<LateDocument>& documents, CivilDay day,
                                      int currency_exponent) {
  if (!policy.threshold.has_value()) return true;
  ASSIGN_OR_RETURN(const int64_t threshold, Minor(*policy.threshold, currency_exponent));
  int64_t past_due = 0;
  for (const LateDocument& document : documents) {
    if (document.due_date < day) past_due += OpenOn(document, day);
  }
  return past_due >= threshold;
}

absl::StatusOr<std::vector<AssessedFee>> DueFees(const FeePolicy& policy,
                                                 const std::vector<LateDocument>& documents,
                                                 CivilDay as_of, int currency_exponent) {
  std::vector<AssessedFee> out;
  for (const LateDocument& document : documents) {
    int64_t sum = document.assessed_sum;
    for (const Occasion& occasion : Occasions(policy, document, as_of)) {
      const int64_t base = FeeBaseOn(document, occasion.day);
      if (base <= 0) continue;
      ASSIGN_OR_RETURN(const bool reached,
                       ReachesThreshold(policy, documents, occasion.day, currency_exponent));
      if (!reached) continue;
      const FeeStep& step = *occasion.step;
      if (step.minimum_open.has_value()) {
        ASSIGN_OR_RETURN(const int64_t least, Minor(*step.minimum_open, currency_exponent));
        if (base < least) continue;
      }
      ASSIGN_OR_RETURN(int64_t amount, LateFee(step.terms, base, currency_exponent));
      ASSIGN_OR_RETURN(const int64_t cap, CapOf(step, document, currency_exponent));
      amount = std::clamp<int64_t>(cap - sum, 0, amount);
      if (amount <= 0) continue;
      sum += amount;
      out.push_back(
          {document.document_id, step.name, occasion.occurrence, occasion.day, base, amount});
    }
  }
  return out;
}

}  // namespace broadbill::payments
