#include "libs/status/error.h"

#include <charconv>
#include <optional>

#include "absl/strings/cord.h"

namespace broadbill {
namespace {

constexpr char kReasonUrl[] = "broadbill/reason";
constexpr char kViolationsUrl[] = "broadbill/violations";
constexpr char kMetadataUrl[] = "broadbill/metadata";

// Payloads are lists of strings, each as "<length>:<bytes>".
void AppendString(std::string& out, std::string_view value) {
  out += std::to_string(value.size());
  out += ':';
  out += value;
}

std::vector<std::string> ReadStrings(std::string_view in) {
  std::vector<std::string> out;
  while (!in.empty()) {
    const size_t colon = in.find(':');
    size_t length = 0;
    if (colon == std::string_view::npos ||
        std::from_chars(in.data(), in.data() + colon, length).ec != std::errc() ||
        length > in.size() - colon - 1) {
      return out;
    }
    out.emplace_back(in.substr(colon + 1, length));
    in.remove_prefix(colon + 1 + length);
  }
  return out;
}

std::string Payload(const absl::Status& status, const char* url) {
  const auto payload = status.GetPayload(url);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message) {
  absl::Status status(code, AbslView(message));
  status.SetPayload(kReasonUrl, absl::Cord(AbslView(reason)));
  return status;
}

absl::Status InvalidArgumentError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, message);
}
absl::Status NotFoundError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kNotFound, reason, message);
}
absl::Status AlreadyExistsError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kAlreadyExists, reason, message);
}
absl::Status FailedPreconditionError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, message);
}
absl::Status AbortedError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kAborted, reason, message);
}
absl::Status UnavailableError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kUnavailable, reason, message);
}
absl::Status InternalError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kInternal, reason, message);
}
absl::Status PermissionDeniedError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kPermissionDenied, reason, message);
}
absl::Status UnauthenticatedError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kUnauthenticated, reason, message);
}
absl::Status ResourceExhaustedError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kResourceExhausted, reason, message);
}
absl::Status DeadlineExceededError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kDeadlineExceeded, reason, message);
}
absl::Status UnimplementedError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kUnimplemented, reason, message);
}
absl::Status OutOfRangeError(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kOutOfRange, reason, message);
}

absl::Status InvalidField(std::string_view field, std::string_view description) {
  Violations violations;
  violations.Add(field, description);
  return violations.ToStatus();
}

std::string ReasonOf(const absl::Status& status) {
  if (status.ok()) return "";
  std::string reason = Payload(status, kReasonUrl);
  return reason.empty() ? "UNKNOWN" : reason;
}

std::vector<FieldViolation> ViolationsOf(const absl::Status& status) {
  const std::vector<std::string> parts = ReadStrings(Payload(status, kViolationsUrl));
  std::vector<FieldViolation> out;
  for (size_t i = 0; i + 1 < parts.size(); i += 2) out.push_back({parts[i], parts[i + 1]});
  return out;
}

absl::Status WithMetadata(absl::Status status, std::string_view key, std::string_view value) {
  std::string payload = Payload(status, kMetadataUrl);
  AppendString(payload, key);
  AppendString(payload, value);
  status.SetPayload(kMetadataUrl, absl::Cord(payload));
  return status;
}

std::map<std::string, std::string> MetadataOf(const absl::Status& status) {
  const std::vector<std::string> parts = ReadStrings(Payload(status, kMetadataUrl));
  std::map<std::string, std::string> out;
  for (size_t i = 0; i + 1 < parts.size(); i += 2) out[parts[i]] = parts[i + 1];
  return out;
}

absl::Status WithViolations(absl::Status status, const std::vector<FieldViolation>& violations) {
  std::string payload;
  for (const FieldViolation& violation : violations) {
    AppendString(payload, violation.field);
    AppendString(payload, violation.description);
  }
  if (!payload.empty()) status.SetPayload(kViolationsUrl, absl::Cord(payload));
  return status;
}

void Violations::Add(std::string_view field, std::string_view description) {
  found_.push_back({std::string(field), std::string(description)});
}

bool Violations::Require(bool ok, std::string_view field, std::string_view description) {
  if (!ok) Add(field, description);
  return ok;
}

bool Violations::Check(const absl::Status& status, std::string_view field) {
  if (status.ok()) return true;
  const std::vector<FieldViolation> inner = ViolationsOf(status);
  if (inner.empty()) {
    Add(field, StdView(status.message()));
  } else {
    found_.insert(found_.end(), inner.begin(), inner.end());
  }
  return false;
}

absl::Status Violations::ToStatus() const {
  if (found_.empty()) return absl::OkStatus();
  std::string message;
  for (const FieldViolation& violation : found_) {
    if (!message.empty()) message += "; ";
    message += violation.field + ": " + violation.description;
  }
  return WithViolations(InvalidArgumentError("INVALID_FIELD", message), found_);
}

absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  std::string message(context);
  message += ": ";
  message += StdView(status.message());
  absl::Status out(status.code(), message);
  status.ForEachPayload(
      [&out](absl::string_view url, const absl::Cord& payload) { out.SetPayload(url, payload); });
  return out;
}

}  // namespace broadbill
