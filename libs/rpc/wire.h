#pragma once

// The bridge between libs/status and gRPC's wire form of errors (google.rpc.Status in
// grpc-status-details-bin with ErrorInfo and BadRequest), and between messages and byte buffers.
// Internal to libs/rpc.

#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"

namespace broadbill::rpc::internal {

inline constexpr char kTokenKey[] = "x-broadbill-token";
inline constexpr char kTraceKey[] = "traceparent";
inline constexpr char kErrorDomain[] = "broadbill";
// The transport's bound; each method's own bound (1 MiB unless its policy says more) is below it.
inline constexpr int kMessageBytesMax = 512 << 20;

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

absl::Status Parse(grpc::ByteBuffer& buffer, google::protobuf::Message& out);
grpc::ByteBuffer Serialize(const google::protobuf::Message& message);

}  // namespace broadbill::rpc::internal
