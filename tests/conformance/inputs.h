#pragma once

// Files of the shared folder, and how tests with them are skipped and counted.

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace broadbill::conformance {

// The text of a file of the project, by its path from the root. Ends the process when it is absent.
std::string ProjectFile(const std::string& path);

// True when the shared folder is there. Else notes that the calling test is skipped: the process
// then ends with 77 when nothing failed.
bool HaveShared();
// The text of a file of the shared folder ("data/sst/…").
std::string SharedFile(const std::string& path);

// The rows of a CSV (or tab-separated) file with header, by column name.
using Row = std::map<std::string, std::string>;
std::vector<Row> Table(const std::string& text, char separator = ',');

// Lines without their ends.
std::vector<std::string> Lines(const std::string& text);
std::string Join(const std::vector<std::string>& lines, const std::string& end = "\n");
std::vector<std::string> Split(const std::string& text, char separator);

// What became of the cases of one table; prints itself at its end.
class Tally {
 public:
  explicit Tally(std::string table) : table_(std::move(table)) {}
  ~Tally();
  void Pass() { ++passed_; }
  void Fail() { ++failed_; }
  // `same` ? Pass : Fail.
  bool Count(bool same);
  // Not compared, for a reason that stands for a kind of case.
  void Skip(const std::string& reason) { ++skipped_[reason]; }
  // Compared, and other by a documented rule of ours: `ours` says whether it is what that rule
  // says.
  bool Differ(const std::string& reason, bool ours);
  int passed() const { return passed_; }
  int failed() const { return failed_; }

 private:
  const std::string table_;
  int passed_ = 0, failed_ = 0;
  std::map<std::string, int> skipped_, differs_;
};

}  // namespace broadbill::conformance
