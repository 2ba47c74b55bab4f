#include "libs/convert/write.h"

#include <google/protobuf/descriptor.h>

#include <memory>

namespace broadbill::convert {

std::string RequestContent(const google::protobuf::Message& request) {
  // Nobody asks what a request without id said; a file is not copied for nothing.
  const auto* id = request.GetDescriptor()->FindFieldByName("request_id");
  if (id != nullptr && request.GetReflection()->GetString(request, id).empty()) return "";
  std::unique_ptr<google::protobuf::Message> copy(request.New());
  copy->CopyFrom(request);
  for (const char* name : {"request_id", "validate_only"}) {
    const auto* field = copy->GetDescriptor()->FindFieldByName(name);
    if (field != nullptr) copy->GetReflection()->ClearField(copy.get(), field);
  }
  return copy->SerializeAsString();
}

}  // namespace broadbill::convert
