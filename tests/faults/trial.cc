#include "tests/faults/trial.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "broadbill/payments/v1/collections.pb.h"
#include "broadbill/payments/v1/ledger.pb.h"
#include "libs/convert/convert.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/demo/generator.h"
#include "services/broadbill/imports.h"
#include "services/broadbill/suite.h"

namespace broadbill::faults {
namespace {

namespace fs = std::filesystem;
namespace invoicing = broadbill::invoicing::v1;
namespace payments = broadbill::payments::v1;

constexpr absl::Duration kPoll = absl::Milliseconds(5);

absl::Status Died() { return UnavailableError("DIED", "the program was killed"); }

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// Files of the demo's calendar carry the day a row is entered in front; here all is known at once.
std::string WithoutFirstColumn(const std::string& csv) {
  std::string out;
  std::istringstream lines(csv);
  for (std::string line; std::getline(lines, line);) {
    absl::StrAppend(&out, line.substr(line.find(',') + 1), "\n");
  }
  return out;
}

// What is under way after a point.
std::string PhaseAfter(const std::string& point) {
  const size_t dot = point.rfind('.');
  const std::string part = point.substr(0, dot);
  const std::string step = dot == std::string::npos ? "" : point.substr(dot + 1);
  static const std::map<std::string, std::string> kNames = {{"draft", "draft"},
                                                            {"post", "posting"},
                                                            {"finish", "end of run"},
                                                            {"CreateBillRun", "planning"}};
  const auto name = kNames.find(part);
  // "payments_follows_invoicing" is payments at work.
  const std::string what =
      name == kNames.end() ? part.substr(0, part.find("_follows_")) : name->second;
  if (step == "claimed") return what + ": reading and computing";
  if (step == "computed") return what + ": writing";
  if (step == "read" && part == "post") return what + ": numbering and writing";
  if (step == "read") return what + ": applying events";
  if (step == "written") return what + ": before COMMIT";
  if (step == "commit_sent") return what + ": COMMIT sent, no answer yet";
  if (step == "committed") return what + ": after the commit";
  return "starting";
}

rpc::Context Caller() {
  rpc::Context out;
  out.principal = {"user:faults", {"*"}, ""};
  out.deadline = absl::Now() + absl::Minutes(30);
  return out;
}

// Kills the process some time after it came up, unless disarmed before; PostgreSQL too, where
// asked.
class Killer {
 public:
  Killer(Process& process, const Trial::Kill& kill, std::string data_dir)
      : process_(process), kill_(kill), data_dir_(std::move(data_dir)) {
    if (kill.after != absl::InfiniteDuration()) thread_ = std::thread([this] { Run(); });
  }
  ~Killer() { Disarm(); }
  // Whether it killed.
  bool Disarm() {
    if (!thread_.joinable()) return fired_;
    {
      absl::MutexLock lock(&mutex_);
      disarmed_ = true;
    }
    thread_.join();
    return fired_;
  }
  const absl::Status& status() const { return status_; }

 private:
  bool Wait(absl::Duration time) {
    absl::MutexLock lock(&mutex_);
    return !mutex_.AwaitWithTimeout(absl::Condition(&disarmed_), time);
  }

  void Run() {
    const bool restarts = kill_.postgres == Trial::Kill::Postgres::kRestarts;
    if (restarts) {
      if (!Wait(kill_.after / 2)) return;
      status_ = RestartPostgres(data_dir_);
      if (!status_.ok()) return;
    }
    if (!Wait(restarts ? kill_.after / 2 : kill_.after)) return;
    fired_ = true;
    process_.SendKill();
    if (kill_.postgres == Trial::Kill::Postgres::kDiesToo) status_ = CrashPostgres(data_dir_);
  }

  Process& process_;
  const Trial::Kill kill_;
  const std::string data_dir_;
  absl::Mutex mutex_;
  bool disarmed_ = false;
  bool fired_ = false;
  absl::Status status_;
  std::thread thread_;
};

}  // namespace

Trial::Trial(std::string program, std::string data_dir, absl::Duration patience)
    : program_(std::move(program)), data_dir_(std::move(data_dir)), patience_(patience) {
  fs::create_directories(data_dir_ + "/input");
  // PostgreSQL runs as another user when we are root and must get in.
  chmod(data_dir_.c_str(), 0755);
}

Trial::~Trial() {
  pool_.reset();
  channel_.reset();
  // A last start adopts the private servers, a PostgreSQL that was restarted under the program
  // included, and its end in order takes them down with it.
  process_.Kill();
  StartProcess(CivilDay(2026, 3, 1), "").IgnoreError();
  process_.Stop();
}

absl::Status Trial::StartProcess(CivilDay today, const std::string& kill_point) {
  Process::Options options;
  options.program = program_;
  options.data_dir = data_dir_;
  options.clock = FormatDate(today);
  options.fault_log = absl::StrCat(data_dir_, "/points-", ++starts_);
  options.fault_kill = kill_point;
  RETURN_IF_ERROR(Process::Start(options, process_));
  if (!process_.alive()) return Died();
  const auto address = program::RunningAddress(data_dir_);
  const auto key = program::InternalKey(data_dir_);
  if (!address.ok() || !key.ok()) return Died();
  channel_ = rpc::Dial(*address, *key);
  return absl::OkStatus();
}

absl::Status Trial::OpenPool() {
  db::Pool::Options options;
  options.url = absl::StrCat("host=", data_dir_, "/run user=broadbill dbname=broadbill");
  options.application = "faults";
  options.size_max = 2;
  pool_ = std::make_shared<db::Pool>(options);
  return absl::OkStatus();
}

// A late fee, so that charges come back from payments to invoicing.
absl::Status Trial::CreatePolicy() {
  payments::CreateDunningPolicyRequest request;
  payments::DunningPolicy* policy = request.mutable_policy();
  policy->set_code("default");
  payments::DunningStep* fee = policy->add_steps();
  fee->set_name("late_fee");
  fee->set_after_days(5);
  fee->mutable_late_fee()->set_mode(payments::LateFee::PERCENT);
  fee->mutable_late_fee()->mutable_percent()->set_value("1.5");
  return channel_
      ->Call<payments::DunningPolicy>("broadbill.payments.v1.Payments/CreateDunningPolicy", request,
                                      Caller())
      .status();
}

absl::Status Trial::Load(int64_t accounts) {
  RETURN_IF_ERROR(program::GenerateDemo(data_dir_ + "/input", accounts));
  const CivilDay today(2026, 2, 28);
  RETURN_IF_ERROR(StartProcess(today, ""));
  const auto load = [&](const std::string& kind, const std::string& name,
                        const std::map<std::string, std::string>& fields = {}) -> absl::Status {
    std::string content = ReadAll(absl::StrCat(data_dir_, "/input/", name));
    if (absl::StartsWith(content, "entered_date,")) content = WithoutFirstColumn(content);
    ASSIGN_OR_RETURN(const auto result,
                     program::RunImport(*channel_, Caller(), kind, name, content, fields));
    if (result.rows_read() > 0 && result.rows_refused() == 0) return absl::OkStatus();
    return FailedPreconditionError("IMPORT", name + ": " + result.ShortDebugString());
  };
  RETURN_IF_ERROR(CreatePolicy());
  RETURN_IF_ERROR(load("tax-rates", "tax_rates.csv"));
  RETURN_IF_ERROR(load("tax-areas", "tax_areas.csv"));
  RETURN_IF_ERROR(load("plans", "plans.csv"));
  RETURN_IF_ERROR(load("accounts", "accounts.csv"));
  RETURN_IF_ERROR(load("subscriptions", "subscriptions.csv"));
  RETURN_IF_ERROR(load("subscriptions", "new_subscriptions.csv"));
  RETURN_IF_ERROR(load("changes", "changes.csv"));
  RETURN_IF_ERROR(load("deck", "deck.csv", {{"deck_code", "retail"}}));
  RETURN_IF_ERROR(OpenPool());
  RETURN_IF_ERROR(WaitCaughtUp());
  RETURN_IF_ERROR(load("payment-methods", "payment_methods.csv"));
  RETURN_IF_ERROR(load("opening-balances", "opening_balances.csv"));
  // loaded_date,file,format
  const std::vector<std::string> files = absl::StrSplit(
      WithoutFirstColumn(ReadAll(data_dir_ + "/input/usage.csv")), '\n', absl::SkipEmpty());
  for (size_t i = 1; i < files.size(); ++i) {
    const std::pair<std::string, std::string> file = absl::StrSplit(files[i], ',');
    RETURN_IF_ERROR(load(file.second == "asterisk" ? "calls" : "usage-detail", file.first));
  }
  RETURN_IF_ERROR(WaitCaughtUp());
  // Killed, not stopped: PostgreSQL goes on, and no connection holds the database.
  process_.Kill();
  pool_.reset();
  const std::string admin = absl::StrCat("host=", data_dir_, "/run user=broadbill dbname=postgres");
  RETURN_IF_ERROR(db::ExecAlone(admin, "ALTER DATABASE broadbill RENAME TO beginning"));
  return Reset();
}

absl::Status Trial::Reset() {
  process_.Kill();
  pool_.reset();
  const std::string admin = absl::StrCat("host=", data_dir_, "/run user=broadbill dbname=postgres");
  RETURN_IF_ERROR(db::ExecAlone(admin, "DROP DATABASE IF EXISTS broadbill WITH (FORCE)"));
  RETURN_IF_ERROR(db::ExecAlone(admin, "CREATE DATABASE broadbill TEMPLATE beginning"));
  return OpenPool();
}

absl::StatusOr<invoicing::BillRun> Trial::Create(CivilDay as_of, const std::string& request_id) {
  invoicing::CreateBillRunRequest request;
  *request.mutable_as_of() = convert::ToProto(as_of);
  request.set_mode(invoicing::BillRun::POST);
  request.set_request_id(request_id);
  return channel_->Call<invoicing::BillRun>("broadbill.invoicing.v1.Invoicing/CreateBillRun",
                                            request, Caller());
}

// A call fails a moment before the end of the process can be seen.
absl::Status Trial::OrDied(const absl::Status& status) {
  const absl::Time deadline = absl::Now() + absl::Seconds(2);
  while (process_.alive() && absl::Now() < deadline) absl::SleepFor(kPoll);
  return process_.alive() ? status : Died();
}

absl::Status Trial::WaitBilled(const std::string& run_id) {
  invoicing::GetBillRunRequest request;
  request.set_bill_run_id(run_id);
  const absl::Time deadline = absl::Now() + patience_;
  while (absl::Now() < deadline) {
    if (!process_.alive()) return Died();
    const auto run = channel_->Call<invoicing::BillRun>(
        "broadbill.invoicing.v1.Invoicing/GetBillRun", request, Caller());
    if (run.ok() && run->state() == invoicing::BillRun::DONE) return absl::OkStatus();
    if (!run.ok() && run.status().code() == absl::StatusCode::kNotFound) return run.status();
    absl::SleepFor(kPoll);
  }
  return DeadlineExceededError("BILL_RUN", "the run is not done in time");
}

absl::Status Trial::WaitCaughtUp() {
  const absl::Time deadline = absl::Now() + patience_;
  // Applying an event may append another: quiet twice in a row.
  for (int quiet = 0; quiet < 2;) {
    if (!process_.alive()) return Died();
    if (absl::Now() > deadline) return DeadlineExceededError("FEEDS", "consumers do not catch up");
    ASSIGN_OR_RETURN(const bool caught_up, FeedsCaughtUp(*pool_));
    quiet = caught_up ? quiet + 1 : 0;
    absl::SleepFor(kPoll);
  }
  return absl::OkStatus();
}

// One bill run to its end: planned, done, posted documents with all consumers.
absl::Status Trial::Bill(CivilDay as_of, const std::string& request_id, Run& run) {
  if (run.id.empty()) {
    // The same request again, however often its answer was lost.
    const auto created = Create(as_of, request_id);
    if (!created.ok()) return OrDied(created.status());
    run.id = created->bill_run_id();
  }
  if (!run.done) RETURN_IF_ERROR(WaitBilled(run.id));
  run.done = true;
  return WaitCaughtUp();
}

absl::Status Trial::Advance(CivilDay as_of, Progress& progress) {
  const std::string day = FormatDate(as_of);
  RETURN_IF_ERROR(Bill(as_of, "bill " + day, progress.run));
  ASSIGN_OR_RETURN(const db::Result before, pool_->Exec("SELECT count(*) FROM invoicing.document"));
  RETURN_IF_ERROR(Bill(as_of, "bill again " + day, progress.again));
  ASSIGN_OR_RETURN(const db::Result after, pool_->Exec("SELECT count(*) FROM invoicing.document"));
  const int64_t made = after.Get<int64_t>(0, 0) - before.Get<int64_t>(0, 0);
  if (made != 0) {
    return InternalError("BILLED_TWICE",
                         absl::StrCat("the same run again made ", made, " documents"));
  }
  progress.collecting = true;
  progress.billed_at = absl::Now();
  // The second call settles the charges whose answer the first one lost.
  for (; progress.collections < 2; ++progress.collections) {
    payments::RunCollectionsRequest request;
    *request.mutable_as_of() = convert::ToProto(as_of);
    request.set_request_id(absl::StrCat("collect ", day, " ", progress.collections));
    const auto collected = channel_->Call<payments::RunCollectionsResponse>(
        "broadbill.payments.v1.Payments/RunCollections", request, Caller());
    if (!collected.ok()) return OrDied(collected.status());
  }
  RETURN_IF_ERROR(WaitCaughtUp());
  progress.collecting = false;
  return absl::OkStatus();
}

absl::Status Trial::AdvanceThroughRestart(CivilDay as_of, Progress& progress) {
  const absl::Time deadline = absl::Now() + patience_;
  while (true) {
    absl::Status status = Advance(as_of, progress);
    const bool again = status.code() == absl::StatusCode::kUnavailable ||
                       status.code() == absl::StatusCode::kAborted;
    if (status.ok() || !again || !process_.alive() || absl::Now() > deadline) return status;
    absl::SleepFor(absl::Milliseconds(50));
  }
}

KillReport Trial::Report(const Kill& kill) const {
  KillReport out;
  out.how = kill.point.empty() ? absl::StrFormat("after %.3f s", absl::ToDoubleSeconds(kill.after))
                               : kill.point;
  if (kill.postgres == Kill::Postgres::kDiesToo) out.how += ", PostgreSQL with it";
  if (kill.postgres == Kill::Postgres::kRestarts) out.how += ", PostgreSQL before";
  const std::vector<Passing> passed = ReadLog(absl::StrCat(data_dir_, "/points-", starts_));
  const std::string last = passed.empty() ? "" : passed.back().point;
  out.phase = PhaseAfter(kill.point.empty() ? last : kill.point.substr(0, kill.point.find(':')));
  std::set<std::string> threads;
  std::set<std::string> others;
  for (auto it = passed.rbegin(); it != passed.rend(); ++it) {
    const bool latest = threads.insert(it->thread).second;
    if (latest && it != passed.rbegin()) others.insert(PhaseAfter(it->point));
  }
  for (const std::string& phase : others) {
    absl::StrAppend(&out.elsewhere, out.elsewhere.empty() ? "" : "; ", phase);
  }
  return out;
}

absl::Time Trial::FirstCommit() const {
  for (const Passing& one : ReadLog(absl::StrCat(data_dir_, "/points-", starts_))) {
    if (absl::EndsWith(one.point, ".committed")) return one.at;
  }
  return absl::InfiniteFuture();
}

absl::Status Trial::BillMonth(CivilDay as_of, const NextKill& next,
                              std::vector<KillReport>& kills) {
  process_.Kill();
  Progress progress;
  const absl::Time begin = absl::Now();
  std::vector<std::pair<size_t, absl::Time>>
      recovering;  // kills, and when they were followed by a start
  for (bool again = false;; again = true) {
    Kill kill;
    const bool disturbed = next(kill);
    if (again) recovering.emplace_back(kills.size() - 1, absl::Now());
    absl::Status status = StartProcess(as_of, kill.point);
    const absl::Time up = absl::Now();
    {
      Killer killer(process_, disturbed ? kill : Kill(), data_dir_);
      if (status.ok()) status = AdvanceThroughRestart(as_of, progress);
      if (killer.Disarm()) status = OrDied(Died());
      RETURN_IF_ERROR(killer.status());
    }
    if (!status.ok() && process_.alive()) return status;
    const absl::Time recovered = status.ok() ? std::min(FirstCommit(), absl::Now()) : FirstCommit();
    if (recovered != absl::InfiniteFuture()) {
      for (const auto& [index, since] : recovering) {
        kills[index].recovery_seconds = absl::ToDoubleSeconds(recovered - since);
      }
      recovering.clear();
    }
    if (!status.ok()) {
      kills.push_back(Report(kill));
      kills.back().billing = !progress.collecting;
      if (progress.collecting) kills.back().phase = "collecting payments";
      if (absl::Now() - begin < patience_) continue;
      return DeadlineExceededError("BILL_RUN", "the month took too long");
    }
    if (!again && !disturbed) undisturbed_ = progress.billed_at - up;
    return absl::OkStatus();
  }
}

absl::StatusOr<std::string> Trial::Verify() {
  ASSIGN_OR_RETURN(std::vector<std::string> broken, BrokenInvariants(*pool_));
  ASSIGN_OR_RETURN(const auto ledger, channel_->Call<payments::VerifyLedgerResponse>(
                                          "broadbill.payments.v1.Payments/VerifyLedger",
                                          payments::VerifyLedgerRequest(), Caller()));
  if (!ledger.ok()) broken.push_back("the ledger: " + ledger.ShortDebugString());
  std::string out;
  for (const std::string& one : broken) absl::StrAppend(&out, one, "\n");
  return out;
}

absl::StatusOr<State> Trial::Read() { return ReadState(*pool_); }

}  // namespace broadbill::faults
