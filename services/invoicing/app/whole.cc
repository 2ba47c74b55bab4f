#include "services/invoicing/app/whole.h"

#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::invoicing {

absl::StatusOr<Whole> FindWhole(db::Tx& tx, const std::string& text) {
  Whole out;
  const auto id = Uuid::Parse("doc", text);
  Uuid document_id = id.ok() ? *id : Uuid();
  if (!id.ok()) {
    ASSIGN_OR_RETURN(const auto named, db::Select<PostingRow>(tx, "WHERE full_number = $1", text));
    if (!named.empty()) document_id = named.front().document_id;
  }
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<DocumentRow>(tx, "WHERE document_id = $1", document_id));
  if (rows.empty()) return NotFoundError("DOCUMENT_NOT_FOUND", "there is no document " + text);
  out.row = rows.front();
  ASSIGN_OR_RETURN(const auto postings,
                   db::Select<PostingRow>(tx, "WHERE document_id = $1", document_id));
  if (!postings.empty()) out.posting = postings.front();
  ASSIGN_OR_RETURN(const db::Result voids,
                   tx.Exec("SELECT 1 FROM voiding WHERE document_id = $1", document_id));
  out.is_void = !voids.empty();
  ASSIGN_OR_RETURN(out.lines, db::Select<LineRow>(tx,
                                                  "WHERE account_id = $1 AND document_id = $2 "
                                                  "ORDER BY position",
                                                  out.row.account_id, document_id));
  ASSIGN_OR_RETURN(out.taxes, db::Select<TaxRow>(tx,
                                                 "WHERE account_id = $1 AND document_id = $2 "
                                                 "ORDER BY position",
                                                 out.row.account_id, document_id));
  return out;
}

pb::Document WholeToProto(const Whole& whole) {
  return invoicing::ToProto(whole.row, whole.posting.has_value() ? &*whole.posting : nullptr,
                            whole.is_void, whole.lines, whole.taxes);
}

}  // namespace broadbill::invoicing
