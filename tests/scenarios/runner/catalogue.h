#pragma once

// Statements about plans, subscriptions and their changes.

#include <string>

#include "absl/status/statusor.h"
#include "broadbill/accounts/v1/plan.pb.h"
#include "tests/scenarios/runner/reader.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::scenarios {

// first and_next|full · setup FEE · free N · contract N [renew N] [notice N] [leave …] · loyalty …
// · seasonal […]; false: `word` is none of these.
absl::StatusOr<bool> ReadPlanTerms(const std::string& word, Reader& r,
                                   broadbill::accounts::v1::Plan* plan);
absl::Status Subscribe(World& world, Reader& r);
absl::Status Change(World& world, Reader& r);
absl::Status AddLocation(World& world, Reader& r);
absl::Status ChangePrices(World& world, Reader& r);
absl::Status SetPayer(World& world, Reader& r);
absl::Status SetSeller(World& world, Reader& r);
// They answer what is different; "": nothing.
absl::StatusOr<std::string> ExpectTerm(World& world, Reader& r);
absl::StatusOr<std::string> ExpectChanged(World& world, Reader& r);
// preview: what a change that nobody recorded would cost.
absl::StatusOr<std::string> ExpectPreview(World& world, Reader& r);

}  // namespace broadbill::scenarios
