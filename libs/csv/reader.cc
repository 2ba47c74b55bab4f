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

}  // namespace

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
  if (!field.empty() && field.back() == '\r') field.pop_back();
  row.fields.push_back(std::move(field));
  unterminated_ = quoted;
  rest_.remove_prefix(at);
  return true;
}

absl::StatusOr<Header> Header::Make(const Row& row, const std::vector<std::string>& required,
                                    const std::vector<std::string>& optional) {
  Header out;
  std::string unknown;
  for (size_t i = 0; i < row.fields.size(); ++i) {
    const std::string name = Lower(Trim(row.fields[i]));
    const bool known = std::find(required.begin(), required.end(), name) != required.end() ||
                       std::find(optional.begin(), optional.end(), name) != optional.end();
    if (!known) {
      if (!name.empty()) unknown += (unknown.empty() ? "" : ", ") + name;
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

}  // namespace broadbill::csv
