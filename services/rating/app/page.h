#pragma once

// Pages of lists.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/convert/convert.h"
#include "libs/status/macros.h"

namespace broadbill::rating {

struct Page {
  int32_t size = 50;
  std::string after;
};

template <class Request>
absl::StatusOr<Page> ReadPage(const Request& request) {
  Violations violations;
  Page page;
  page.size = convert::ReadPageSize(request.page_size(), 1000, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(page.after, convert::ReadPageToken(request.page_token()));
  return page;
}

// Cuts the row that only told that there is more; true when it was there.
template <class Row>
bool CutMore(std::vector<Row>& rows, int32_t size) {
  if (rows.size() <= static_cast<size_t>(size)) return false;
  rows.resize(static_cast<size_t>(size));
  return true;
}

}  // namespace broadbill::rating
