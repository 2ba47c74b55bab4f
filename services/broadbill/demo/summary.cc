#include "services/broadbill/demo/summary.h"

#include <fstream>
#include <iostream>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "broadbill/invoicing/v1/document.pb.h"
#include "broadbill/notification/v1/message.pb.h"
#include "broadbill/payments/v1/ledger.pb.h"
#include "broadbill/reporting/v1/invoices.pb.h"
#include "broadbill/reporting/v1/money.pb.h"
#include "broadbill/reporting/v1/receivables.pb.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::program {
namespace {

namespace invoicing = broadbill::invoicing::v1;
namespace notification = broadbill::notification::v1;
namespace payments = broadbill::payments::v1;
namespace reporting = broadbill::reporting::v1;

constexpr char kNoReporting[] = "reporting is not part of this build";
constexpr absl::Duration kMailPatience = absl::Minutes(2);  // without any message getting through

int64_t MinorOf(const google::type::Money& money) {
  return FromUnitsNanos(money.units(), money.nanos(), 2).value_or(0);
}

std::string Dollars(int64_t minor) { return FormatMoney(minor, "USD"); }

std::string Column(int64_t minor) { return absl::StrFormat("%15s", FormatMinorGrouped(minor, 2)); }

std::string Column(const google::type::Money& money) { return Column(MinorOf(money)); }

void Row(const std::string& label, const std::string& text) {
  std::cout << absl::StrFormat("  %-14s", label) << text << "\n";
}

// Below the text of a row.
void Detail(const std::string& text) { Row("", text); }

absl::Status Taxes(World& world, const DemoTotals& totals) {
  Row("taxes", Dollars(totals.tax_minor));
  if (!world.Has("reporting")) {
    Detail(kNoReporting);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto report,
                   world.Call<reporting::TaxReport>("broadbill.reporting.v1.Reporting/GetTaxReport",
                                                    reporting::GetTaxReportRequest()));
  // Invoices and credit notes together.
  struct Sum {
    std::string name, rate;
    int64_t taxable = 0, tax = 0;
  };
  std::map<std::string, Sum> sums;
  for (const auto& row : report.rows()) {
    Sum& sum =
        sums[absl::StrCat(row.jurisdiction_code(), " ", row.tax_code(), " ", row.rate().value())];
    sum.name = absl::StrFormat("%-16s%-32s", row.jurisdiction_code(), row.tax_name());
    sum.rate = row.rate().value();
    sum.taxable += MinorOf(row.taxable());
    sum.tax += MinorOf(row.tax());
  }
  Detail(absl::StrFormat("%-48s%8s%15s%15s", "jurisdiction", "rate", "taxable", "tax"));
  for (const auto& [key, sum] : sums) {
    Detail(absl::StrFormat("%s%6s %%", sum.name, sum.rate) + Column(sum.taxable) + Column(sum.tax));
  }
  return absl::OkStatus();
}

void Exceptions(const DemoTotals& totals) {
  if (totals.exceptions.empty()) return Row("exceptions", "none");
  std::string text;
  for (const auto& [reason, count] : totals.exceptions) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", Grouped(count), " ", reason);
  }
  Row("exceptions", absl::StrCat(text, "; ", Grouped(totals.exceptions_resolved),
                                 " billed after the missing rate was loaded"));
}

absl::StatusOr<notification::DeliverySummary> MailSummary(World& world) {
  return world.Call<notification::DeliverySummary>(
      "broadbill.notification.v1.Notification/GetDeliverySummary",
      notification::GetDeliverySummaryRequest());
}

absl::Status Mail(World& world) {
  if (!world.Has("notification")) {
    Row("mail", "notification is not part of this build");
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const auto mail, MailSummary(world));
  const std::string arrived =
      world.mail_server() == nullptr
          ? "no mail server (needs tests/smtp/mailbox.py and python3-aiosmtpd)"
          : Grouped(world.mail_server()->Count()) + " arrived at the mail server";
  Row("mail", absl::StrCat(Grouped(mail.delivered()), " delivered, ", Grouped(mail.failed()),
                           " failed, ", Grouped(mail.queued()), " waiting, ",
                           Grouped(mail.suppressed()), " without an address; ", arrived));
  return absl::OkStatus();
}

void Payments(const DemoTotals& totals) {
  Row("payments",
      absl::StrCat(Grouped(totals.collected), " by card ", Dollars(totals.collected_minor), ", ",
                   Grouped(totals.transfers), " by transfer ", Dollars(totals.transfers_minor)));
  Detail(absl::StrCat(Grouped(totals.declined), " declined ", Dollars(totals.declined_minor), ", ",
                      Grouped(totals.reminders), " reminders, ", Grouped(totals.late_fees),
                      " late fees"));
}

absl::Status Aging(World& world) {
  const std::string label = "receivables";
  if (!world.Has("reporting")) {
    Row(label, kNoReporting);
    return absl::OkStatus();
  }
  reporting::GetArAgingRequest request;
  *request.mutable_as_of() = convert::ToProto(kDemoLastDay);
  ASSIGN_OR_RETURN(const auto aging, world.Call<reporting::ArAgingReport>(
                                         "broadbill.reporting.v1.Reporting/GetArAging", request));
  Row(label, absl::StrFormat("%15s%15s%15s%15s%15s%15s", "current", "1-30 days", "31-60 days",
                             "61-90 days", "over 90", "total"));
  for (const auto& row : aging.totals()) {
    Detail(Column(row.current()) + Column(row.days_1_30()) + Column(row.days_31_60()) +
           Column(row.days_61_90()) + Column(row.over_90()) + Column(row.total()));
    Detail(absl::StrCat(Grouped(row.account_count()), " accounts owe; customers' credit ",
                        Dollars(MinorOf(row.unapplied_credit()))));
  }
  return absl::OkStatus();
}

// The difference of debits and credits must be nothing, in reporting's books and in the ledger.
absl::Status Books(World& world) {
  bool balanced = true;
  if (world.Has("reporting")) {
    ASSIGN_OR_RETURN(const auto balance, world.Call<reporting::TrialBalance>(
                                             "broadbill.reporting.v1.Reporting/GetTrialBalance",
                                             reporting::GetTrialBalanceRequest()));
    Row("trial balance", absl::StrFormat("%-64s%15s%15s%15s", "", "debits", "credits", "balance"));
    for (const auto& row : balance.rows()) {
      Detail(absl::StrFormat("%-26s%-38s", row.code(), row.name()) + Column(row.debits()) +
             Column(row.credits()) + Column(row.balance()));
    }
    for (const auto& difference : balance.difference()) {
      Detail(absl::StrFormat("%-64s%45s", "difference", FormatMinor(MinorOf(difference), 2)));
    }
    balanced = balance.balanced();
  } else {
    Row("trial balance", kNoReporting);
  }
  ASSIGN_OR_RETURN(const auto ledger, world.Call<payments::VerifyLedgerResponse>(
                                          "broadbill.payments.v1.Payments/VerifyLedger",
                                          payments::VerifyLedgerRequest()));
  Row("ledger",
      ledger.ok() ? "every transfer balances, receivables equal the open items" : "DOES NOT HOLD");
  for (const std::string& problem : ledger.problems()) Detail(problem);
  if (balanced && ledger.ok()) return absl::OkStatus();
  return InternalError("BOOKS", "the books do not balance");
}

absl::Status Sample(World& world, const DemoTotals& totals) {
  if (totals.sample_document.empty()) return absl::OkStatus();
  invoicing::RenderDocumentRequest request;
  request.set_document_id(totals.sample_document);
  ASSIGN_OR_RETURN(const auto file,
                   world.Call<invoicing::RenderDocumentResponse>(
                       "broadbill.invoicing.v1.Invoicing/RenderDocument", request));
  const std::string path =
      absl::StrCat(world.options().data_dir, "/", totals.sample_number, ".pdf");
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << file.content();
  out.close();
  if (!out) return UnavailableError("DATA_DIR", "cannot write " + path);
  Row("an invoice", path);
  return absl::OkStatus();
}

void Seconds(const Progress& progress) {
  std::string text;
  for (const auto& [name, time] : progress.steps()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", name,
                    absl::StrFormat(" %.1f", absl::ToDoubleSeconds(time)));
  }
  Row("seconds",
      absl::StrFormat("%s; %.1f in all", text, absl::ToDoubleSeconds(progress.elapsed())));
}

}  // namespace

absl::Status WaitForMail(World& world) {
  if (!world.Has("notification") || world.mail_server() == nullptr) return absl::OkStatus();
  return world.progress().Timed("waiting for mail", [&]() -> absl::Status {
    absl::Time deadline = absl::Now() + kMailPatience;
    int64_t queued = 0;
    while (absl::Now() < deadline) {
      RETURN_IF_ERROR(World::CheckInterrupt());
      ASSIGN_OR_RETURN(const auto mail, MailSummary(world));
      if (mail.queued() == 0) return absl::OkStatus();
      if (mail.queued() != queued) deadline = absl::Now() + kMailPatience;
      queued = mail.queued();
      world.progress().Live(absl::StrCat("mail: ", Grouped(mail.delivered()), " delivered, ",
                                         Grouped(mail.queued()), " waiting"));
      absl::SleepFor(absl::Milliseconds(100));
    }
    return DeadlineExceededError("MAIL", "messages still wait for the mail server");
  });
}

absl::Status Summarise(World& world, const DemoTotals& totals) {
  std::cout << "\nNorth Woods Fiber, " << FormatDate(kDemoFirstDay) << " to "
            << FormatDate(kDemoLastDay) << ", " << Grouped(world.options().accounts)
            << " accounts\n\n";
  Row("documents",
      absl::StrCat(Grouped(totals.invoices), " invoices ", Dollars(totals.invoiced_minor), ", ",
                   Grouped(totals.credit_notes), " credit notes ", Dollars(totals.credited_minor),
                   ", ", Grouped(totals.lines), " lines"));
  RETURN_IF_ERROR(Taxes(world, totals));
  Exceptions(totals);
  RETURN_IF_ERROR(Mail(world));
  Payments(totals);
  RETURN_IF_ERROR(Aging(world));
  RETURN_IF_ERROR(Books(world));
  RETURN_IF_ERROR(Sample(world, totals));
  Seconds(world.progress());
  return absl::OkStatus();
}

}  // namespace broadbill::program
