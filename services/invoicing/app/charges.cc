#include "broadbill/payments/v1/events.pb.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/invoicing_app.h"

namespace broadbill::invoicing {
namespace {

namespace payments = broadbill::payments::v1;

pb::PendingCharge ToProto(const ChargeRow& row) {
  pb::PendingCharge out;
  out.set_charge_id(row.charge_id.ToText("chg"));
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_source(row.source);
  out.set_source_id(row.source_id);
  out.set_kind(static_cast<pb::Line::Kind>(row.kind));
  if (row.item_id) out.set_item_id(row.item_id->ToText("sub"));
  if (row.location_id) out.set_location_id(row.location_id->ToText("loc"));
  out.set_description(row.description);
  *out.mutable_quantity() = convert::ToProto(row.quantity);
  *out.mutable_unit_price() = convert::ToProto(row.unit_price);
  out.set_tax_class(row.tax_class);
  out.set_account_code(row.account_code);
  *out.mutable_due_date() = convert::ToProto(row.due_date);
  out.set_bill_alone(row.bill_alone);
  out.set_state(static_cast<pb::PendingCharge::State>(row.state));
  if (row.document_id) out.set_document_id(row.document_id->ToText("doc"));
  *out.mutable_created_at() = convert::ToProto(row.created_at);
  return out;
}

}  // namespace

absl::StatusOr<pb::PendingCharge> InvoicingApp::CreatePendingCharge(
    const rpc::Context& context, const pb::CreatePendingChargeRequest& request) {
  const pb::PendingCharge& in = request.charge();
  Violations violations;
  ChargeRow row;
  row.account_id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  row.charge_id = Uuid::Make(clock_.Now());
  row.source = in.source().empty() ? "manual" : in.source();
  row.source_id = in.source_id().empty() ? row.charge_id.ToText("chg") : in.source_id();
  row.kind = static_cast<int16_t>(in.kind() == pb::Line::KIND_UNSPECIFIED ? pb::Line::ONE_TIME
                                                                          : in.kind());
  row.item_id = convert::ReadOptionalId("sub", in.item_id(), "charge.item_id", violations);
  row.location_id =
      convert::ReadOptionalId("loc", in.location_id(), "charge.location_id", violations);
  row.description = in.description();
  violations.Require(!in.description().empty(), "charge.description", "is required");
  violations.Require(!in.account_code().empty(), "charge.account_code", "is required");
  row.quantity = in.has_quantity()
                     ? convert::ReadDecimal(in.quantity(), "charge.quantity", violations)
                     : Decimal::FromInt(1);
  row.unit_price = convert::ReadDecimal(in.unit_price(), "charge.unit_price", violations);
  row.tax_class = in.tax_class().empty() ? "other" : in.tax_class();
  row.account_code = in.account_code();
  row.due_date = convert::ReadOptionalDate(in.due_date(), "charge.due_date", violations)
                     .value_or(DateIn(clock_.Now(), absl::UTCTimeZone()));
  row.bill_alone = in.bill_alone();
  row.state = pb::PendingCharge::PENDING;
  row.created_at = clock_.Now();
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::PendingCharge>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::PendingCharge> {
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        return ToProto(row);
      });
}

absl::StatusOr<pb::ListPendingChargesResponse> InvoicingApp::ListPendingCharges(
    const rpc::Context&, const pb::ListPendingChargesRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  const std::vector<int16_t> states(request.states().begin(), request.states().end());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows, db::Select<ChargeRow>(
                                        tx,
                                        "WHERE account_id = $1 AND (cardinality($2) = 0 OR state = "
                                        "ANY($2)) ORDER BY charge_id LIMIT 1000",
                                        account, states));
  pb::ListPendingChargesResponse response;
  for (const ChargeRow& row : rows) *response.add_charges() = ToProto(row);
  return response;
}

absl::StatusOr<pb::PendingCharge> InvoicingApp::CancelPendingCharge(
    const rpc::Context& context, const pb::CancelPendingChargeRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  const Uuid charge = convert::ReadId("chg", request.charge_id(), "charge_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::PendingCharge>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::PendingCharge> {
        ASSIGN_OR_RETURN(auto rows, db::Select<ChargeRow>(
                                        tx, "WHERE account_id = $1 AND charge_id = $2 FOR UPDATE",
                                        account, charge));
        if (rows.empty()) return NotFoundError("CHARGE_NOT_FOUND", "there is no such charge");
        if (rows.front().state != pb::PendingCharge::PENDING) {
          return FailedPreconditionError("CHARGE_STATE", "only a pending charge can be cancelled");
        }
        rows.front().state = pb::PendingCharge::CANCELLED;
        RETURN_IF_ERROR(tx.Exec("UPDATE pending_charge SET state = 3 WHERE account_id = $1 AND "
                                "charge_id = $2",
                                account, charge)
                            .status());
        return ToProto(rows.front());
      });
}

absl::Status InvoicingApp::OnPaymentsEvents(db::Tx& tx, const std::vector<feed::Event>& events) {
  std::vector<ChargeRow> rows;
  for (const feed::Event& event : events) {
    payments::Event message;
    if (!message.ParseFromString(event.body) || !message.has_late_fee_assessed()) continue;
    const auto& fee = message.late_fee_assessed();
    ASSIGN_OR_RETURN(const int exponent, CurrencyExponent(fee.currency_code()));
    ASSIGN_OR_RETURN(const Decimal price,
                     Decimal::Parse(FormatMinor(fee.amount_minor(), exponent)));
    ChargeRow row;
    row.account_id = event.account_id;
    row.charge_id = Uuid::Make(clock_.Now());
    row.source = kLateFeeSource;
    row.source_id = fee.source_id();
    row.kind = pb::Line::LATE_FEE;
    row.description = fee.description().empty() ? "Late fee on " + fee.number() : fee.description();
    row.quantity = Decimal::FromInt(1);
    row.unit_price = price;
    row.tax_class = fee.tax_class().empty() ? "late_fee" : fee.tax_class();
    row.account_code = fee.account_code().empty() ? "4900" : fee.account_code();
    row.due_date = CivilDay(fee.fee_date().year(), fee.fee_date().month(), fee.fee_date().day());
    row.bill_alone = fee.bill_alone();
    row.state = pb::PendingCharge::PENDING;
    row.created_at = clock_.Now();
    rows.push_back(std::move(row));
  }
  return db::CopyNew(tx, rows).status();
}

}  // namespace broadbill::invoicing
