#include <google/protobuf/util/json_util.h>

#include "libs/convert/convert.h"
#include "libs/status/macros.h"
#include "services/reporting/app/reporting_app.h"
#include "services/reporting/app/table.h"

namespace broadbill::reporting {
namespace {

// As the gateway answers the report's own method.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& report) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string out;
  if (google::protobuf::util::MessageToJsonString(report, &out, options).ok()) return out;
  return InternalError("INTERNAL", "the report cannot be written as JSON");
}

// "2026-03-31"; empty when unset.
std::string DayText(const google::type::Date& date) {
  if (convert::IsUnset(date)) return "";
  return FormatDate(CivilDay(date.year(), date.month(), date.day()));
}

// "-2026-03-01-to-2026-04-01", open ends left out.
template <class Request>
std::string RangeText(const Request& request) {
  std::string out;
  if (request.has_from_date()) out += "-" + DayText(request.from_date());
  if (request.has_to_date()) out += "-to-" + DayText(request.to_date());
  return out;
}

template <class Report, class Rows>
absl::StatusOr<pb::ExportReportResponse> ToFile(const pb::ExportReportRequest& request,
                                                const std::string& name, const Report& report,
                                                const Rows& rows) {
  const bool json = request.format() == pb::ExportReportRequest::JSON;
  pb::ExportReportResponse out;
  out.set_content_type(json ? "application/json" : "text/csv; charset=utf-8");
  out.set_file_name(name + (json ? ".json" : ".csv"));
  out.set_rows(rows.size());
  if (!json) {
    out.set_content(ToCsv(rows));
    return out;
  }
  ASSIGN_OR_RETURN(*out.mutable_content(), ToJson(report));
  return out;
}

}  // namespace

absl::StatusOr<pb::ExportReportResponse> ReportingApp::ExportReport(
    const rpc::Context&, const pb::ExportReportRequest& request) {
  const Page all{kNoLimit, ""};
  switch (request.report_case()) {
    case pb::ExportReportRequest::kArAging: {
      ASSIGN_OR_RETURN(const auto report, ArAging(request.ar_aging(), all));
      const std::string name = "ar-aging-" + DayText(report.as_of());
      return ToFile(request, name, report,
                    request.ar_aging().by_account() ? report.accounts() : report.totals());
    }
    case pb::ExportReportRequest::kPostedInvoices: {
      ASSIGN_OR_RETURN(const auto report, PostedInvoices(request.posted_invoices(), all));
      const std::string name = "posted-invoices" + RangeText(request.posted_invoices());
      return ToFile(request, name, report, report.rows());
    }
    case pb::ExportReportRequest::kUnpostedInvoices: {
      ASSIGN_OR_RETURN(const auto report, UnpostedInvoices(request.unposted_invoices(), all));
      return ToFile(request, "unposted-invoices-" + FormatDate(Today()), report, report.rows());
    }
    case pb::ExportReportRequest::kTaxes: {
      ASSIGN_OR_RETURN(const auto report, Taxes(request.taxes()));
      return ToFile(request, "taxes" + RangeText(request.taxes()), report, report.rows());
    }
    case pb::ExportReportRequest::kPayments: {
      ASSIGN_OR_RETURN(const auto report, Payments(request.payments()));
      return ToFile(request, "payments" + RangeText(request.payments()), report, report.rows());
    }
    case pb::ExportReportRequest::kAccountBalances: {
      ASSIGN_OR_RETURN(const auto report, AccountBalances(request.account_balances(), all));
      return ToFile(request, "account-balances-" + DayText(report.as_of()), report, report.rows());
    }
    case pb::ExportReportRequest::kTrialBalance: {
      ASSIGN_OR_RETURN(const auto report, Trial(request.trial_balance()));
      const std::string day = report.has_as_of() ? DayText(report.as_of()) : FormatDate(Today());
      return ToFile(request, "trial-balance-" + day, report, report.rows());
    }
    case pb::ExportReportRequest::REPORT_NOT_SET:
      break;
  }
  return InvalidField("report", "is required: which report to export");
}

}  // namespace broadbill::reporting
