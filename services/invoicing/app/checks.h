#pragma once

// Does a bill look right? Compares it with what the account's terms and habits let expect.

#include "services/invoicing/app/work.h"

namespace broadbill::invoicing {

// Adds a problem for every check that fails; the bill then waits for a person.
void CheckForecast(const DraftContext& context, AccountWork& one);

}  // namespace broadbill::invoicing
