#pragma once

// Usage terms of a contract as the domain has them.

#include <string>

#include "absl/status/statusor.h"
#include "broadbill/common/v1/usage_terms.pb.h"
#include "services/rating/domain/overage.h"

namespace broadbill::rating {

// INVALID_ARGUMENT naming fields below `field` ("queries[3].usage.").
absl::StatusOr<DataTerms> ReadTerms(const broadbill::common::v1::UsageTerms& in,
                                    const std::string& field);

}  // namespace broadbill::rating
