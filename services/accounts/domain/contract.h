#pragma once

// Minimum terms as dates. A term begins where a plan with a contract begins (the start or a change
// to it) and replaces the one before; a change to a plan without a contract keeps the running term,
// which then does not renew.

#include <functional>
#include <optional>
#include <vector>

#include "libs/calendar/date.h"
#include "libs/ids/uuid.h"

namespace broadbill::accounts {

struct ContractDates {
  int months = 1;
  int renewal_months = 0;  // 0: open after the term
  int notice_days = 0;
};

// From which day which plan holds, ascending.
struct PlanFrom {
  CivilDay start;
  Uuid plan_id;
};

// The contract of a plan; nullopt: it has none.
using ContractOf = std::function<std::optional<ContractDates>(const Uuid& plan_id)>;

struct Term {
  Uuid plan_id;  // whose contract it is
  CivilDay start;
  CivilDay end;                       // the first day after it, renewals included
  std::optional<CivilDay> notice_by;  // the last day to prevent the next renewal
};

// The term that binds on `today`; nullopt: none (any more). It has renewed as soon as a notice day
// passed before `recorded`: the day of the cancellation, or `today` while there is none.
std::optional<Term> TermOn(const std::vector<PlanFrom>& plans, const ContractOf& contract_of,
                           CivilDay today, CivilDay recorded);

// The term that a cancellation with the first day without service `end`, recorded on `recorded`,
// leaves early; nullopt: it does not. A cancellation of the past counts as recorded on its date.
// `start` is that of the renewal in which the service ends.
std::optional<Term> LeftEarly(const std::vector<PlanFrom>& plans, const ContractOf& contract_of,
                              CivilDay end, CivilDay recorded);

}  // namespace broadbill::accounts
