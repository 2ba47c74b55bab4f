#include "services/gateway/app/transcode.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/rpc/log.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::gateway {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using rpc::JsonEscape;

const char* Title(int status) {
  switch (status) {
    case 400:
      return "Bad request";
    case 401:
      return "Not authenticated";
    case 403:
      return "Not permitted";
    case 404:
      return "Not found";
    case 405:
      return "Method not allowed";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition failed";
    case 413:
      return "Request too large";
    case 429:
      return "Too many requests";
    case 431:
      return "Header too large";
    case 499:
      return "Cancelled";
    case 501:
      return "Not implemented";
    case 503:
      return "Unavailable";
    case 504:
      return "Timed out";
    default:
      return "Internal error";
  }
}

// json_util names an unknown field as "(path) name: Cannot find field."; a wrong value as
// "(path): invalid value …". Anything else is broken JSON with its position in the message.
absl::Status JsonError(const std::string& text) {
  const size_t unknown = text.find(": Cannot find field");
  if (unknown != std::string::npos) {
    std::string field = text.substr(0, unknown);
    const size_t close = field.find(") ");
    if (close != std::string::npos) {
      std::string path = field.substr(0, close);
      if (const size_t open = path.find('('); open != std::string::npos) path.erase(0, open + 1);
      field =
          path.empty() ? field.substr(close + 2) : absl::StrCat(path, ".", field.substr(close + 2));
    } else if (const size_t colon = field.rfind(':'); colon != std::string::npos) {
      field = field.substr(colon + 1);
    }
    Violations violations;
    violations.Add(field, "unknown field");
    return WithViolations(
        InvalidArgumentError("UNKNOWN_FIELD", "the body has an unknown field '" + field + "'"),
        ViolationsOf(violations.ToStatus()));
  }
  const size_t open = text.find('(');
  const size_t close = text.find("): ", open);
  if (open != std::string::npos && close != std::string::npos) {
    return InvalidField(text.substr(open + 1, close - open - 1), text.substr(close + 3));
  }
  return InvalidArgumentError("MALFORMED_JSON", "the body is not valid JSON: " + text);
}

absl::Status ParseJson(const std::string& json, Message& out) {
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &out);
  if (parsed.ok()) return absl::OkStatus();
  return JsonError(std::string(parsed.message()));
}

absl::Status SetDate(Message& date, const std::string& path, const std::string& value) {
  const std::vector<std::string> parts = absl::StrSplit(value, '-');
  const char* const names[] = {"year", "month", "day"};
  if (parts.size() != 3) return InvalidField(path, "must be a date like 2026-03-01");
  for (size_t i = 0; i < 3; ++i) {
    int32_t number = 0;
    if (!absl::SimpleAtoi(parts[i], &number)) {
      return InvalidField(path, "must be a date like 2026-03-01");
    }
    date.GetReflection()->SetInt32(&date, date.GetDescriptor()->FindFieldByName(names[i]), number);
  }
  return absl::OkStatus();
}

// Fields that are messages but have a one-word text form.
absl::Status SetMessageField(Message& field, const std::string& path, const std::string& value) {
  const std::string& type = field.GetDescriptor()->full_name();
  if (type == "google.type.Date") return SetDate(field, path, value);
  if (type == "broadbill.common.v1.Decimal") {
    field.GetReflection()->SetString(&field, field.GetDescriptor()->FindFieldByName("value"),
                                     value);
    return absl::OkStatus();
  }
  absl::Status status = ParseJson("\"" + JsonEscape(value) + "\"", field);
  return status.ok() ? status : InvalidField(path, "'" + value + "' is not a " + type);
}

absl::Status SetScalar(Message& message, const FieldDescriptor* field, const std::string& path,
                       const std::string& value) {
  // A one-field JSON object reuses the proto JSON rules for every scalar and enum.
  const bool text = field->cpp_type() == FieldDescriptor::CPPTYPE_STRING ||
                    field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
  const std::string literal = text ? "\"" + JsonEscape(value) + "\"" : value;
  std::unique_ptr<Message> one(message.New());
  const std::string json = field->is_repeated()
                               ? absl::StrCat("{\"", field->name(), "\":[", literal, "]}")
                               : absl::StrCat("{\"", field->name(), "\":", literal, "}");
  if (!ParseJson(json, *one).ok()) {
    return InvalidField(path, absl::StrCat("'", value, "' is not a valid ", field->type_name()));
  }
  if (!field->is_repeated()) message.GetReflection()->ClearField(&message, field);
  message.MergeFrom(*one);
  return absl::OkStatus();
}

absl::Status ApplyQuery(const std::string& query, Message& message) {
  Violations violations;
  for (const absl::string_view part : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    const std::string text(part);
    const size_t equals = text.find('=');
    const std::string name = PercentDecode(text.substr(0, equals), true);
    const std::string value =
        equals == std::string::npos ? "" : PercentDecode(text.substr(equals + 1), true);
    violations.Check(SetField(message, name, value), name);
  }
  return violations.ToStatus();
}

void SetIfEmpty(Message& message, const char* name, const std::string& value) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  const bool settable = field != nullptr && !field->is_repeated() &&
                        field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  if (settable && message.GetReflection()->GetString(message, field).empty()) {
    message.GetReflection()->SetString(&message, field, value);
  }
}

// On PATCH without a mask, the keys of the body are the mask.
absl::Status DeriveMask(const Route& route, const std::string& body, Message& message) {
  const FieldDescriptor* mask = message.GetDescriptor()->FindFieldByName("update_mask");
  if (route.verb != "PATCH" || mask == nullptr || body.empty() ||
      message.GetReflection()->HasField(message, mask)) {
    return absl::OkStatus();
  }
  google::protobuf::Struct keys;
  if (!google::protobuf::util::JsonStringToMessage(body, &keys).ok()) return absl::OkStatus();
  auto* paths = dynamic_cast<google::protobuf::FieldMask*>(
      message.GetReflection()->MutableMessage(&message, mask));
  if (paths == nullptr) return absl::OkStatus();
  const FieldDescriptor* resource = message.GetDescriptor()->FindFieldByName(route.body);
  for (const auto& [key, value] : keys.fields()) {
    const FieldDescriptor* named = resource == nullptr || resource->message_type() == nullptr
                                       ? nullptr
                                       : resource->message_type()->FindFieldByCamelcaseName(key);
    paths->add_paths(named != nullptr ? named->name() : key);
  }
  std::sort(paths->mutable_paths()->begin(), paths->mutable_paths()->end());
  return absl::OkStatus();
}

// A body that the service reads itself, whatever its type.
absl::Status TakeRaw(const http::Request& request, Message& part) {
  const auto type = request.headers.find("content-type");
  if (type != request.headers.end()) {
    RETURN_IF_ERROR(SetField(part, "content_type", type->second));
  }
  const FieldDescriptor* data = part.GetDescriptor()->FindFieldByName("data");
  part.GetReflection()->SetString(&part, data, request.body);
  return absl::OkStatus();
}

absl::Status ParseBody(const Route& route, const http::Request& request, Message& message) {
  if (route.body.empty()) {
    if (request.body.empty()) return absl::OkStatus();
    return InvalidArgumentError("UNEXPECTED_BODY",
                                route.verb + " " + route.path + " takes no body");
  }
  const std::string json = request.body.empty() ? "{}" : request.body;
  if (route.body == "*") return ParseJson(json, message);
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(route.body);
  if (field == nullptr || field->message_type() == nullptr || field->is_repeated()) {
    return InternalError("BAD_ROUTE", "the route's body names no message field");
  }
  Message& part = *message.GetReflection()->MutableMessage(&message, field);
  if (field->message_type()->full_name() == "google.api.HttpBody") {
    return TakeRaw(request, part);
  }
  return ParseJson(json, part);
}

}  // namespace

absl::Status SetField(Message& message, const std::string& path, const std::string& value) {
  Message* at = &message;
  const std::vector<std::string> names = absl::StrSplit(path, '.');
  for (size_t i = 0; i < names.size(); ++i) {
    const FieldDescriptor* field = at->GetDescriptor()->FindFieldByName(names[i]);
    if (field == nullptr) field = at->GetDescriptor()->FindFieldByCamelcaseName(names[i]);
    if (field == nullptr) return InvalidField(path, "unknown parameter");
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      if (i + 1 < names.size()) return InvalidField(path, "unknown parameter");
      return SetScalar(*at, field, path, value);
    }
    if (field->is_repeated()) return InvalidField(path, "cannot be given as a parameter");
    at = at->GetReflection()->MutableMessage(at, field);
  }
  return SetMessageField(*at, path, value);
}

absl::StatusOr<std::unique_ptr<Message>> ToMessage(const Match& match,
                                                   const http::Request& request) {
  const Route& route = *match.route;
  const Message* prototype = google::protobuf::MessageFactory::generated_factory()->GetPrototype(
      route.method->input_type());
  std::unique_ptr<Message> message(prototype->New());
  RETURN_IF_ERROR(ParseBody(route, request, *message));
  RETURN_IF_ERROR(ApplyQuery(request.query, *message));
  for (const auto& [name, value] : match.fields) {
    RETURN_IF_ERROR(SetField(*message, name, value));
  }
  if (const auto key = request.headers.find("idempotency-key"); key != request.headers.end()) {
    SetIfEmpty(*message, "request_id", key->second);
  }
  if (const auto etag = request.headers.find("if-match"); etag != request.headers.end()) {
    std::string value = etag->second;
    value.erase(std::remove(value.begin(), value.end(), '"'), value.end());
    SetIfEmpty(*message, "etag", value);
  }
  RETURN_IF_ERROR(DeriveMask(route, request.body, *message));
  return message;
}

std::string ToJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string out;
  const auto status = google::protobuf::util::MessageToJsonString(message, &out, options);
  return status.ok() ? out : "{}";
}

int HttpStatus(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  if (reason == "REQUEST_TOO_LARGE") return 413;
  if (reason == "ETAG_MISMATCH") return 412;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

http::Response HttpProblem(int http_status, const std::string& reason, const std::string& detail,
                           const std::string& trace_id) {
  http::Response out;
  out.status = http_status;
  out.content_type = "application/problem+json";
  out.body = absl::StrCat("{\"type\":\"urn:broadbill:error:", JsonEscape(reason), "\",\"title\":\"",
                          Title(http_status), "\",\"status\":", http_status, ",\"detail\":\"",
                          JsonEscape(detail), "\",\"instance\":\"urn:trace:", JsonEscape(trace_id),
                          "\",\"reason\":\"", JsonEscape(reason), "\",\"trace_id\":\"",
                          JsonEscape(trace_id), "\"}");
  return out;
}

http::Response Problem(const absl::Status& status, const std::string& trace_id) {
  const int code = HttpStatus(status);
  const bool ours = code == 500;
  http::Response out = HttpProblem(
      code, ReasonOf(status),
      ours ? "an internal error; quote the trace id" : std::string(status.message()), trace_id);
  out.body.pop_back();
  const std::vector<FieldViolation> violations = ViolationsOf(status);
  for (size_t i = 0; i < violations.size(); ++i) {
    absl::StrAppend(&out.body, i == 0 ? ",\"errors\":[" : ",", "{\"field\":\"",
                    JsonEscape(violations[i].field), "\",\"description\":\"",
                    JsonEscape(violations[i].description), "\"}");
  }
  if (!violations.empty()) out.body += "]";
  const auto metadata = MetadataOf(status);
  if (!metadata.empty() && !ours) {
    out.body += ",\"metadata\":{";
    for (const auto& [key, value] : metadata) {
      absl::StrAppend(&out.body, out.body.back() == '{' ? "" : ",", "\"", JsonEscape(key), "\":\"",
                      JsonEscape(value), "\"");
    }
    out.body += "}";
  }
  out.body += "}";
  if (code == 429 || code == 503) out.headers["Retry-After"] = "1";
  if (code == 401) out.headers["WWW-Authenticate"] = "Bearer";
  return out;
}

}  // namespace broadbill::gateway
