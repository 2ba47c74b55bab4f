#include "services/rating/app/file_imports.h"

#include <catch2/catch.hpp>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/testing/test_database.h"
#include "services/rating/migrations.h"

namespace broadbill::rating {
namespace {

const absl::Time kNow = absl::FromCivil(absl::CivilSecond(2026, 3, 10, 12), absl::UTCTimeZone());

struct Fixture {
  Fixture() : pool(*db::OpenPool(database.url(), "rating", Migrations())), imports(pool, clock) {}

  // Two events; the import's id.
  std::string Load() {
    pb::ImportUsageRequest request;
    request.set_source_name("file");
    request.set_format(pb::ImportUsageRequest::EVENTS_CSV);
    request.set_content(
        "id,source,subject,time,type,quantity\n"
        "1,gw,ann,2026-03-01T10:00:00Z,data,500\n2,gw,bob,2026-03-01T11:00:00Z,data,70\n");
    REQUIRE(imports.ImportUsage({}, request).ok());
    return pool->Exec("SELECT import_id FROM import ORDER BY import_id DESC LIMIT 1")
        ->Get<Uuid>(0, 0)
        .ToText("imp");
  }
  absl::StatusOr<pb::UndoImportResponse> Undo(const std::string& import) {
    pb::UndoImportRequest request;
    request.set_import_id(import);
    request.set_note("wrong file");
    return imports.UndoImport({}, request);
  }
  int64_t Count(const std::string& table) {
    return pool->Exec("SELECT count(*) FROM " + table)->Get<int64_t>(0, 0);
  }

  testing::TestDatabase database;
  std::shared_ptr<db::Pool> pool;
  FakeClock clock{kNow};
  FileImports imports;
};

}  // namespace

TEST_CASE("a file that is undone while its records are tried again is gone whole") {
  Fixture f;
  const std::string import = f.Load();
  REQUIRE(f.Count("waiting") == 2);
  const Uuid ann = Uuid::Make(kNow);
  REQUIRE(db::RunTx(*f.pool, [&](db::Tx& tx) {
            const SubjectRow row{kMeterSubject,        "ann",          ann, ann,
                                 CivilDay(2020, 1, 1), CivilDay::max()};
            return db::InsertOne(tx, row).status();
          }).ok());
  db::Tx retrying = *f.pool->Begin();
  Ingest ingest(retrying, kNow, "retry");
  REQUIRE(ingest.Retry({}, {}).ok());  // ann's is kept, bob's waits again
  absl::StatusOr<pb::UndoImportResponse> undone;
  std::thread other([&] { undone = f.Undo(import); });
  absl::SleepFor(absl::Milliseconds(100));
  REQUIRE(retrying.Commit().ok());
  other.join();
  REQUIRE(undone.ok());
  CHECK(undone->events() == 1);
  CHECK(undone->waiting() == 1);
  CHECK(f.Count("usage_event") == 0);
  CHECK(f.Count("waiting") == 0);
  CHECK(f.Count("event_key") == 0);
  // Its quarter is to be counted again by the retry and by the undo.
  CHECK(f.Count("usage_touched") == 2);
  f.Load();
  CHECK(f.Count("usage_event") == 1);
  CHECK(f.Count("waiting") == 1);
}

}  // namespace broadbill::rating
