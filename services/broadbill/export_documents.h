#pragma once

// Posted documents as CSV files, read from invoicing's feed: what an auditor or another system
// takes away. The columns are described in services/broadbill/demo/README.md.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/context.h"

namespace broadbill::program {

struct ExportedDocuments {
  int64_t documents = 0;
  int64_t lines = 0;
};

// Writes documents.csv, lines.csv and taxes.csv into `folder` (made when absent), in the order of
// the feed. Amounts have the currency's digits; those of credit notes are negative.
absl::StatusOr<ExportedDocuments> ExportDocuments(std::shared_ptr<rpc::Channel> invoicing,
                                                  std::shared_ptr<rpc::Channel> accounts,
                                                  const rpc::Context& context,
                                                  const std::string& folder);

}  // namespace broadbill::program
