#pragma once

// Recipes of mapped files.

#include "absl/status/statusor.h"
#include "tests/scenarios/runner/reader.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::scenarios {

// recipe CODE usage|calls FIELD=VALUE… [refused ["Text"]]
absl::Status MakeRecipe(World& world, Reader& r);

}  // namespace broadbill::scenarios
