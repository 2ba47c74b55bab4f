#pragma once

// The files that can be loaded, by kind: shared by `broadbill import`, the demo and the scenarios.

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "broadbill/common/v1/import_result.pb.h"
#include "libs/rpc/channel.h"

namespace broadbill::program {

struct ImportKind {
  std::string method;    // full RPC name
  std::string defaults;  // JSON of the request's fixed fields
};

const std::map<std::string, ImportKind>& ImportKinds();

// Loads `content` through the public import RPC; `fields` are further request fields by name.
absl::StatusOr<broadbill::common::v1::ImportResult> RunImport(
    rpc::Channel& channel, const rpc::Context& context, const std::string& kind,
    const std::string& source_name, const std::string& content,
    const std::map<std::string, std::string>& fields = {}, bool validate_only = false);

}  // namespace broadbill::program
