#include "tests/bench/measure.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace broadbill::bench {
namespace {

namespace fs = std::filesystem;

// The fields of /proc/<pid>/stat after the command's name; empty when the process is gone.
std::vector<std::string> Stat(pid_t pid) {
  std::ifstream in(absl::StrCat("/proc/", pid, "/stat"));
  std::string text;
  std::getline(in, text);
  std::vector<std::string> out;
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  for (std::string field; fields >> field;) out.push_back(field);
  return out;
}

std::vector<pid_t> Family(pid_t postmaster) {
  std::vector<pid_t> out = {postmaster};
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    const std::vector<std::string> stat = Stat(pid);
    if (stat.size() > 1 && stat[1] == std::to_string(postmaster)) out.push_back(pid);
  }
  return out;
}

// A size of /proc/<pid>/status in bytes ("RssAnon:     1234 kB").
int64_t StatusBytes(const std::string& pid, const std::string& name) {
  std::ifstream in("/proc/" + pid + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(name + ":", 0) == 0) {
      return std::strtoll(line.c_str() + name.size() + 1, nullptr, 10) * 1024;
    }
  }
  return 0;
}

}  // namespace

Usage UsageNow(pid_t postmaster) {
  Usage out;
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  out.program_cpu_seconds = seconds(own.ru_utime) + seconds(own.ru_stime);
  int64_t ticks = 0;
  for (const pid_t pid : Family(postmaster)) {
    const std::vector<std::string> stat = Stat(pid);
    // utime, stime, and of waited-for children: fields 14 to 17 of proc(5), counted behind the
    // name.
    for (size_t i = 11; i < 15 && i < stat.size(); ++i) ticks += std::stoll(stat[i]);
  }
  out.postgres_cpu_seconds = static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return out;
}

double CpuSeconds(pid_t pid) {
  int64_t ticks = 0;
  const std::vector<std::string> stat = Stat(pid);
  for (size_t i = 11; i < 13 && i < stat.size(); ++i) ticks += std::stoll(stat[i]);
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

int64_t PeakMemoryBytes(pid_t pid) { return StatusBytes(std::to_string(pid), "VmHWM"); }

int64_t PeakMemoryBytes() { return StatusBytes("self", "VmHWM"); }

PostgresMemory::PostgresMemory(pid_t postmaster) : postmaster_(postmaster) {
  thread_ = std::thread([this] {
    while (!stop_) {
      Sample();
      absl::SleepFor(absl::Milliseconds(500));
    }
  });
}

PostgresMemory::~PostgresMemory() {
  stop_ = true;
  thread_.join();
}

void PostgresMemory::Sample() {
  int64_t all_private = 0;
  int64_t shared = 0;
  for (const pid_t pid : Family(postmaster_)) {
    all_private += StatusBytes(std::to_string(pid), "RssAnon");
    shared = std::max(shared, StatusBytes(std::to_string(pid), "RssShmem"));
  }
  private_ = std::max<int64_t>(private_, all_private);
  shared_ = std::max<int64_t>(shared_, shared);
}

void JsonObject::Member(const std::string& key, const std::string& json) {
  absl::StrAppend(&members_, members_.empty() ? "" : ", ", "\"", key, "\": ", json);
}
void JsonObject::Add(const std::string& key, const std::string& text) {
  Member(key, "\"" + text + "\"");
}
void JsonObject::Add(const std::string& key, int64_t value) { Member(key, std::to_string(value)); }
void JsonObject::Add(const std::string& key, double value, int digits) {
  Member(key, absl::StrFormat("%.*f", digits, value));
}
void JsonObject::Add(const std::string& key, const JsonObject& value) {
  Member(key, value.ToString());
}

}  // namespace broadbill::bench
