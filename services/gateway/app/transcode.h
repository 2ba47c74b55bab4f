#pragma once

// HTTP/JSON to and from protobuf messages (proto JSON mapping, field names as in the proto).

#include <google/protobuf/message.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/gateway/app/routes.h"
#include "services/gateway/http/server.h"

namespace broadbill::gateway {

// The request message of a matched route: body, path variables, query parameters and the headers
// Idempotency-Key (request_id), If-Match (etag); on PATCH the update_mask is the body's keys unless
// given. Unknown fields, broken JSON and wrong types are INVALID_ARGUMENT naming the field.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ToMessage(const Match& match,
                                                                     const http::Request& request);

std::string ToJson(const google::protobuf::Message& message);

// RFC 9457 problem+json of an error: type, title, status, detail, instance (trace id), reason,
// errors per field, metadata.
http::Response Problem(const absl::Status& status, const std::string& trace_id);

// The same for refusals of HTTP itself (404, 405, 413, …).
http::Response HttpProblem(int http_status, const std::string& reason, const std::string& detail,
                           const std::string& trace_id);

// The HTTP status of an error (the table of google.rpc.Code; 413 for REQUEST_TOO_LARGE, 412 for
// ETAG_MISMATCH).
int HttpStatus(const absl::Status& status);

// Sets one field from text, e.g. a query parameter: `path` may be dotted ("page_size",
// "address.city"); dates take YYYY-MM-DD, decimals their digits, enums their name.
absl::Status SetField(google::protobuf::Message& message, const std::string& path,
                      const std::string& value);

}  // namespace broadbill::gateway
