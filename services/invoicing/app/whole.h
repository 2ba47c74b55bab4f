#pragma once

// A document with all its rows; shared by reading, rendering and crediting.

#include <optional>
#include <string>
#include <vector>

#include "services/invoicing/app/invoicing_app.h"

namespace broadbill::invoicing {

struct Whole {
  DocumentRow row;
  std::optional<PostingRow> posting;
  bool is_void = false;
  std::vector<LineRow> lines;
  std::vector<TaxRow> taxes;
};

// By id, or by number. NOT_FOUND (DOCUMENT_NOT_FOUND).
absl::StatusOr<Whole> FindWhole(db::Tx& tx, const std::string& id_or_number);
pb::Document WholeToProto(const Whole& whole);
// Makes a credit note of a posted document, and posts it when the request says so; part of a write
// (credit_note.cc). Without a date it is posted today.
absl::StatusOr<pb::Document> Credit(db::Tx& tx, const pb::CreateCreditNoteRequest& request,
                                    std::optional<CivilDay> date, absl::Time now,
                                    convert::Events& events);

}  // namespace broadbill::invoicing
