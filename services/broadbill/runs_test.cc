// Bill runs over the whole suite on a real database: paused, resumed, cancelled, refused in part,
// summed by currency.

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "libs/convert/convert.h"
#include "libs/feedrpc/feedrpc.h"
#include "libs/testing/test_database.h"
#include "services/broadbill/imports.h"
#include "services/broadbill/suite.h"

namespace broadbill::program {
namespace {

namespace pb = broadbill::invoicing::v1;

constexpr char kPlan[] =
    "code,name,kind,tax_class,account_code,price,timing,months,currency\n"
    "fibre,Fibre,internet,internet_access,4000,49.99,advance,1,USD\n"
    "fibre_euro,Fibre,internet,internet_access,4000,49.99,advance,1,EUR\n";
constexpr char kRates[] =
    "jurisdiction_code,jurisdiction_name,level,tax_code,tax_name,rate,valid_from,valid_to,"
    "tax_classes\n"
    "US-27,Minnesota,state,sales,State sales tax,6.875,2020-01-01,,\n";
constexpr char kAreas[] =
    "country,region,postal_code,jurisdictions\n"
    "US,MN,55101,US-27\n";

absl::Time NoonOf(CivilDay day) {
  return absl::FromCivil(absl::CivilHour(day) + 18, absl::UTCTimeZone());
}

// A suite with `accounts` customers of one plan; every fourth pays in euros.
class Provider {
 public:
  explicit Provider(int accounts) : clock_(NoonOf(CivilDay(2026, 1, 1))) {
    SuiteOptions options;
    options.data_dir = folder_;
    options.database_url = database_.url();
    options.gateway_listen = "";
    options.clock = &clock_;
    auto suite = Suite::Start(options);
    INFO(suite.status());
    REQUIRE(suite.ok());
    suite_ = *std::move(suite);
    Load("plans", kPlan);
    Load("tax-rates", kRates);
    Load("tax-areas", kAreas);
    std::string rows =
        "account_number,name,customer_class,currency,time_zone,cycle_day,terms_days,email,street,"
        "city,region,postal_code,country\n";
    std::string items = "subscription_id,account_number,plan,start_date\n";
    for (int i = 0; i < accounts; ++i) {
      absl::StrAppend(&rows, "R", i, ",Customer ", i, ",residential,", i % 4 == 0 ? "EUR" : "USD",
                      ",America/Chicago,1,15,c", i,
                      "@customers.example,1 Main,Saint Paul,MN,55101,", "US\n");
      absl::StrAppend(&items, "I", i, ",R", i, ",", i % 4 == 0 ? "fibre_euro" : "fibre",
                      ",2026-01-01\n");
    }
    Load("accounts", rows);
    Load("subscriptions", items);
    REQUIRE(feedrpc::WaitCaughtUp(suite_->host(), absl::Seconds(60)).ok());
    db::Pool::Options pool;
    pool.url = database_.url();
    pool_ = std::make_unique<db::Pool>(pool);
  }

  ~Provider() {
    suite_->Stop();
    std::filesystem::remove_all(folder_);
  }

  template <class Request>
  absl::StatusOr<pb::BillRun> Call(const std::string& method, const Request& request) {
    return suite_->host()
        .ChannelTo("invoicing")
        ->Call<pb::BillRun>("broadbill.invoicing.v1.Invoicing/" + method, request,
                            rpc::BackgroundContext("test"));
  }
  pb::BillRun Start(CivilDay as_of, pb::BillRun::Mode mode = pb::BillRun::POST) {
    clock_.Set(NoonOf(as_of));
    pb::CreateBillRunRequest request;
    *request.mutable_as_of() = convert::ToProto(as_of);
    request.set_mode(mode);
    const auto run = Call("CreateBillRun", request);
    INFO(run.status());
    REQUIRE(run.ok());
    return *run;
  }
  pb::BillRun Get(const std::string& id) {
    pb::GetBillRunRequest request;
    request.set_bill_run_id(id);
    const auto run = Call("GetBillRun", request);
    REQUIRE(run.ok());
    return *run;
  }
  template <class Request>
  absl::StatusOr<pb::BillRun> Tell(const std::string& method, const std::string& id) {
    Request request;
    request.set_bill_run_id(id);
    return Call(method, request);
  }
  pb::BillRun WaitFor(const std::string& id, pb::BillRun::State state) {
    for (int i = 0; i < 3000; ++i) {
      const pb::BillRun run = Get(id);
      if (run.state() == state) return run;
      absl::SleepFor(absl::Milliseconds(20));
    }
    FAIL("the run did not get there: " << Get(id).ShortDebugString());
    return {};
  }
  int64_t Count(const std::string& sql) {
    const auto rows = pool_->Exec(sql);
    INFO(rows.status());
    REQUIRE(rows.ok());
    return rows->Get<int64_t>(0, 0);
  }
  void WaitForClaims() {
    const std::string claimed = "SELECT count(*) FROM invoicing.job_chunk WHERE state = 'claimed'";
    for (int i = 0; i < 3000 && Count(claimed) > 0; ++i) absl::SleepFor(absl::Milliseconds(20));
    REQUIRE(Count(claimed) == 0);
  }
  absl::Status Sql(const std::string& sql) { return db::ExecAlone(database_.url(), sql); }
  rpc::Host& host() { return suite_->host(); }

 private:
  void Load(const std::string& kind, const std::string& content) {
    const auto result = RunImport(*suite_->host().ChannelTo("invoicing"),
                                  rpc::BackgroundContext("test"), kind, kind, content);
    INFO(kind << " " << result.status());
    REQUIRE(result.ok());
    INFO(result->ShortDebugString());
    REQUIRE(result->rows_refused() == 0);
  }

  const std::string folder_ =
      std::filesystem::temp_directory_path() / absl::StrCat("broadbill-runs-", getpid());
  testing::TestDatabase database_;
  FakeClock clock_;
  std::unique_ptr<Suite> suite_;
  std::unique_ptr<db::Pool> pool_;
};

int64_t Minor(const google::type::Money& money) {
  return money.units() * 100 + money.nanos() / 10000000;
}

constexpr char kGapFree[] =
    "SELECT count(*) FROM (SELECT series, count(*) AS n, min(number) AS low, max(number) AS high "
    "FROM invoicing.posting GROUP BY series) s WHERE low <> 1 OR high <> n";

}  // namespace

TEST_CASE("a paused run stands still, and a resumed one goes on to the same end") {
  Provider p(600);
  const std::string id = p.Start(CivilDay(2026, 1, 1)).bill_run_id();
  const auto paused = p.Tell<pb::PauseBillRunRequest>("PauseBillRun", id);
  INFO(paused.status());
  REQUIRE(paused.ok());
  CHECK(paused->state() == pb::BillRun::PAUSED);
  CHECK(p.Tell<pb::PauseBillRunRequest>("PauseBillRun", id).ok());
  p.WaitForClaims();  // chunks that were at work are finished
  const pb::BillRun still = p.Get(id);
  CHECK(still.progress().phase() == "paused");
  CHECK(still.progress().documents_drafted() < 600);
  absl::SleepFor(absl::Seconds(1));
  const pb::BillRun later = p.Get(id);
  CHECK(later.progress().documents_drafted() == still.progress().documents_drafted());
  CHECK(later.progress().documents_posted() == still.progress().documents_posted());
  CHECK(later.progress().elapsed_ms() == still.progress().elapsed_ms());
  const auto resumed = p.Tell<pb::ResumeBillRunRequest>("ResumeBillRun", id);
  REQUIRE(resumed.ok());
  CHECK(resumed->state() == pb::BillRun::RUNNING);
  const pb::BillRun done = p.WaitFor(id, pb::BillRun::DONE);
  CHECK(done.progress().documents_posted() == 600);
  CHECK(done.progress().eta_seconds() == 0);
  CHECK(done.progress().accounts_per_second() > 0);
  CHECK(p.Count("SELECT count(*) FROM invoicing.posting") == 600);
  CHECK(p.Count(kGapFree) == 0);
  const auto again = p.Tell<pb::ResumeBillRunRequest>("ResumeBillRun", id);
  CHECK(again.status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(p.Tell<pb::PauseBillRunRequest>("PauseBillRun", id).status().code() ==
        absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("a paused run can be cancelled: its drafts are void, and the next run bills them") {
  Provider p(300);
  const std::string id = p.Start(CivilDay(2026, 1, 1), pb::BillRun::DRAFT).bill_run_id();
  REQUIRE(p.Tell<pb::PauseBillRunRequest>("PauseBillRun", id).ok());
  p.WaitForClaims();
  const auto cancelled = p.Tell<pb::CancelBillRunRequest>("CancelBillRun", id);
  INFO(cancelled.status());
  REQUIRE(cancelled.ok());
  CHECK(cancelled->state() == pb::BillRun::CANCELLED);
  CHECK(p.Count("SELECT count(*) FROM invoicing.document d WHERE NOT EXISTS (SELECT 1 FROM "
                "invoicing.voiding v WHERE v.document_id = d.document_id)") == 0);
  const std::string next = p.Start(CivilDay(2026, 1, 1)).bill_run_id();
  CHECK(p.WaitFor(next, pb::BillRun::DONE).progress().documents_posted() == 300);
}

TEST_CASE("a run is summed by currency, beside the run before it of the same scope") {
  Provider p(80);
  const pb::BillRun first =
      p.WaitFor(p.Start(CivilDay(2026, 1, 1)).bill_run_id(), pb::BillRun::DONE);
  REQUIRE(first.totals_size() == 2);
  CHECK(first.totals(0).currency_code() == "EUR");
  CHECK(first.totals(0).invoices() == 20);
  CHECK(Minor(first.totals(0).net()) == 20 * 4999);
  CHECK_FALSE(first.totals(0).has_previous_total());
  CHECK(first.totals(1).currency_code() == "USD");
  CHECK(first.totals(1).invoices() == 60);
  CHECK(Minor(first.totals(1).total()) == 60 * 4999);
  const pb::BillRun second =
      p.WaitFor(p.Start(CivilDay(2026, 2, 1), pb::BillRun::DRY).bill_run_id(), pb::BillRun::DONE);
  REQUIRE(second.totals_size() == 2);
  CHECK(Minor(second.totals(0).previous_total()) == Minor(first.totals(0).total()));
  CHECK(Minor(second.totals(1).previous_total()) == Minor(first.totals(1).total()));
  CHECK(Minor(second.totals(1).total()) == Minor(first.totals(1).total()));
  CHECK(p.Count("SELECT count(*) FROM invoicing.document WHERE chunk >= 0") == 80);
}

TEST_CASE("what the database refuses waits alone, and a retry posts just that") {
  Provider p(400);
  std::string poisoned;
  for (const int number : {7, 8, 399}) {
    absl::StrAppend(&poisoned, poisoned.empty() ? "" : ", ", "'", "R", number, "'");
  }
  const std::string of =
      "(SELECT account_id FROM accounts.account WHERE account_number IN (" + poisoned + "))";
  REQUIRE(p.Sql("DO $$ BEGIN EXECUTE format('ALTER TABLE invoicing.line ADD CONSTRAINT poison "
                "CHECK (account_id NOT IN (%s))', (SELECT string_agg(quote_literal(account_id), "
                "', ') FROM " +
                of + " x)); END $$")
              .ok());
  const std::string id = p.Start(CivilDay(2026, 1, 1)).bill_run_id();
  const pb::BillRun run = p.WaitFor(id, pb::BillRun::DONE);
  CHECK(run.progress().documents_posted() == 397);
  REQUIRE(run.exception_counts_size() == 1);
  CHECK(run.exception_counts(0).reason() == pb::RunException::REFUSED);
  CHECK(run.exception_counts(0).count() == 3);
  CHECK(p.Count("SELECT count(*) FROM invoicing.run_exception WHERE account_id IN " + of) == 3);
  REQUIRE(p.Sql("ALTER TABLE invoicing.line DROP CONSTRAINT poison").ok());
  pb::RetryRunExceptionsRequest retry;
  retry.set_bill_run_id(id);
  const auto retried = p.host()
                           .ChannelTo("invoicing")
                           ->Call<pb::RetryRunExceptionsResponse>(
                               "broadbill.invoicing.v1.Invoicing/RetryRunExceptions", retry,
                               rpc::BackgroundContext("test"));
  INFO(retried.status());
  REQUIRE(retried.ok());
  CHECK(retried->resolved() == 3);
  CHECK(p.Count("SELECT count(*) FROM invoicing.posting") == 400);
  CHECK(p.Count(kGapFree) == 0);
  int64_t invoices = 0;
  const pb::BillRun end = p.Get(id);
  for (const auto& totals : end.totals()) invoices += totals.invoices();
  CHECK(invoices == 400);
}

}  // namespace broadbill::program
