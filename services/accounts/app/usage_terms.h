#pragma once

#include "broadbill/common/v1/usage_terms.pb.h"
#include "libs/status/error.h"

namespace broadbill::accounts {

// What rating could not price is refused when the plan is written. Fields are named below "plan.".
void CheckUsageTerms(const broadbill::common::v1::UsageTerms& usage, Violations& violations);
void CheckVoiceTerms(const broadbill::common::v1::VoiceTerms& voice, Violations& violations);

}  // namespace broadbill::accounts
