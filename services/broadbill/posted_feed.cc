#include "services/broadbill/posted_feed.h"

#include <algorithm>

#include "libs/feedrpc/feedrpc.h"
#include "libs/ids/uuid.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::program {

namespace invoicing = broadbill::invoicing::v1;

namespace {

constexpr int kRowsPerCall = 64;

}  // namespace

PostedFeed::PostedFeed(std::shared_ptr<rpc::Channel> invoicing)
    : fetch_(feedrpc::RemoteFetch(std::move(invoicing), "invoicing", "program")) {
  for (int partition = 0; partition < kBuckets; ++partition) after_[partition] = 0;
}

absl::Status PostedFeed::ReadNew(const OnDocument& on_document) {
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<feed::Row> rows, fetch_(after_, kRowsPerCall));
    if (rows.empty()) return absl::OkStatus();
    for (const feed::Row& row : rows) {
      for (const std::string& body : row.bodies) {
        invoicing::Event event;
        if (!event.ParseFromString(body)) {
          return InternalError("UNREADABLE_EVENT", "invoicing's feed holds an unreadable event");
        }
        if (event.has_document_posted()) RETURN_IF_ERROR(on_document(event.document_posted()));
      }
      after_[row.partition] = std::max(after_[row.partition], row.pos);
    }
  }
}

}  // namespace broadbill::program
