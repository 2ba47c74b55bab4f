#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/invoicing_app.h"

namespace broadbill::invoicing {

absl::Status SaveLinks(db::Tx& tx, const std::vector<Draft>& drafts) {
  std::vector<LinkRow> links;
  std::vector<ChargeRow> fees;
  for (const Draft& draft : drafts) {
    if (!draft.document.has_value()) continue;
    const auto add = [&](LinkKind kind, const Uuid& other) {
      links.push_back(
          {draft.account_id, draft.document->document_id, static_cast<int16_t>(kind), other});
    };
    for (const Uuid& child : draft.children) add(LinkKind::kAccount, child);
    if (draft.twin.has_value()) add(LinkKind::kDocument, *draft.twin);
    fees.insert(fees.end(), draft.fees.begin(), draft.fees.end());
  }
  if (!links.empty()) RETURN_IF_ERROR(db::Copy(tx, links));
  if (fees.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const int64_t made, db::Insert(tx, fees, "ON CONFLICT DO NOTHING"));
  if (made == static_cast<int64_t>(fees.size())) return absl::OkStatus();
  return AbortedError("CHARGE_MOVED", "a fee was billed by another document meanwhile");
}

absl::StatusOr<Links> LoadLinks(db::Tx& tx, const Uuid& account_id, const Uuid& document_id) {
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<LinkRow>(tx, "WHERE account_id = $1 AND document_id = $2", account_id,
                                       document_id));
  Links out{{account_id}, {document_id}};
  for (const LinkRow& row : rows) {
    (row.kind == static_cast<int16_t>(LinkKind::kAccount) ? out.accounts : out.documents)
        .push_back(row.other_id);
  }
  return out;
}

}  // namespace broadbill::invoicing
