#include "libs/convert/convert.h"
#include "libs/convert/import.h"
#include "libs/csv/reader.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"

namespace broadbill::payments {
namespace {

pb::PaymentMethod ToProto(const MethodRow& row) {
  pb::PaymentMethod out;
  out.set_payment_method_id(row.method_id.ToText("pme"));
  out.set_account_id(row.account_id.ToText("acc"));
  out.set_kind(static_cast<pb::PaymentMethod::Kind>(row.kind));
  out.set_processor(row.processor);
  out.set_token(row.token);
  out.set_label(row.label);
  out.set_state(static_cast<pb::PaymentMethod::State>(row.state));
  out.set_last_decline_code(row.last_decline);
  return out;
}

}  // namespace

absl::StatusOr<pb::PaymentMethod> PaymentsApp::CreatePaymentMethod(
    const rpc::Context& context, const pb::CreatePaymentMethodRequest& request) {
  const pb::PaymentMethod& in = request.payment_method();
  Violations violations;
  MethodRow row;
  row.account_id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  row.method_id = Uuid::Make(clock_.Now());
  row.kind = in.kind() == pb::PaymentMethod::KIND_UNSPECIFIED ? pb::PaymentMethod::CARD : in.kind();
  row.processor = in.processor().empty() ? "simulator" : in.processor();
  violations.Require(row.processor == "simulator", "payment_method.processor",
                     "must be 'simulator'");
  violations.Require(!in.token().empty(), "payment_method.token", "is required");
  // A token is the processor's word for a card; a card number never belongs here.
  const bool digits =
      in.token().size() >= 12 && in.token().find_first_not_of("0123456789 -") == std::string::npos;
  violations.Require(!digits, "payment_method.token", "looks like a card number; send a token");
  row.token = in.token();
  row.label = in.label();
  row.state = pb::PaymentMethod::ACTIVE;
  RETURN_IF_ERROR(violations.ToStatus());
  RETURN_IF_ERROR(CurrencyOf(row.account_id).status());  // a known account
  return convert::Write<pb::PaymentMethod>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::PaymentMethod> {
        RETURN_IF_ERROR(db::InsertOne(tx, row).status());
        return ToProto(row);
      });
}

absl::StatusOr<pb::ListPaymentMethodsResponse> PaymentsApp::ListPaymentMethods(
    const rpc::Context&, const pb::ListPaymentMethodsRequest& request) {
  Violations violations;
  const Uuid account = convert::ReadId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<MethodRow>(tx, "WHERE account_id = $1 ORDER BY method_id", account));
  pb::ListPaymentMethodsResponse response;
  for (const MethodRow& row : rows) *response.add_payment_methods() = ToProto(row);
  return response;
}

absl::StatusOr<pb::Autopay> PaymentsApp::SetAutopay(const rpc::Context& context,
                                                    const pb::SetAutopayRequest& request) {
  const pb::Autopay& in = request.autopay();
  Violations violations;
  AutopayRow row;
  row.account_id = convert::ReadId("acc", request.account_id(), "account_id", violations);
  row.enabled = in.enabled();
  row.method_id =
      convert::ReadId("pme", in.payment_method_id(), "autopay.payment_method_id", violations);
  row.day = in.day() == pb::Autopay::DAY_UNSPECIFIED ? pb::Autopay::INVOICE_DATE : in.day();
  row.offset_days = in.offset_days();
  row.amount = in.amount() == pb::Autopay::AMOUNT_UNSPECIFIED ? pb::Autopay::BALANCE : in.amount();
  RETURN_IF_ERROR(violations.ToStatus());
  return convert::Write<pb::Autopay>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<pb::Autopay> {
        ASSIGN_OR_RETURN(const db::Result known,
                         tx.Exec("SELECT 1 FROM payment_method WHERE account_id = $1 AND "
                                 "method_id = $2 AND state = 1",
                                 row.account_id, row.method_id));
        if (known.empty()) {
          return InvalidField("autopay.payment_method_id", "the account has no such active method");
        }
        RETURN_IF_ERROR(db::InsertOne(tx, row,
                                      "ON CONFLICT (account_id) DO UPDATE SET enabled = "
                                      "excluded.enabled, method_id = excluded.method_id, day = "
                                      "excluded.day, offset_days = excluded.offset_days, "
                                      "amount = excluded.amount")
                            .status());
        pb::Autopay out = in;
        out.set_account_id(request.account_id());
        return out;
      });
}

// account_number,token,[label,kind,autopay_day,offset_days]: a method with autopay switched on.
absl::StatusOr<ImportResult> PaymentsApp::ImportPaymentMethods(
    const rpc::Context& context, const pb::ImportPaymentMethodsRequest& request) {
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<ImportResult> {
        ImportResult result;
        if (!request.validate_only()) {
          result.set_import_id(Uuid::Make(clock_.Now()).ToText("imp"));
        }
        csv::Reader reader(request.content());
        csv::Row row;
        ASSIGN_OR_RETURN(const csv::Header header,
                         csv::Header::Read(reader, {"account_number", "token"},
                                           {"label", "kind", "autopay_day", "offset_days"}));
        ASSIGN_OR_RETURN(const db::Result customers,
                         tx.Exec("SELECT account_number, account_id FROM customer"));
        std::map<std::string, Uuid> by_number;
        for (int i = 0; i < customers.size(); ++i) {
          by_number[customers.Get<std::string>(i, 0)] = customers.Get<Uuid>(i, 1);
        }
        std::vector<csv::RowError> errors;
        std::vector<MethodRow> methods;
        std::vector<AutopayRow> autopays;
        while (reader.Next(row)) {
          result.set_rows_read(result.rows_read() + 1);
          if (auto wrong = header.Check(row); wrong.has_value()) {
            errors.push_back(*std::move(wrong));
            continue;
          }
          const auto customer = by_number.find(header.Get(row, "account_number"));
          if (customer == by_number.end()) {
            errors.push_back({row.line, "account_number", header.Get(row, "account_number"),
                              "UNKNOWN_REFERENCE", "there is no such account"});
            continue;
          }
          if (header.Get(row, "token").empty()) {
            errors.push_back({row.line, "token", "", "INVALID_VALUE", "must not be empty"});
            continue;
          }
          MethodRow method{customer->second,
                           Uuid::Make(clock_.Now()),
                           header.Get(row, "kind") == "bank_debit" ? pb::PaymentMethod::BANK_DEBIT
                                                                   : pb::PaymentMethod::CARD,
                           "simulator",
                           header.Get(row, "token"),
                           header.Get(row, "label"),
                           pb::PaymentMethod::ACTIVE,
                           ""};
          AutopayRow autopay;
          autopay.account_id = customer->second;
          autopay.enabled = true;
          autopay.method_id = method.method_id;
          autopay.day = header.Get(row, "autopay_day") == "due_date" ? pb::Autopay::DUE_DATE
                                                                     : pb::Autopay::INVOICE_DATE;
          autopay.amount = pb::Autopay::BALANCE;
          methods.push_back(std::move(method));
          autopays.push_back(autopay);
        }
        convert::SetErrors(errors, result);
        if (!errors.empty()) return result;  // nothing was written
        RETURN_IF_ERROR(db::Copy(tx, methods));
        RETURN_IF_ERROR(db::Insert(tx, autopays,
                                   "ON CONFLICT (account_id) DO UPDATE SET enabled = true, "
                                   "method_id = excluded.method_id, day = excluded.day")
                            .status());
        result.set_rows_applied(static_cast<int64_t>(methods.size()));
        return result;
      });
}

absl::StatusOr<pb::ListAttemptsResponse> PaymentsApp::ListAttempts(
    const rpc::Context&, const pb::ListAttemptsRequest& request) {
  Violations violations;
  const auto account =
      convert::ReadOptionalId("acc", request.account_id(), "account_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  const std::vector<int32_t> states(request.states().begin(), request.states().end());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto rows,
                   db::Select<AttemptRow>(tx,
                                          "WHERE ($1::uuid IS NULL OR account_id = $1) AND "
                                          "(cardinality($2) = 0 OR state = ANY($2)) "
                                          "ORDER BY attempt_id LIMIT 1000",
                                          account, states));
  pb::ListAttemptsResponse response;
  for (const AttemptRow& row : rows) {
    pb::Attempt* out = response.add_attempts();
    out->set_attempt_id(row.attempt_id.ToText("att"));
    out->set_account_id(row.account_id.ToText("acc"));
    out->set_payment_method_id(row.method_id.ToText("pme"));
    *out->mutable_amount() = convert::ToMoney(row.amount, row.currency);
    out->set_number(row.number);
    out->set_state(static_cast<pb::Attempt::State>(row.state));
    out->set_decline_code(row.decline_code);
    out->set_hard_decline(row.hard);
    *out->mutable_scheduled_date() = convert::ToProto(row.scheduled);
    if (row.next_retry) *out->mutable_next_retry_date() = convert::ToProto(*row.next_retry);
    *out->mutable_created_at() = convert::ToProto(row.created_at);
  }
  return response;
}

}  // namespace broadbill::payments
