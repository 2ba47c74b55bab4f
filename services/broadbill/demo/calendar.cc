#include "services/broadbill/demo/calendar.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "broadbill/payments/v1/payment.pb.h"
#include "libs/convert/convert.h"
#include "libs/money/money.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/demo/parts.h"

namespace broadbill::program {
namespace {

namespace invoicing = broadbill::invoicing::v1;
namespace payments = broadbill::payments::v1;
using broadbill::common::v1::ImportResult;

constexpr CivilDay kDeckDay(2026, 3, 3);
constexpr int kSampleLines = 8;
constexpr size_t kTellers = 4;  // who enter payments at the same time

int64_t MinorOf(const google::type::Money& money) {
  return FromUnitsNanos(money.units(), money.nanos(), 2).value_or(0);
}

int64_t MinorOf(const google::protobuf::RepeatedPtrField<google::type::Money>& list) {
  int64_t out = 0;
  for (const auto& money : list) out += MinorOf(money);
  return out;
}

std::string Dollars(int64_t minor) { return FormatMoney(minor, "USD"); }

int64_t CountOf(const ImportResult& result, const std::string& name) {
  for (const auto& count : result.counts()) {
    if (count.name() == name) return count.count();
  }
  return 0;
}

std::string ProgressLine(const invoicing::BillRun& run) {
  const auto& p = run.progress();
  std::string text = absl::StrFormat(
      "bill run of %04d-%02d-%02d: %s, %s of %s accounts, %s documents, %.0f accounts a second",
      run.as_of().year(), run.as_of().month(), run.as_of().day(), p.phase(),
      Grouped(p.accounts_done()), Grouped(p.accounts_total()), Grouped(p.documents_posted()),
      p.accounts_per_second());
  if (p.eta_seconds() > 0) absl::StrAppend(&text, ", ", p.eta_seconds(), " s left");
  return text;
}

}  // namespace

absl::Status Calendar::Play() {
  for (CivilDay day = kDemoFirstDay; day <= kDemoLastDay; ++day) {
    const absl::Status status = Day(day);
    if (!status.ok()) return Annotate(status, FormatDate(day));
  }
  return absl::OkStatus();
}

absl::Status Calendar::Day(CivilDay day) {
  RETURN_IF_ERROR(World::CheckInterrupt());
  world_.SetDay(day);
  RETURN_IF_ERROR(Enter(day));
  if (day == kDeckDay) RETURN_IF_ERROR(CompleteDeck());
  RETURN_IF_ERROR(LoadUsage(day));
  if (runs_.count(day) > 0) RETURN_IF_ERROR(Bill(day));
  RETURN_IF_ERROR(ReceiveTransfers(day));
  return Collect(day);
}

absl::Status Calendar::Enter(CivilDay day) {
  const auto subscriptions = subscriptions_.find(day);
  const auto changes = changes_.find(day);
  int64_t ordered = 0;
  int64_t changed = 0;
  RETURN_IF_ERROR(world_.progress().Timed("entering changes", [&]() -> absl::Status {
    if (subscriptions != subscriptions_.end()) {
      ASSIGN_OR_RETURN(
          const ImportResult result,
          world_.Import("subscriptions", "new_subscriptions.csv", subscriptions->second));
      ordered = result.rows_applied();
    }
    if (changes != changes_.end()) {
      ASSIGN_OR_RETURN(const ImportResult result,
                       world_.Import("changes", "changes.csv", changes->second));
      changed = result.rows_applied();
    }
    return absl::OkStatus();
  }));
  if (ordered + changed == 0) return absl::OkStatus();
  world_.progress().Live(absl::StrCat(FormatDate(day), "  entered ", ordered,
                                      " new subscriptions, ", changed, " changes"));
  return world_.Settle();
}

absl::Status Calendar::LoadUsage(CivilDay day) {
  const auto files = usage_.find(day);
  if (files == usage_.end()) return absl::OkStatus();
  int64_t readings = 0;
  int64_t calls = 0;
  int64_t repeated = 0;
  int64_t waiting = 0;
  for (const auto& [name, format] : files->second) {
    const bool detail = format == "detail";
    RETURN_IF_ERROR(World::CheckInterrupt());
    ASSIGN_OR_RETURN(const std::string text, ReadFile(world_.input(name)));
    ASSIGN_OR_RETURN(const ImportResult result, world_.progress().Timed("loading usage", [&] {
      return world_.Import(detail ? "usage-detail" : "calls", name, text,
                           {{"time_zone", "America/Chicago"}});
    }));
    (detail ? readings : calls) += result.rows_applied();
    repeated += CountOf(result, "duplicates");
    waiting += CountOf(result, "waiting");
    world_.progress().Live(absl::StrCat(FormatDate(day), "  loading usage: ", Grouped(readings),
                                        " readings, ", Grouped(calls), " calls"));
  }
  std::string text = absl::StrCat(FormatDate(day), "  usage: ", Grouped(readings), " readings, ",
                                  Grouped(calls), " calls, ", Grouped(repeated), " repeated");
  if (waiting > 0) absl::StrAppend(&text, ", ", Grouped(waiting), " without a rate wait");
  world_.progress().Say(text);
  return world_.Settle();
}

// The rate that was forgotten is added; the accounts that wait for it are billed again.
absl::Status Calendar::CompleteDeck() {
  RETURN_IF_ERROR(world_.ImportFile("deck", "deck_late.csv", {{"deck_code", "retail"}}).status());
  if (first_run_.empty()) return absl::OkStatus();
  invoicing::RetryRunExceptionsRequest request;
  request.set_bill_run_id(first_run_);
  ASSIGN_OR_RETURN(const auto answer, world_.progress().Timed("billing", [&] {
    return world_.Call<invoicing::RetryRunExceptionsResponse>(
        "broadbill.invoicing.v1.Invoicing/RetryRunExceptions", request);
  }));
  totals_.exceptions_resolved += answer.resolved();
  if (answer.resolved() + answer.open() > 0) {
    world_.progress().Say(absl::StrCat(
        FormatDate(kDeckDay), "  the missing call rate is loaded: ", Grouped(answer.resolved()),
        " waiting accounts billed, ", Grouped(answer.open()), " still wait"));
  }
  RETURN_IF_ERROR(world_.Settle());
  return ReadPosted();
}

absl::Status Calendar::Bill(CivilDay day) {
  invoicing::CreateBillRunRequest request;
  *request.mutable_as_of() = convert::ToProto(day);
  request.set_mode(invoicing::BillRun::POST);
  invoicing::BillRun run;
  RETURN_IF_ERROR(world_.progress().Timed("billing", [&]() -> absl::Status {
    ASSIGN_OR_RETURN(
        const auto created,
        world_.Call<invoicing::BillRun>("broadbill.invoicing.v1.Invoicing/CreateBillRun", request));
    return Watch(created.bill_run_id(), run);
  }));
  if (first_run_.empty()) first_run_ = run.bill_run_id();
  const auto& p = run.progress();
  std::string text =
      absl::StrFormat("%s  bill run: %s accounts in %.1f s", FormatDate(day),
                      Grouped(p.accounts_total()), static_cast<double>(p.elapsed_ms()) / 1000);
  for (const auto& totals : run.totals()) {
    absl::StrAppend(&text, ", ", Grouped(totals.invoices()), " invoices, ",
                    Grouped(totals.credit_notes()), " credit notes, ",
                    Dollars(MinorOf(totals.total())));
  }
  for (const auto& count : run.exception_counts()) {
    const std::string reason = invoicing::RunException::Reason_Name(count.reason());
    totals_.exceptions[reason] += count.count();
    absl::StrAppend(&text, ", ", Grouped(count.count()), " wait: ", reason);
  }
  world_.progress().Say(text);
  RETURN_IF_ERROR(world_.Settle());
  return ReadPosted();
}

absl::Status Calendar::Watch(const std::string& run_id, invoicing::BillRun& run) {
  invoicing::WatchBillRunRequest request;
  request.set_bill_run_id(run_id);
  RETURN_IF_ERROR(world_.Channel("invoicing")
                      ->ReadStream("broadbill.invoicing.v1.Invoicing/WatchBillRun", request, run,
                                   world_.Context(), [&] {
                                     world_.progress().Live(ProgressLine(run));
                                     return World::CheckInterrupt().ok();
                                   }));
  RETURN_IF_ERROR(World::CheckInterrupt());
  if (run.state() == invoicing::BillRun::DONE) return absl::OkStatus();
  return InternalError("BILL_RUN",
                       absl::StrCat("the bill run ended as ",
                                    invoicing::BillRun::State_Name(run.state()), " ", run.error()));
}

absl::Status Calendar::ReadPosted() {
  return posted_.ReadNew(
      [this](const invoicing::DocumentPosted& document) { return Note(document); });
}

absl::Status Calendar::Note(const invoicing::DocumentPosted& document) {
  const bool credit = document.kind() == invoicing::Document::CREDIT_NOTE;
  (credit ? totals_.credit_notes : totals_.invoices) += 1;
  (credit ? totals_.credited_minor : totals_.invoiced_minor) += document.total_minor();
  totals_.tax_minor += document.tax_minor();
  totals_.lines += document.lines_size();
  const auto payer = pays_after_.find(document.account_number());
  if (!credit && document.total_minor() > 0 && payer != pays_after_.end()) {
    const auto& date = document.invoice_date();
    const CivilDay day = CivilDay(date.year(), date.month(), date.day()) + payer->second;
    if (day <= kDemoLastDay) {
      transfers_[day].push_back({document.account_id(), document.number(), document.total_minor()});
    }
  }
  // The sample has much on it and still stands on one page.
  std::set<int> kinds;
  for (const auto& line : document.lines()) kinds.insert(line.kind());
  const bool both =
      kinds.count(invoicing::Line::VOICE) > 0 && kinds.count(invoicing::Line::USAGE) > 0;
  const int score = (both ? 1000 : 0) + 20 * static_cast<int>(kinds.size()) -
                    100 * std::max(0, document.lines_size() - kSampleLines);
  if (!credit && score > sample_score_) {
    sample_score_ = score;
    totals_.sample_document = document.document_id();
    totals_.sample_number = document.number();
  }
  return absl::OkStatus();
}

absl::Status Calendar::ReceiveTransfers(CivilDay day) {
  const auto due = transfers_.find(day);
  if (due == transfers_.end()) return absl::OkStatus();
  const std::vector<Due>& list = due->second;
  std::atomic<size_t> next{0};
  absl::Mutex mutex;
  absl::Status failed;
  const auto teller = [&] {
    for (size_t i = next++; i < list.size(); i = next++) {
      const absl::Status status = Receive(list[i]);
      absl::MutexLock lock(&mutex);
      failed.Update(status);
      if (!failed.ok()) return;
    }
  };
  world_.progress().Timed("receiving payments", [&] {
    std::vector<std::thread> tellers;
    for (size_t i = 0; i < kTellers; ++i) tellers.emplace_back(teller);
    for (std::thread& one : tellers) one.join();
  });
  RETURN_IF_ERROR(failed);
  totals_.transfers += static_cast<int64_t>(list.size());
  for (const Due& one : list) totals_.transfers_minor += one.amount_minor;
  world_.progress().Live(absl::StrCat(FormatDate(day), "  received ",
                                      Grouped(static_cast<int64_t>(list.size())), " transfers"));
  transfers_.erase(due);
  return absl::OkStatus();
}

absl::Status Calendar::Receive(const Due& due) {
  payments::CreatePaymentRequest request;
  request.set_account_id(due.account_id);
  request.set_request_id("transfer-" + due.reference);
  payments::Payment* payment = request.mutable_payment();
  payment->set_kind(payments::Payment::TRANSFER);
  payment->set_reference(due.reference);
  *payment->mutable_amount() = convert::ToMoney(due.amount_minor, "USD");
  *payment->mutable_value_date() = convert::ToProto(world_.today());
  return world_.Call<payments::Payment>("broadbill.payments.v1.Payments/CreatePayment", request)
      .status();
}

absl::Status Calendar::Collect(CivilDay day) {
  payments::RunCollectionsRequest request;
  *request.mutable_as_of() = convert::ToProto(day);
  ASSIGN_OR_RETURN(const auto done, world_.progress().Timed("collecting", [&] {
    return world_.Call<payments::RunCollectionsResponse>(
        "broadbill.payments.v1.Payments/RunCollections", request);
  }));
  totals_.collected += done.succeeded();
  totals_.collected_minor += MinorOf(done.collected());
  totals_.declined += done.declined();
  totals_.declined_minor += MinorOf(done.declined_amount());
  totals_.late_fees += done.late_fees();
  totals_.reminders += done.reminders();
  std::vector<std::string> what;
  const auto add = [&](int64_t count, const std::string& text) {
    if (count > 0) what.push_back(absl::StrCat(Grouped(count), " ", text));
  };
  add(done.succeeded(), "collected, " + Dollars(MinorOf(done.collected())));
  add(done.declined(), "declined");
  add(done.unsettled(), "without an answer yet");
  add(done.reminders(), "reminders");
  add(done.late_fees(), "late fees");
  if (what.empty()) return absl::OkStatus();
  world_.progress().Say(absl::StrCat(FormatDate(day), "  ", absl::StrJoin(what, ", ")));
  return world_.Settle();
}

}  // namespace broadbill::program
