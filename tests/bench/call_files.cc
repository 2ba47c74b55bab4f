#include "tests/bench/call_files.h"

#include <fstream>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "broadbill/common/v1/import_result.pb.h"
#include "broadbill/rating/v1/calls.pb.h"
#include "libs/calendar/clock.h"
#include "libs/rpc/context.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/suite.h"
#include "services/rating/store/rows.h"
#include "tests/bench/floor.h"

namespace broadbill::bench {
namespace {

namespace pb = broadbill::rating::v1;
using ImportResult = broadbill::common::v1::ImportResult;

class Run {
 public:
  Run(const CallFiles& input, std::string data_dir)
      : input_(input),
        data_dir_(std::move(data_dir)),
        clock_(absl::FromCivil(CivilDay(2026, 4, 1), absl::UTCTimeZone())) {}

  absl::Status Measure(JsonObject& json) {
    RETURN_IF_ERROR(Start());
    RETURN_IF_ERROR(LoadLines());
    RETURN_IF_ERROR(LoadDeck());
    RETURN_IF_ERROR(db::ExecAlone(suite_->database_url(), "VACUUM (ANALYZE)"));
    RETURN_IF_ERROR(db::ExecAlone(suite_->database_url(), "CHECKPOINT"));
    // The first calls load the deck into memory.
    constexpr int64_t kFirst = CallFiles::kFirst;
    ASSIGN_OR_RETURN(const double first, ImportAll({input_.first}, kFirst));
    const Usage before = UsageNow(postmaster_);
    ASSIGN_OR_RETURN(const double seconds, ImportAll(input_.files, input_.rated));
    const Usage after = UsageNow(postmaster_);
    // The same files once more: nothing is new.
    ASSIGN_OR_RETURN(const double again, ImportAll(input_.files, 0));
    RETURN_IF_ERROR(db::ExecAlone(suite_->database_url(), "ANALYZE rating.call"));
    ASSIGN_OR_RETURN(const Floor floor,
                     MeasureFloor(suite_->database_url(), postmaster_, data_dir_ + "/floor",
                                  {{"rating.call", "true"}}));
    if (floor.rows != input_.rated + kFirst)
      return InternalError("BENCH", "not every call became a row");
    const auto records = static_cast<double>(input_.records);
    json.Add("records", input_.records);
    json.Add("rated_rows", input_.rated);
    json.Add("first_calls_seconds", first, 2);
    json.Add("file_seconds", seconds, 2);
    json.Add("records_per_second", records / seconds, 0);
    json.Add("program_microseconds_per_record",
             1e6 * (after.program_cpu_seconds - before.program_cpu_seconds) / records, 2);
    json.Add("postgres_microseconds_per_record",
             1e6 * (after.postgres_cpu_seconds - before.postgres_cpu_seconds) / records, 2);
    json.Add("again_seconds", again, 2);
    json.Add("file_floor_one_connection_seconds", floor.one_connection, 2);
    json.Add("file_floor_two_connections_seconds", floor.two_connections, 2);
    json.Add("file_floor_bytes", floor.bytes);
    json.Add("file_ratio_to_floor", seconds / floor.one_connection, 2);
    json.Add("file_ratio_to_floor_of_two_connections", seconds / floor.best(), 2);
    return absl::OkStatus();
  }

 private:
  absl::Status Start() {
    program::SuiteOptions suite;
    suite.data_dir = data_dir_;
    suite.gateway_listen = "";
    suite.clock = &clock_;
    ASSIGN_OR_RETURN(suite_, program::Suite::Start(suite));
    channel_ = suite_->host().ChannelTo("rating");
    db::Pool::Options pool;
    pool.url = suite_->database_url();
    pool.schema = "rating";
    pool.application = "bench";
    pool_ = std::make_unique<db::Pool>(pool);
    std::ifstream file(data_dir_ + "/postgresql/postmaster.pid");
    file >> postmaster_;
    return postmaster_ > 0 ? absl::OkStatus() : UnavailableError("BENCH", "no postmaster.pid");
  }

  rpc::Context Caller() const {
    rpc::Context out = rpc::BackgroundContext("bench");
    out.deadline = absl::Now() + absl::Minutes(20);
    return out;
  }

  // What accounts' feed would have told of as many lines.
  absl::Status LoadLines() {
    std::vector<rating::SubjectRow> subjects;
    std::vector<rating::ItemTermsRow> terms;
    const CivilDay first(2026, 1, 1);
    for (size_t i = 0; i < input_.numbers.size(); ++i) {
      const Uuid account = Uuid::Make(clock_.Now());
      const Uuid item = Uuid::Make(clock_.Now());
      subjects.push_back({rating::kDid, input_.numbers[i], account, item, first, CivilDay::max()});
      rating::ItemTermsRow row;
      row.account_id = account;
      row.item_id = item;
      row.valid_from = first;
      row.valid_to = CivilDay::max();
      row.time_zone = input_.zones[i];
      row.country = "US";
      row.currency = "USD";
      row.decks = {"retail"};
      terms.push_back(row);
    }
    return db::RunTx(*pool_, [&](db::Tx& tx) -> absl::Status {
      RETURN_IF_ERROR(db::Copy(tx, subjects));
      return db::Copy(tx, terms);
    });
  }

  absl::Status LoadDeck() {
    pb::ImportDeckRequest request;
    request.set_deck_code("retail");
    request.set_currency_code("USD");
    request.set_windows(input_.windows);
    request.set_content(input_.deck);
    const absl::Time begin = absl::Now();
    ASSIGN_OR_RETURN(
        const auto result,
        channel_->Call<ImportResult>("broadbill.rating.v1.Rating/ImportDeck", request, Caller()));
    std::cerr << "bench voice: deck of " << result.rows_applied() << " rates loaded in "
              << absl::ToDoubleSeconds(absl::Now() - begin) << " s\n";
    return result.rows_applied() > 0 && result.rows_refused() == 0
               ? absl::OkStatus()
               : InternalError("BENCH", "the deck was refused: " + result.ShortDebugString());
  }

  // Seconds for all files, one after another.
  absl::StatusOr<double> ImportAll(const std::vector<std::string>& files, int64_t expected) {
    int64_t applied = 0;
    double seconds = 0;
    for (size_t i = 0; i < files.size(); ++i) {
      pb::ImportCallsRequest request;
      request.set_source_name(absl::StrCat("Master.csv.", i));
      request.set_format(pb::ImportCallsRequest::ASTERISK_CDR_CSV);
      request.set_country_code("US");
      request.set_content(files[i]);
      const absl::Time begin = absl::Now();
      ASSIGN_OR_RETURN(const auto result,
                       channel_->Call<ImportResult>("broadbill.rating.v1.Rating/ImportCalls",
                                                    request, Caller()));
      seconds += absl::ToDoubleSeconds(absl::Now() - begin);
      applied += result.rows_applied();
    }
    if (applied != expected) {
      return InternalError("BENCH", absl::StrCat(applied, " rows were kept, not ", expected));
    }
    return seconds;
  }

  const CallFiles& input_;
  const std::string data_dir_;
  FakeClock clock_;
  std::unique_ptr<program::Suite> suite_;
  std::shared_ptr<rpc::Channel> channel_;
  std::unique_ptr<db::Pool> pool_;
  pid_t postmaster_ = 0;
};

}  // namespace

absl::Status MeasureCallFiles(const CallFiles& input, const std::string& data_dir,
                              JsonObject& json) {
  return Run(input, data_dir).Measure(json);
}

}  // namespace broadbill::bench
