#pragma once

// One struct per table, one column list:
//
//   struct AccountRow {
//     Uuid account_id;
//     std::string name;
//     std::optional<CivilDay> closed_on;
//     static constexpr char kTable[] = "account";
//     static constexpr auto Columns() {
//       return std::make_tuple(db::Col("account_id", &AccountRow::account_id),
//                              db::Col("name", &AccountRow::name),
//                              db::Col("closed_on", &AccountRow::closed_on));
//     }
//   };
//   auto rows = db::Select<AccountRow>(tx, "WHERE account_id = ANY($1)", ids);
//   db::Insert(tx, rows, "ON CONFLICT DO NOTHING");
//   db::Copy(tx, rows);

#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/db/pool.h"

namespace broadbill::db {

template <class Row, class T>
struct Column {
  const char* name;
  T Row::*member;
};

template <class Row, class T>
constexpr Column<Row, T> Col(const char* name, T Row::*member) {
  return {name, member};
}

namespace internal {

template <class T>
struct Field {
  static T Read(const Result& result, int row, int column) { return result.Get<T>(row, column); }
  static void AddParam(Params& params, const T& value) { params.Add(value); }
  static void AppendCopy(std::string& out, const T& value) {
    const size_t at = out.size();
    wire::Put<int32_t>(out, 0);
    Codec<T>::Encode(out, value);
    wire::Store<int32_t>(out.data() + at, static_cast<int32_t>(out.size() - at - 4));
  }
};

template <class T>
struct Field<std::optional<T>> {
  static std::optional<T> Read(const Result& result, int row, int column) {
    return result.GetOptional<T>(row, column);
  }
  static void AddParam(Params& params, const std::optional<T>& value) { params.Add(value); }
  static void AppendCopy(std::string& out, const std::optional<T>& value) {
    if (value.has_value()) {
      Field<T>::AppendCopy(out, *value);
    } else {
      wire::Put<int32_t>(out, -1);
    }
  }
};

}  // namespace internal

// "account_id, name, closed_on", each with `prefix` before it ("a.").
template <class Row>
std::string ColumnList(const std::string& prefix = "") {
  std::string out;
  std::apply(
      [&](const auto&... column) {
        ((out += (out.empty() ? "" : ", ") + prefix + column.name), ...);
      },
      Row::Columns());
  return out;
}

template <class Row>
constexpr int ColumnCount() {
  return static_cast<int>(std::tuple_size_v<decltype(Row::Columns())>);
}

// Reads the row's columns from `result`, beginning at column `first`.
template <class Row>
Row ReadRow(const Result& result, int row, int first = 0) {
  Row out{};
  std::apply(
      [&](const auto&... column) {
        int at = first;
        ((out.*column.member =
              internal::Field<std::decay_t<decltype(out.*column.member)>>::Read(result, row, at++)),
         ...);
      },
      Row::Columns());
  return out;
}

template <class Row>
std::vector<Row> ReadRows(const Result& result) {
  std::vector<Row> out;
  out.reserve(static_cast<size_t>(result.size()));
  for (int i = 0; i < result.size(); ++i) out.push_back(ReadRow<Row>(result, i));
  return out;
}

// SELECT <columns> FROM <table> <tail>.
template <class Row, class... T>
absl::StatusOr<std::vector<Row>> Select(Tx& tx, const std::string& tail, const T&... values) {
  auto result =
      tx.Exec("SELECT " + ColumnList<Row>() + " FROM " + Row::kTable + " " + tail, values...);
  if (!result.ok()) return result.status();
  return ReadRows<Row>(*result);
}

// INSERT … VALUES in as few statements as PostgreSQL's 65,535 parameters allow; returns the rows
// written (fewer than given with ON CONFLICT DO NOTHING in `tail`).
template <class Row>
absl::StatusOr<int64_t> Insert(Tx& tx, std::span<const Row> rows, const std::string& tail = "") {
  constexpr size_t kPerStatement = 512;
  int64_t affected = 0;
  for (size_t begin = 0; begin < rows.size(); begin += kPerStatement) {
    const auto part = rows.subspan(begin, std::min(kPerStatement, rows.size() - begin));
    std::string sql =
        "INSERT INTO " + std::string(Row::kTable) + " (" + ColumnList<Row>() + ") VALUES ";
    Params params;
    int number = 0;
    for (const Row& row : part) {
      sql += number == 0 ? "(" : ",(";
      std::apply(
          [&](const auto&... column) {
            bool first = true;
            ((sql += (first ? "$" : ",$") + std::to_string(++number), first = false,
              internal::Field<std::decay_t<decltype(row.*column.member)>>::AddParam(
                  params, row.*column.member)),
             ...);
          },
          Row::Columns());
      sql += ")";
    }
    auto result = tx.ExecParams(sql + " " + tail, params);
    if (!result.ok()) return result.status();
    affected += result->affected();
  }
  return affected;
}

template <class Row>
absl::StatusOr<int64_t> Insert(Tx& tx, const std::vector<Row>& rows, const std::string& tail = "") {
  return Insert(tx, std::span<const Row>(rows), tail);
}

template <class Row>
absl::StatusOr<int64_t> InsertOne(Tx& tx, const Row& row, const std::string& tail = "") {
  return Insert(tx, std::span<const Row>(&row, 1), tail);
}

// INSERT … SELECT FROM unnest: one statement text for any number of rows, each column one array (so
// no column may be an array itself). The result holds what `tail` returns ("ON CONFLICT DO NOTHING
// RETURNING document_id").
template <class Row>
absl::StatusOr<Result> InsertArrays(Tx& tx, const std::vector<Row>& rows,
                                    const std::string& tail = "") {
  if (rows.empty()) return Result();
  Params params;
  std::string arrays;
  int number = 0;
  std::apply(
      [&](const auto&... column) {
        (
            [&] {
              std::vector<std::decay_t<decltype(rows.front().*column.member)>> values;
              values.reserve(rows.size());
              for (const Row& row : rows) values.push_back(row.*column.member);
              params.Add(values);
              arrays += (number == 0 ? "$" : ", $") + std::to_string(number + 1);
              ++number;
            }(),
            ...);
      },
      Row::Columns());
  return tx.ExecParams("INSERT INTO " + std::string(Row::kTable) + " (" + ColumnList<Row>() +
                           ") SELECT * FROM unnest(" + arrays + ") " + tail,
                       params);
}

// Rows encoded for binary COPY, apart from any connection: encode in one thread, send in another.
template <class Row>
class CopyBuffer {
 public:
  void Add(const Row& row) {
    wire::Put<int16_t>(bytes_, static_cast<int16_t>(ColumnCount<Row>()));
    std::apply(
        [&](const auto&... column) {
          (internal::Field<std::decay_t<decltype(row.*column.member)>>::AppendCopy(
               bytes_, row.*column.member),
           ...);
        },
        Row::Columns());
    ++rows_;
  }
  int64_t rows() const { return rows_; }
  size_t bytes() const { return bytes_.size(); }
  const std::string& data() const { return bytes_; }
  void Clear() {
    bytes_.clear();
    rows_ = 0;
  }
  absl::Status Send(Tx& tx) const {
    if (rows_ == 0) return absl::OkStatus();
    return tx.CopyIn(Row::kTable, ColumnList<Row>(), bytes_);
  }

 private:
  std::string bytes_;
  int64_t rows_ = 0;
};

// COPY into a temporary table, then INSERT … SELECT … ON CONFLICT DO NOTHING: bulk loads that may
// hold rows that are already there. Returns the rows that were new.
template <class Row>
absl::StatusOr<int64_t> CopyNew(Tx& tx, const std::vector<Row>& rows) {
  if (rows.empty()) return 0;
  const std::string stage = std::string("stage_") + Row::kTable;
  absl::Status made =
      tx.ExecScript("CREATE TEMP TABLE " + stage + " (LIKE " + Row::kTable + ") ON COMMIT DROP");
  if (!made.ok()) return made;
  CopyBuffer<Row> buffer;
  for (const Row& row : rows) buffer.Add(row);
  absl::Status copied = tx.CopyIn(stage, ColumnList<Row>(), buffer.data());
  if (!copied.ok()) return copied;
  auto inserted =
      tx.Exec("INSERT INTO " + std::string(Row::kTable) + " (" + ColumnList<Row>() + ") SELECT " +
              ColumnList<Row>() + " FROM " + stage + " ON CONFLICT DO NOTHING");
  if (!inserted.ok()) return inserted.status();
  absl::Status dropped = tx.ExecScript("DROP TABLE " + stage);
  if (!dropped.ok()) return dropped;
  return inserted->affected();
}

template <class Row>
absl::Status Copy(Tx& tx, const std::vector<Row>& rows) {
  CopyBuffer<Row> buffer;
  for (const Row& row : rows) buffer.Add(row);
  return buffer.Send(tx);
}

}  // namespace broadbill::db
