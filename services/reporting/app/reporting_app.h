#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broadbill/reporting/v1/export.pb.h"
#include "broadbill/reporting/v1/invoices.pb.h"
#include "broadbill/reporting/v1/money.pb.h"
#include "broadbill/reporting/v1/receivables.pb.h"
#include "libs/calendar/clock.h"
#include "libs/calendar/date.h"
#include "libs/feed/consumer.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/context.h"
#include "libs/status/error.h"

namespace broadbill::reporting {

namespace pb = broadbill::reporting::v1;

// The part of a list that is asked for.
struct Page {
  int64_t size = 0;
  std::string after;  // the last key of the page before
};

class ReportingApp {
 public:
  // The services whose feeds are followed, by name.
  using Sources = std::map<std::string, std::shared_ptr<rpc::Channel>>;
  ReportingApp(std::shared_ptr<db::Pool> pool, const Clock& clock, Sources sources)
      : pool_(std::move(pool)), clock_(clock), sources_(std::move(sources)) {}

  // receivables.cc
  absl::StatusOr<pb::ArAgingReport> GetArAging(const rpc::Context&, const pb::GetArAgingRequest&);
  absl::StatusOr<pb::AccountBalancesReport> GetAccountBalances(
      const rpc::Context&, const pb::GetAccountBalancesRequest&);
  // invoices.cc
  absl::StatusOr<pb::ListPostedInvoicesResponse> ListPostedInvoices(
      const rpc::Context&, const pb::ListPostedInvoicesRequest&);
  absl::StatusOr<pb::ListUnpostedInvoicesResponse> ListUnpostedInvoices(
      const rpc::Context&, const pb::ListUnpostedInvoicesRequest&);
  absl::StatusOr<pb::TaxReport> GetTaxReport(const rpc::Context&, const pb::GetTaxReportRequest&);
  // money.cc
  absl::StatusOr<pb::PaymentsReport> GetPaymentsReport(const rpc::Context&,
                                                       const pb::GetPaymentsReportRequest&);
  absl::StatusOr<pb::TrialBalance> GetTrialBalance(const rpc::Context&,
                                                   const pb::GetTrialBalanceRequest&);
  // export.cc
  absl::StatusOr<pb::ExportReportResponse> ExportReport(const rpc::Context&,
                                                        const pb::ExportReportRequest&);
  // status.cc
  absl::StatusOr<pb::Status> GetStatus(const rpc::Context&, const pb::GetStatusRequest&);

  // feeds.cc
  absl::Status OnAccountsEvents(db::Tx& tx, const std::vector<feed::Event>& events);
  absl::Status OnInvoicingEvents(db::Tx& tx, const std::vector<feed::Event>& events);
  absl::Status OnPaymentsEvents(db::Tx& tx, const std::vector<feed::Event>& events);

 private:
  CivilDay Today() const;
  // The reports themselves, for a page or the whole.
  absl::StatusOr<pb::ArAgingReport> ArAging(const pb::GetArAgingRequest&, const Page&) const;
  absl::StatusOr<pb::AccountBalancesReport> AccountBalances(const pb::GetAccountBalancesRequest&,
                                                            const Page&) const;
  absl::StatusOr<pb::ListPostedInvoicesResponse> PostedInvoices(
      const pb::ListPostedInvoicesRequest&, const Page&) const;
  absl::StatusOr<pb::ListUnpostedInvoicesResponse> UnpostedInvoices(
      const pb::ListUnpostedInvoicesRequest&, const Page&) const;
  absl::StatusOr<pb::TaxReport> Taxes(const pb::GetTaxReportRequest&) const;
  absl::StatusOr<pb::PaymentsReport> Payments(const pb::GetPaymentsReportRequest&) const;
  absl::StatusOr<pb::TrialBalance> Trial(const pb::GetTrialBalanceRequest&) const;

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  const Sources sources_;
};

// Checks page_size and page_token of a request.
absl::StatusOr<Page> ReadPage(int32_t page_size, const std::string& page_token);

// Everything on one page.
inline constexpr int64_t kNoLimit = int64_t{1} << 40;

}  // namespace broadbill::reporting
