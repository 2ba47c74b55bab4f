#pragma once

// `broadbill call`: lists services, describes methods, and calls any of them with JSON, all from
// the descriptors linked into the program, so nobody needs another tool.

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/context.h"

namespace broadbill::program {

// All services and their methods, one a line, with the REST path and the permission.
std::string ListServices();

// What a method takes and gives: "Invoicing/GetDocument", with or without the package.
absl::StatusOr<std::string> DescribeMethod(const std::string& name);

// The gRPC path of a method named "Tax/ResolveAddress", "tax.v1.Tax/…" or in full.
absl::StatusOr<std::string> ResolveMethod(const std::string& name);

// Calls `name` with the JSON object `json` ("" = {}), printing each answer as JSON on standard
// output. Unknown fields are errors.
absl::Status CallJson(rpc::Channel& channel, const std::string& name, const std::string& json,
                      const rpc::Context& context);

}  // namespace broadbill::program
