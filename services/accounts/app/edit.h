#pragma once

// What updates share: field masks, etags, bodies kept as JSON.

#include <google/protobuf/util/field_mask_util.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/status/error.h"

namespace broadbill::accounts {

std::string Json(const google::protobuf::Message& message);
absl::Status CheckEtag(const std::string& etag, int64_t version);

// Takes the fields of `mask` over from `in`; without a mask every field that is set. Lists and
// messages are replaced as a whole.
template <class Message>
absl::Status Edit(const Message& in, google::protobuf::FieldMask mask, Message& out) {
  using Util = google::protobuf::util::FieldMaskUtil;
  if (!Util::IsValidFieldMask<Message>(mask)) {
    return InvalidField("update_mask", "names a field that does not exist");
  }
  if (mask.paths_size() == 0) {
    std::vector<const google::protobuf::FieldDescriptor*> set;
    in.GetReflection()->ListFields(in, &set);
    for (const auto* field : set) mask.add_paths(field->name());
  }
  Util::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  Util::MergeMessageTo(in, mask, options, &out);
  return absl::OkStatus();
}

}  // namespace broadbill::accounts
