#pragma once

#include <string>

#include "services/gateway/app/routes.h"

namespace broadbill::gateway {

// The small HTML page at "/": where everything is, without outside assets.
std::string HomePage(const Routes& routes, const std::string& version);

}  // namespace broadbill::gateway
