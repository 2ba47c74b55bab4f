#include "services/payments/component.h"

#include "libs/feedrpc/feedrpc.h"
#include "libs/status/macros.h"
#include "services/payments/app/payments_app.h"
#include "services/payments/migrations.h"

namespace broadbill::payments {

absl::Status Register(rpc::Host& host) {
  ASSIGN_OR_RETURN(auto pool, db::OpenPool(host.DatabaseUrl("payments"), "payments", Migrations()));
  PaymentsApp* app =
      host.Own(std::make_unique<PaymentsApp>(pool, host.clock(), host.ChannelTo("accounts")));
  rpc::Service service("broadbill.payments.v1.Payments");
  service.Unary("CreatePayment", app, &PaymentsApp::CreatePayment)
      .Unary("GetPayment", app, &PaymentsApp::GetPayment)
      .Unary("ListPayments", app, &PaymentsApp::ListPayments)
      .Unary("RefundPayment", app, &PaymentsApp::RefundPayment)
      .Unary("ReturnPayment", app, &PaymentsApp::ReturnPayment)
      .Unary("ImportOpeningBalances", app, &PaymentsApp::ImportOpeningBalances)
      .Unary("CreatePaymentMethod", app, &PaymentsApp::CreatePaymentMethod)
      .Unary("ListPaymentMethods", app, &PaymentsApp::ListPaymentMethods)
      .Unary("SetAutopay", app, &PaymentsApp::SetAutopay)
      .Unary("ImportPaymentMethods", app, &PaymentsApp::ImportPaymentMethods)
      .Unary("ListAttempts", app, &PaymentsApp::ListAttempts)
      .Unary("RunCollections", app, &PaymentsApp::RunCollections)
      .Unary("CreateDunningPolicy", app, &PaymentsApp::CreateDunningPolicy)
      .Unary("ListDunningPolicies", app, &PaymentsApp::ListDunningPolicies)
      .Unary("CreateDispute", app, &PaymentsApp::CreateDispute)
      .Unary("EndDispute", app, &PaymentsApp::EndDispute)
      .Unary("ListDisputes", app, &PaymentsApp::ListDisputes)
      .Unary("GetAccountBalance", app, &PaymentsApp::GetAccountBalance)
      .Unary("ListOpenItems", app, &PaymentsApp::ListOpenItems)
      .Unary("ListTransfers", app, &PaymentsApp::ListTransfers)
      .Unary("VerifyLedger", app, &PaymentsApp::VerifyLedger);
  host.Add(std::move(service));
  feedrpc::Serve(host, "payments", pool);
  feedrpc::Follow(host, "payments", "accounts", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnAccountsEvents(tx, events);
                  });
  feedrpc::Follow(host, "payments", "invoicing", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnInvoicingEvents(tx, events);
                  });
  return absl::OkStatus();
}

}  // namespace broadbill::payments
