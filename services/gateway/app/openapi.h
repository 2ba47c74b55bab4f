#pragma once

// The OpenAPI 3.1 document of all routes, with the protos' comments as descriptions.

#include <string>

#include "services/gateway/app/routes.h"

namespace broadbill::gateway {

// `protoset` is a serialized FileDescriptorSet with source info; without it (empty) the document
// has no descriptions.
std::string MakeOpenApi(const Routes& routes, const std::string& protoset);

}  // namespace broadbill::gateway
