#include "services/rating/domain/recipe.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/money/decimal.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

constexpr int64_t kSecondsMost = UINT32_MAX;

std::string Trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

// "#3" as 2; none for a name.
std::optional<size_t> PlaceOf(const std::string& column) {
  size_t place = 0;
  if (column.size() < 2 || column.size() > 5 || column[0] != '#') return std::nullopt;
  const auto [end, error] =
      std::from_chars(column.data() + 1, column.data() + column.size(), place);
  if (error != std::errc() || end != column.data() + column.size() || place == 0) {
    return std::nullopt;
  }
  return place - 1;
}

// Whole numbers without sign.
bool ToWhole(std::string_view text, int64_t most, int64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0 && out <= most &&
         text.front() != '-';
}

// "1:02:03" or "02:03" in seconds.
bool ClockOf(std::string_view text, int64_t& out) {
  const size_t last = text.rfind(':');
  if (last == std::string_view::npos) return false;
  const size_t first = text.substr(0, last).rfind(':');
  const bool hours = first != std::string_view::npos;
  const size_t begin = hours ? first + 1 : 0;
  int64_t hour = 0;
  int64_t minute = 0;
  if ((hours && !ToWhole(text.substr(0, first), kSecondsMost / 3600, hour)) ||
      !ToWhole(text.substr(begin, last - begin), hours ? 59 : kSecondsMost / 60, minute) ||
      !ToWhole(text.substr(last + 1), 59, out)) {
    return false;
  }
  out += hour * 3600 + minute * 60;
  return out <= kSecondsMost;
}

bool TimeOf(const std::string& text, const std::string& format, absl::TimeZone zone,
            absl::Time& out) {
  if (format.rfind("unix", 0) == 0) {
    int64_t stamp = 0;
    if (!ToWhole(text, std::numeric_limits<int64_t>::max(), stamp)) return false;
    out = format == "unix"      ? absl::FromUnixSeconds(stamp)
          : format == "unix_ms" ? absl::FromUnixMillis(stamp)
                                : absl::FromUnixMicros(stamp);
    return IsRecordTime(out);
  }
  std::string error;
  if (!format.empty()) {
    return absl::ParseTime(format, text, zone, &out, &error) && IsRecordTime(out);
  }
  for (const char* usual :
       {"%Y-%m-%d %H:%M:%E*S", "%Y-%m-%d %H:%M:%E*S%Ez", "%Y-%m-%dT%H:%M:%E*S%Ez"}) {
    if (absl::ParseTime(usual, text, zone, &out, &error)) return IsRecordTime(out);
  }
  return false;
}

// A quantity of 0 to `most` after its unit; parts round to the nearest, or up.
bool QuantityOf(std::string text, bool comma, Ratio unit, bool up, int64_t most, int64_t& out) {
  if (comma) {
    if (text.find('.') != std::string::npos) return false;
    std::replace(text.begin(), text.end(), ',', '.');
  }
  const auto value = Decimal::Parse(text);
  if (!value.ok() || value->IsNegative()) return false;
  const Int128 below = Int128{unit.denominator} * Decimal::kScale;
  // Before it is multiplied, which 128 bits need not hold.
  if (value->scaled() > Int128{most} * below / unit.numerator) return false;
  const Int128 whole = value->scaled() * unit.numerator;
  out = static_cast<int64_t>((whole + (up ? below - 1 : below / 2)) / below);
  return true;
}

// A file being read row by row by its recipe.
template <class Record>
class MappedFile {
 public:
  MappedFile(std::string_view text, const Recipe& recipe)
      : reader_(text, recipe.delimiter), recipe_(recipe) {}

  // Finds the columns of the recipe, "" being none.
  absl::Status Open(const std::vector<std::string>& columns) {
    RETURN_IF_ERROR(reader_.CheckReadable());
    csv::Row header;
    if (recipe_.header && reader_.Next(header)) fields_ = header.fields.size();
    for (const std::string& column : columns) {
      if (column.empty()) continue;
      if (const auto place = PlaceOf(column)) {
        places_[column] = *place;
        last_place_ = std::max(last_place_, *place);
        if (recipe_.header && *place >= fields_) Lack(column);
        continue;
      }
      for (size_t i = 0; i < fields_; ++i) {
        if (Lower(Trimmed(header.fields[i])) != Lower(column)) continue;
        if (!places_.emplace(column, i).second && places_[column] != i) {
          return InvalidArgumentError("DUPLICATE_COLUMN", "column '" + column + "' stands twice");
        }
      }
      if (places_.count(column) == 0) Lack(column);
    }
    return Lacking();
  }

  // The next row that has all its fields; false at the end.
  bool Next() {
    while (reader_.Next(row_)) {
      ++out.read;
      if (row_.problem != csv::Problem::kNone) {
        Refuse("", csv::Describe(row_.problem));
        continue;
      }
      while (row_.fields.size() > fields_ && recipe_.header && Trimmed(row_.fields.back()).empty())
        row_.fields.pop_back();
      const size_t count = row_.fields.size();
      widest_ = std::max(widest_, count);
      if (recipe_.header ? count == fields_ : count > last_place_) return true;
      out.errors.push_back({row_.line, "", absl::StrCat(count), "WRONG_COLUMN_COUNT",
                            absl::StrCat("the row has ", count, " fields, not ",
                                         recipe_.header ? fields_ : last_place_ + 1)});
    }
    return false;
  }

  // Behind the last row: a file without header none of whose rows has a place is another file.
  absl::Status Close() {
    if (recipe_.header || widest_ == 0 || widest_ > last_place_) return absl::OkStatus();
    for (const auto& [column, place] : places_) {
      if (place >= widest_) Lack(column);
    }
    return Lacking();
  }

  std::string Get(const std::string& column) const {
    const auto found = places_.find(column);
    if (found == places_.end() || found->second >= row_.fields.size()) return "";
    return Trimmed(row_.fields[found->second]);
  }

  // What makes the row this one: its id, else its content and how often it stood there before.
  std::string Identity() {
    if (!recipe_.id.empty()) return Get(recipe_.id);
    std::string content;
    for (const std::string& field : row_.fields) absl::StrAppend(&content, Trimmed(field), "\x1f");
    const int ordinal = ++repeats_[content];
    return recipe_.digest(absl::StrCat(content, "#", ordinal));
  }

  bool Refuse(const std::string& column, const std::string& why) {
    out.errors.push_back({row_.line, column, Get(column), "INVALID_VALUE", why});
    return false;
  }
  // A text that an index can hold.
  bool Text(const std::string& column, const std::string& value, bool required) {
    if (value.empty() && required) return Refuse(column, "must not be empty");
    if (value.size() > kNameBytesMax) return Refuse(column, "must have at most 200 bytes");
    return true;
  }
  bool Time(const std::string& column, absl::TimeZone zone, absl::Time& at) {
    return TimeOf(Get(column), recipe_.time_format, zone, at) ||
           Refuse(column,
                  "is no time of the form '" +
                      (recipe_.time_format.empty() ? "2026-03-01 12:00:00" : recipe_.time_format) +
                      "'");
  }
  int64_t line() const { return row_.line; }

  Parsed<Record> out;

 private:
  void Lack(const std::string& column) {
    absl::StrAppend(&lacking_, lacking_.empty() ? "" : ", ", column);
  }
  absl::Status Lacking() const {
    if (lacking_.empty()) return absl::OkStatus();
    return InvalidArgumentError("MISSING_COLUMN", "the file lacks the column(s): " + lacking_);
  }

  csv::Reader reader_;
  const Recipe& recipe_;
  csv::Row row_;
  std::map<std::string, size_t> places_;  // of the recipe's columns
  std::string lacking_;
  size_t fields_ = 0;      // of the header
  size_t last_place_ = 0;  // that the recipe names
  size_t widest_ = 0;
  std::map<std::string, int> repeats_;
};

bool IsIn(const std::vector<std::string>& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool ReadUsage(MappedFile<UsageEventRecord>& file, const Recipe& recipe, absl::TimeZone zone,
               const std::string& identity) {
  UsageEventRecord record;
  record.id = identity;
  record.source = recipe.source;
  record.line = file.line();
  record.subject = file.Get(recipe.subject);
  if (!file.Text(recipe.id, record.id, true) || !file.Text(recipe.subject, record.subject, true) ||
      !file.Time(recipe.time, zone, record.at)) {
    return false;
  }
  const std::array<std::pair<const std::string*, const char*>, 3> columns = {
      {{&recipe.total, "data"}, {&recipe.in, "data.in"}, {&recipe.out, "data.out"}}};
  constexpr size_t kBehindData = 5;  // "in" and "out"
  std::vector<UsageEventRecord> made;
  for (const auto& [column, type] : columns) {
    if (column->empty()) continue;
    record.type = type;
    // A row of two counters is two events.
    record.id = recipe.total.empty() ? absl::StrCat(identity, ":", record.type.substr(kBehindData))
                                     : identity;
    if (!QuantityOf(file.Get(*column), recipe.decimal_comma, recipe.octets_per_unit, false,
                    std::numeric_limits<int64_t>::max(), record.octets)) {
      return file.Refuse(*column, "must be a quantity of 0 or more");
    }
    made.push_back(record);
  }
  file.out.records.insert(file.out.records.end(), made.begin(), made.end());
  return true;
}

bool ReadCall(MappedFile<CallRecord>& file, const Recipe& recipe, absl::TimeZone zone,
              CallRecord& record) {
  record.line = file.line();
  record.calling = file.Get(recipe.calling);
  record.called = file.Get(recipe.called);
  record.account_code = file.Get(recipe.account_code);
  const std::string direction = file.Get(recipe.direction);
  const bool answered =
      recipe.answered_values.empty() || IsIn(recipe.answered_values, file.Get(recipe.disposition));
  if (!answered || file.Get(recipe.answered).empty() ||
      IsIn(recipe.skipped_directions, direction)) {
    ++file.out.skipped;
    return false;
  }
  const std::string duration = file.Get(recipe.seconds);
  if (!(recipe.clock ? ClockOf(duration, record.seconds)
                     : QuantityOf(duration, recipe.decimal_comma, recipe.seconds_per_unit, true,
                                  kSecondsMost, record.seconds))) {
    return file.Refuse(recipe.seconds, "must be a duration of 0 or more");
  }
  if (record.seconds == 0) {
    ++file.out.skipped;
    return false;
  }
  if (IsIn(recipe.swapped_directions, direction)) std::swap(record.calling, record.called);
  return file.Time(recipe.answered, zone, record.answered) &&
         file.Text(recipe.calling, record.calling, false) &&
         file.Text(recipe.called, record.called, true) &&
         file.Text(recipe.account_code, record.account_code, false);
}

}  // namespace

bool IsPlace(const std::string& column) { return PlaceOf(column).has_value(); }

absl::StatusOr<Parsed<UsageEventRecord>> ParseMappedUsage(std::string_view text,
                                                          const Recipe& recipe,
                                                          absl::TimeZone zone) {
  MappedFile<UsageEventRecord> file(text, recipe);
  RETURN_IF_ERROR(
      file.Open({recipe.id, recipe.subject, recipe.time, recipe.in, recipe.out, recipe.total}));
  while (file.Next()) {
    ReadUsage(file, recipe, zone, file.Identity());
  }
  RETURN_IF_ERROR(file.Close());
  return std::move(file.out);
}

absl::StatusOr<Parsed<CallRecord>> ParseMappedCalls(std::string_view text, const Recipe& recipe,
                                                    absl::TimeZone zone) {
  MappedFile<CallRecord> file(text, recipe);
  RETURN_IF_ERROR(
      file.Open({recipe.id, recipe.calling, recipe.called, recipe.answered, recipe.seconds,
                 recipe.disposition, recipe.account_code, recipe.direction}));
  while (file.Next()) {
    const std::string identity = file.Identity();
    CallRecord record;
    if (!ReadCall(file, recipe, zone, record)) continue;
    if (identity.empty()) {
      file.Refuse(recipe.id, "must not be empty");
      continue;
    }
    record.key = absl::StrCat(recipe.source, ":", identity);
    file.out.records.push_back(std::move(record));
  }
  RETURN_IF_ERROR(file.Close());
  return std::move(file.out);
}

}  // namespace broadbill::rating
