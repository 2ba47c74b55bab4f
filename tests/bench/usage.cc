#include "tests/bench/usage.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "broadbill/rating/v1/stream.pb.h"
#include "libs/convert/convert.h"
#include "libs/feedrpc/feedrpc.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/broadbill/suite.h"
#include "services/rating/app/key_holder.h"
#include "tests/bench/floor.h"
#include "tests/bench/measure.h"
#include "tests/bench/provider.h"

namespace broadbill::bench {
namespace {

namespace fs = std::filesystem;
namespace rating = broadbill::rating::v1;

constexpr int kUnanswered = 2;  // batches of a sender on their way
const CivilDay kMonth(2026, 3, 1);

struct Options {
  int64_t accounts = 20000;  // each with one meter
  int64_t events = 1000000;  // of each measured part
  int64_t held = 0;          // events that are there before, over the year before
  int batch = 10000;
  int senders = 2;
  std::string data_dir;
};

void Say(const std::string& text) { std::cerr << text << std::endl; }

// What senders call their events: a random UUID each, as gateways make them.
std::string RandomId(std::mt19937_64& random) {
  const uint64_t a = random(), b = random();
  return absl::StrFormat("%08x-%04x-4%03x-%04x-%012x", a >> 32, a >> 16 & 0xffff, a & 0xfff,
                         0x8000 | (b >> 48 & 0x3fff), b & 0xffffffffffff);
}

class Bench {
 public:
  explicit Bench(Options options)
      : options_(std::move(options)),
        clock_(absl::FromCivil(absl::CivilHour(kMonth + 14) + 12, absl::UTCTimeZone())) {}

  absl::Status Run() {
    RETURN_IF_ERROR(StartSuite());
    RETURN_IF_ERROR(Load());
    RETURN_IF_ERROR(Hold());
    return Measure();
  }

 private:
  using Batches = std::vector<std::unique_ptr<rating::StreamEventsRequest>>;

  absl::Status StartSuite() {
    program::SuiteOptions suite;
    suite.data_dir = options_.data_dir;
    suite.gateway_listen = "";
    suite.clock = &clock_;
    ASSIGN_OR_RETURN(suite_, program::Suite::Start(suite));
    ASSIGN_OR_RETURN(const std::string address, program::RunningAddress(options_.data_dir));
    ASSIGN_OR_RETURN(const rpc::TokenKey key, program::InternalKey(options_.data_dir));
    channel_ = rpc::Dial(address, key);
    db::Pool::Options pool;
    pool.url = suite_->database_url();
    pool.application = "bench";
    pool_ = std::make_unique<db::Pool>(pool);
    std::ifstream file(options_.data_dir + "/postgresql/postmaster.pid");
    file >> postmaster_;
    return postmaster_ > 0 ? absl::OkStatus() : UnavailableError("BENCH", "no postmaster.pid");
  }

  static rpc::Context Caller() {
    rpc::Context out = rpc::BackgroundContext("bench");
    out.deadline = absl::Now() + absl::Hours(1);
    return out;
  }

  absl::Status Load() {
    const ProviderOptions provider{options_.accounts, 100, CivilDay(2025, 3, 1), kMonth};
    RETURN_IF_ERROR(LoadProvider(*channel_, Caller(), provider));
    RETURN_IF_ERROR(feedrpc::WaitCaughtUp(suite_->host(), absl::Minutes(30)));
    Say(absl::StrCat("loaded ", options_.accounts, " metered accounts"));
    return db::ExecAlone(suite_->database_url(), "VACUUM (ANALYZE)");
  }

  // Events of the twelve months before, written as ingestion would have left them: by month, their
  // ids in the large table.
  absl::Status Hold() {
    if (options_.held == 0) return absl::OkStatus();
    const absl::Time begin = absl::Now();
    std::string sql =
        "SET search_path = rating; CREATE TEMP TABLE meter AS SELECT row_number() OVER () - 1 AS "
        "n, "
        "account_id, item_id FROM subject WHERE kind = 4; CREATE UNIQUE INDEX ON meter (n); "
        "ALTER TABLE event_key_held DROP CONSTRAINT event_key_held_pkey; ";
    const int64_t each = options_.held / 12;
    for (int month = 1; month <= 12; ++month) {
      const absl::CivilMonth of = absl::CivilMonth(kMonth) - month;
      const std::string part = absl::StrFormat("usage_event_%04d_%02d", of.year(), of.month());
      absl::StrAppend(
          &sql, "CREATE TABLE ", part, " (LIKE usage_event INCLUDING CONSTRAINTS); INSERT INTO ",
          part, " SELECT m.account_id, m.item_id, '", of.year(), "-", of.month(),
          "-01 00:00+00'::timestamptz + make_interval(secs => i * 2400000.0 / ", each,
          "), gen_random_uuid(), 'gw-' || i % 20, gen_random_uuid()::text, 1000, 0, NULL FROM "
          "generate_series(1, ",
          each, ") i JOIN meter m ON m.n = i % ", options_.accounts, "; ALTER TABLE ", part,
          " ADD PRIMARY KEY (account_id, item_id, at, event_key); ",
          "ALTER TABLE usage_event ATTACH PARTITION ", part, " FOR VALUES FROM ('", of.year(), "-",
          of.month(), "-01 00:00+00') TO ('", (of + 1).year(), "-", (of + 1).month(),
          "-01 00:00+00'); INSERT INTO event_key_held SELECT event_key, 1 FROM ", part, "; ");
    }
    sql +=
        "ALTER TABLE event_key_held ADD PRIMARY KEY (event_key); "
        "UPDATE event_key_slice SET covered = false, version = version + 1";
    RETURN_IF_ERROR(db::ExecAlone(suite_->database_url(), sql));
    RETURN_IF_ERROR(HoldKeys().status());  // makes their filters
    RETURN_IF_ERROR(db::ExecAlone(suite_->database_url(), "VACUUM (ANALYZE)"));
    Say(absl::StrFormat("%d events held, written in %.0f s", options_.held,
                        absl::ToDoubleSeconds(absl::Now() - begin)));
    return absl::OkStatus();
  }

  void Fill(rating::UsageEvent* event) {
    event->set_id(RandomId(random_));
    event->set_source(absl::StrCat("gw-", random_() % 20));
    event->set_subject(absl::StrCat("m", random_() % static_cast<uint64_t>(options_.accounts)));
    *event->mutable_time() = convert::ToProto(clock_.Now() - absl::Seconds(random_() % 86400));
    event->set_type(random_() % 4 == 0 ? "data.out" : "data.in");
    event->mutable_quantity()->set_value(absl::StrCat(random_() % 100000000));
  }

  // `percent` of the events are some of `sent` again.
  Batches Make(const Batches& sent, uint64_t percent) {
    Batches out;
    for (int64_t made = 0; made < options_.events; made += options_.batch) {
      auto batch = std::make_unique<rating::StreamEventsRequest>();
      batch->set_batch(static_cast<int64_t>(out.size()));
      const int64_t size = std::min<int64_t>(options_.batch, options_.events - made);
      for (int64_t i = 0; i < size; ++i) {
        if (random_() % 100 >= percent) {
          Fill(batch->add_events());
          continue;
        }
        const auto& from = *sent[random_() % sent.size()];
        const auto at = static_cast<int>(random_() % static_cast<uint64_t>(from.events_size()));
        *batch->add_events() = from.events(at);
      }
      out.push_back(std::move(batch));
    }
    return out;
  }

  struct Sent {
    double seconds = 0, program_cpu = 0, postgres_cpu = 0;
    int64_t accepted = 0, duplicates = 0;
    int64_t program_peak = 0;
    void Describe(int64_t events, JsonObject& json) const {
      const auto count = static_cast<double>(events);
      json.Add("seconds", seconds, 2);
      json.Add("events_per_second", count / seconds, 0);
      json.Add("program_cpu_microseconds_per_event", 1e6 * program_cpu / count, 2);
      json.Add("postgres_cpu_microseconds_per_event", 1e6 * postgres_cpu / count, 2);
      json.Add("accepted", accepted);
      json.Add("duplicates", duplicates);
    }
  };

  // Streams batches; it ends when all of them are durable.
  absl::StatusOr<Sent> Send(const Batches& batches) {
    Sent out;
    std::vector<absl::Status> results(static_cast<size_t>(options_.senders));
    std::vector<Sent> counts(results.size());
    std::vector<std::thread> threads;
    const Usage before = UsageNow(postmaster_);
    const absl::Time begin = absl::Now();
    for (size_t sender = 0; sender < results.size(); ++sender) {
      threads.emplace_back([&, sender] {
        size_t next = sender;
        rating::StreamEventsRequest request;  // a batch, lent as long as it is sent
        rating::StreamEventsRequest* lent = nullptr;
        rating::StreamEventsResponse response;
        bool whole = true;
        results[sender] = channel_->Exchange(
            "broadbill.rating.v1.Rating/StreamEvents", request, response, kUnanswered, Caller(),
            [&] {
              if (lent != nullptr) request.Swap(std::exchange(lent, nullptr));
              if (next >= batches.size()) return false;
              lent = batches[next].get();
              request.Swap(lent);
              next += results.size();
              return true;
            },
            [&] {
              counts[sender].accepted += response.accepted();
              counts[sender].duplicates += response.duplicates();
              whole =
                  whole &&
                  response.conflicts_size() + response.refusals_size() + response.waiting() == 0;
              return true;
            });
        if (!whole) results[sender] = InternalError("BENCH", "events were not kept");
      });
    }
    for (std::thread& thread : threads) thread.join();
    out.seconds = absl::ToDoubleSeconds(absl::Now() - begin);
    const Usage after = UsageNow(postmaster_);
    out.program_cpu = after.program_cpu_seconds - before.program_cpu_seconds;
    out.postgres_cpu = after.postgres_cpu_seconds - before.postgres_cpu_seconds;
    for (const absl::Status& status : results) RETURN_IF_ERROR(status);
    for (const Sent& one : counts) {
      out.accepted += one.accepted;
      out.duplicates += one.duplicates;
    }
    if (out.accepted + out.duplicates != options_.events) {
      return InternalError("BENCH", "not every event was answered");
    }
    return out;
  }

  // The measured rows with their ids, as tables of their own.
  absl::StatusOr<Floor> FloorOf() {
    RETURN_IF_ERROR(db::ExecAlone(
        suite_->database_url(),
        "DROP SCHEMA IF EXISTS measured CASCADE; CREATE SCHEMA measured; CREATE TABLE "
        "measured.usage_event AS SELECT * FROM rating.usage_event WHERE at >= '2026-03-01 "
        "00:00+00'; ALTER TABLE measured.usage_event ADD PRIMARY KEY (account_id, item_id, at, "
        "event_key); CREATE TABLE measured.event_key AS SELECT k.event_key, k.content FROM "
        "(SELECT * FROM rating.event_key UNION ALL SELECT * FROM rating.event_key_held) k JOIN "
        "measured.usage_event e USING (event_key); ALTER TABLE measured.event_key ADD PRIMARY KEY "
        "(event_key); ANALYZE measured.usage_event"));
    ASSIGN_OR_RETURN(
        const Floor out,
        MeasureFloor(suite_->database_url(), postmaster_, options_.data_dir + "/floor",
                     {{"measured.usage_event", "true"}, {"measured.event_key", "true"}}));
    RETURN_IF_ERROR(db::ExecAlone(suite_->database_url(), "DROP SCHEMA measured CASCADE"));
    return out;
  }

  absl::Status Measure() {
    const Batches first = Make({}, 0);
    const Batches mixed = Make(first, 10);
    RETURN_IF_ERROR(db::ExecAlone(suite_->database_url(), "CHECKPOINT"));
    Say("measuring");
    JsonObject json;
    json.Add("bench", "usage");
    json.Add("events", options_.events);
    json.Add("held", options_.held);
    json.Add("batch", int64_t{options_.batch});
    json.Add("senders", int64_t{options_.senders});
    ASSIGN_OR_RETURN(const Sent fresh, Send(first));
    if (fresh.accepted != options_.events) return InternalError("BENCH", "not all was accepted");
    fresh.Describe(options_.events, json);
    const absl::Time begin = absl::Now();
    RETURN_IF_ERROR(feedrpc::WaitCaughtUp(suite_->host(), absl::Minutes(30)));
    json.Add("balances_caught_up_seconds", absl::ToDoubleSeconds(absl::Now() - begin), 2);
    ASSIGN_OR_RETURN(const Floor floor, FloorOf());
    JsonObject some, all;
    ASSIGN_OR_RETURN(const Sent tenth, Send(mixed));
    tenth.Describe(options_.events, some);
    json.Add("ten_percent_duplicates", some);
    RETURN_IF_ERROR(feedrpc::WaitCaughtUp(suite_->host(), absl::Minutes(30)));
    ASSIGN_OR_RETURN(const Sent again, Send(first));
    if (again.duplicates != options_.events) return InternalError("BENCH", "not all was known");
    again.Describe(options_.events, all);
    json.Add("all_duplicates", all);
    const absl::Time going = absl::Now();
    ASSIGN_OR_RETURN(const int64_t gone, HoldKeys());
    json.Add("keys_held", gone);
    json.Add("keys_held_seconds", absl::ToDoubleSeconds(absl::Now() - going), 2);
    json.Add("program_peak_bytes", PeakMemoryBytes());
    json.Add("floor_rows", floor.rows);
    json.Add("floor_one_connection_seconds", floor.one_connection, 2);
    json.Add("floor_two_connections_seconds", floor.two_connections, 2);
    json.Add("floor_cpu_seconds", floor.cpu, 1);
    json.Add("ratio_to_floor", fresh.seconds / floor.best(), 2);
    std::cout << json.ToString() << std::endl;
    return absl::OkStatus();
  }

  // What is put off: the new ids going over to the large table. Answers how many.
  absl::StatusOr<int64_t> HoldKeys() {
    db::Pool::Options own;
    own.url = suite_->host().DatabaseUrl("rating");
    own.schema = "rating";
    own.application = "bench";
    return broadbill::rating::KeyHolder(std::make_shared<db::Pool>(own), suite_->host().metrics())
        .HoldAll();
  }

  const Options options_;
  FakeClock clock_;
  std::unique_ptr<program::Suite> suite_;
  std::shared_ptr<rpc::Channel> channel_;
  std::unique_ptr<db::Pool> pool_;
  std::mt19937_64 random_{20260301};
  pid_t postmaster_ = 0;
};

}  // namespace

int UsageEvents(const serve::Args& args) {
  Options options;
  options.accounts = args.GetInt("accounts", options.accounts);
  options.events = args.GetInt("events", options.events);
  options.held = args.GetInt("held", options.held);
  options.batch = static_cast<int>(args.GetInt("batch", options.batch));
  options.senders = static_cast<int>(args.GetInt("senders", options.senders));
  options.data_dir = args.Get("data", absl::StrCat("/tmp/broadbill-bench-", getpid()));
  absl::Status status;
  if (options.accounts < 1 || options.events < 1 || options.batch < 1 || options.batch > 10000 ||
      options.senders < 1 || options.held < 0) {
    status = InvalidField("--accounts, --events, --batch and --senders",
                          "must be 1 or more, --batch at most 10,000");
  } else {
    Bench bench(options);
    status = bench.Run();
  }
  std::error_code ec;
  if (!args.Has("keep")) fs::remove_all(options.data_dir, ec);
  if (status.ok()) return 0;
  std::cerr << "bench usage: " << status.message() << "\n";
  return 1;
}

}  // namespace broadbill::bench
