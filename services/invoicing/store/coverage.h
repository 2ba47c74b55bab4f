#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libs/db/pool.h"
#include "services/invoicing/domain/bill.h"
#include "services/invoicing/store/piece_codec.h"

namespace broadbill::invoicing {

struct CoverageUpdate {
  Uuid account_id, item_id;
  int64_t version = 0;          // as read
  std::vector<Piece> pieces;    // all, or those behind `head`
  std::vector<Piece> replaced;  // of the state read: gone or changed; a void brings them back
  Settled settled = {};
  Head head = {};       // settled pieces that stay as they are
  DateSet before = {};  // their days
};

// The stored state of an item. Its pieces are decoded when they are asked for.
class Coverage {
 public:
  Coverage() = default;
  Coverage(Uuid account_id, int64_t version, DateSet covered, std::string bytes)
      : account_id_(account_id),
        version_(version),
        covered_(std::move(covered)),
        bytes_(std::move(bytes)) {}
  // The state that an update would leave.
  explicit Coverage(const CoverageUpdate& update);

  const Uuid& account_id() const { return account_id_; }
  int64_t version() const { return version_; }  // 0: no row yet
  const DateSet& covered() const { return covered_; }
  Settled settled() const { return SettledOf(bytes_); }
  std::vector<Piece> Pieces() const { return DecodePieces(bytes_); }
  // From the settled day on.
  Encoded Tail() const { return DecodeTail(bytes_); }
  // Whether these, read from here, are the days that the row counts. Billed by pieces that are not,
  // or read as nothing covered what another version wrote, days would be charged or given back
  // twice.
  bool AgreesWith(const Encoded& read) const;

 private:
  Uuid account_id_;
  int64_t version_ = 0;
  DateSet covered_;
  std::string bytes_;
};

using CoverageMap = std::map<Uuid, Coverage>;  // by item

absl::StatusOr<CoverageMap> LoadCoverage(db::Tx& tx, const std::vector<Uuid>& account_ids);
// All or none: ABORTED (COVERAGE_MOVED) when another transaction changed one of the rows meanwhile,
// FAILED_PRECONDITION when days would be covered twice.
absl::Status SaveCoverage(db::Tx& tx, const std::vector<const CoverageUpdate*>& updates);

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

}  // namespace broadbill::invoicing
