#pragma once

#include <vector>

#include "libs/db/pool.h"
#include "services/invoicing/store/rows.h"

namespace broadbill::invoicing {

// Documents, lines and taxes are kept by the month of the document's id. Makes the months of these
// documents where they are not there yet; part of the transaction that writes them.
absl::Status MakeMonths(db::Tx& tx, const std::vector<Uuid>& document_ids);

}  // namespace broadbill::invoicing
