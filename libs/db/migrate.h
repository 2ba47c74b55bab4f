#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "libs/db/migration.h"

namespace broadbill::db {

// Brings schema `service` of the database to the last step, under an advisory lock: first the
// suite's own tables (idempotency keys, feed, jobs), then the service's. Each step is kept with the
// SHA-256 of its text. FAILED_PRECONDITION: MIGRATION_CHANGED when an applied step's text differs,
// SCHEMA_UNKNOWN when the schema has steps this program does not know (a newer program made them).
absl::Status Migrate(const std::string& url, const std::string& service,
                     std::span<const Migration> migrations);

// The steps every service's schema begins with.
std::span<const Migration> CommonMigrations();

}  // namespace broadbill::db
