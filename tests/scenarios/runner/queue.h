#pragma once

// Files that are undone and records that wait.

#include <string>

#include "absl/status/statusor.h"
#include "tests/scenarios/runner/reader.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::scenarios {

absl::Status UndoFile(World& world, Reader& r);
absl::Status DismissRecords(World& world, Reader& r);
absl::Status RestoreRecords(World& world, Reader& r);
absl::Status CorrectRecord(World& world, Reader& r);

// Each returns what differs, "" for nothing. What they expect: README.md.
absl::StatusOr<std::string> ExpectWaiting(World& world, Reader& r);
absl::StatusOr<std::string> ExpectImport(World& world, Reader& r);

}  // namespace broadbill::scenarios
