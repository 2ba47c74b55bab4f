#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "libs/calendar/date.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::scenarios {

// One statement being read: words in order, options by name ("cycle 1").
class Reader {
 public:
  explicit Reader(std::vector<std::string> words) : words_(std::move(words)) {}

  bool done() const { return at_ >= words_.size(); }
  std::string Peek() const { return done() ? "" : words_[at_]; }
  absl::StatusOr<std::string> Next(const char* what) {
    if (done()) return InvalidArgumentError("SYNTAX", absl::StrCat("expected ", what));
    return words_[at_++];
  }
  bool Take(const std::string& word) {
    if (Peek() != word) return false;
    ++at_;
    return true;
  }
  absl::StatusOr<CivilDay> Day() {
    ASSIGN_OR_RETURN(const std::string text, Next("a date"));
    return ParseDate(text);
  }
  absl::Status End() const {
    if (done()) return absl::OkStatus();
    return InvalidArgumentError("SYNTAX", "unknown word '" + Peek() + "'");
  }

 private:
  std::vector<std::string> words_;
  size_t at_ = 0;
};

}  // namespace broadbill::scenarios
