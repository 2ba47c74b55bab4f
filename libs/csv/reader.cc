#include "libs/csv/reader.h"

#include <algorithm>

#include "libs/status/error.h"

namespace broadbill::csv {
namespace {

std::string Trim(std::string_view text) {
  const size_t from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return "";
  return std::string(text.substr(from, text.find_last_not_of(" \t") - from + 1));
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Bytes of the UTF-8 character that `text` begins with; 0 when there is none (RFC 3629: no
// overlong forms, no surrogates, at most U+10FFFF).
size_t CharacterSize(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) return first == 0 ? 0 : 1;
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  const bool wrong = (first == 0xe0 && at(1) < 0xa0) || (first == 0xed && at(1) > 0x9f) ||
                     (first == 0xf0 && at(1) < 0x90) || (first == 0xf4 && at(1) > 0x8f);
  return wrong ? 0 : size;
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

}  // namespace

std::string Describe(Problem problem) {
  switch (problem) {
    case Problem::kNone:
      return "";
    case Problem::kNotText:
      return "the row is not UTF-8 text; save the file as UTF-8";
    case Problem::kOpenQuote:
      return "a quote that opens here is not closed before the end of the file";
  }
  return "";
}

bool IsText(std::string_view text) {
  while (!text.empty()) {
    const size_t size = CharacterSize(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string Printable(std::string_view text, size_t max_bytes) {
  std::string out;
  while (!text.empty()) {
    const size_t size = CharacterSize(text);
    if (out.size() + std::max<size_t>(1, size) > max_bytes) break;
    out += size == 0 ? std::string_view("?") : text.substr(0, size);
    text.remove_prefix(std::max<size_t>(1, size));
  }
  return out;
}

absl::Status CheckReadable(std::string_view content) {
  using std::string_view_literals::operator""sv;
  const bool utf16 = StartsWith(content, "\xff\xfe"sv) || StartsWith(content, "\xfe\xff"sv) ||
                     (content.size() >= 2 && (content[0] == '\0') != (content[1] == '\0'));
  if (utf16) {
    return InvalidArgumentError("MALFORMED_FILE", "the file is UTF-16; save it as UTF-8");
  }
  if (StartsWith(content, "PK\x03\x04"sv) || StartsWith(content, "\xd0\xcf\x11\xe0"sv)) {
    return InvalidArgumentError("MALFORMED_FILE",
                                "the file is a spreadsheet or an archive; save it as text (CSV)");
  }
  if (StartsWith(content, "\x1f\x8b"sv) || StartsWith(content, "\x28\xb5\x2f\xfd"sv)) {
    return InvalidArgumentError("MALFORMED_FILE", "the file is compressed; unpack it first");
  }
  return absl::OkStatus();
}

Reader::Reader(std::string_view text, char separator) : rest_(text), separator_(separator) {
  if (rest_.substr(0, 3) == "\xef\xbb\xbf") rest_.remove_prefix(3);
}

bool Reader::Next(Row& row) {
  while (!rest_.empty() && (rest_.front() == '\n' || rest_.front() == '\r')) {
    if (rest_.front() == '\n') ++line_;
    rest_.remove_prefix(1);
  }
  row.fields.clear();
  if (rest_.empty()) return false;
  row.line = line_;
  std::string field;
  bool quoted = false;
  bool was_quoted = false;
  size_t at = 0;
  for (; at < rest_.size(); ++at) {
    const char c = rest_[at];
    if (quoted) {
      if (c == '\n') ++line_;
      if (c != '"') {
        field += c;
      } else if (at + 1 < rest_.size() && rest_[at + 1] == '"') {
        field += '"';
        ++at;
      } else {
        quoted = false;
      }
    } else if (c == '"' && field.empty() && !was_quoted) {
      quoted = true;
      was_quoted = true;
    } else if (c == separator_) {
      row.fields.push_back(std::move(field));
      field.clear();
      was_quoted = false;
    } else if (c == '\n' || (c == '\r' && at + 1 < rest_.size() && rest_[at + 1] == '\n')) {
      break;
    } else {
      field += c;
    }
  }
  // A line may end in further carriage returns, the last one in nothing else; in quotes they stand.
  if (!quoted && at > 0 && rest_[at - 1] == '\r') field.pop_back();
  row.fields.push_back(std::move(field));
  row.problem = quoted                        ? Problem::kOpenQuote
                : IsText(rest_.substr(0, at)) ? Problem::kNone
                                              : Problem::kNotText;
  rest_.remove_prefix(at);
  return true;
}

absl::StatusOr<Header> Header::Read(Reader& reader, const std::vector<std::string>& required,
                                    const std::vector<std::string>& optional) {
  absl::Status readable = reader.CheckReadable();
  if (!readable.ok()) return readable;
  Row row;
  reader.Next(row);
  return Make(row, required, optional);
}

absl::StatusOr<Header> Header::Make(const Row& row, const std::vector<std::string>& required,
                                    const std::vector<std::string>& optional) {
  Header out;
  out.columns_ = row.fields.size();
  std::string unknown;
  for (size_t i = 0; i < row.fields.size(); ++i) {
    const std::string name = Lower(Trim(row.fields[i]));
    const bool known = std::find(required.begin(), required.end(), name) != required.end() ||
                       std::find(optional.begin(), optional.end(), name) != optional.end();
    if (!known) {
      if (!name.empty()) unknown += (unknown.empty() ? "" : ", ") + Printable(name, 60);
      continue;
    }
    if (!out.index_.emplace(name, i).second) {
      return InvalidArgumentError("DUPLICATE_COLUMN", "column '" + name + "' stands twice");
    }
  }
  std::string missing;
  for (const std::string& name : required) {
    if (!out.Has(name)) missing += (missing.empty() ? "" : ", ") + name;
  }
  if (!missing.empty()) {
    return InvalidArgumentError("MISSING_COLUMN", "the file lacks the column(s): " + missing);
  }
  if (!unknown.empty()) {
    return InvalidArgumentError("UNKNOWN_COLUMN", "the file has unknown column(s): " + unknown);
  }
  return out;
}

std::string Header::Get(const Row& row, const std::string& column) const {
  const auto found = index_.find(column);
  if (found == index_.end() || found->second >= row.fields.size()) return "";
  return Trim(row.fields[found->second]);
}

std::optional<RowError> Header::Check(const Row& row) const {
  if (row.problem != Problem::kNone) {
    return RowError{row.line, "", row.fields.empty() ? "" : row.fields.front(), "INVALID_VALUE",
                    Describe(row.problem)};
  }
  size_t fields = row.fields.size();
  while (fields > columns_ && Trim(row.fields[fields - 1]).empty()) --fields;
  if (fields == columns_) return std::nullopt;
  return RowError{
      row.line, "", std::to_string(fields), "WRONG_COLUMN_COUNT",
      "the row has " + std::to_string(fields) + " fields, the header " + std::to_string(columns_)};
}

}  // namespace broadbill::csv
