#include "services/invoicing/component.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "libs/feedrpc/feedrpc.h"
#include "libs/status/macros.h"
#include "services/invoicing/app/invoicing_app.h"
#include "services/invoicing/migrations.h"

namespace broadbill::invoicing {

namespace {

// Threads that draft and post. One more than the cores: some wait for the database.
int Workers(const rpc::Host& host) {
  const int given = std::atoi(host.Setting("bill-workers").c_str());
  if (given > 0) return given;
  return static_cast<int>(std::max(2U, std::thread::hardware_concurrency() + 1));
}

}  // namespace

absl::Status Register(rpc::Host& host) {
  ASSIGN_OR_RETURN(auto pool,
                   db::OpenPool(host.DatabaseUrl("invoicing"), "invoicing", Migrations()));
  InvoicingApp* app = host.Own(std::make_unique<InvoicingApp>(
      pool, host.clock(),
      Assembler::Peers{host.ChannelTo("accounts"), host.ChannelTo("rating"), host.ChannelTo("tax"),
                       &host.metrics(), host.ChannelTo("payments")}));
  if (host.options().owns_database) RETURN_IF_ERROR(app->TakeBackChunks());
  rpc::Service service("broadbill.invoicing.v1.Invoicing");
  service.Unary("CreateBillRun", app, &InvoicingApp::CreateBillRun)
      .Unary("GetBillRun", app, &InvoicingApp::GetBillRun)
      .Unary("ListBillRuns", app, &InvoicingApp::ListBillRuns)
      .Stream("WatchBillRun", app, &InvoicingApp::WatchBillRun)
      .Unary("PostBillRun", app, &InvoicingApp::PostBillRun)
      .Unary("PauseBillRun", app, &InvoicingApp::PauseBillRun)
      .Unary("ResumeBillRun", app, &InvoicingApp::ResumeBillRun)
      .Unary("CancelBillRun", app, &InvoicingApp::CancelBillRun)
      .Unary("ListRunExceptions", app, &InvoicingApp::ListRunExceptions)
      .Unary("RetryRunExceptions", app, &InvoicingApp::RetryRunExceptions)
      .Unary("GetDocument", app, &InvoicingApp::GetDocument)
      .Unary("ListDocuments", app, &InvoicingApp::ListDocuments)
      .Unary("ListLines", app, &InvoicingApp::ListLines)
      .Unary("ExplainLine", app, &InvoicingApp::ExplainLine)
      .Unary("RenderDocument", app, &InvoicingApp::RenderDocument)
      .Unary("PreviewAccount", app, &InvoicingApp::PreviewAccount)
      .Unary("PostDocument", app, &InvoicingApp::PostDocument)
      .Unary("VoidDocument", app, &InvoicingApp::VoidDocument)
      .Unary("CreateCreditNote", app, &InvoicingApp::CreateCreditNote)
      .Unary("ListCoverage", app, &InvoicingApp::ListCoverage)
      .Unary("CreatePendingCharge", app, &InvoicingApp::CreatePendingCharge)
      .Unary("ListPendingCharges", app, &InvoicingApp::ListPendingCharges)
      .Unary("CancelPendingCharge", app, &InvoicingApp::CancelPendingCharge)
      .Unary("ApplyDeposit", app, &InvoicingApp::ApplyDeposit)
      .Unary("CreateBillSchedule", app, &InvoicingApp::CreateBillSchedule)
      .Unary("ListBillSchedules", app, &InvoicingApp::ListBillSchedules)
      .Unary("UpdateBillSchedule", app, &InvoicingApp::UpdateBillSchedule)
      .Unary("DeleteBillSchedule", app, &InvoicingApp::DeleteBillSchedule);
  host.Add(std::move(service));
  feedrpc::Serve(host, "invoicing", pool);
  feedrpc::Follow(host, "invoicing", "payments", pool,
                  [app](db::Tx& tx, const std::vector<feed::Event>& events) {
                    return app->OnPaymentsEvents(tx, events);
                  });
  host.AddBackground("bill leases",
                     [app](rpc::Background& background) { app->KeepLeases(background); });
  host.AddBackground("bill schedules",
                     [app](rpc::Background& background) { app->KeepSchedules(background); });
  const int workers = Workers(host);
  for (int i = 0; i < workers; ++i) {
    host.AddBackground("bill worker",
                       [app](rpc::Background& background) { app->Work(background); });
  }
  return absl::OkStatus();
}

}  // namespace broadbill::invoicing
