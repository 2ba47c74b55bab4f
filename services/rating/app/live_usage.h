#pragma once

// Usage of running periods, by the same function as billing.

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/common/v1/usage_terms.pb.h"
#include "broadbill/rating/v1/period_usage.pb.h"
#include "libs/calendar/usage_period.h"
#include "libs/db/pool.h"
#include "services/rating/app/usage_sums.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

// Terms that include an amount, or stop the service, so that there is something to watch.
bool CanBeUsedUp(const broadbill::common::v1::UsageTerms& terms);

// The watcher looks at these items after the transaction; nothing for none.
absl::Status TouchUsage(db::Tx& tx, absl::Time now, const std::vector<Uuid>& items);

// An item with a quarter of an hour (domain/usage_sums.h) in which its usage changed.
using ChangedQuarter = std::pair<Uuid, int32_t>;
// Whoever adds or takes away events names their items and quarters, watched or not, in the same
// transaction. Nothing for none; neighbours that are equal count once.
absl::Status TouchQuarters(db::Tx& tx, absl::Time now, const std::vector<ChangedQuarter>& changed);

struct LiveItem {
  UsageCycleRow cycle;
  std::vector<ItemTermsRow> terms;
};
// With `lock` nobody else judges them until the transaction ends, and all that was committed before
// is seen. Unknown items are left out.
absl::StatusOr<std::map<Uuid, LiveItem>> LoadLiveItems(db::Tx& tx, const std::vector<Uuid>& items,
                                                       bool lock);

// The days of a period under one plan, and what their usage comes to.
struct LiveStretch {
  Uuid account_id, item_id;
  DateInterval days, full;
  absl::Time start, end;
  absl::TimeZone zone;
  std::string time_zone, currency, service;
  broadbill::common::v1::UsageTerms terms;
  broadbill::rating::v1::DataUsage usage;

  int64_t included() const { return usage.included_bytes(); }
  int64_t counted() const { return usage.counted_bytes(); }
};
// The one that holds an instant, without usage; none where no terms of usage hold.
std::optional<LiveStretch> StretchAt(const LiveItem& item, absl::Time at);
absl::Status FillUsage(db::Tx& tx, std::vector<LiveStretch>& stretches, UsageSums& sums);

}  // namespace broadbill::rating
