#include "broadbill/payments/v1/payment.pb.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/reporting/app/reporting_app.h"
#include "services/reporting/domain/books.h"
#include "services/reporting/store/reports.h"

namespace broadbill::reporting {
namespace {

namespace payments = broadbill::payments::v1;

// After every day there is.
constexpr CivilDay kForever(9999, 12, 31);

std::string KindName(int16_t kind) {
  if (kind == payments::Payment::KIND_UNSPECIFIED) return "CREDIT";
  return payments::Payment::Kind_Name(static_cast<payments::Payment::Kind>(kind));
}

void SetSum(const PaymentSum& sum, pb::PaymentsRow* out) {
  const auto money = [&](int64_t minor) { return convert::ToMoney(minor, sum.currency); };
  out->set_currency_code(sum.currency);
  out->set_payments(sum.payments);
  *out->mutable_received() = money(sum.received);
  out->set_declines(sum.declines);
  *out->mutable_declined() = money(sum.declined);
  *out->mutable_refunded() = money(sum.refunded);
  *out->mutable_returned() = money(sum.returned);
}

// Adds what differs between a ledger account and its subledger, by currency.
void SetControl(const std::map<std::string, int64_t>& differences,
                google::protobuf::RepeatedPtrField<google::type::Money>* to, bool& balanced) {
  for (const auto& [currency, difference] : differences) {
    *to->Add() = convert::ToMoney(difference, currency);
    balanced = balanced && difference == 0;
  }
}

}  // namespace

absl::StatusOr<pb::PaymentsReport> ReportingApp::Payments(
    const pb::GetPaymentsReportRequest& request) const {
  Violations violations;
  Days days;
  days.from = convert::ReadOptionalDate(request.from_date(), "from_date", violations);
  days.to = convert::ReadOptionalDate(request.to_date(), "to_date", violations);
  days.company = convert::ReadOptionalId("co", request.company_id(), "company_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin());
  ASSIGN_OR_RETURN(const auto sums, PaymentSums(tx, days, request.by_day()));
  pb::PaymentsReport out;
  std::map<std::string, PaymentSum> totals;
  for (const PaymentSum& sum : sums) {
    pb::PaymentsRow* row = out.add_rows();
    SetSum(sum, row);
    row->set_kind(KindName(sum.kind));
    if (sum.day) *row->mutable_day() = convert::ToProto(*sum.day);
    PaymentSum& total = totals[sum.currency];
    total.currency = sum.currency;
    total.payments += sum.payments;
    total.received += sum.received;
    total.declines += sum.declines;
    total.declined += sum.declined;
    total.refunded += sum.refunded;
    total.returned += sum.returned;
  }
  for (const auto& [currency, total] : totals) SetSum(total, out.add_totals());
  return out;
}

absl::StatusOr<pb::TrialBalance> ReportingApp::Trial(
    const pb::GetTrialBalanceRequest& request) const {
  Violations violations;
  const auto given = convert::ReadOptionalDate(request.as_of(), "as_of", violations);
  AsOf as_of;
  as_of.day = given.value_or(kForever);
  as_of.company = convert::ReadOptionalId("co", request.company_id(), "company_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(db::Tx tx, pool_->Begin(db::Isolation::kRepeatableRead));
  ASSIGN_OR_RETURN(const auto sums, LedgerSums(tx, as_of.day, as_of.company));
  ASSIGN_OR_RETURN(const auto items, OpenTotals(tx, as_of));
  ASSIGN_OR_RETURN(const auto balances, BalanceTotals(tx, as_of));
  pb::TrialBalance out;
  if (given) *out.mutable_as_of() = convert::ToProto(*given);
  std::map<std::string, int64_t> difference;
  std::map<std::string, int64_t> receivables;
  std::map<std::string, int64_t> credit;
  for (const LedgerSum& sum : sums) {
    const int64_t balance = sum.debits - sum.credits;
    difference[sum.currency] += balance;
    receivables[sum.currency] += sum.code == kReceivable ? balance : 0;
    credit[sum.currency] -= sum.code == kCustomerCredit ? balance : 0;
    pb::TrialBalanceRow* row = out.add_rows();
    row->set_code(sum.code);
    row->set_name(sum.name.empty() ? LedgerName(sum.code) : sum.name);
    row->set_currency_code(sum.currency);
    *row->mutable_debits() = convert::ToMoney(sum.debits, sum.currency);
    *row->mutable_credits() = convert::ToMoney(sum.credits, sum.currency);
    *row->mutable_balance() = convert::ToMoney(balance, sum.currency);
  }
  for (const OpenByDueDate& item : items) receivables[item.currency] -= item.open;
  for (const BalanceTotal& balance : balances) credit[balance.currency] -= balance.credit;
  bool balanced = true;
  SetControl(difference, out.mutable_difference(), balanced);
  SetControl(receivables, out.mutable_receivables_control(), balanced);
  SetControl(credit, out.mutable_credit_control(), balanced);
  out.set_balanced(balanced);
  return out;
}

absl::StatusOr<pb::PaymentsReport> ReportingApp::GetPaymentsReport(
    const rpc::Context&, const pb::GetPaymentsReportRequest& request) {
  return Payments(request);
}

absl::StatusOr<pb::TrialBalance> ReportingApp::GetTrialBalance(
    const rpc::Context&, const pb::GetTrialBalanceRequest& request) {
  return Trial(request);
}

}  // namespace broadbill::reporting
