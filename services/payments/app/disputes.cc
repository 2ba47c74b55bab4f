#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {
namespace {

pb::Dispute ToProto(const DisputeRow& row, const std::string& currency) {
  pb::Dispute out;
  out.set_dispute_id(row.dispute_id.ToText("dsp"));
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_document_id(row.document_id.ToText("doc"));
  *out.mutable_amount() = convert::ToMoney(row.amount, currency);
  *out.mutable_from_date() = convert::ToProto(row.from_date);
  if (row.end_date) *out.mutable_end_date() = convert::ToProto(*row.end_date);
  out.set_reason(row.reason);
  return out;
}

absl::StatusOr<ItemRow> FindItem(db::Tx& tx, const Uuid& account, const Uuid& document) {
  ASSIGN_OR_RETURN(
      const auto rows,
      db::Select<ItemRow>(tx, "WHERE account_id = $1 AND document_id = $2", account, document));
  if (!rows.empty()) return rows.front();
  return NotFoundError("DOCUMENT_NOT_FOUND", "the account has no such posted invoice");
}

}  // namespace

absl::StatusOr<pb::Dispute> PaymentsApp::CreateDispute(const rpc::Context& context,
                                                       const pb::CreateDisputeRequest& request) {
  const pb::Dispute& in = request.dispute();
  Violations violations;
  DisputeRow row;
  row.account_id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  row.dispute_id = Uuid::Make(clock_.Now());
  row.document_id = convert::ReadId("doc", in.document_id(), "dispute.document_id", violations);
  row.from_date =
      convert::ReadOptionalDate(in.from_date(), "dispute.from_date", violations).value_or(Today());
  row.reason = in.reason();
  violations.Require(!in.reason().empty() && in.reason().size() <= 200, "dispute.reason",
                     "is required, at most 200 characters");
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Dispute>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Dispute> {
        ASSIGN_OR_RETURN(const ItemRow item, FindItem(tx, row.account_id, row.document_id));
        Violations amount;
        row.amount = in.has_amount()
                         ? convert::ReadMoney(in.amount(), item.currency, "dispute.amount", amount)
                         : item.total;
        if (amount.empty()) {
          amount.Require(row.amount > 0 && row.amount <= item.total, "dispute.amount",
                         "must be more than 0 and at most the document's total");
        }
        RETURN_IF_ERROR(amount.ToStatus());
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        return ToProto(row, item.currency);
      });
}

absl::StatusOr<pb::Dispute> PaymentsApp::EndDispute(const rpc::Context& context,
                                                    const pb::EndDisputeRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const Uuid id = convert::ReadId("dsp", request.dispute_id(), "dispute_id", violations);
  const CivilDay end =
      convert::ReadOptionalDate(request.end_date(), "end_date", violations).value_or(Today());
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Dispute>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Dispute> {
        ASSIGN_OR_RETURN(auto rows, db::Select<DisputeRow>(
                                        tx, "WHERE account_id = $1 AND dispute_id = $2 FOR UPDATE",
                                        account, id));
        if (rows.empty()) return NotFoundError("DISPUTE_NOT_FOUND", "there is no such dispute");
        DisputeRow& row = rows.front();
        if (row.end_date.has_value()) {
          return FailedPreconditionError("DISPUTE_ENDED", "the dispute has ended");
        }
        if (end < row.from_date) {
          return InvalidField("end_date", "must not be before the dispute's first day");
        }
        row.end_date = end;
        RETURN_IF_ERROR(tx.Exec("UPDATE dispute SET end_date = $3 WHERE account_id = $1 AND "
                                "dispute_id = $2",
                                account, id, end)
                            .status());
        ASSIGN_OR_RETURN(const ItemRow item, FindItem(tx, account, row.document_id));
        return ToProto(row, item.currency);
      });
}

absl::StatusOr<pb::ListDisputesResponse> PaymentsApp::ListDisputes(
    const rpc::Context&, const pb::ListDisputesRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const int32_t size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const std::string token, convert::ReadPageToken(request.page_token()));
  Uuid after;
  if (!token.empty()) {
    ASSIGN_OR_RETURN(after, Uuid::FromHex(token));
  }
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(auto rows, db::Select<DisputeRow>(tx,
                                                     "WHERE account_id = $1 AND dispute_id > $2 "
                                                     "ORDER BY dispute_id LIMIT $3",
                                                     account, after, int64_t{size} + 1));
  pb::ListDisputesResponse response;
  if (rows.size() > static_cast<size_t>(size)) {
    rows.resize(static_cast<size_t>(size));
    response.set_next_page_token(convert::MakePageToken(rows.back().dispute_id.ToHex()));
  }
  for (const DisputeRow& row : rows) {
    ASSIGN_OR_RETURN(const ItemRow item, FindItem(tx, account, row.document_id));
    *response.add_disputes() = ToProto(row, item.currency);
  }
  return response;
}

}  // namespace broadbill::payments
