#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/convert/write.h"
#include "libs/status/macros.h"
#include "services/tax/app/import_file.h"
#include "services/tax/app/tax_app.h"
#include "services/tax/domain/sst.h"

namespace broadbill::tax {
namespace {

struct AreaFile {
  std::vector<BoundaryRow> rows;
  std::set<std::string> sets;  // file sets that the file replaces
  std::vector<csv::RowError> errors;
  int64_t read = 0, skipped = 0;
};

absl::StatusOr<AreaFile> FromSst(const std::string& content, const std::string& version) {
  AreaFile out;
  ASSIGN_OR_RETURN(SstBoundaries parsed, ParseSstBoundaries(content));
  out.read = parsed.read;
  out.skipped = parsed.skipped;
  out.errors = std::move(parsed.errors);
  out.sets = std::move(parsed.states);
  out.rows.reserve(parsed.boundaries.size());
  for (Boundary& b : parsed.boundaries) {
    const std::string state = b.codes.front();
    out.rows.push_back({std::move(b.country), std::move(b.region), std::move(b.zip_low),
                        std::move(b.zip_high), std::move(b.plus4_low), std::move(b.plus4_high),
                        std::move(b.city), std::move(b.codes), b.valid.start, b.valid.end, version,
                        state});
  }
  return out;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// One row of a CSV file into `out`; false after `refuse(column, message)`.
template <class Refuse>
bool ReadArea(const csv::Header& header, const csv::Row& row, const Refuse& refuse,
              BoundaryRow& out) {
  out.country = header.Get(row, "country");
  out.region = header.Get(row, "region");
  out.zip_low = out.zip_high = header.Get(row, "postal_code");
  out.plus4_low = header.Get(row, "plus4_from");
  out.plus4_high =
      header.Get(row, "plus4_to").empty() ? out.plus4_low : header.Get(row, "plus4_to");
  // Who knows the postal code need not know how a city is spelt.
  out.city = out.zip_low.empty() ? Lower(header.Get(row, "city")) : "";
  for (const absl::string_view code :
       absl::StrSplit(header.Get(row, "jurisdictions"), ' ', absl::SkipEmpty())) {
    out.codes.emplace_back(code);
  }
  const auto from = FirstDay(header.Get(row, "valid_from"));
  const auto to = EndDay(header.Get(row, "valid_to"));
  const auto plus4 = [](const std::string& text) {
    return text.size() == 4 && text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (out.country.size() != 2) {
    refuse("country", "must be an ISO 3166-1 code");
  } else if (out.codes.empty()) {
    refuse("jurisdictions", "must name at least one jurisdiction");
  } else if (!out.plus4_low.empty() && !plus4(out.plus4_low)) {
    refuse("plus4_from", "must be the four digits after the ZIP code");
  } else if (!out.plus4_high.empty() &&
             (!plus4(out.plus4_high) || out.plus4_high < out.plus4_low)) {
    refuse("plus4_to", "must be four digits, not before plus4_from");
  } else if (!from.ok()) {
    refuse("valid_from", "must be a date like 2026-03-01");
  } else if (!to.ok() || *to <= *from) {
    refuse("valid_to", "must be a date after valid_from");
  } else {
    out.valid_from = *from;
    out.valid_to = *to;
    return true;
  }
  return false;
}

absl::StatusOr<AreaFile> FromCsv(const std::string& content, const std::string& version) {
  AreaFile out;
  out.sets.insert(version);
  csv::Reader reader(content);
  ASSIGN_OR_RETURN(const csv::Header header,
                   csv::Header::Read(reader, {"country", "jurisdictions"},
                                     {"region", "postal_code", "plus4_from", "plus4_to", "city",
                                      "valid_from", "valid_to"}));
  for (csv::Row row; reader.Next(row);) {
    ++out.read;
    if (auto wrong = header.Check(row); wrong.has_value()) {
      out.errors.push_back(*std::move(wrong));
      continue;
    }
    const auto refuse = [&](const char* column, const char* message) {
      out.errors.push_back({row.line, column, header.Get(row, column), "INVALID_VALUE", message});
    };
    BoundaryRow area;
    if (!ReadArea(header, row, refuse, area)) continue;
    area.data_version = area.file_set = version;
    out.rows.push_back(std::move(area));
  }
  return out;
}

// The file's rows in a temporary table, in parts: a state's file has up to some million.
absl::Status Stage(db::Tx& tx, const std::vector<BoundaryRow>& rows) {
  RETURN_IF_ERROR(tx.ExecScript("CREATE TEMP TABLE stage_boundary (LIKE boundary) ON COMMIT DROP"));
  constexpr int64_t kPart = 20000;
  db::CopyBuffer<BoundaryRow> buffer;
  for (const BoundaryRow& row : rows) {
    buffer.Add(row);
    if (buffer.rows() < kPart) continue;
    RETURN_IF_ERROR(tx.CopyIn("stage_boundary", db::ColumnList<BoundaryRow>(), buffer.data()));
    buffer.Clear();
  }
  if (buffer.rows() > 0) {
    RETURN_IF_ERROR(tx.CopyIn("stage_boundary", db::ColumnList<BoundaryRow>(), buffer.data()));
  }
  return tx.ExecScript("ANALYZE stage_boundary");
}

constexpr char kRange[] =
    "country, region, zip_low, zip_high, plus4_low, plus4_high, city, valid_from";
constexpr char kContent[] =
    "country, region, zip_low, zip_high, plus4_low, plus4_high, city, valid_from, valid_to, codes";

struct AreaChange {
  int64_t fresh = 0, gone = 0;  // rows of the file that are new, rows there were that are not in it
  bool renamed = false;         // the version's name alone differs
  std::vector<std::string> differences;
};

absl::StatusOr<AreaChange> Compare(db::Tx& tx, const std::vector<std::string>& sets,
                                   const std::string& version) {
  AreaChange out;
  const std::string columns = kContent;
  const std::string file = "SELECT " + columns + " FROM stage_boundary";
  const std::string there = "SELECT " + columns + " FROM boundary WHERE file_set = ANY($1)";
  ASSIGN_OR_RETURN(const db::Result counts,
                   tx.Exec("SELECT (SELECT count(*) FROM (" + file + " EXCEPT ALL " + there +
                               ") f), (SELECT count(*) FROM (" + there + " EXCEPT ALL " + file +
                               ") g), EXISTS (SELECT FROM boundary WHERE file_set = ANY($1) AND "
                               "data_version <> $2)",
                           sets, version));
  out.fresh = counts.Get<int64_t>(0, 0);
  out.gone = counts.Get<int64_t>(0, 1);
  out.renamed = counts.Get<bool>(0, 2);
  if (out.fresh == 0 || out.gone == 0) return out;
  ASSIGN_OR_RETURN(
      const db::Result rows,
      tx.Exec("SELECT s.zip_low, s.plus4_low, s.city, s.valid_from, array_to_string(b.codes, ' '), "
              "array_to_string(s.codes, ' ') FROM stage_boundary s JOIN boundary b USING (" +
                  std::string(kRange) +
                  ") WHERE b.file_set = ANY($1) AND s.codes <> b.codes "
                  "ORDER BY s.zip_low, s.plus4_low, s.city, s.valid_from LIMIT $2",
              sets, int64_t{kDifferencesListed}));
  for (int i = 0; i < rows.size(); ++i) {
    const auto text = [&](int column) { return rows.Get<std::string>(i, column); };
    out.differences.push_back(absl::StrCat(text(0), text(1).empty() ? "" : "-", text(1), text(2),
                                           " from ", FormatDate(rows.Get<CivilDay>(i, 3)), ": ",
                                           text(4), " → ", text(5)));
  }
  return out;
}

absl::Status Replace(db::Tx& tx, const std::vector<std::string>& sets, const std::string& version) {
  RETURN_IF_ERROR(tx.Exec("DELETE FROM boundary WHERE file_set = ANY($1)", sets).status());
  const std::string columns = db::ColumnList<BoundaryRow>();
  RETURN_IF_ERROR(tx.ExecScript("INSERT INTO boundary (" + columns + ") SELECT " + columns +
                                " FROM stage_boundary"));
  return tx
      .Exec(
          "UPDATE data_state SET version = version + 1, area_version = area_version + 1, "
          "name = $1",
          version)
      .status();
}

}  // namespace

absl::StatusOr<ImportResult> TaxApp::ImportBoundaries(const rpc::Context& context,
                                                      const pb::ImportBoundariesRequest& request) {
  const std::string version = VersionOf(request.data_version(), request.source_name());
  AreaFile file;
  if (request.format() == pb::ImportBoundariesRequest::SST) {
    ASSIGN_OR_RETURN(file, FromSst(request.content(), version));
  } else if (request.format() == pb::ImportBoundariesRequest::CSV) {
    ASSIGN_OR_RETURN(file, FromCsv(request.content(), version));
  } else {
    return InvalidField("format", "is required: SST or CSV");
  }
  ImportResult result = StartResult(file.read, file.errors, request.validate_only(), clock_.Now());
  convert::AddCount("address_rows", file.skipped, result);
  if (!file.errors.empty()) return result;  // all or nothing
  return convert::Write<ImportResult>(
      *pool_, clock_, context, request,
      [&](db::Tx& tx, convert::Events&) -> absl::StatusOr<ImportResult> {
        ImportResult out = result;
        const std::vector<std::string> sets(file.sets.begin(), file.sets.end());
        RETURN_IF_ERROR(Stage(tx, file.rows));
        ASSIGN_OR_RETURN(const AreaChange change, Compare(tx, sets, version));
        if (change.fresh > 0 || change.gone > 0 || change.renamed) {
          RETURN_IF_ERROR(Replace(tx, sets, version));
        }
        out.set_rows_applied(change.fresh);
        out.set_rows_skipped(file.read - change.fresh);
        convert::AddCount("new", change.fresh, out);
        convert::AddCount("gone", change.gone, out);
        for (const std::string& text : change.differences) out.add_differences(text);
        return out;
      });
}

}  // namespace broadbill::tax
