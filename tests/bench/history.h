#pragma once

// Months of history, made from a billed first month by copying its rows: new ids of the month's
// time, shifted dates, numbers that go on.

#include <string>

#include "absl/status/status.h"
#include "libs/calendar/date.h"

namespace broadbill::bench {

// Makes `months` more months after `first_month`, which every account was billed for.
absl::Status CopyHistory(const std::string& database_url, CivilDay first_month, int months);

}  // namespace broadbill::bench
