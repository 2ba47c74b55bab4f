#include "tests/scenarios/runner/reports.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "broadbill/reporting/v1/invoices.pb.h"
#include "broadbill/reporting/v1/money.pb.h"
#include "broadbill/reporting/v1/receivables.pb.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::scenarios {
namespace {

namespace reporting = broadbill::reporting::v1;

constexpr char kService[] = "broadbill.reporting.v1.Reporting/";

absl::Status Syntax(const std::string& what) { return InvalidArgumentError("SYNTAX", what); }

// The words of an expectation: first those in order, then options with or without a value.
class Options {
 public:
  static absl::StatusOr<Options> Read(const std::vector<std::string>& words, size_t positional,
                                      const std::set<std::string>& flags) {
    Options out;
    size_t at = 0;
    while (at < words.size() && at < positional) out.first_.push_back(words[at++]);
    if (out.first_.size() < positional) return Syntax("more words are expected");
    while (at < words.size()) {
      const std::string& name = words[at++];
      if (flags.count(name) > 0) {
        out.values_[name] = "";
      } else if (at < words.size()) {
        out.values_[name] = words[at++];
      } else {
        return Syntax("'" + name + "' needs a value");
      }
    }
    return out;
  }

  const std::string& first(size_t index) const { return first_[index]; }
  // Takes an option; what is left at the end is unknown.
  bool Flag(const std::string& name) { return values_.erase(name) > 0; }
  std::string Take(const std::string& name, const std::string& otherwise = "") {
    const auto found = values_.find(name);
    if (found == values_.end()) return otherwise;
    std::string out = found->second;
    values_.erase(found);
    return out;
  }
  absl::Status TakeDate(const std::string& name, google::type::Date* out) {
    const std::string text = Take(name);
    if (text.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(const CivilDay day, ParseDate(text));
    *out = convert::ToProto(day);
    return absl::OkStatus();
  }
  // Compares an option with what it is, when it is given.
  void Compare(const std::string& name, const std::string& was, Differences& out) {
    const auto found = values_.find(name);
    if (found == values_.end()) return;
    if (found->second != was) {
      out.push_back(absl::StrCat(name, " expected ", found->second, ", was ", was));
    }
    values_.erase(found);
  }
  absl::Status End() const {
    if (values_.empty()) return absl::OkStatus();
    return Syntax("unknown word '" + values_.begin()->first + "'");
  }

 private:
  std::vector<std::string> first_;
  std::map<std::string, std::string> values_;
};

int64_t Minor(const google::type::Money& money) {
  if (money.currency_code().empty()) return 0;
  const auto exponent = CurrencyExponent(money.currency_code());
  const auto minor = FromUnitsNanos(money.units(), money.nanos(), exponent.ok() ? *exponent : 2);
  return minor.ok() ? *minor : 0;
}

std::string Text(int64_t minor, const std::string& currency) {
  const auto exponent = CurrencyExponent(currency);
  return FormatMinor(minor, exponent.ok() ? *exponent : 2);
}

std::string Text(const google::type::Money& money, const std::string& currency) {
  return Text(Minor(money), currency);
}

void CompareAmount(const std::string& what, const std::string& expected, const std::string& was,
                   Differences& out) {
  if (expected != was) out.push_back(absl::StrCat(what, " expected ", expected, ", was ", was));
}

absl::StatusOr<std::string> AccountId(World& world, const std::string& name) {
  const auto found = world.accounts.find(name);
  if (found != world.accounts.end()) return found->second;
  return Syntax("no account '" + name + "'");
}

// The row of the currency, or an empty one.
template <class Rows>
typename Rows::value_type RowOf(const Rows& rows, const std::string& currency) {
  for (const auto& row : rows) {
    if (row.currency_code() == currency) return row;
  }
  return {};
}

absl::StatusOr<Differences> ExpectAging(World& world, const std::vector<std::string>& words) {
  ASSIGN_OR_RETURN(Options options, Options::Read(words, 1, {"by-value-date"}));
  reporting::GetArAgingRequest request;
  ASSIGN_OR_RETURN(const CivilDay day, ParseDate(options.first(0)));
  *request.mutable_as_of() = convert::ToProto(day);
  request.set_by_value_date(options.Flag("by-value-date"));
  const std::string name = options.Take("account");
  request.set_by_account(!name.empty());
  request.set_page_size(1000);
  ASSIGN_OR_RETURN(const auto report, world.Call<reporting::ArAgingReport>(
                                          absl::StrCat(kService, "GetArAging"), request));
  const std::string currency = options.Take("currency", "USD");
  reporting::ArAgingRow row = RowOf(report.totals(), currency);
  if (!name.empty()) {
    row = reporting::ArAgingRow();
    ASSIGN_OR_RETURN(const std::string account, AccountId(world, name));
    for (const auto& one : report.accounts()) {
      if (one.account_id() == account && one.currency_code() == currency) row = one;
    }
  }
  Differences out;
  options.Compare("current", Text(row.current(), currency), out);
  options.Compare("1-30", Text(row.days_1_30(), currency), out);
  options.Compare("31-60", Text(row.days_31_60(), currency), out);
  options.Compare("61-90", Text(row.days_61_90(), currency), out);
  options.Compare("over-90", Text(row.over_90(), currency), out);
  options.Compare("total", Text(row.total(), currency), out);
  options.Compare("unapplied", Text(row.unapplied_credit(), currency), out);
  options.Compare("accounts", absl::StrCat(row.account_count()), out);
  RETURN_IF_ERROR(options.End());
  return out;
}

absl::StatusOr<Differences> ExpectAccountBalance(World& world,
                                                 const std::vector<std::string>& words) {
  ASSIGN_OR_RETURN(Options options, Options::Read(words, 2, {}));
  ASSIGN_OR_RETURN(const std::string account, AccountId(world, options.first(0)));
  reporting::GetAccountBalancesRequest request;
  RETURN_IF_ERROR(options.TakeDate("on", request.mutable_as_of()));
  request.set_page_size(1000);
  ASSIGN_OR_RETURN(const auto report, world.Call<reporting::AccountBalancesReport>(
                                          absl::StrCat(kService, "GetAccountBalances"), request));
  for (const auto& row : report.rows()) {
    if (row.account_id() != account) continue;
    const std::string currency = row.balance().currency_code();
    Differences out;
    CompareAmount("balance", options.first(1), Text(row.balance(), currency), out);
    options.Compare("open", Text(row.open(), currency), out);
    options.Compare("unapplied", Text(row.unapplied_credit(), currency), out);
    RETURN_IF_ERROR(options.End());
    return out;
  }
  return Differences{"the account is not in the report"};
}

// What posted and unposted invoices have in common.
absl::StatusOr<Differences> CompareInvoices(const reporting::InvoiceTotals& totals,
                                            const std::string& currency, Options& options) {
  Differences out;
  CompareAmount("invoices", options.first(0),
                absl::StrCat(totals.invoices() + totals.credit_notes()), out);
  options.Compare("credit-notes", absl::StrCat(totals.credit_notes()), out);
  options.Compare("net", Text(totals.net(), currency), out);
  options.Compare("tax", Text(totals.tax(), currency), out);
  options.Compare("total", Text(totals.total(), currency), out);
  options.Compare("open", Text(totals.open(), currency), out);
  RETURN_IF_ERROR(options.End());
  return out;
}

absl::StatusOr<Differences> ExpectPosted(World& world, const std::vector<std::string>& words) {
  ASSIGN_OR_RETURN(Options options, Options::Read(words, 1, {}));
  reporting::ListPostedInvoicesRequest request;
  RETURN_IF_ERROR(options.TakeDate("from", request.mutable_from_date()));
  RETURN_IF_ERROR(options.TakeDate("to", request.mutable_to_date()));
  const std::string name = options.Take("account");
  if (!name.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_account_id(), AccountId(world, name));
  }
  ASSIGN_OR_RETURN(const auto report, world.Call<reporting::ListPostedInvoicesResponse>(
                                          absl::StrCat(kService, "ListPostedInvoices"), request));
  const std::string currency = options.Take("currency", "USD");
  return CompareInvoices(RowOf(report.totals(), currency), currency, options);
}

absl::StatusOr<Differences> ExpectUnposted(World& world, const std::vector<std::string>& words) {
  ASSIGN_OR_RETURN(Options options, Options::Read(words, 1, {}));
  ASSIGN_OR_RETURN(const auto report, world.Call<reporting::ListUnpostedInvoicesResponse>(
                                          absl::StrCat(kService, "ListUnpostedInvoices"),
                                          reporting::ListUnpostedInvoicesRequest()));
  const std::string currency = options.Take("currency", "USD");
  return CompareInvoices(RowOf(report.totals(), currency), currency, options);
}

absl::StatusOr<Differences> ExpectTaxReport(World& world, const std::vector<std::string>& words) {
  ASSIGN_OR_RETURN(Options options, Options::Read(words, 2, {"credit-notes"}));
  reporting::GetTaxReportRequest request;
  RETURN_IF_ERROR(options.TakeDate("from", request.mutable_from_date()));
  RETURN_IF_ERROR(options.TakeDate("to", request.mutable_to_date()));
  const std::string month = options.Take("month");
  request.set_by_month(!month.empty());
  ASSIGN_OR_RETURN(const auto report, world.Call<reporting::TaxReport>(
                                          absl::StrCat(kService, "GetTaxReport"), request));
  const bool credit_notes = options.Flag("credit-notes");
  const std::string currency = options.Take("currency", "USD");
  int64_t tax = 0;
  int64_t gross = 0;
  int64_t exempt = 0;
  int64_t taxable = 0;
  int64_t documents = 0;
  std::string reasons;
  for (const auto& row : report.rows()) {
    const bool wanted = row.jurisdiction_code() == options.first(0) && row.month() == month &&
                        row.credit_notes() == credit_notes && row.tax().currency_code() == currency;
    if (!wanted) continue;
    tax += Minor(row.tax());
    gross += Minor(row.gross());
    exempt += Minor(row.exempt());
    taxable += Minor(row.taxable());
    documents += row.documents();
    for (const auto& reason : row.exempt_by_reason()) {
      absl::StrAppend(&reasons, reasons.empty() ? "" : ",", reason.reason());
      exempt -= Minor(reason.amount());
    }
  }
  Differences out;
  if (exempt != 0) out.push_back("the exempt amounts by reason do not add up");
  CompareAmount("tax", options.first(1), Text(tax, currency), out);
  options.Compare("gross", Text(gross, currency), out);
  options.Compare("taxable", Text(taxable, currency), out);
  options.Compare("exempt", Text(gross - taxable, currency), out);
  options.Compare("documents", absl::StrCat(documents), out);
  options.Compare("reason", reasons, out);
  RETURN_IF_ERROR(options.End());
  return out;
}

absl::StatusOr<Differences> ExpectPayments(World& world, const std::vector<std::string>& words) {
  ASSIGN_OR_RETURN(Options options, Options::Read(words, 1, {}));
  reporting::GetPaymentsReportRequest request;
  RETURN_IF_ERROR(options.TakeDate("from", request.mutable_from_date()));
  RETURN_IF_ERROR(options.TakeDate("to", request.mutable_to_date()));
  google::type::Date day;
  RETURN_IF_ERROR(options.TakeDate("day", &day));
  request.set_by_day(!convert::IsUnset(day));
  ASSIGN_OR_RETURN(const auto report, world.Call<reporting::PaymentsReport>(
                                          absl::StrCat(kService, "GetPaymentsReport"), request));
  const std::string currency = options.Take("currency", "USD");
  reporting::PaymentsRow row;
  if (options.first(0) == "all") row = RowOf(report.totals(), currency);
  for (const auto& one : report.rows()) {
    if (one.kind() == options.first(0) && one.currency_code() == currency &&
        one.day().SerializeAsString() == day.SerializeAsString()) {
      row = one;
    }
  }
  Differences out;
  options.Compare("payments", absl::StrCat(row.payments()), out);
  options.Compare("received", Text(row.received(), currency), out);
  options.Compare("declines", absl::StrCat(row.declines()), out);
  options.Compare("declined", Text(row.declined(), currency), out);
  options.Compare("refunded", Text(row.refunded(), currency), out);
  options.Compare("returned", Text(row.returned(), currency), out);
  RETURN_IF_ERROR(options.End());
  return out;
}

absl::StatusOr<Differences> ExpectTrialBalance(World& world,
                                               const std::vector<std::string>& words) {
  const bool zero = !words.empty() && words[0] == "zero";
  ASSIGN_OR_RETURN(Options options, Options::Read(words, zero ? 1 : 2, {}));
  reporting::GetTrialBalanceRequest request;
  RETURN_IF_ERROR(options.TakeDate("on", request.mutable_as_of()));
  ASSIGN_OR_RETURN(const auto report, world.Call<reporting::TrialBalance>(
                                          absl::StrCat(kService, "GetTrialBalance"), request));
  const std::string currency = options.Take("currency", "USD");
  RETURN_IF_ERROR(options.End());
  Differences out;
  if (!report.balanced()) out.push_back("the trial balance does not balance");
  int64_t balance = 0;
  std::string books;
  for (const auto& row : report.rows()) {
    absl::StrAppend(&books, "\n      ", row.code(), " ", Text(row.balance(), row.currency_code()));
    if (zero || row.code() != options.first(0) || row.currency_code() != currency) continue;
    balance += Minor(row.balance());
  }
  if (!zero) CompareAmount(options.first(0), options.first(1), Text(balance, currency), out);
  if (!out.empty()) out.push_back("the books are:" + books);
  return out;
}

}  // namespace

bool IsReport(const std::string& what) {
  static const auto* const known = new std::set<std::string>{
      "aging",      "account-balance", "posted-invoices", "unposted-invoices",
      "tax-report", "payments-report", "trial-balance",   "reports"};
  return known->count(what) > 0;
}

absl::StatusOr<Differences> ExpectReport(World& world, const std::string& what,
                                         const std::vector<std::string>& words) {
  if (what == "aging") return ExpectAging(world, words);
  if (what == "account-balance") return ExpectAccountBalance(world, words);
  if (what == "posted-invoices") return ExpectPosted(world, words);
  if (what == "unposted-invoices") return ExpectUnposted(world, words);
  if (what == "tax-report") return ExpectTaxReport(world, words);
  if (what == "payments-report") return ExpectPayments(world, words);
  if (what == "trial-balance") return ExpectTrialBalance(world, words);
  if (words != std::vector<std::string>{"reconcile"}) return Syntax("expected 'reconcile'");
  return Reconcile(world);
}

}  // namespace broadbill::scenarios
