#include "services/rating/domain/import_file.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/macros.h"
#include "services/rating/domain/freeswitch.h"

namespace broadbill::rating {
namespace {

template <class Record>
FileRecords Take(Parsed<Record>&& parsed, std::vector<Record> FileRecords::*records) {
  FileRecords out;
  out.*records = std::move(parsed.records);
  out.errors = std::move(parsed.errors);
  out.read = parsed.read;
  out.skipped = parsed.skipped;
  return out;
}

bool IsMapped(Layout layout) {
  return layout == Layout::kMappedUsage || layout == Layout::kMappedCalls;
}
// Rows of CSV that quotes may spread over lines; of the others each line is a record.
bool IsCsv(Layout layout) {
  return layout == Layout::kRadacct || layout == Layout::kEventsCsv || IsMapped(layout);
}

char DelimiterOf(const Recipe* recipe) { return recipe == nullptr ? ',' : recipe->delimiter; }

// Offsets of the lines, the first at 0.
std::vector<size_t> LineStarts(std::string_view content) {
  std::vector<size_t> out = {0};
  for (size_t at = content.find('\n'); at != std::string_view::npos;
       at = content.find('\n', at + 1)) {
    out.push_back(at + 1);
  }
  return out;
}

// Where the first row begins: behind a byte order mark and empty lines.
size_t BeginOfCsv(std::string_view content) {
  const size_t from = content.substr(0, 3) == "\xef\xbb\xbf" ? 3 : 0;
  return std::min(content.find_first_not_of("\r\n", from), content.size());
}

// Behind the record of a CSV file that begins at `from`: the first line break outside quotes, which
// open only at a field's begin, as for csv::Reader.
size_t EndOfCsvRow(std::string_view content, size_t from, char delimiter) {
  bool quoted = false;
  bool begin = true;  // of a field
  for (size_t at = from; at < content.size(); ++at) {
    const char c = content[at];
    if (quoted) {
      if (c != '"') continue;
      quoted = at + 1 < content.size() && content[at + 1] == '"';
      if (quoted) ++at;
    } else if (c == '\n') {
      return at + 1;
    } else {
      quoted = begin && c == '"';
      begin = c == delimiter;
    }
  }
  return content.size();
}

// A row without its line break. Carriage returns beyond the one of the break may be why it cannot
// be read, so they stay.
std::string_view WithoutBreak(std::string_view row) {
  if (!row.empty() && row.back() == '\n') row.remove_suffix(1);
  const size_t end = row.find_last_not_of('\r');
  const size_t returns = row.size() - (end == std::string_view::npos ? 0 : end + 1);
  if (returns == 1) row.remove_suffix(1);
  return row;
}

bool Indented(std::string_view content, size_t at) {
  return at < content.size() && (content[at] == '\t' || content[at] == ' ');
}

class RowFinder {
 public:
  RowFinder(Layout layout, std::string_view content, char delimiter)
      : layout_(layout), content_(content), delimiter_(delimiter), starts_(LineStarts(content)) {}

  // [from, to) of the record that a line belongs to.
  std::pair<size_t, size_t> Find(int64_t line) const {
    size_t index = std::min(static_cast<size_t>(std::max<int64_t>(line, 1)), starts_.size()) - 1;
    if (layout_ == Layout::kDetail) {
      while (index > 0 && Indented(content_, starts_[index])) --index;
      size_t next = index + 1;
      while (next < starts_.size() && Indented(content_, starts_[next])) ++next;
      return {starts_[index], next < starts_.size() ? starts_[next] : content_.size()};
    }
    const size_t from = starts_[index];
    if (IsCsv(layout_)) return {from, EndOfCsvRow(content_, from, delimiter_)};
    return {from, index + 1 < starts_.size() ? starts_[index + 1] : content_.size()};
  }

  // Whether the record is the file's last and cut.
  bool IsCut(size_t from, size_t to) const {
    if (to < content_.size() || IsCsv(layout_)) return false;
    const std::string_view text = content_.substr(from);
    if (text.empty() || text.back() != '\n') return true;
    return layout_ == Layout::kDetail && text.find("\tTimestamp = ") == std::string_view::npos;
  }

 private:
  const Layout layout_;
  const std::string_view content_;
  const char delimiter_;
  const std::vector<size_t> starts_;
};

FileRecords TakeRadius(RadiusFile parsed) {
  std::vector<NasRestart> restarts = std::move(parsed.restarts);
  FileRecords out = Take<RadiusRecord>(std::move(parsed), &FileRecords::samples);
  out.restarts = std::move(restarts);
  return out;
}

}  // namespace

absl::StatusOr<FileRecords> ReadFile(Layout layout, std::string_view content, absl::TimeZone zone,
                                     const Recipe* recipe) {
  switch (layout) {
    case Layout::kDetail: {
      ASSIGN_OR_RETURN(RadiusFile parsed, ParseDetail(content, zone));
      return TakeRadius(std::move(parsed));
    }
    case Layout::kRadacct: {
      ASSIGN_OR_RETURN(RadiusFile parsed, ParseRadacct(content, zone));
      return TakeRadius(std::move(parsed));
    }
    case Layout::kEventsCsv: {
      ASSIGN_OR_RETURN(auto parsed, ParseEvents(content));
      return Take(std::move(parsed), &FileRecords::events);
    }
    case Layout::kFreeswitchCsv: {
      ASSIGN_OR_RETURN(auto parsed, ParseFreeswitchCsv(content, zone));
      return Take(std::move(parsed), &FileRecords::calls);
    }
    case Layout::kFreeswitchJson: {
      ASSIGN_OR_RETURN(auto parsed, ParseFreeswitchJson(content));
      return Take(std::move(parsed), &FileRecords::calls);
    }
    case Layout::kMappedUsage: {
      ASSIGN_OR_RETURN(auto parsed, ParseMappedUsage(content, *recipe, zone));
      return Take(std::move(parsed), &FileRecords::events);
    }
    case Layout::kMappedCalls: {
      ASSIGN_OR_RETURN(auto parsed, ParseMappedCalls(content, *recipe, zone));
      return Take(std::move(parsed), &FileRecords::calls);
    }
    default: {
      ASSIGN_OR_RETURN(auto parsed, ParseAsterisk(content, zone));
      return Take(std::move(parsed), &FileRecords::calls);
    }
  }
}

std::vector<UnreadableRow> UnreadableRows(Layout layout, std::string_view content,
                                          const std::vector<csv::RowError>& errors,
                                          const Recipe* recipe) {
  std::vector<UnreadableRow> out;
  if (errors.empty()) return out;
  const RowFinder finder(layout, content, DelimiterOf(recipe));
  std::map<size_t, size_t> known;  // by where the row begins
  std::map<std::string, int> repeats;
  for (const csv::RowError& error : errors) {
    const auto [from, to] = finder.Find(error.line);
    if (finder.IsCut(from, to) || !known.emplace(from, out.size()).second) continue;
    UnreadableRow row;
    row.line = error.line;
    row.reason = error.reason;
    row.message =
        error.column.empty() ? error.message : absl::StrCat(error.column, " ", error.message);
    std::string_view text = content.substr(from, std::min(to - from, kRowBytesMost));
    row.text = std::string(WithoutBreak(text));
    row.ordinal = ++repeats[row.text];
    out.push_back(std::move(row));
  }
  return out;
}

std::string HeaderOf(Layout layout, std::string_view content, const Recipe* recipe) {
  if (!IsCsv(layout) || (recipe != nullptr && !recipe->header)) return "";
  const size_t end = EndOfCsvRow(content, BeginOfCsv(content), DelimiterOf(recipe));
  return std::string(content.substr(0, end));
}

}  // namespace broadbill::rating
