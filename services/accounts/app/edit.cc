#include "services/accounts/app/edit.h"

#include <google/protobuf/util/json_util.h>

namespace broadbill::accounts {

std::string Json(const google::protobuf::Message& message) {
  std::string out;
  (void)google::protobuf::util::MessageToJsonString(message, &out);
  return out;
}

absl::Status CheckEtag(const std::string& etag, int64_t version) {
  if (etag.empty() || etag == std::to_string(version)) return absl::OkStatus();
  return AbortedError("ETAG_MISMATCH", "it was changed meanwhile; read it again");
}

}  // namespace broadbill::accounts
