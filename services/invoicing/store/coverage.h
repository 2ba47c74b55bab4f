#pragma once

#include <map>
#include <vector>

#include "libs/db/pool.h"
#include "services/invoicing/domain/bill.h"

namespace broadbill::invoicing {

// The stored state of an item.
struct Coverage {
  int64_t version = 0;  // 0: no row yet
  std::vector<Piece> pieces;
};

struct CoverageUpdate {
  Uuid account_id, item_id;
  int64_t version = 0;  // as read
  std::vector<Piece> pieces;
};

using CoverageMap = std::map<Uuid, Coverage>;  // by item

absl::StatusOr<CoverageMap> LoadCoverage(db::Tx& tx, const std::vector<Uuid>& account_ids);
// All or none: ABORTED (COVERAGE_MOVED) when another transaction changed one of the rows meanwhile,
// FAILED_PRECONDITION when days would be covered twice.
absl::Status SaveCoverage(db::Tx& tx, const std::vector<CoverageUpdate>& updates);

std::string EncodePieces(const std::vector<Piece>& pieces);
std::vector<Piece> DecodePieces(std::string_view bytes);

}  // namespace broadbill::invoicing
