#include "services/rating/app/usage_sums.h"

#include <catch2/catch.hpp>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/calendar/time_zone.h"
#include "libs/status/macros.h"
#include "libs/testing/test_database.h"
#include "services/rating/app/file_imports.h"
#include "services/rating/app/ingest.h"
#include "services/rating/app/live_usage.h"
#include "services/rating/app/usage_watcher.h"
#include "services/rating/domain/overage.h"
#include "services/rating/migrations.h"

namespace broadbill::rating {
namespace {

const absl::Time kNow = absl::FromCivil(absl::CivilHour(2026, 3, 25, 12), absl::UTCTimeZone());

// Items that get events in many ways, and a watcher that keeps up the sums from time to time.
struct Fixture {
  explicit Fixture(unsigned seed)
      : pool(*db::OpenPool(database.url(), "rating", Migrations())),
        clock(kNow),
        counters(""),
        watcher(pool, clock, counters, metrics),
        imports(pool, clock),
        random(seed) {}

  Uuid Item(const std::string& subject, const std::string& zone) {
    const Uuid account = Uuid::Make(kNow), item = Uuid::Make(kNow);
    const CivilDay first(2026, 1, 1), open = CivilDay::max();
    broadbill::common::v1::UsageTerms usage;
    usage.mutable_allowance()->set_value("10");
    const absl::Status saved = db::RunTx(*pool, [&](db::Tx& tx) -> absl::Status {
      RETURN_IF_ERROR(db::InsertOne(tx, SubjectRow{kMeterSubject, subject, account, item, first,
                                                   open, zone, true})
                          .status());
      RETURN_IF_ERROR(db::InsertOne(tx, SubjectRow{kRadiusUser, subject, account, item, first, open,
                                                   zone, true})
                          .status());
      ItemTermsRow terms{account, item, first, open, zone, "US", "USD", {}};
      terms.usage.data = usage.SerializeAsString();
      terms.watched = true;
      RETURN_IF_ERROR(db::InsertOne(tx, terms).status());
      UsageCycleRow cycle;
      cycle.account_id = account;
      cycle.item_id = item;
      cycle.start_date = first;
      cycle.end_date = open;
      cycle.cycle_days = {CivilDay(1970, 1, 1)};
      cycle.cycle_day_values = {15};
      return db::InsertOne(tx, cycle).status();
    });
    REQUIRE(saved.ok());
    items.push_back({account, item, subject});
    return item;
  }
  void Watch(bool on) {
    const auto row =
        pool->Exec("UPDATE item_terms SET watched = $2 WHERE item_id = $1", items[0].item, on);
    REQUIRE(row.ok());
  }

  int64_t Below(int64_t limit) {
    return std::uniform_int_distribution<int64_t>(0, limit - 1)(random);
  }
  // Mostly of the last days, some of long ago, some ahead; often at the edge of a quarter.
  absl::Time When() {
    const int64_t span = Below(8) == 0 ? 90 * 86400 : 3 * 86400;
    const absl::Time at = clock.Now() + absl::Seconds(3600 - Below(span));
    switch (Below(4)) {
      case 0:
        return QuarterStart(QuarterOf(at));
      case 1:
        return QuarterStart(QuarterOf(at)) - absl::Microseconds(1);
      default:
        return at;
    }
  }
  std::vector<UsageEventRecord> Events() {
    const char* kTypes[] = {"data", "data.in", "data.out"};
    std::vector<UsageEventRecord> out;
    for (int64_t i = 1 + Below(20); i > 0; --i) {
      const bool huge = Below(50) == 0;  // sums wrap, and equal what rows say all the same
      out.push_back({absl::StrCat(++ids), "gw",
                     items[static_cast<size_t>(Below(static_cast<int64_t>(items.size())))].subject,
                     When(), kTypes[Below(3)],
                     huge ? std::numeric_limits<int64_t>::max() : Below(5000000000), 1});
    }
    return out;
  }
  void Use() {
    const absl::Status kept = db::RunTx(
        *pool, [&](db::Tx& tx) { return Ingest(tx, clock.Now(), "test").AddEvents(Events()); });
    INFO(kept);
    REQUIRE(kept.ok());
  }
  void UseFile() {
    pb::ImportUsageRequest request;
    request.set_source_name("file");
    request.set_format(pb::ImportUsageRequest::EVENTS_CSV);
    std::string content = "id,source,subject,time,type,quantity\n";
    for (const UsageEventRecord& event : Events()) {
      absl::StrAppend(&content, event.id, ",file,", event.subject, ",",
                      absl::FormatTime(absl::RFC3339_full, event.at, absl::UTCTimeZone()), ",",
                      event.type, ",", event.octets, "\n");
    }
    request.set_content(content);
    const auto result = imports.ImportUsage({}, request);
    INFO(result.status());
    REQUIRE(result.ok());
    files.push_back(result->import_id());
  }
  void UndoFile() {
    if (files.empty()) return;
    pb::UndoImportRequest request;
    request.set_import_id(files.back());
    request.set_note("a test");
    files.pop_back();
    REQUIRE(imports.UndoImport({}, request).ok());
  }
  void Step() {
    const auto looked = watcher.Step();
    INFO(looked.status());
    REQUIRE(looked.ok());
  }

  // Some stretch of time of each item, whole or cut at any moments.
  std::vector<ItemOctets> Questions() {
    std::vector<ItemOctets> out;
    for (const auto& one : items) {
      const absl::Time start = QuarterStart(QuarterOf(clock.Now() - absl::Hours(Below(24 * 40))));
      std::vector<absl::Time> bounds = {start, start + absl::Hours(1 + Below(24 * 31))};
      for (int64_t cuts = Below(3) == 0 ? Below(30) : 0; cuts > 0; --cuts) {
        bounds.push_back(start + absl::Seconds(1 + Below(3600)) * Below(24));
      }
      std::sort(bounds.begin(), bounds.end());
      bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
      std::vector<Octets> none(bounds.size() - 1);
      out.push_back({one.account, one.item, std::move(bounds), std::move(none)});
    }
    return out;
  }
  void Compare() {
    std::vector<ItemOctets> rows = Questions();
    std::vector<ItemOctets> sums = rows;
    std::vector<ItemOctets*> by_rows, by_sums;
    for (size_t i = 0; i < rows.size(); ++i) {
      by_rows.push_back(&rows[i]);
      by_sums.push_back(&sums[i]);
    }
    db::Tx tx = *pool->Begin(db::Isolation::kRepeatableRead);
    REQUIRE(AddEvents(tx, by_rows).ok());
    REQUIRE(AddSessions(tx, by_rows).ok());
    REQUIRE(UsageSums(tx).Count(by_sums).ok());
    for (size_t i = 0; i < rows.size(); ++i) {
      INFO(items[i].subject << " from " << rows[i].start() << " to " << rows[i].end());
      CHECK(rows[i].octets == sums[i].octets);
    }
  }

  struct Known {
    Uuid account, item;
    std::string subject;
  };
  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
  FakeClock clock;
  LiveCounters counters;
  rpc::Metrics metrics;
  UsageWatcher watcher;
  FileImports imports;
  std::mt19937 random;
  std::vector<Known> items;
  std::vector<std::string> files;
  int64_t ids = 0;
};

}  // namespace

TEST_CASE("sums say what the rows say, whatever comes and goes in whatever order") {
  const unsigned seed = GENERATE(1u, 2u, 3u);
  Fixture f(seed);
  f.Item("utc", "UTC");
  f.Item("kolkata", "Asia/Kolkata");
  f.Item("berlin", "Europe/Berlin");
  for (int round = 0; round < 120; ++round) {
    CAPTURE(seed, round);
    switch (f.Below(8)) {
      case 0:
        f.UseFile();
        break;
      case 1:
        f.UndoFile();
        break;
      case 2:
        f.Watch(f.Below(3) > 0);
        break;
      case 3:
        f.clock.Advance(absl::Minutes(f.Below(600)));
        break;
      default:
        f.Use();
    }
    if (f.Below(2) == 0) f.Step();
    f.Compare();
  }
  CHECK(f.pool->Exec("SELECT count(*) FROM usage_sum")->Get<int64_t>(0, 0) > 20);
}

TEST_CASE("a look reads the events that came since, not those of the period") {
  Fixture f(7);
  const Uuid item = f.Item("ann", "UTC");
  const auto use = [&](absl::Time at, int64_t octets) {
    const absl::Status kept = db::RunTx(*f.pool, [&](db::Tx& tx) {
      return Ingest(tx, f.clock.Now(), "test")
          .AddEvents({{absl::StrCat(++f.ids), "gw", "ann", at, "data", octets, 1}});
    });
    REQUIRE(kept.ok());
    f.Step();
  };
  use(kNow - absl::Hours(30), 1000);
  use(kNow - absl::Hours(1), 500);
  // What no look reads again: rows that change behind its back.
  REQUIRE(f.pool->Exec("UPDATE usage_event SET in_octets = 7000 WHERE in_octets = 1000").ok());
  use(kNow, 20);
  const auto balance = [&] {
    db::Tx tx = *f.pool->Begin();
    auto items = *LoadLiveItems(tx, {item}, /*lock=*/true);
    std::vector<LiveStretch> one = {*StretchAt(items.at(item), kNow)};
    UsageSums sums(tx);
    REQUIRE(FillUsage(tx, one, sums).ok());
    return one.front().counted();
  };
  CHECK(balance() == 1520);
  // Sums that are gone are made anew.
  REQUIRE(f.pool->Exec("DELETE FROM usage_summed").ok());
  CHECK(balance() == 7520);
  use(kNow, 3);
  CHECK(balance() == 7523);
}

}  // namespace broadbill::rating
