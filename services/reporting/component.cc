#include "services/reporting/component.h"

#include "libs/feedrpc/feedrpc.h"
#include "libs/status/macros.h"
#include "services/reporting/app/reporting_app.h"
#include "services/reporting/migrations.h"

namespace broadbill::reporting {

absl::Status Register(rpc::Host& host) {
  ASSIGN_OR_RETURN(auto pool,
                   db::OpenPool(host.DatabaseUrl("reporting"), "reporting", Migrations()));
  ReportingApp::Sources sources;
  for (const char* source : {"accounts", "invoicing", "payments"}) {
    sources[source] = host.ChannelTo(source);
  }
  ReportingApp* app =
      host.Own(std::make_unique<ReportingApp>(pool, host.clock(), std::move(sources)));
  rpc::Service service("broadbill.reporting.v1.Reporting");
  service.Unary("GetArAging", app, &ReportingApp::GetArAging)
      .Unary("ListPostedInvoices", app, &ReportingApp::ListPostedInvoices)
      .Unary("ListUnpostedInvoices", app, &ReportingApp::ListUnpostedInvoices)
      .Unary("GetTaxReport", app, &ReportingApp::GetTaxReport)
      .Unary("GetPaymentsReport", app, &ReportingApp::GetPaymentsReport)
      .Unary("GetAccountBalances", app, &ReportingApp::GetAccountBalances)
      .Unary("GetTrialBalance", app, &ReportingApp::GetTrialBalance)
      .Unary("GetStatus", app, &ReportingApp::GetStatus)
      .Unary("ExportReport", app, &ReportingApp::ExportReport);
  host.Add(std::move(service));
  feedrpc::Follow(host, "reporting", "accounts", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnAccountsEvents(tx, events);
                  });
  feedrpc::Follow(host, "reporting", "invoicing", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnInvoicingEvents(tx, events);
                  });
  feedrpc::Follow(host, "reporting", "payments", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnPaymentsEvents(tx, events);
                  });
  return absl::OkStatus();
}

}  // namespace broadbill::reporting
