#pragma once

// What the fuzz targets share. A target is a function of bytes that ends the process when a
// property of the parsed does not hold. The fuzzer (fuzzer_main.cc) runs one with made-up inputs,
// the replay (replay.cc) all of them with the kept ones.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/csv/reader.h"

namespace broadbill::fuzz {

struct Target {
  std::string name;
  void (*run)(std::string_view input);
};

// The targets that are linked, in no order.
std::vector<Target>& Targets();

struct Registration {
  Registration(const char* name, void (*run)(std::string_view)) {
    Targets().push_back({name, run});
  }
};

// Ends the process with what does not hold; the fuzzer keeps the input.
void Require(bool holds, std::string_view property);

// A zone that is known to be there.
absl::TimeZone Zone(const std::string& name);

// From 1970 to the year 9999: what records may say, and what the database and messages can hold.
void RequireTime(absl::Time at);
// UTF-8 without NUL, of 1 to `most` bytes.
void RequireName(std::string_view text, size_t most);

// Takes numbers off the front of an input; zeros at its end.
class Bytes {
 public:
  explicit Bytes(std::string_view input) : rest_(input) {}

  bool empty() const { return rest_.empty(); }
  uint64_t Take(size_t bytes);
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

// Every record of a file is parsed, refused or skipped, and none is two of them. A refused record
// has one error, or several where `several` is said.
template <class Parsed>
void RequireCounts(const Parsed& parsed, bool several = false) {
  const auto errors = static_cast<int64_t>(parsed.errors.size());
  const int64_t refused =
      parsed.read - parsed.skipped - static_cast<int64_t>(parsed.records.size());
  Require(parsed.skipped >= 0, "skipped is not negative");
  Require(several ? refused <= errors && (refused > 0) == (errors > 0) : refused == errors,
          "read = records + refused + skipped");
  int64_t line = 0;
  for (const auto& record : parsed.records) {
    if constexpr (requires { record.line; }) {
      Require(record.line > line, "records are in order of their lines");
      line = record.line;
    }
  }
  for (const csv::RowError& error : parsed.errors) {
    Require(error.line > 0, "an error has its line");
    Require(!error.reason.empty() && !error.message.empty(), "an error says why");
  }
}

}  // namespace broadbill::fuzz

// FUZZ_TARGET(name) { … input … }
#define FUZZ_TARGET(name)                                                             \
  static void Fuzz_##name(std::string_view input);                                    \
  static const ::broadbill::fuzz::Registration registered_##name(#name, Fuzz_##name); \
  static void Fuzz_##name(std::string_view input)
