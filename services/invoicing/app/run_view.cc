#include "services/invoicing/app/run_view.h"

#include <algorithm>
#include <cmath>

#include "absl/time/clock.h"
#include "libs/convert/convert.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::invoicing {
namespace {

// Speed is told over this time, or since the run began when that is shorter.
constexpr absl::Duration kWindow = absl::Seconds(10);

absl::StatusOr<RunRow> ReadRun(db::Tx& tx, const std::string& text, const std::string& tail) {
  Violations violations;
  const Uuid id = convert::ReadId("run", text, "bill_run_id", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(const auto rows, db::Select<RunRow>(tx, "WHERE run_id = $1" + tail, id));
  if (rows.empty()) return NotFoundError("BILL_RUN_NOT_FOUND", "there is no bill run " + text);
  return rows.front();
}

const char* PhaseOf(pb::BillRun::State state) {
  switch (state) {
    case pb::BillRun::RUNNING:
      return "drafting";
    case pb::BillRun::PAUSED:
      return "paused";
    case pb::BillRun::POSTING:
      return "posting";
    case pb::BillRun::DRAFTED:
      return "drafted";
    case pb::BillRun::DONE:
      return "done";
    case pb::BillRun::CANCELLED:
      return "cancelled";
    default:
      return "planning";
  }
}

// Time worked, pauses left out.
absl::Duration Worked(const RunRow& run) {
  const absl::Time end = run.finished_at.value_or(run.paused_at.value_or(absl::Now()));
  return std::max(absl::Milliseconds(1), end - run.started_at - absl::Milliseconds(run.paused_ms));
}

int64_t Eta(int64_t left, double rate) {
  if (left <= 0) return 0;
  return rate > 0 ? static_cast<int64_t>(std::ceil(static_cast<double>(left) / rate)) : -1;
}

absl::Status AddProgress(db::Tx& tx, const RunRow& run, pb::BillRun& out) {
  const absl::Duration worked = Worked(run);
  const bool working = !run.finished_at.has_value() && !run.paused_at.has_value();
  // A run that has ended, or is paused, keeps the speed of all its work.
  const absl::Time since = working ? absl::Now() - kWindow : absl::UnixEpoch();
  ASSIGN_OR_RETURN(
      const db::Result sums,
      tx.Exec("SELECT count(*) FILTER (WHERE drafted), count(*) FILTER (WHERE posted), "
              "coalesce(sum(accounts) FILTER (WHERE drafted), 0)::int8, "
              "coalesce(sum(documents), 0)::int8, "
              "coalesce(sum(documents) FILTER (WHERE posted), 0)::int8, "
              "coalesce(sum(lines), 0)::int8, coalesce(sum(exceptions), 0)::int8, "
              "coalesce(sum(accounts) FILTER (WHERE drafted_at > $2), 0)::int8, "
              "coalesce(sum(documents) FILTER (WHERE posted_at > $2), 0)::int8 "
              "FROM bill_run_chunk WHERE run_id = $1",
              run.run_id, since));
  const auto at = [&](int column) { return sums.Get<int64_t>(0, column); };
  const bool all_drafted = at(0) == run.chunks;
  if (out.state() == pb::BillRun::RUNNING && all_drafted && run.mode == pb::BillRun::POST) {
    out.set_state(pb::BillRun::POSTING);
  }
  pb::BillRunProgress* progress = out.mutable_progress();
  progress->set_accounts_total(run.accounts);
  progress->set_accounts_done(at(2));
  progress->set_documents_drafted(at(3));
  progress->set_documents_posted(at(4));
  progress->set_lines(at(5));
  progress->set_exceptions(at(6));
  progress->set_chunks_total(run.chunks);
  progress->set_chunks_drafted(static_cast<int32_t>(at(0)));
  progress->set_chunks_posted(static_cast<int32_t>(at(1)));
  progress->set_phase(PhaseOf(out.state()));
  progress->set_elapsed_ms(absl::ToInt64Milliseconds(worked));
  const absl::Duration over = working ? std::min(worked, kWindow) : worked;
  const double drafting = static_cast<double>(at(7)) / absl::ToDoubleSeconds(over);
  const double posting = static_cast<double>(at(8)) / absl::ToDoubleSeconds(over);
  progress->set_accounts_per_second(out.state() == pb::BillRun::POSTING ? posting : drafting);
  const bool ended = run.finished_at.has_value();
  const int64_t eta = out.state() == pb::BillRun::POSTING ? Eta(at(3) - at(4), posting)
                                                          : Eta(run.accounts - at(2), drafting);
  progress->set_eta_seconds(ended ? 0 : eta);
  return absl::OkStatus();
}

// Totals of the last finished posted run of the same scope before this one, by currency.
absl::StatusOr<std::map<std::string, int64_t>> PreviousTotals(db::Tx& tx, const RunRow& run) {
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT currency, sum(total)::int8 FROM bill_run_total WHERE run_id = "
              "(SELECT run_id FROM bill_run WHERE scope = $1 AND mode = $2 AND state = $3 AND "
              "(created_at, run_id) < ($4, $5) ORDER BY created_at DESC, run_id DESC LIMIT 1) "
              "GROUP BY currency",
              run.scope, int32_t{pb::BillRun::POST}, int32_t{pb::BillRun::DONE}, run.created_at,
              run.run_id));
  std::map<std::string, int64_t> out;
  for (int i = 0; i < rows.size(); ++i) out[rows.Get<std::string>(i, 0)] = rows.Get<int64_t>(i, 1);
  return out;
}

absl::Status AddTotals(db::Tx& tx, const RunRow& run, pb::BillRun& out) {
  ASSIGN_OR_RETURN(auto previous, PreviousTotals(tx, run));
  ASSIGN_OR_RETURN(const db::Result rows,
                   tx.Exec("SELECT currency, sum(invoices)::int8, sum(credit_notes)::int8, "
                           "sum(net)::int8, sum(tax)::int8, sum(total)::int8 FROM bill_run_total "
                           "WHERE run_id = $1 GROUP BY currency ORDER BY currency",
                           run.run_id));
  for (int i = 0; i < rows.size(); ++i) {
    const auto code = rows.Get<std::string>(i, 0);
    pb::BillRunTotals* totals = out.add_totals();
    totals->set_currency_code(code);
    totals->set_invoices(rows.Get<int64_t>(i, 1));
    totals->set_credit_notes(rows.Get<int64_t>(i, 2));
    *totals->mutable_net() = convert::ToMoney(rows.Get<int64_t>(i, 3), code);
    *totals->mutable_tax() = convert::ToMoney(rows.Get<int64_t>(i, 4), code);
    *totals->mutable_total() = convert::ToMoney(rows.Get<int64_t>(i, 5), code);
    const auto before = previous.find(code);
    if (before == previous.end()) continue;
    *totals->mutable_previous_total() = convert::ToMoney(before->second, code);
    previous.erase(before);
  }
  // What the last run billed in a currency that this one has nothing in.
  for (const auto& [code, total] : previous) {
    pb::BillRunTotals* totals = out.add_totals();
    totals->set_currency_code(code);
    for (auto* money : {totals->mutable_net(), totals->mutable_tax(), totals->mutable_total()}) {
      *money = convert::ToMoney(0, code);
    }
    *totals->mutable_previous_total() = convert::ToMoney(total, code);
  }
  return absl::OkStatus();
}

absl::Status AddExceptions(db::Tx& tx, const RunRow& run, pb::BillRun& out) {
  ASSIGN_OR_RETURN(const db::Result reasons,
                   tx.Exec("SELECT reason, count(*) FROM run_exception WHERE run_id = $1 AND "
                           "state = 1 GROUP BY reason ORDER BY reason",
                           run.run_id));
  for (int i = 0; i < reasons.size(); ++i) {
    pb::ExceptionCount* count = out.add_exception_counts();
    count->set_reason(static_cast<pb::RunException::Reason>(reasons.Get<int32_t>(i, 0)));
    count->set_count(reasons.Get<int64_t>(i, 1));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RunRow> FindRun(db::Tx& tx, const std::string& bill_run_id) {
  return ReadRun(tx, bill_run_id, "");
}

absl::StatusOr<RunRow> LockRun(db::Tx& tx, const std::string& bill_run_id) {
  return ReadRun(tx, bill_run_id, " FOR UPDATE");
}

absl::StatusOr<pb::BillRun> ToProto(db::Tx& tx, const RunRow& run) {
  pb::BillRun out;
  out.set_bill_run_id(run.run_id.ToText("run"));
  *out.mutable_as_of() = convert::ToProto(run.as_of);
  out.set_mode(static_cast<pb::BillRun::Mode>(run.mode));
  out.mutable_scope()->ParseFromString(run.scope.data);
  out.set_state(static_cast<pb::BillRun::State>(run.state));
  out.set_created_by(run.created_by);
  *out.mutable_created_at() = convert::ToProto(run.created_at);
  RETURN_IF_ERROR(AddProgress(tx, run, out));
  RETURN_IF_ERROR(AddTotals(tx, run, out));
  RETURN_IF_ERROR(AddExceptions(tx, run, out));
  return out;
}

void Totals::Add(const DocumentRow& document) {
  TotalRow& row = by_currency_[document.currency];
  row.currency = document.currency;
  ++(document.kind == 2 ? row.credit_notes : row.invoices);
  row.net += document.net;
  row.tax += document.tax;
  row.total += document.total;
}

absl::Status Totals::Write(db::Tx& tx, const Uuid& run_id, int32_t chunk) const {
  std::vector<TotalRow> rows;
  for (const auto& [currency, row] : by_currency_) {
    rows.push_back(row);
    rows.back().run_id = run_id;
    rows.back().chunk = chunk;
  }
  return db::InsertArrays(tx, rows,
                          "ON CONFLICT (run_id, chunk, currency) DO UPDATE SET "
                          "invoices = bill_run_total.invoices + excluded.invoices, "
                          "credit_notes = bill_run_total.credit_notes + excluded.credit_notes, "
                          "net = bill_run_total.net + excluded.net, "
                          "tax = bill_run_total.tax + excluded.tax, "
                          "total = bill_run_total.total + excluded.total")
      .status();
}

bool IsTransient(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable ||
         status.code() == absl::StatusCode::kAborted ||
         status.code() == absl::StatusCode::kDeadlineExceeded ||
         status.code() == absl::StatusCode::kResourceExhausted;
}

ExceptionRow MakeException(const Uuid& run_id, const Draft& draft, const Problem& problem,
                           absl::Time now) {
  ExceptionRow row;
  row.exception_id = Uuid::Make(now);
  row.run_id = run_id;
  row.account_id = draft.account_id;
  row.reason = problem.reason;
  row.message = problem.message;
  if (draft.document.has_value()) {
    row.document_id = draft.document->document_id;
    row.amount = draft.document->total;
  }
  row.currency = draft.currency;
  row.forecast = problem.forecast;
  row.state = pb::RunException::OPEN;
  row.created_at = now;
  return row;
}

}  // namespace broadbill::invoicing
