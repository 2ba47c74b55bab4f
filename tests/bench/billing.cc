#include "tests/bench/billing.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "libs/convert/convert.h"
#include "libs/feedrpc/feedrpc.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/suite.h"
#include "tests/bench/floor.h"
#include "tests/bench/history.h"
#include "tests/bench/measure.h"
#include "tests/bench/provider.h"
#include "tests/bench/worker.h"

namespace broadbill::bench {
namespace {

namespace fs = std::filesystem;
namespace invoicing = broadbill::invoicing::v1;

constexpr absl::Duration kRunTimeout = absl::Hours(2);
// What a run finishes: documents with lines and taxes, coverage, postings, events.
constexpr const char* kRunTables[] = {"document",      "line",    "document_tax",
                                      "item_coverage", "posting", "feed"};

struct Options {
  int64_t accounts = 100000;
  int history = 12;  // months of documents before the measured one
  int usage_percent = 20;
  int processes = 1;    // that work at the run
  std::string workers;  // of each; "" = as the service has it
  std::string data_dir;
};

absl::Time NoonOf(CivilDay day) {
  return absl::FromCivil(absl::CivilHour(day) + 18, absl::UTCTimeZone());
}

void Say(const std::string& text) { std::cerr << text << std::endl; }

// Seconds a step took; errors end the benchmark.
class Bench {
 public:
  explicit Bench(Options options) : options_(std::move(options)), clock_(NoonOf(FirstMonth())) {}

  absl::Status Run() {
    RETURN_IF_ERROR(StartSuite());
    RETURN_IF_ERROR(Load());
    RETURN_IF_ERROR(BillHistory());
    return Measure();
  }

 private:
  static CivilDay FirstMonth() { return CivilDay(2026, 1, 1); }
  // Day 1 of the n-th month after the first.
  static CivilDay Month(int n) {
    const absl::CivilMonth month = absl::CivilMonth(FirstMonth()) + n;
    return CivilDay(month.year(), month.month(), 1);
  }

  absl::Status StartSuite() {
    program::SuiteOptions suite;
    suite.data_dir = options_.data_dir;
    suite.gateway_listen = "";
    suite.clock = &clock_;
    if (!options_.workers.empty()) suite.settings["bill-workers"] = options_.workers;
    ASSIGN_OR_RETURN(suite_, program::Suite::Start(suite));
    channel_ = suite_->host().ChannelTo("invoicing");
    db::Pool::Options pool;
    pool.url = suite_->database_url();
    pool.application = "bench";
    pool_ = std::make_unique<db::Pool>(pool);
    std::ifstream file(options_.data_dir + "/postgresql/postmaster.pid");
    file >> postmaster_;
    return postmaster_ > 0 ? absl::OkStatus() : UnavailableError("BENCH", "no postmaster.pid");
  }

  rpc::Context Caller() const {
    rpc::Context out = rpc::BackgroundContext("bench");
    out.deadline = absl::Now() + absl::Minutes(10);
    return out;
  }

  absl::Status Load() {
    // Usage of the last month before the measured run.
    ProviderOptions provider{options_.accounts, options_.usage_percent, FirstMonth(),
                             Month(options_.history - 1)};
    const absl::Time begin = absl::Now();
    RETURN_IF_ERROR(LoadProvider(*AnyChannel(), Caller(), provider));
    RETURN_IF_ERROR(feedrpc::WaitCaughtUp(suite_->host(), absl::Minutes(30)));
    RETURN_IF_ERROR(LoadProviderUsage(*AnyChannel(), Caller(), provider));
    RETURN_IF_ERROR(feedrpc::WaitCaughtUp(suite_->host(), absl::Minutes(30)));
    Say(absl::StrFormat("loaded %d accounts by the public imports in %.0f s", options_.accounts,
                        absl::ToDoubleSeconds(absl::Now() - begin)));
    return db::ExecAlone(suite_->database_url(), "VACUUM (ANALYZE)");
  }

  // All services are here, so the way to one is the way to all.
  std::shared_ptr<rpc::Channel> AnyChannel() { return channel_; }

  struct Times {
    std::string run_id;  // as the database writes it
    double billed = 0, caught_up = 0;
    Usage usage;  // when it was billed
  };

  absl::StatusOr<Times> Bill(CivilDay as_of) {
    clock_.Set(NoonOf(as_of));
    invoicing::CreateBillRunRequest request;
    *request.mutable_as_of() = convert::ToProto(as_of);
    request.set_mode(invoicing::BillRun::POST);
    Times out;
    const absl::Time begin = absl::Now();
    ASSIGN_OR_RETURN(const auto created,
                     channel_->Call<invoicing::BillRun>(
                         "broadbill.invoicing.v1.Invoicing/CreateBillRun", request, Caller()));
    ASSIGN_OR_RETURN(const Uuid id, Uuid::Parse("run", created.bill_run_id()));
    out.run_id = id.ToHex();
    while (true) {
      ASSIGN_OR_RETURN(const db::Result state,
                       pool_->Exec("SELECT state FROM invoicing.bill_run WHERE run_id = $1", id));
      if (state.Get<int32_t>(0, 0) == invoicing::BillRun::DONE) break;
      if (absl::Now() - begin > kRunTimeout) return DeadlineExceededError("BENCH", "run not done");
      absl::SleepFor(absl::Milliseconds(20));
    }
    out.billed = absl::ToDoubleSeconds(absl::Now() - begin);
    out.usage = UsageNow(postmaster_);
    RETURN_IF_ERROR(feedrpc::WaitCaughtUp(suite_->host(), kRunTimeout));
    out.caught_up = absl::ToDoubleSeconds(absl::Now() - begin);
    return out;
  }

  // The first month by a run, the others by copying its rows.
  absl::Status BillHistory() {
    ASSIGN_OR_RETURN(const Times times, Bill(FirstMonth()));
    Say(absl::StrFormat("history: %s billed in %.1f s", FormatDate(FirstMonth()), times.billed));
    const absl::Time begin = absl::Now();
    RETURN_IF_ERROR(CopyHistory(suite_->database_url(), FirstMonth(), options_.history - 1));
    RETURN_IF_ERROR(db::ExecAlone(suite_->database_url(), "VACUUM (ANALYZE)"));
    Say(absl::StrFormat("history: %d more months in %.0f s", options_.history - 1,
                        absl::ToDoubleSeconds(absl::Now() - begin)));
    return absl::OkStatus();
  }

  absl::StatusOr<int64_t> TableBytes() {
    int64_t out = 0;
    for (const char* table : kRunTables) {
      ASSIGN_OR_RETURN(const db::Result size,
                       pool_->Exec("SELECT coalesce(sum(pg_total_relation_size(relid)), "
                                   "0)::int8 FROM pg_partition_tree($1::text::regclass)",
                                   absl::StrCat("invoicing.", table)));
      out += size.Get<int64_t>(0, 0);
    }
    return out;
  }

  // Sums of broadbill_bill_run_phase_seconds by phase.
  std::map<std::string, double> Phases() {
    std::map<std::string, double> out;
    std::istringstream lines(suite_->host().metrics().Expose());
    const std::string begin = "broadbill_bill_run_phase_seconds_sum{phase=\"";
    for (std::string line; std::getline(lines, line);) {
      if (!absl::StartsWith(line, begin)) continue;
      const size_t end = line.find('"', begin.size());
      out[line.substr(begin.size(), end - begin.size())] =
          std::strtod(line.c_str() + line.rfind(' '), nullptr);
    }
    return out;
  }

  // Further processes with the services that a run needs, at the same database.
  absl::StatusOr<std::vector<std::unique_ptr<WorkerProcess>>> StartOthers() {
    std::vector<std::unique_ptr<WorkerProcess>> out;
    for (int i = 1; i < options_.processes; ++i) {
      const std::string folder = absl::StrCat(options_.data_dir, "/worker", i);
      std::vector<std::string> arguments = {"worker", "--data=" + folder,
                                            "--database-url=" + suite_->database_url(),
                                            "--clock=" + FormatDate(Month(options_.history))};
      if (!options_.workers.empty()) arguments.push_back("--workers=" + options_.workers);
      ASSIGN_OR_RETURN(auto one, WorkerProcess::Start(arguments));
      out.push_back(std::move(one));
    }
    return out;
  }

  // What the measured run took.
  struct Measured {
    Times times;
    Usage before, after;  // with those who follow the run
    std::map<std::string, double> phases_before;
    int64_t bytes = 0;  // of the run's tables
    int64_t program_peak = 0;
    int64_t postgres_private = 0;
    int64_t postgres_shared = 0;
    double others_cpu = 0;  // of further processes
  };

  absl::StatusOr<Measured> MeasureRun() {
    Measured out;
    RETURN_IF_ERROR(db::ExecAlone(suite_->database_url(), "CHECKPOINT"));
    ASSIGN_OR_RETURN(const int64_t bytes_before, TableBytes());
    out.phases_before = Phases();
    ASSIGN_OR_RETURN(const auto others, StartOthers());
    Say("measuring");
    const PostgresMemory memory(postmaster_);
    out.before = UsageNow(postmaster_);
    ASSIGN_OR_RETURN(out.times, Bill(Month(options_.history)));
    out.after = UsageNow(postmaster_);
    out.postgres_private = memory.peak_private_bytes();
    out.postgres_shared = memory.peak_shared_bytes();
    out.program_peak = PeakMemoryBytes();
    for (const auto& other : others) {
      out.others_cpu += other->cpu_seconds();
      out.program_peak = std::max(out.program_peak, other->peak_memory_bytes());
    }
    ASSIGN_OR_RETURN(out.bytes, TableBytes());
    out.bytes -= bytes_before;
    return out;
  }

  // Documents, lines and taxes of the run, checked to be whole.
  absl::Status AddCounts(const std::string& run_id, JsonObject& json) {
    const std::string of = " FROM invoicing.document d ";
    const std::string run = " WHERE d.run_id = '" + run_id + "'";
    const std::pair<const char*, std::string> counts[] = {
        {"invoices", of + "JOIN invoicing.posting p USING (document_id)" + run},
        {"lines", of + "JOIN invoicing.line l USING (account_id, document_id)" + run},
        {"taxes", of + "JOIN invoicing.document_tax t USING (account_id, document_id)" + run}};
    for (const auto& [name, from] : counts) {
      ASSIGN_OR_RETURN(const db::Result count, pool_->Exec("SELECT count(*)" + from));
      const auto number = count.Get<int64_t>(0, 0);
      if (name == std::string("invoices") && number != options_.accounts) {
        return InternalError("BENCH", "not every account got a posted document");
      }
      json.Add(name, number);
    }
    return absl::OkStatus();
  }

  void AddCosts(const Measured& run, JsonObject& json) {
    const auto invoices = static_cast<double>(options_.accounts);
    const double program = run.after.program_cpu_seconds - run.before.program_cpu_seconds;
    const double postgres = run.after.postgres_cpu_seconds - run.before.postgres_cpu_seconds;
    const double billed = run.times.usage.program_cpu_seconds - run.before.program_cpu_seconds +
                          run.times.usage.postgres_cpu_seconds - run.before.postgres_cpu_seconds;
    json.Add("seconds", run.times.billed, 2);
    json.Add("invoices_per_second", invoices / run.times.billed, 0);
    json.Add("microseconds_per_invoice", 1e6 * run.times.billed / invoices, 1);
    json.Add("cpu_microseconds_per_invoice", 1e6 * (billed + run.others_cpu) / invoices, 1);
    json.Add("caught_up_seconds", run.times.caught_up, 2);
    json.Add("caught_up_cpu_microseconds_per_invoice",
             1e6 * (program + postgres + run.others_cpu) / invoices, 1);
    json.Add("program_cpu_seconds", program + run.others_cpu, 1);
    json.Add("postgres_cpu_seconds", postgres, 1);
    json.Add("program_peak_bytes", run.program_peak);
    json.Add("postgres_private_peak_bytes", run.postgres_private);
    json.Add("postgres_shared_bytes", run.postgres_shared);
    json.Add("bytes_per_invoice", static_cast<double>(run.bytes) / invoices, 0);
    JsonObject phases;
    for (const auto& [phase, seconds] : Phases()) {
      const auto old = run.phases_before.find(phase);
      phases.Add(phase, seconds - (old == run.phases_before.end() ? 0 : old->second), 2);
    }
    json.Add("phase_seconds", phases);
  }

  absl::Status Measure() {
    ASSIGN_OR_RETURN(const db::Result heads,
                     pool_->Exec("SELECT partition, pos FROM invoicing.feed_head"));
    ASSIGN_OR_RETURN(const Measured run, MeasureRun());
    JsonObject json;
    json.Add("bench", "billing");
    json.Add("accounts", options_.accounts);
    json.Add("history_months", int64_t{options_.history});
    json.Add("usage_percent", int64_t{options_.usage_percent});
    json.Add("processes", int64_t{options_.processes});
    AddCosts(run, json);
    // The floor reads the run's rows by joins, which need to know how many there are.
    RETURN_IF_ERROR(db::ExecAlone(suite_->database_url(), "ANALYZE"));
    RETURN_IF_ERROR(AddCounts(run.times.run_id, json));
    ASSIGN_OR_RETURN(const Floor floor,
                     MeasureFloor(suite_->database_url(), postmaster_, options_.data_dir + "/floor",
                                  FloorTables(run.times.run_id, heads)));
    json.Add("floor_rows", floor.rows);
    json.Add("floor_bytes", floor.bytes);
    json.Add("floor_one_connection_seconds", floor.one_connection, 2);
    json.Add("floor_two_connections_seconds", floor.two_connections, 2);
    json.Add("floor_cpu_seconds", floor.cpu, 1);
    json.Add("ratio_to_floor", run.times.billed / floor.best(), 2);
    json.Add("caught_up_ratio_to_floor", run.times.caught_up / floor.best(), 2);
    std::cout << json.ToString() << std::endl;
    return absl::OkStatus();
  }

  // The rows this run made. Every item is covered anew, so all rows of coverage are its.
  static std::vector<FloorTable> FloorTables(const std::string& run_id, const db::Result& heads) {
    const std::string run = absl::StrCat("'", run_id, "'::uuid");
    const std::string documents = absl::StrCat(
        "t.document_id IN (SELECT document_id FROM invoicing.document WHERE run_id = ", run, ")");
    std::string feed = "(";
    for (int i = 0; i < heads.size(); ++i) {
      absl::StrAppend(&feed, i == 0 ? "" : " OR ", "(t.partition = ", heads.Get<int16_t>(i, 0),
                      " AND t.pos > ", heads.Get<int64_t>(i, 1), ")");
    }
    std::vector<FloorTable> out;
    for (const std::string table : kRunTables) {
      out.push_back({"invoicing." + table, table == "document"        ? "t.run_id = " + run
                                           : table == "item_coverage" ? "true"
                                           : table == "feed"          ? feed + ")"
                                                                      : documents});
    }
    return out;
  }

  const Options options_;
  FakeClock clock_;
  std::unique_ptr<program::Suite> suite_;
  std::shared_ptr<rpc::Channel> channel_;
  std::unique_ptr<db::Pool> pool_;
  pid_t postmaster_ = 0;
};

}  // namespace

int Billing(const serve::Args& args) {
  Options options;
  options.accounts = args.GetInt("accounts", options.accounts);
  options.history = static_cast<int>(args.GetInt("history", options.history));
  options.usage_percent = static_cast<int>(args.GetInt("usage-percent", options.usage_percent));
  options.processes = static_cast<int>(args.GetInt("processes", options.processes));
  options.workers = args.Get("workers");
  options.data_dir = args.Get("data", absl::StrCat("/tmp/broadbill-bench-", getpid()));
  absl::Status status;
  if (options.accounts < 1 || options.history < 1) {
    status = InvalidField("--accounts and --history", "must be 1 or more");
  } else {
    Bench bench(options);
    status = bench.Run();
  }
  std::error_code ec;
  if (!args.Has("keep")) fs::remove_all(options.data_dir, ec);
  if (status.ok()) return 0;
  std::cerr << "bench billing: " << status.message() << "\n";
  return 1;
}

int Worker(const serve::Args& args) {
  const auto day = ParseDate(args.Get("clock"));
  if (!day.ok()) return 2;
  const FakeClock clock(NoonOf(*day));
  program::SuiteOptions options;
  options.data_dir = args.Get("data");
  options.database_url = args.Get("database-url");
  options.services = {"accounts", "rating", "tax", "invoicing"};
  options.gateway_listen = "";
  options.clock = &clock;
  if (args.Has("workers")) options.settings["bill-workers"] = args.Get("workers");
  const auto suite = program::Suite::Start(options);
  if (!suite.ok()) {
    std::cerr << "bench worker: " << suite.status().message() << "\n";
    return 1;
  }
  std::cout << "up" << std::endl;
  rpc::WaitForSignal();
  return 0;
}

}  // namespace broadbill::bench
