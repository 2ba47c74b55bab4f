#include "tests/conformance/inputs.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "libs/csv/reader.h"
#include "libs/testing/test_database.h"

namespace broadbill::conformance {
namespace {

bool skipped = false;

std::string Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    std::exit(2);
  }
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// ctest shows a run that could not compare everything as skipped, unless something failed.
void EndSkipped(int status, void*) {
  if (!skipped || status != 0) return;
  std::fflush(nullptr);
  std::_Exit(77);
}
// Before main, so that it runs after everything that tests make, their servers included, is gone.
[[maybe_unused]] const int registered = on_exit(EndSkipped, nullptr);

}  // namespace

std::string ProjectFile(const std::string& path) {
  return Read(std::string(BROADBILL_SOURCE_DIR) + "/" + path);
}

bool HaveShared() {
  if (!testing::SharedFolder().empty()) return true;
  if (!skipped) {
    std::printf("SKIPPED: no folder with real input beside the checkout; set BROADBILL_SHARED\n");
  }
  skipped = true;
  return false;
}

std::string SharedFile(const std::string& path) {
  return Read(testing::SharedFolder() + "/" + path);
}

std::vector<Row> Table(const std::string& text, char separator) {
  std::vector<Row> out;
  csv::Reader reader(text, separator);
  csv::Row header;
  reader.Next(header);
  for (csv::Row row; reader.Next(row);) {
    Row named;
    for (size_t i = 0; i < header.fields.size(); ++i) {
      named[header.fields[i]] = i < row.fields.size() ? row.fields[i] : "";
    }
    out.push_back(std::move(named));
  }
  return out;
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> out = Split(text, '\n');
  if (!out.empty() && out.back().empty()) out.pop_back();
  for (std::string& line : out) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
  }
  return out;
}

std::string Join(const std::vector<std::string>& lines, const std::string& end) {
  std::string out;
  for (const std::string& line : lines) out += line + end;
  return out;
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> out;
  size_t at = 0;
  while (true) {
    const size_t end = text.find(separator, at);
    out.push_back(text.substr(at, end == std::string::npos ? end : end - at));
    if (end == std::string::npos) return out;
    at = end + 1;
  }
}

bool Tally::Count(bool same) {
  same ? Pass() : Fail();
  return same;
}

bool Tally::Differ(const std::string& reason, bool ours) {
  ours ? ++differs_[reason] : ++failed_;
  return ours;
}

Tally::~Tally() {
  int skipped = 0;
  int differ = 0;
  for (const auto& [reason, count] : skipped_) skipped += count;
  for (const auto& [reason, count] : differs_) differ += count;
  std::printf("%-44s %5d passed, %d failed, %d differ by decision, %d skipped\n", table_.c_str(),
              passed_, failed_, differ, skipped);
  for (const auto& [reason, count] : differs_) {
    std::printf("%50d differ: %s\n", count, reason.c_str());
  }
  for (const auto& [reason, count] : skipped_) {
    std::printf("%50d skipped: %s\n", count, reason.c_str());
  }
  std::fflush(stdout);
}

}  // namespace broadbill::conformance
