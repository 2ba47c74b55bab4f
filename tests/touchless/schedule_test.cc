// Scheduled bill runs: each day's exactly once, whoever is running and however long nobody was.

#include <catch2/catch.hpp>
#include <thread>

#include "absl/time/clock.h"
#include "broadbill/accounts/v1/account.pb.h"
#include "broadbill/accounts/v1/company.pb.h"
#include "broadbill/invoicing/v1/bill_run.pb.h"
#include "broadbill/invoicing/v1/schedule.pb.h"
#include "libs/calendar/time_zone.h"
#include "libs/convert/convert.h"
#include "services/broadbill/services.h"
#include "tests/scenarios/runner/world.h"

namespace broadbill::touchless {
namespace {

namespace accounts = broadbill::accounts::v1;
namespace invoicing = broadbill::invoicing::v1;

using Days = std::vector<std::string>;

class Installation {
 public:
  Installation() {
    accounts::ListCompaniesRequest companies;
    const auto found = world.Call<accounts::ListCompaniesResponse>(
        "broadbill.accounts.v1.Accounts/ListCompanies", companies);
    REQUIRE(found.ok());
    zone_ = *LoadZone(found->companies(0).time_zone());
    accounts::CreateAccountRequest account;
    account.mutable_account()->set_account_number("A1");
    account.mutable_account()->set_name("A1");
    account.mutable_account()->mutable_billing_address()->set_country_code("US");
    REQUIRE(world.Call<accounts::Account>("broadbill.accounts.v1.Accounts/CreateAccount", account)
                .ok());
  }

  // The business clock, in the company's zone.
  void At(int month, int day, int hour, int minute = 0) {
    world.SetTime(absl::FromCivil(absl::CivilMinute(2026, month, day, hour, minute), zone_));
  }

  // The dates of all runs, the newest first, once there are `count`, or after a while.
  Days Runs(size_t count) {
    Days out;
    for (int i = 0; i < 200; ++i) {
      out.clear();
      const auto runs = world.Call<invoicing::ListBillRunsResponse>(
          "broadbill.invoicing.v1.Invoicing/ListBillRuns", invoicing::ListBillRunsRequest());
      REQUIRE(runs.ok());
      for (const auto& run : runs->bill_runs()) {
        const google::type::Date& day = run.as_of();
        out.push_back(FormatDate(CivilDay(day.year(), day.month(), day.day())));
      }
      if (out.size() >= count) return out;
      absl::SleepFor(absl::Milliseconds(50));
    }
    return out;
  }
  // Long enough for every worker to have looked twice.
  Days RunsAfterAWhile() {
    absl::SleepFor(absl::Milliseconds(2500));
    return Runs(0);
  }

  absl::StatusOr<invoicing::BillSchedule> Create(const invoicing::BillSchedule& schedule) {
    invoicing::CreateBillScheduleRequest request;
    *request.mutable_schedule() = schedule;
    return world.Call<invoicing::BillSchedule>(
        "broadbill.invoicing.v1.Invoicing/CreateBillSchedule", request);
  }
  absl::StatusOr<invoicing::BillSchedule> Enable(bool enabled) {
    invoicing::UpdateBillScheduleRequest request;
    request.set_schedule_id("nightly");
    request.mutable_schedule()->set_enabled(enabled);
    request.mutable_update_mask()->add_paths("enabled");
    return world.Call<invoicing::BillSchedule>(
        "broadbill.invoicing.v1.Invoicing/UpdateBillSchedule", request);
  }

  scenarios::World world;

 private:
  absl::TimeZone zone_;
};

invoicing::BillSchedule Nightly() {
  invoicing::BillSchedule out;
  out.set_code("nightly");
  out.set_mode(invoicing::BillRun::POST);
  out.set_local_hour(3);
  out.set_enabled(true);
  return out;
}

// Another process of the suite on the same database, as far as schedules go.
std::unique_ptr<rpc::Host> Replica(scenarios::World& world) {
  rpc::HostOptions options;
  options.database_url = world.database_url();
  options.clock = &world.host().clock();
  auto host = std::make_unique<rpc::Host>(std::move(options));
  for (const program::Component& component : program::Components()) {
    if (component.name == "notification" || component.name == "reporting") continue;
    REQUIRE(component.register_with(*host).ok());
  }
  REQUIRE(host->Start().ok());
  return host;
}

}  // namespace

TEST_CASE("a schedule starts each day's run once, over two replicas and after a downtime") {
  Installation isp;
  isp.At(3, 1, 12);
  const auto made = isp.Create(Nightly());
  REQUIRE(made.ok());
  CHECK(made->done_through().day() == 1);  // the day that had begun is not run
  const auto replica = Replica(isp.world);
  isp.At(3, 2, 2, 59);
  CHECK(isp.RunsAfterAWhile().empty());
  isp.At(3, 2, 3);
  CHECK(isp.Runs(1) == Days{"2026-03-02"});
  isp.At(3, 2, 23, 59);
  CHECK(isp.RunsAfterAWhile() == Days{"2026-03-02"});
  isp.At(3, 3, 4);
  CHECK(isp.Runs(2) == Days{"2026-03-03", "2026-03-02"});
  // Nobody was there for five days: one run, of the latest.
  isp.At(3, 9, 10);
  CHECK(isp.Runs(3) == Days{"2026-03-09", "2026-03-03", "2026-03-02"});
  // Before the hour the latest day is yesterday.
  isp.At(3, 12, 1);
  CHECK(isp.Runs(4).front() == "2026-03-11");
  CHECK(isp.RunsAfterAWhile().size() == 4);

  const auto listed = isp.world.Call<invoicing::ListBillSchedulesResponse>(
      "broadbill.invoicing.v1.Invoicing/ListBillSchedules", invoicing::ListBillSchedulesRequest());
  REQUIRE(listed.ok());
  REQUIRE(listed->schedules_size() == 1);
  CHECK(listed->schedules(0).done_through().day() == 11);
  invoicing::GetBillRunRequest get;
  get.set_bill_run_id(listed->schedules(0).last_bill_run_id());
  const auto run =
      isp.world.Call<invoicing::BillRun>("broadbill.invoicing.v1.Invoicing/GetBillRun", get);
  REQUIRE(run.ok());
  CHECK(run->created_by() == "service:schedule/nightly");

  // Switched off, nothing starts; switched on again, the days in between stay what they are.
  REQUIRE(isp.Enable(false).ok());
  isp.At(3, 13, 10);
  CHECK(isp.RunsAfterAWhile().size() == 4);
  REQUIRE(isp.Enable(true).ok());
  CHECK(isp.RunsAfterAWhile().size() == 4);
  isp.At(3, 14, 3);
  CHECK(isp.Runs(5).front() == "2026-03-14");
  invoicing::DeleteBillScheduleRequest end;
  end.set_schedule_id("nightly");
  REQUIRE(
      isp.world
          .Call<invoicing::BillSchedule>("broadbill.invoicing.v1.Invoicing/DeleteBillSchedule", end)
          .ok());
  isp.At(3, 15, 3);
  CHECK(isp.RunsAfterAWhile().size() == 5);
  replica->Stop(absl::Seconds(2));
}

TEST_CASE("a schedule's fields are checked, and its code is its own") {
  Installation isp;
  isp.At(3, 1, 12);
  REQUIRE(isp.Create(Nightly()).ok());
  CHECK(ReasonOf(isp.Create(Nightly()).status()) == "SCHEDULE_EXISTS");
  invoicing::BillSchedule wrong = Nightly();
  wrong.set_code("Nightly run");
  wrong.set_mode(invoicing::BillRun::DRY);
  wrong.set_local_hour(24);
  wrong.mutable_scope()->add_cycle_days(32);
  wrong.mutable_approval_above()->set_value("-1");
  const auto violations = ViolationsOf(isp.Create(wrong).status());
  std::vector<std::string> fields;
  for (const FieldViolation& violation : violations) fields.push_back(violation.field);
  CHECK(fields == std::vector<std::string>{"schedule.code", "schedule.mode", "schedule.local_hour",
                                           "schedule.scope.cycle_days", "schedule.approval_above"});
  wrong = Nightly();
  wrong.set_code("other");
  wrong.mutable_scope()->set_company_id(Uuid::Make(absl::Now()).ToText("co"));
  CHECK(ReasonOf(isp.Create(wrong).status()) == "COMPANY_NOT_FOUND");
}

}  // namespace broadbill::touchless
