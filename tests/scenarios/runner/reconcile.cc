// All reports against each other, against payments' ledger and against the documents themselves.

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "broadbill/invoicing/v1/document.pb.h"
#include "broadbill/payments/v1/ledger.pb.h"
#include "broadbill/reporting/v1/export.pb.h"
#include "broadbill/reporting/v1/invoices.pb.h"
#include "broadbill/reporting/v1/money.pb.h"
#include "broadbill/reporting/v1/receivables.pb.h"
#include "libs/csv/reader.h"
#include "libs/money/money.h"
#include "libs/status/macros.h"
#include "tests/scenarios/runner/reports.h"

namespace broadbill::scenarios {
namespace {

namespace invoicing = broadbill::invoicing::v1;
namespace payments = broadbill::payments::v1;
namespace reporting = broadbill::reporting::v1;

// Amounts by currency; a currency that is not there is 0.
class Amounts {
 public:
  void Add(const google::type::Money& money, int64_t sign = 1) {
    if (money.currency_code().empty()) return;
    const auto exponent = CurrencyExponent(money.currency_code());
    const auto minor = FromUnitsNanos(money.units(), money.nanos(), exponent.ok() ? *exponent : 2);
    values_[money.currency_code()] += sign * (minor.ok() ? *minor : 0);
  }
  std::string ToText() const {
    std::string out;
    for (const auto& [currency, minor] : values_) {
      if (minor != 0) absl::StrAppend(&out, out.empty() ? "" : ", ", FormatMoney(minor, currency));
    }
    return out.empty() ? "0" : out;
  }

 private:
  std::map<std::string, int64_t> values_;
};

class Audit {
 public:
  explicit Audit(World& world) : world_(world) {}

  absl::StatusOr<Differences> Run() {
    RETURN_IF_ERROR(ReadLedger());
    RETURN_IF_ERROR(CheckAging());
    RETURN_IF_ERROR(CheckBalances());
    RETURN_IF_ERROR(CheckTrialBalance());
    RETURN_IF_ERROR(CheckDocuments());
    RETURN_IF_ERROR(CheckStatus());
    return found_;
  }

 private:
  template <class Response>
  absl::StatusOr<Response> Ask(const char* method, const google::protobuf::Message& request) {
    return world_.Call<Response>(absl::StrCat("broadbill.reporting.v1.Reporting/", method),
                                 request);
  }

  void Same(const std::string& what, const Amounts& expected, const Amounts& was) {
    if (expected.ToText() == was.ToText()) return;
    found_.push_back(absl::StrCat(what, ": expected ", expected.ToText(), ", was ", was.ToText()));
  }
  void Require(bool ok, const std::string& what) {
    if (!ok) found_.push_back(what);
  }

  absl::Status ReadLedger() {
    ASSIGN_OR_RETURN(const auto ledger, world_.Call<payments::VerifyLedgerResponse>(
                                            "broadbill.payments.v1.Payments/VerifyLedger",
                                            payments::VerifyLedgerRequest()));
    Require(ledger.ok(), "payments' ledger does not balance");
    for (const auto& account : ledger.accounts()) {
      if (account.code() == "ar") receivable_.Add(account.balance());
      if (account.code() == "customer_credit") credit_.Add(account.balance(), -1);
      if (account.code() == "cash") cash_.Add(account.balance());
    }
    return absl::OkStatus();
  }

  // Far ahead, so that entries dated after the clock's day are in it, as in the ledger.
  static void SetEnd(google::type::Date* day) {
    day->set_year(2100);
    day->set_month(1);
    day->set_day(1);
  }

  absl::Status CheckAging() {
    reporting::GetArAgingRequest request;
    SetEnd(request.mutable_as_of());
    request.set_by_account(true);
    request.set_page_size(2);
    Amounts open;
    Amounts unapplied;
    int64_t accounts = 0;
    int64_t seen = 0;
    do {
      ASSIGN_OR_RETURN(const auto report, Ask<reporting::ArAgingReport>("GetArAging", request));
      Amounts total;
      Amounts credit;
      accounts = 0;
      for (const auto& row : report.totals()) {
        for (const auto* bucket : {&row.current(), &row.days_1_30(), &row.days_31_60(),
                                   &row.days_61_90(), &row.over_90()}) {
          total.Add(*bucket);
        }
        credit.Add(row.unapplied_credit());
        accounts += row.account_count();
      }
      Same("aging", receivable_, total);
      Same("unapplied credit in the aging", credit_, credit);
      for (const auto& row : report.accounts()) {
        open.Add(row.total());
        unapplied.Add(row.unapplied_credit());
        seen += row.total().units() != 0 || row.total().nanos() != 0 ? 1 : 0;
      }
      request.set_page_token(report.next_page_token());
    } while (!request.page_token().empty());
    Same("aging by account", receivable_, open);
    Same("unapplied credit by account", credit_, unapplied);
    Require(seen == accounts, "the aging's pages hold other accounts than its totals count");
    return absl::OkStatus();
  }

  absl::Status CheckBalances() {
    reporting::GetAccountBalancesRequest request;
    SetEnd(request.mutable_as_of());
    request.set_page_size(2);
    Amounts rows;
    Amounts totals;
    Amounts expected;
    do {
      ASSIGN_OR_RETURN(const auto report,
                       Ask<reporting::AccountBalancesReport>("GetAccountBalances", request));
      totals = Amounts();
      for (const auto& total : report.totals()) totals.Add(total);
      for (const auto& row : report.rows()) {
        rows.Add(row.balance());
        expected.Add(row.open());
        expected.Add(row.unapplied_credit(), -1);
      }
      request.set_page_token(report.next_page_token());
    } while (!request.page_token().empty());
    Same("balances by account", totals, rows);
    Same("open less unapplied by account", totals, expected);
    return absl::OkStatus();
  }

  absl::Status CheckTrialBalance() {
    ASSIGN_OR_RETURN(
        const auto report,
        Ask<reporting::TrialBalance>("GetTrialBalance", reporting::GetTrialBalanceRequest()));
    Amounts receivable;
    Amounts credit;
    Amounts cash;
    Amounts clearing;
    Amounts taxes;
    for (const auto& row : report.rows()) {
      if (row.code() == "ar") receivable.Add(row.balance());
      if (row.code() == "customer_credit") credit.Add(row.balance(), -1);
      if (row.code() == "cash") cash.Add(row.balance());
      if (row.code() == "sales_clearing") clearing.Add(row.balance());
      if (row.code().rfind("tax:", 0) == 0) taxes.Add(row.balance(), -1);
    }
    Require(report.balanced(), "the trial balance does not balance");
    Same("receivables in the trial balance", receivable_, receivable);
    Same("customer credit in the trial balance", credit_, credit);
    Same("cash in the trial balance", cash_, cash);
    Same("sales clearing", Amounts(), clearing);
    ASSIGN_OR_RETURN(const auto tax_report,
                     Ask<reporting::TaxReport>("GetTaxReport", reporting::GetTaxReportRequest()));
    for (const auto& total : tax_report.totals()) tax_.Add(total);
    Same("tax payable", tax_, taxes);
    return absl::OkStatus();
  }

  absl::Status CheckDocuments() {
    Amounts total;
    Amounts tax;
    Amounts drafted;
    int64_t posted = 0;
    std::set<std::string> drafts;
    invoicing::ListDocumentsRequest list;
    list.set_page_size(1000);
    do {
      ASSIGN_OR_RETURN(const auto page,
                       world_.Call<invoicing::ListDocumentsResponse>(
                           "broadbill.invoicing.v1.Invoicing/ListDocuments", list));
      for (const auto& document : page.documents()) {
        if (document.state() == invoicing::Document::DRAFT) {
          drafts.insert(document.document_id());
          drafted.Add(document.total());
        }
        if (document.state() != invoicing::Document::POSTED) continue;
        ++posted;
        total.Add(document.total());
        for (const auto& row : document.taxes()) tax.Add(row.amount());
      }
      list.set_page_token(page.next_page_token());
    } while (!list.page_token().empty());
    Same("tax report against documents", tax, tax_);
    RETURN_IF_ERROR(CheckPosted(posted, total));
    return CheckDrafts(drafts, drafted);
  }

  absl::Status CheckPosted(int64_t count, const Amounts& total) {
    reporting::ListPostedInvoicesRequest request;
    request.set_page_size(2);
    Amounts rows;
    Amounts totals;
    int64_t seen = 0;
    std::pair<std::string, std::string> last;
    do {
      ASSIGN_OR_RETURN(const auto page,
                       Ask<reporting::ListPostedInvoicesResponse>("ListPostedInvoices", request));
      totals = Amounts();
      for (const auto& sum : page.totals()) totals.Add(sum.total());
      for (const auto& row : page.rows()) {
        const auto& day = row.invoice_date();
        const std::pair key(FormatDate(CivilDay(day.year(), day.month(), day.day())), row.number());
        Require(last < key, "posted invoices are not in order at " + row.number());
        last = key;
        rows.Add(row.total());
        ++seen;
      }
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    Require(seen == count, absl::StrCat("posted invoices: expected ", count, ", was ", seen));
    Same("posted invoices", total, rows);
    Same("totals of posted invoices", total, totals);
    reporting::ExportReportRequest file;
    file.mutable_posted_invoices();
    ASSIGN_OR_RETURN(const auto exported,
                     Ask<reporting::ExportReportResponse>("ExportReport", file));
    csv::Reader reader(exported.content());
    int64_t lines = -1;
    for (csv::Row row; reader.Next(row);) ++lines;
    Require(lines == count && exported.rows() == count, "the CSV has other rows than the report");
    return absl::OkStatus();
  }

  absl::Status CheckDrafts(const std::set<std::string>& drafts, const Amounts& total) {
    reporting::ListUnpostedInvoicesRequest request;
    request.set_page_size(2);
    std::set<std::string> seen;
    Amounts rows;
    do {
      ASSIGN_OR_RETURN(const auto page, Ask<reporting::ListUnpostedInvoicesResponse>(
                                            "ListUnpostedInvoices", request));
      for (const auto& row : page.rows()) {
        seen.insert(row.document_id());
        rows.Add(row.total());
      }
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    Require(seen == drafts, absl::StrCat("unposted invoices: expected ", drafts.size(), ", was ",
                                         seen.size(), " (or others)"));
    Same("unposted invoices", total, rows);
    return absl::OkStatus();
  }

  absl::Status CheckStatus() {
    ASSIGN_OR_RETURN(const auto status,
                     Ask<reporting::Status>("GetStatus", reporting::GetStatusRequest()));
    Require(status.caught_up(), "the read models are behind");
    Require(status.feeds_size() == 3, "three feeds are followed");
    for (const auto& feed : status.feeds()) {
      Require(feed.parked_events() == 0, "events of " + feed.source() + " are parked");
      Require(feed.lag_events() == 0, "events of " + feed.source() + " are not applied");
    }
    return absl::OkStatus();
  }

  World& world_;
  Differences found_;
  Amounts receivable_;
  Amounts credit_;
  Amounts cash_;
  Amounts tax_;
};

}  // namespace

absl::StatusOr<Differences> Reconcile(World& world) { return Audit(world).Run(); }

}  // namespace broadbill::scenarios
