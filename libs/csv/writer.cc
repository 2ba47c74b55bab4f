#include "libs/csv/writer.h"

namespace broadbill::csv {
namespace {

void AppendField(std::string_view field, std::string& out) {
  const bool quoted = field.find_first_of(",\"\r\n") != std::string_view::npos ||
                      (!field.empty() && (field.front() == ' ' || field.front() == '\t' ||
                                          field.back() == ' ' || field.back() == '\t'));
  if (!quoted) {
    out += field;
    return;
  }
  out += '"';
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

}  // namespace

void AppendRow(const std::vector<std::string>& fields, std::string& out) {
  // A row of one empty field would be an empty line, which is no row.
  if (fields.size() == 1 && fields.front().empty()) out += "\"\"";
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) out += ',';
    AppendField(fields[i], out);
  }
  out += "\r\n";
}

}  // namespace broadbill::csv
