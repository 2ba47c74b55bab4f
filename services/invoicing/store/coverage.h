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
  Uuid account_id = {};
  bool sound = true;  // false: the pieces are not the days that the row counts
};

struct CoverageUpdate {
  Uuid account_id, item_id;
  int64_t version = 0;  // as read
  std::vector<Piece> pieces;
  std::vector<Piece> replaced;  // of the state read: gone or changed; a void brings them back
};

using CoverageMap = std::map<Uuid, Coverage>;  // by item

absl::StatusOr<CoverageMap> LoadCoverage(db::Tx& tx, const std::vector<Uuid>& account_ids);
// All or none: ABORTED (COVERAGE_MOVED) when another transaction changed one of the rows meanwhile,
// FAILED_PRECONDITION when days would be covered twice.
absl::Status SaveCoverage(db::Tx& tx, const std::vector<CoverageUpdate>& updates);

// Remembers what drafts replace, so that voiding it can bring that back. Most drafts only add
// days and need no row.
struct Replacing {
  Uuid document_id;
  const std::vector<CoverageUpdate>* updates;
};
absl::Status SaveReplaced(db::Tx& tx, const std::vector<Replacing>& drafts);
// The updates that take back the coverage of a draft, and of the one made together with it, of
// items of these accounts. FAILED_PRECONDITION (DRAFT_SUPERSEDED) when a later document changed an
// item on top of what these replaced.
absl::StatusOr<std::vector<CoverageUpdate>> TakeBack(db::Tx& tx, const std::vector<Uuid>& accounts,
                                                     const std::vector<Uuid>& documents);

std::string EncodePieces(const std::vector<Piece>& pieces);
std::vector<Piece> DecodePieces(std::string_view bytes);

}  // namespace broadbill::invoicing
