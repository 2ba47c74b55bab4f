#pragma once

// Files of usage and calls: loading, listing, undoing.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "broadbill/common/v1/import_result.pb.h"
#include "broadbill/rating/v1/calls.pb.h"
#include "broadbill/rating/v1/imports.pb.h"
#include "broadbill/rating/v1/recipes.pb.h"
#include "broadbill/rating/v1/usage.pb.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "libs/rpc/context.h"
#include "services/rating/app/ingest.h"
#include "services/rating/domain/import_file.h"
#include "services/rating/store/rows.h"

namespace broadbill::rating {

namespace pb = broadbill::rating::v1;
using ImportResult = broadbill::common::v1::ImportResult;

class FileImports {
 public:
  // `decks`: what is loaded already, shared.
  FileImports(std::shared_ptr<db::Pool> pool, const Clock& clock, DeckCache* decks = nullptr,
              UsageCaches* caches = nullptr)
      : pool_(std::move(pool)), clock_(clock), decks_(decks), caches_(caches) {}

  absl::StatusOr<ImportResult> ImportUsage(const rpc::Context&, const pb::ImportUsageRequest&);
  absl::StatusOr<ImportResult> ImportCalls(const rpc::Context&, const pb::ImportCallsRequest&);
  absl::StatusOr<pb::ListImportsResponse> ListImports(const rpc::Context&,
                                                      const pb::ListImportsRequest&);
  absl::StatusOr<pb::UndoImportResponse> UndoImport(const rpc::Context&,
                                                    const pb::UndoImportRequest&);

 private:
  struct File {
    int16_t kind = 0;
    Layout layout = Layout::kDetail;
    std::string time_zone, country;
    std::optional<pb::ImportRecipe> recipe = {};
  };
  // The recipe of a request into its file.
  template <class Request>
  absl::Status TakeRecipe(const Request& request, bool calls, File& file);
  // Rows that cannot be read, as they wait.
  static std::vector<WaitingRow> Malformed(const File& file, const std::string& header,
                                           const std::vector<UnreadableRow>& rows);
  template <class Request>
  absl::StatusOr<ImportResult> Import(const rpc::Context& context, const Request& request,
                                      const File& file);

  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  DeckCache* const decks_;
  UsageCaches* const caches_;
};

}  // namespace broadbill::rating
