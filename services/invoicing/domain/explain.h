#pragma once

// Why a line has its amount, read back from what is stored with it.

#include <optional>
#include <string>

#include "services/invoicing/domain/bill.h"

namespace broadbill::invoicing {

// "recurring.actual", "discount.percent", "setup", …
std::string RuleOf(LineKind kind, const std::string& source, const std::string& derivation);

// The value of "49.99 × 2 × 22 ÷ 31 days → 70.95" before it was rounded: what stands before the
// arrow. None when that is no such product.
std::optional<Decimal> UnroundedOf(const std::string& derivation);

}  // namespace broadbill::invoicing
