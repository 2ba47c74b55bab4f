#pragma once

#include <string_view>

namespace broadbill::db {

// One step of a service's schema. Applied once, in order of the list, each in its own transaction;
// a changed text of an applied step is refused at start.
struct Migration {
  std::string_view name;  // "001_accounts"
  std::string_view sql;
};

}  // namespace broadbill::db
