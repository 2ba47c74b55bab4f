#pragma once

// What a subscription's rows mean by date: segments, periods, terms and reductions. The same for
// billing's snapshot, for the API's answers, for the feed and for a change that is only thought of.

#include <functional>
#include <optional>
#include <vector>

#include "services/accounts/app/accounts_app.h"
#include "services/accounts/domain/contract.h"
#include "services/accounts/domain/history.h"
#include "services/accounts/domain/holds.h"
#include "services/accounts/domain/periods.h"

namespace broadbill::accounts {

// Finds another subscription of the same account; nullptr: it is not loaded.
using FindOther = std::function<const Bundle*(const Uuid& subscription_id)>;
FindOther Among(const std::vector<Bundle>& bundles);

History ToHistory(const Bundle& bundle);
LimitsOf LimitsIn(const Plans& plans);
std::vector<Segment> SegmentsOf(const Bundle& bundle, const Plans& plans);
Recurrence RecurrenceOf(const Bundle& bundle, const pb::Plan& plan);
Cycles CyclesOf(const AccountRow& account);
Periods PeriodsOf(const Bundle& bundle, const std::vector<Segment>& segments, const Plans& plans,
                  const Cycles& cycles, const FindOther& other);
Decimal PlanPriceOn(const pb::Plan& plan, CivilDay day);

// The term that binds on `today`.
std::optional<Term> ContractTermOn(const Bundle& bundle, const std::vector<Segment>& segments,
                                   const Plans& plans, const AccountRow& account, CivilDay today);
// Reasons of a cancellation for which leaving early costs nothing.
bool WaivesFee(const std::string& reason);

// load.cc: what the network should do.
pb::ServiceState ServiceStateOf(const Bundle& bundle, const std::vector<Segment>& segments,
                                const Plans& plans, CivilDay today);

pb::SnapshotItem ToSnapshot(const Bundle& bundle, const Plans& plans, const AccountRow& account,
                            const FindOther& other);
pb::SnapshotDiscount ToSnapshot(const DiscountRow& row, const DateInterval& days);

}  // namespace broadbill::accounts
