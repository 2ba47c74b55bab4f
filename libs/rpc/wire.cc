#include "libs/rpc/wire.h"

#include <google/protobuf/any.pb.h>
#include <grpcpp/impl/codegen/proto_utils.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/error_info.pb.h"
#include "google/rpc/status.pb.h"
#include "libs/status/error.h"

namespace broadbill::rpc::internal {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status wire;
  wire.set_code(static_cast<int>(status.code()));
  wire.set_message(std::string(status.message()));
  google::rpc::ErrorInfo info;
  info.set_reason(ReasonOf(status));
  info.set_domain(kErrorDomain);
  for (const auto& [key, value] : MetadataOf(status)) (*info.mutable_metadata())[key] = value;
  wire.add_details()->PackFrom(info);
  google::rpc::BadRequest bad;
  for (const FieldViolation& violation : ViolationsOf(status)) {
    auto* field = bad.add_field_violations();
    field->set_field(violation.field);
    field->set_description(violation.description);
  }
  if (bad.field_violations_size() > 0) wire.add_details()->PackFrom(bad);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), wire.message(),
                      wire.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  google::rpc::Status wire;
  std::string reason;
  std::vector<FieldViolation> violations;
  std::map<std::string, std::string> metadata;
  if (!status.error_details().empty() && wire.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& detail : wire.details()) {
      google::rpc::ErrorInfo info;
      google::rpc::BadRequest bad;
      if (detail.UnpackTo(&info)) {
        reason = info.reason();
        metadata.insert(info.metadata().begin(), info.metadata().end());
      } else if (detail.UnpackTo(&bad)) {
        for (const auto& field : bad.field_violations()) {
          violations.push_back({field.field(), field.description()});
        }
      }
    }
  }
  if (reason.empty()) {
    reason = status.error_code() == grpc::StatusCode::UNAVAILABLE         ? "SERVICE_UNAVAILABLE"
             : status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ? "DEADLINE_EXCEEDED"
             : status.error_code() == grpc::StatusCode::UNIMPLEMENTED     ? "UNIMPLEMENTED"
                                                                          : "UNKNOWN";
  }
  absl::Status out = MakeError(code, reason, status.error_message());
  out = WithViolations(std::move(out), violations);
  for (const auto& [key, value] : metadata) out = WithMetadata(std::move(out), key, value);
  return out;
}

absl::Status Parse(grpc::ByteBuffer& buffer, google::protobuf::Message& out) {
  out.Clear();
  grpc::ProtoBufferReader reader(&buffer);
  if (!reader.status().ok() || !out.ParseFromZeroCopyStream(&reader)) {
    return InvalidArgumentError("MALFORMED_MESSAGE",
                                "the message is not a valid " + out.GetTypeName());
  }
  return absl::OkStatus();
}

grpc::ByteBuffer Serialize(const google::protobuf::Message& message) {
  grpc::ByteBuffer out;
  bool own = false;
  const grpc::Status status =
      grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(message, &out,
                                                                                 &own);
  if (!status.ok()) out.Clear();
  return out;
}

}  // namespace broadbill::rpc::internal
