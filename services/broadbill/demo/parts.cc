#include "services/broadbill/demo/parts.h"

#include <sstream>

#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::program {

bool CsvParts::Next(int64_t rows, std::string& part) {
  part.clear();
  std::string line;
  for (int64_t i = 0; i < rows && std::getline(file_, line); ++i) {
    if (part.empty()) part = header_ + "\n";
    part += line;
    part += '\n';
  }
  return !part.empty();
}

absl::StatusOr<std::map<CivilDay, std::string>> RowsByDay(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string header;
  if (!std::getline(file, header)) return UnavailableError("DATA_DIR", "cannot read " + path);
  header.erase(0, header.find(',') + 1);
  std::map<CivilDay, std::string> out;
  for (std::string line; std::getline(file, line);) {
    const size_t comma = line.find(',');
    ASSIGN_OR_RETURN(const CivilDay day, ParseDate(line.substr(0, comma)));
    std::string& text = out[day];
    if (text.empty()) text = header + "\n";
    text += line.substr(comma + 1) + "\n";
  }
  return out;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return UnavailableError("DATA_DIR", "cannot read " + path);
  return text.str();
}

}  // namespace broadbill::program
