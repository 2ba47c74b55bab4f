#include "tests/bench/floor.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/db/pool.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "tests/bench/measure.h"

namespace broadbill::bench {
namespace {

namespace fs = std::filesystem;

// The header of a binary COPY file and its trailer, which db::Tx::CopyIn writes itself.
constexpr size_t kHeader = 19;
constexpr size_t kTrailer = 2;
constexpr int kHalves = 2;

std::string Bare(const std::string& name) { return name.substr(name.find('.') + 1); }

// Binary rows of a table's halves, as COPY sends them.
struct Rows {
  std::string table, columns;
  std::string halves[kHalves];
};

class FloorRun {
 public:
  FloorRun(const std::string& url, pid_t postmaster, std::string folder)
      : postmaster_(postmaster), folder_(std::move(folder)) {
    db::Pool::Options options;
    options.url = url;
    options.application = "bench-floor";
    pool_ = std::make_unique<db::Pool>(options);
    url_ = url;
  }

  absl::StatusOr<Floor> Run(const std::vector<FloorTable>& tables) {
    Floor out;
    RETURN_IF_ERROR(db::ExecAlone(url_, "DROP SCHEMA IF EXISTS floor CASCADE"));
    RETURN_IF_ERROR(db::ExecAlone(url_, "CREATE SCHEMA floor"));
    std::error_code ec;
    fs::create_directories(folder_, ec);
    chmod(folder_.c_str(), 0777);  // PostgreSQL may be another user
    std::vector<Rows> all;
    for (const FloorTable& table : tables) {
      ASSIGN_OR_RETURN(Rows rows, Export(table, out));
      all.push_back(std::move(rows));
    }
    double cpu[3] = {UsageNow(postmaster_).postgres_cpu_seconds};
    ASSIGN_OR_RETURN(out.one_connection, Copy(all, 1));
    cpu[1] = UsageNow(postmaster_).postgres_cpu_seconds;
    ASSIGN_OR_RETURN(out.two_connections, Copy(all, 2));
    cpu[2] = UsageNow(postmaster_).postgres_cpu_seconds;
    out.cpu = out.one_connection < out.two_connections ? cpu[1] - cpu[0] : cpu[2] - cpu[1];
    RETURN_IF_ERROR(db::ExecAlone(url_, "DROP SCHEMA floor CASCADE"));
    return out;
  }

 private:
  // Halves by page, so that both hold runs of neighbouring rows as the workers wrote them.
  absl::StatusOr<Rows> Export(const FloorTable& table, Floor& floor) {
    Rows out;
    out.table = "floor." + Bare(table.name);
    ASSIGN_OR_RETURN(
        const db::Result columns,
        pool_->Exec("SELECT attname::text FROM pg_attribute WHERE attrelid = "
                    "$1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                    table.name));
    for (int i = 0; i < columns.size(); ++i) {
      absl::StrAppend(&out.columns, i == 0 ? "" : ", ", columns.Get<std::string>(i, 0));
    }
    ASSIGN_OR_RETURN(
        const db::Result middle,
        pool_->Exec("SELECT count(*), coalesce((percentile_disc(0.5) WITHIN GROUP (ORDER "
                    "BY t.ctid))::text, '(0,0)') FROM " +
                    table.name + " t WHERE " + table.where));
    floor.rows += middle.Get<int64_t>(0, 0);
    const std::string split = middle.Get<std::string>(0, 1);
    for (int half = 0; half < kHalves; ++half) {
      const std::string file = absl::StrCat(folder_, "/rows.bin");
      RETURN_IF_ERROR(db::ExecAlone(
          url_, absl::StrCat("COPY (SELECT ", out.columns, " FROM ", table.name, " t WHERE ",
                             table.where, " AND t.ctid ", half == 0 ? "<=" : ">", " '", split,
                             "'::tid) TO '", file, "' (FORMAT binary)")));
      std::ifstream in(file, std::ios::binary);
      out.halves[half].resize(fs::file_size(file));
      in.read(out.halves[half].data(), static_cast<std::streamsize>(out.halves[half].size()));
      if (out.halves[half].size() < kHeader + kTrailer) {
        return InternalError("FLOOR", "COPY wrote no file " + file);
      }
      out.halves[half].erase(0, kHeader);
      out.halves[half].resize(out.halves[half].size() - kTrailer);
      floor.bytes += static_cast<int64_t>(out.halves[half].size());
      fs::remove(file);
    }
    sources_.push_back(table.name);
    return out;
  }

  absl::Status MakeTables() {
    for (const std::string& source : sources_) {
      const std::string target = "floor." + Bare(source);
      RETURN_IF_ERROR(db::ExecAlone(url_, "DROP TABLE IF EXISTS " + target));
      RETURN_IF_ERROR(db::ExecAlone(url_, absl::StrCat("CREATE TABLE ", target, " (LIKE ", source,
                                                       " INCLUDING DEFAULTS INCLUDING STORAGE)")));
      ASSIGN_OR_RETURN(
          const db::Result key,
          pool_->Exec("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = "
                      "'p' AND conrelid = $1::text::regclass",
                      source));
      RETURN_IF_ERROR(db::ExecAlone(
          url_, absl::StrCat("ALTER TABLE ", target, " ADD ", key.Get<std::string>(0, 0))));
    }
    return db::ExecAlone(url_, "CHECKPOINT");
  }

  absl::StatusOr<double> Copy(const std::vector<Rows>& all, int connections) {
    RETURN_IF_ERROR(MakeTables());
    std::vector<absl::Status> results(static_cast<size_t>(connections));
    const absl::Time begin = absl::Now();
    std::vector<std::thread> threads;
    for (int i = 0; i < connections; ++i) {
      threads.emplace_back([&, i] {
        results[static_cast<size_t>(i)] = db::RunTx(*pool_, [&](db::Tx& tx) -> absl::Status {
          for (const Rows& rows : all) {
            for (int half = 0; half < kHalves; ++half) {
              if (connections == kHalves && half != i) continue;
              RETURN_IF_ERROR(tx.CopyIn(rows.table, rows.columns, rows.halves[half]));
            }
          }
          return absl::OkStatus();
        });
      });
    }
    for (std::thread& thread : threads) thread.join();
    const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
    for (const absl::Status& status : results) RETURN_IF_ERROR(status);
    return seconds;
  }

  std::string url_;
  const pid_t postmaster_;
  const std::string folder_;
  std::unique_ptr<db::Pool> pool_;
  std::vector<std::string> sources_;
};

}  // namespace

absl::StatusOr<Floor> MeasureFloor(const std::string& database_url, pid_t postmaster,
                                   const std::string& folder,
                                   const std::vector<FloorTable>& tables) {
  return FloorRun(database_url, postmaster, folder).Run(tables);
}

}  // namespace broadbill::bench
