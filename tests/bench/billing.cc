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
#include "tests/bench/measure.h"
#include "tests/bench/provider.h"

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
  int history = 1;  // months billed before the measured one
  int usage_percent = 20;
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
    for (int month = 1; month <= options_.history; ++month) RETURN_IF_ERROR(BillHistory(month));
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
    ProviderOptions provider{options_.accounts, options_.usage_percent, FirstMonth(),
                             options_.history + 1};
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
    RETURN_IF_ERROR(feedrpc::WaitCaughtUp(suite_->host(), kRunTimeout));
    out.caught_up = absl::ToDoubleSeconds(absl::Now() - begin);
    return out;
  }

  absl::Status BillHistory(int month) {
    ASSIGN_OR_RETURN(const Times times, Bill(Month(month - 1)));
    Say(absl::StrFormat("history: %s billed in %.1f s", FormatDate(Month(month - 1)),
                        times.billed));
    return db::ExecAlone(suite_->database_url(), "VACUUM (ANALYZE)");
  }

  absl::StatusOr<int64_t> TableBytes() {
    int64_t out = 0;
    for (const char* table : kRunTables) {
      ASSIGN_OR_RETURN(const db::Result size,
                       pool_->Exec("SELECT pg_total_relation_size($1::text::regclass)",
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

  absl::Status Measure() {
    RETURN_IF_ERROR(db::ExecAlone(suite_->database_url(), "CHECKPOINT"));
    ASSIGN_OR_RETURN(const db::Result heads,
                     pool_->Exec("SELECT partition, pos FROM invoicing.feed_head"));
    ASSIGN_OR_RETURN(const int64_t bytes_before, TableBytes());
    const std::map<std::string, double> phases_before = Phases();
    const Usage before = UsageNow(postmaster_);
    Times times;
    int64_t postgres_private = 0;
    int64_t postgres_shared = 0;
    {
      const PostgresMemory memory(postmaster_);
      ASSIGN_OR_RETURN(times, Bill(Month(options_.history)));
      postgres_private = memory.peak_private_bytes();
      postgres_shared = memory.peak_shared_bytes();
    }
    const Usage after = UsageNow(postmaster_);
    const int64_t peak = PeakMemoryBytes();
    ASSIGN_OR_RETURN(const int64_t bytes_after, TableBytes());
    ASSIGN_OR_RETURN(
        const db::Result counts,
        pool_->Exec("SELECT count(*), (SELECT count(*) FROM invoicing.line l JOIN "
                    "invoicing.document d2 USING (account_id, document_id) WHERE "
                    "d2.run_id = d.run_id), (SELECT count(*) FROM invoicing.document_tax t "
                    "JOIN invoicing.document d2 USING (account_id, document_id) WHERE "
                    "d2.run_id = d.run_id), count(p.number) FROM invoicing.document d "
                    "LEFT JOIN invoicing.posting p USING (document_id) WHERE run_id = "
                    "$1::text::uuid GROUP BY d.run_id",
                    times.run_id));
    if (counts.empty() || counts.Get<int64_t>(0, 3) != options_.accounts) {
      return InternalError("BENCH", "not every account got a posted document");
    }
    JsonObject phases;
    for (const auto& [phase, seconds] : Phases()) {
      const auto old = phases_before.find(phase);
      phases.Add(phase, seconds - (old == phases_before.end() ? 0 : old->second), 2);
    }
    ASSIGN_OR_RETURN(const Floor floor,
                     MeasureFloor(suite_->database_url(), options_.data_dir + "/floor",
                                  FloorTables(times.run_id, heads)));
    const auto invoices = static_cast<double>(options_.accounts);
    JsonObject json;
    json.Add("bench", "billing");
    json.Add("accounts", options_.accounts);
    json.Add("history_months", int64_t{options_.history});
    json.Add("usage_percent", int64_t{options_.usage_percent});
    json.Add("invoices", counts.Get<int64_t>(0, 0));
    json.Add("lines", counts.Get<int64_t>(0, 1));
    json.Add("taxes", counts.Get<int64_t>(0, 2));
    json.Add("seconds", times.billed, 2);
    json.Add("invoices_per_second", invoices / times.billed, 0);
    json.Add("caught_up_seconds", times.caught_up, 2);
    json.Add("program_cpu_seconds", after.program_cpu_seconds - before.program_cpu_seconds, 1);
    json.Add("postgres_cpu_seconds", after.postgres_cpu_seconds - before.postgres_cpu_seconds, 1);
    json.Add("program_peak_bytes", peak);
    json.Add("postgres_private_peak_bytes", postgres_private);
    json.Add("postgres_shared_bytes", postgres_shared);
    json.Add("bytes_per_invoice", static_cast<double>(bytes_after - bytes_before) / invoices, 0);
    json.Add("phase_seconds", phases);
    json.Add("floor_rows", floor.rows);
    json.Add("floor_bytes", floor.bytes);
    json.Add("floor_one_connection_seconds", floor.one_connection, 2);
    json.Add("floor_two_connections_seconds", floor.two_connections, 2);
    json.Add("ratio_to_floor", times.billed / floor.best(), 2);
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
  options.data_dir = args.Get("data", absl::StrCat("/tmp/broadbill-bench-", getpid()));
  absl::Status status;
  {
    Bench bench(options);
    status = bench.Run();
  }
  std::error_code ec;
  if (!args.Has("keep")) fs::remove_all(options.data_dir, ec);
  if (status.ok()) return 0;
  std::cerr << "bench billing: " << status.message() << "\n";
  return 1;
}

}  // namespace broadbill::bench
