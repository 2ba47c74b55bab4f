#pragma once

// What the demo's month came to, as read back from the services.

#include "absl/status/status.h"
#include "services/broadbill/demo/calendar.h"
#include "services/broadbill/demo/world.h"

namespace broadbill::program {

// Waits until the mail server has taken all messages, or they have failed.
absl::Status WaitForMail(World& world);

// Writes the sample document as PDF into the data folder and prints the summary. An error when the
// books do not balance.
absl::Status Summarise(World& world, const DemoTotals& totals);

}  // namespace broadbill::program
