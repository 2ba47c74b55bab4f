#include "services/invoicing/store/coverage.h"

#include <algorithm>

#include "libs/db/codec.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/store/rows.h"

namespace broadbill::invoicing {

Coverage::Coverage(const CoverageUpdate& update)
    : account_id_(update.account_id),
      version_(update.version + 1),
      covered_(update.before),
      bytes_(EncodePieces(update.pieces, update.settled, update.head)) {
  for (const Piece& piece : update.pieces) covered_.Add(piece.days);
}

bool Coverage::AgreesWith(const Encoded& read) const {
  if (!bytes_.empty() && !IsReadable(bytes_)) return false;
  const CivilDay from = read.head.days > 0 ? read.settled.through : CivilDay::min();
  int64_t days = read.head.days;
  CivilDay end = from;
  for (const Piece& piece : read.pieces) {
    days += piece.days.days();
    if (piece.days.start < end) return false;
    end = piece.days.end;
  }
  if (days != covered_.days()) return false;
  return read.head.days == 0 ||
         read.head.days == covered_.Intersect({CivilDay::min(), from}).days();
}

absl::StatusOr<CoverageMap> LoadCoverage(db::Tx& tx, const std::vector<Uuid>& account_ids) {
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT item_id, version, pieces, account_id, covered FROM "
                           "item_coverage WHERE account_id = ANY($1)",
                           account_ids));
  CoverageMap out;
  for (int i = 0; i < rows.size(); ++i) {
    out.insert_or_assign(rows.Get<Uuid>(i, 0),
                         Coverage(rows.Get<Uuid>(i, 3), rows.Get<int64_t>(i, 1),
                                  rows.Get<DateSet>(i, 4), std::string(rows.Raw(i, 2))));
  }
  return out;
}

namespace {

struct CoverageRow {
  Uuid account_id;
  Uuid item_id;
  DateSet covered;
  int64_t covered_days = 0;
  int64_t version = 0;
  db::Bytes pieces;
  static constexpr char kTable[] = "item_coverage";
  static constexpr auto Columns() {
    using R = CoverageRow;
    return std::make_tuple(db::Col("account_id", &R::account_id), db::Col("item_id", &R::item_id),
                           db::Col("covered", &R::covered),
                           db::Col("covered_days", &R::covered_days),
                           db::Col("version", &R::version), db::Col("pieces", &R::pieces));
  }
};

CoverageRow ToRow(const CoverageUpdate& update) {
  CoverageRow row;
  row.account_id = update.account_id;
  row.item_id = update.item_id;
  row.covered = update.before;
  row.covered_days = update.before.days();
  // Counted piece by piece: overlapping pieces make the sum differ from the set's days.
  for (const Piece& piece : update.pieces) {
    row.covered.Add(piece.days);
    row.covered_days += piece.days.days();
  }
  row.version = update.version + 1;
  row.pieces.data = EncodePieces(update.pieces, update.settled, update.head);
  return row;
}

absl::Status Moved() {
  return AbortedError("COVERAGE_MOVED", "an item was billed by another transaction meanwhile");
}

// Rows that are there change in place; each must still have the version that was read.
absl::Status Change(db::Tx& tx, std::vector<CoverageRow> rows) {
  if (rows.empty()) return absl::OkStatus();
  std::vector<Uuid> accounts, items;
  std::vector<DateSet> sets;
  std::vector<int64_t> days, versions;
  std::vector<db::Bytes> pieces;
  for (CoverageRow& row : rows) {
    accounts.push_back(row.account_id);
    items.push_back(row.item_id);
    sets.push_back(std::move(row.covered));
    days.push_back(row.covered_days);
    versions.push_back(row.version);
    pieces.push_back(std::move(row.pieces));
  }
  ASSIGN_OR_RETURN(
      const db::Result saved,
      tx.Exec("UPDATE item_coverage c SET covered = u.s, covered_days = u.d, version = u.v, "
              "pieces = u.p FROM unnest($1, $2, $3, $4, $5, $6) AS u(a, i, s, d, v, p) "
              "WHERE c.account_id = u.a AND c.item_id = u.i AND c.version = u.v - 1",
              accounts, items, sets, days, versions, pieces));
  return saved.affected() == static_cast<int64_t>(rows.size()) ? absl::OkStatus() : Moved();
}

}  // namespace

absl::Status SaveCoverage(db::Tx& tx, const std::vector<const CoverageUpdate*>& updates) {
  std::vector<CoverageRow> changed;
  db::CopyBuffer<CoverageRow> fresh;
  for (const CoverageUpdate* update : updates) {
    CoverageRow row = ToRow(*update);
    if (update->version == 0) {
      fresh.Add(row);
    } else {
      changed.push_back(std::move(row));
    }
  }
  RETURN_IF_ERROR(Change(tx, std::move(changed)));
  const absl::Status copied = fresh.Send(tx);
  return copied.code() == absl::StatusCode::kAlreadyExists ? Moved() : copied;
}

absl::Status SaveReplaced(db::Tx& tx, const std::vector<Replacing>& drafts) {
  std::vector<ReplacedRow> rows;
  for (const Replacing& draft : drafts) {
    for (const CoverageUpdate& update : *draft.updates) {
      if (update.replaced.empty()) continue;
      rows.push_back({update.account_id, draft.document_id, update.item_id, update.version + 1,
                      db::Bytes{EncodePieces(update.replaced)}});
    }
  }
  return db::Copy(tx, rows);
}

absl::StatusOr<std::vector<CoverageUpdate>> TakeBack(db::Tx& tx, const std::vector<Uuid>& accounts,
                                                     const std::vector<Uuid>& documents) {
  ASSIGN_OR_RETURN(const CoverageMap coverage, LoadCoverage(tx, accounts));
  ASSIGN_OR_RETURN(const auto rows, db::Select<ReplacedRow>(
                                        tx, "WHERE account_id = ANY($1) AND document_id = ANY($2)",
                                        accounts, documents));
  const auto made = [&](const Piece& piece) {
    return std::find(documents.begin(), documents.end(), piece.document_id) != documents.end();
  };
  std::map<Uuid, const ReplacedRow*> replaced;
  for (const ReplacedRow& row : rows) replaced[row.item_id] = &row;
  std::vector<CoverageUpdate> out;
  for (const auto& [item, state] : coverage) {
    const auto found = replaced.find(item);
    const bool superseded = found != replaced.end() && found->second->version != state.version();
    if (superseded) {
      return FailedPreconditionError("DRAFT_SUPERSEDED",
                                     "a later document changed the same item; void that one first");
    }
    CoverageUpdate update{state.account_id(), item, state.version(), {}, {}};
    const std::vector<Piece> pieces = state.Pieces();
    if (found != replaced.end()) update.pieces = DecodePieces(found->second->pieces.data);
    const DateSet back = CoveredDays(update.pieces);
    for (const Piece& piece : pieces) {
      // Left of a replaced piece, or charged by the draft: not there before it.
      const bool before = !made(piece) && back.Intersect(piece.days).empty();
      if (before) update.pieces.push_back(piece);
    }
    std::stable_sort(update.pieces.begin(), update.pieces.end(),
                     [](const Piece& a, const Piece& b) { return a.days.start < b.days.start; });
    if (found != replaced.end() || update.pieces.size() != pieces.size()) {
      out.push_back(std::move(update));
    }
  }
  return out;
}

}  // namespace broadbill::invoicing
