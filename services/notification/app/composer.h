#pragma once

// Puts messages into words: the customer, the company and the template that holds for them.

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/notification/app/clients/peers.h"
#include "services/notification/domain/notice.h"
#include "services/notification/store/rows.h"

namespace broadbill::notification {

// What stands in the row, as the domain sees it.
Notice ToNotice(const MessageRow& row);
TemplateText ToText(const TemplateRow& row);

struct Composed {
  Rendered words;
  Seller seller;
};

// Made for a batch of messages: customers and templates are read once.
class Composer {
 public:
  static absl::StatusOr<Composer> Load(db::Pool& pool, Peers& peers,
                                       const std::vector<MessageRow>& rows);
  absl::StatusOr<Composed> Compose(const MessageRow& row) const;

 private:
  explicit Composer(Peers& peers) : peers_(&peers) {}

  Peers* peers_;
  std::map<Uuid, CustomerRow> customers_;
  std::vector<TemplateText> templates_;
};

}  // namespace broadbill::notification
