#pragma once

// The floor of a bulk write: binary COPY of the very same finished rows into empty copies of their
// tables that have the primary key and nothing else.

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace broadbill::bench {

struct FloorTable {
  std::string name;   // "invoicing.document"
  std::string where;  // which rows: SQL over alias t
};

struct Floor {
  int64_t rows = 0;
  int64_t bytes = 0;          // of the COPY data
  double one_connection = 0;  // seconds
  double two_connections = 0;
  double cpu = 0;  // seconds of PostgreSQL in the better case
  double best() const {
    return one_connection < two_connections ? one_connection : two_connections;
  }
};

// Each case is one transaction per connection, after a checkpoint. With two connections each takes
// half of every table.
absl::StatusOr<Floor> MeasureFloor(const std::string& database_url, pid_t postmaster,
                                   const std::string& folder,
                                   const std::vector<FloorTable>& tables);

}  // namespace broadbill::bench
