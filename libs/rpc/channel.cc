#include "libs/rpc/channel.h"

#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/sync_stream.h>
#include <grpcpp/security/credentials.h>

#include <thread>

#include "absl/synchronization/mutex.h"
#include "libs/rpc/grpc_channel.h"
#include "libs/rpc/wire.h"
#include "libs/status/error.h"

namespace broadbill::rpc {
namespace internal {
namespace {

void Prepare(grpc::ClientContext& client, const Context& context, const TokenKey& key) {
  client.AddMetadata(kTokenKey, key.Sign(context.principal));
  client.AddMetadata(kTraceKey, context.trace.Child().ToTraceparent());
  if (context.deadline != absl::InfiniteFuture()) {
    client.set_deadline(absl::ToChronoTime(context.deadline));
  }
}

}  // namespace

GrpcChannel::GrpcChannel(std::shared_ptr<grpc::Channel> channel, TokenKey key)
    : channel_(std::move(channel)), key_(std::move(key)) {}

absl::Status GrpcChannel::CallMessage(const std::string& method,
                                      const google::protobuf::Message& request,
                                      google::protobuf::Message& response, const Context& context) {
  const std::string path = "/" + method;
  const grpc::internal::RpcMethod rpc(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC,
                                      channel_);
  grpc::ClientContext client;
  Prepare(client, context, key_);
  if (context.deadline == absl::InfiniteFuture()) {
    client.set_deadline(absl::ToChronoTime(absl::Now() + kUnaryTimeout));
  }
  const grpc::ByteBuffer in = Serialize(request);
  grpc::ByteBuffer out;
  const grpc::Status status = grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
      channel_.get(), rpc, &client, in, &out);
  if (!status.ok()) return FromGrpc(status);
  return Parse(out, response);
}

absl::Status GrpcChannel::ReadStream(const std::string& method,
                                     const google::protobuf::Message& request,
                                     google::protobuf::Message& response, const Context& context,
                                     const std::function<bool()>& on_message) {
  const std::string path = "/" + method;
  const grpc::internal::RpcMethod rpc(path.c_str(), grpc::internal::RpcMethod::SERVER_STREAMING,
                                      channel_);
  grpc::ClientContext client;
  Prepare(client, context, key_);
  const grpc::ByteBuffer in = Serialize(request);
  std::unique_ptr<grpc::ClientReader<grpc::ByteBuffer>> reader(
      grpc::internal::ClientReaderFactory<grpc::ByteBuffer>::Create(channel_.get(), rpc, &client,
                                                                    in));
  grpc::ByteBuffer out;
  bool cancelled = false;
  absl::Status parsed;
  while (reader->Read(&out)) {
    if (cancelled) continue;
    parsed = Parse(out, response);
    if (!parsed.ok() || !on_message()) {
      cancelled = true;
      client.TryCancel();
    }
  }
  const grpc::Status status = reader->Finish();
  if (!parsed.ok()) return parsed;
  return cancelled ? absl::OkStatus() : FromGrpc(status);
}

absl::Status GrpcChannel::Exchange(const std::string& method, google::protobuf::Message& request,
                                   google::protobuf::Message& response, int unanswered_max,
                                   const Context& context, const std::function<bool()>& next,
                                   const std::function<bool()>& on_answer) {
  using Stream = grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;
  using Factory = grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>;
  const std::string path = "/" + method;
  const grpc::internal::RpcMethod rpc(path.c_str(), grpc::internal::RpcMethod::BIDI_STREAMING,
                                      channel_);
  grpc::ClientContext client;
  Prepare(client, context, key_);
  const std::unique_ptr<Stream> stream(Factory::Create(channel_.get(), rpc, &client));
  absl::Mutex mutex;
  int unanswered = 0;
  bool ended = false;
  const auto may_send = [&] { return ended || unanswered < unanswered_max; };
  // A thread of its own: a sender that the peer holds up must not hold up the answers.
  std::thread sender([&] {
    while (true) {
      {
        absl::MutexLock lock(&mutex);
        mutex.Await(absl::Condition(&may_send));
        if (ended) return;
        ++unanswered;
      }
      if (!next() || !stream->Write(Serialize(request))) break;
    }
    stream->WritesDone();
  });
  grpc::ByteBuffer out;
  absl::Status parsed;
  bool cancelled = false;
  while (stream->Read(&out)) {
    if (cancelled) continue;
    parsed = Parse(out, response);
    if (!parsed.ok() || !on_answer()) {
      cancelled = true;
      client.TryCancel();
    }
    absl::MutexLock lock(&mutex);
    --unanswered;
  }
  {
    absl::MutexLock lock(&mutex);
    ended = true;
  }
  sender.join();
  const grpc::Status status = stream->Finish();
  if (!parsed.ok()) return parsed;
  return cancelled ? absl::OkStatus() : FromGrpc(status);
}

}  // namespace internal

std::shared_ptr<Channel> Dial(const std::string& address, const TokenKey& key) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(internal::kMessageBytesMax);
  arguments.SetMaxSendMessageSize(internal::kMessageBytesMax);
  return std::make_shared<internal::GrpcChannel>(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments), key);
}

}  // namespace broadbill::rpc
