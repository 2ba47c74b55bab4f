#pragma once

// One function per error code, each with a reason. Reasons are names of broadbill.common.v1.Reason
// (UPPER_SNAKE); a message names the field or rule and never leaks internals (SQL, addresses).

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace broadbill {

// One offending field of a request: `field` is the proto path ("account.cycle_day"),
// `description` says what is wrong and what would be right.
struct FieldViolation {
  std::string field;
  std::string description;

  bool operator==(const FieldViolation&) const = default;
};

absl::Status InvalidArgumentError(std::string_view reason, std::string_view message);
absl::Status NotFoundError(std::string_view reason, std::string_view message);
absl::Status AlreadyExistsError(std::string_view reason, std::string_view message);
absl::Status FailedPreconditionError(std::string_view reason, std::string_view message);
absl::Status AbortedError(std::string_view reason, std::string_view message);
absl::Status UnavailableError(std::string_view reason, std::string_view message);
absl::Status InternalError(std::string_view reason, std::string_view message);
absl::Status PermissionDeniedError(std::string_view reason, std::string_view message);
absl::Status UnauthenticatedError(std::string_view reason, std::string_view message);
absl::Status ResourceExhaustedError(std::string_view reason, std::string_view message);
absl::Status DeadlineExceededError(std::string_view reason, std::string_view message);
absl::Status UnimplementedError(std::string_view reason, std::string_view message);
absl::Status OutOfRangeError(std::string_view reason, std::string_view message);
absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message);

// One bad field: INVALID_ARGUMENT with reason INVALID_FIELD and one violation.
absl::Status InvalidField(std::string_view field, std::string_view description);

// The reason of an error; "" for OK, "UNKNOWN" for an error made elsewhere.
std::string ReasonOf(const absl::Status& status);

// The offending fields, in the order they were found; empty for errors without any.
std::vector<FieldViolation> ViolationsOf(const absl::Status& status);

// Extra facts for programs, e.g. {"account_id", "acc_…"}. Keys are lower_snake.
absl::Status WithMetadata(absl::Status status, std::string_view key, std::string_view value);
std::map<std::string, std::string> MetadataOf(const absl::Status& status);

absl::Status WithViolations(absl::Status status, const std::vector<FieldViolation>& violations);

// Collects every error of an input, so that they return together.
class Violations {
 public:
  void Add(std::string_view field, std::string_view description);
  // Adds when `ok` is false; returns `ok`.
  bool Require(bool ok, std::string_view field, std::string_view description);
  // Adds the status's own violations, or its message under `field`; returns status.ok().
  bool Check(const absl::Status& status, std::string_view field);
  bool empty() const { return found_.empty(); }

  // OK when nothing was found; else one INVALID_ARGUMENT naming all fields.
  absl::Status ToStatus() const;

 private:
  std::vector<FieldViolation> found_;
};

// The same error with `context` before its message ("line 12: …"); keeps reason and payloads.
absl::Status Annotate(const absl::Status& status, std::string_view context);

// Debian's absl::string_view is a type of its own; these two bridge it.
inline std::string_view StdView(absl::string_view v) { return {v.data(), v.size()}; }
inline absl::string_view AbslView(std::string_view v) { return {v.data(), v.size()}; }

}  // namespace broadbill
