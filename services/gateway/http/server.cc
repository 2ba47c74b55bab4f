#include "services/gateway/http/server.h"

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "libs/rpc/executor.h"
#include "libs/status/error.h"

namespace broadbill::gateway::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using tcp = asio::ip::tcp;

namespace {

class Session;

struct Shared {
  Shared(ServerOptions given, Server::Handler h, Server::BodyLimit b, Server::Refusal r)
      : options(std::move(given)),
        handler(std::move(h)),
        body_limit(std::move(b)),
        refusal(std::move(r)),
        handlers(options.handler_threads, 4 * options.handler_threads + 256),
        streams(options.stream_threads, 1) {}

  ServerOptions options;
  Server::Handler handler;
  Server::BodyLimit body_limit;
  Server::Refusal refusal;
  rpc::Executor handlers;
  rpc::Executor streams;
  std::atomic<int> connections{0};
  std::atomic<int> open_streams{0};
  std::atomic<bool> stopping{false};
};

bhttp::response<bhttp::string_body> ToBeast(const Response& from, unsigned version,
                                            bool keep_alive) {
  bhttp::response<bhttp::string_body> out(static_cast<bhttp::status>(from.status), version);
  out.set(bhttp::field::content_type, from.content_type);
  for (const auto& [name, value] : from.headers) out.set(name, value);
  out.keep_alive(keep_alive);
  out.body() = from.body;
  out.prepare_payload();
  return out;
}

// One connection; all its socket work happens on its strand.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, std::shared_ptr<Shared> shared)
      : stream_(std::move(socket)), shared_(std::move(shared)) {
    ++shared_->connections;
  }
  ~Session() { --shared_->connections; }

  void Start() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->ReadHeader(); });
  }

 private:
  friend class StreamWriter;

  void ReadHeader() {
    parser_.emplace();
    parser_->header_limit(shared_->options.header_bytes_max);
    parser_->body_limit(boost::none);
    stream_.expires_after(std::chrono::seconds(shared_->options.idle_seconds_max));
    bhttp::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](beast::error_code ec, size_t) { self->OnHeader(ec); });
  }

  void OnHeader(beast::error_code ec) {
    if (ec == bhttp::error::end_of_stream || ec == asio::error::operation_aborted ||
        ec == beast::error::timeout || ec == asio::error::connection_reset) {
      return Close();
    }
    if (ec == bhttp::error::header_limit) return Refuse(431, "the request header is too large");
    if (ec) return Refuse(400, "this is not an HTTP/1.1 request: " + ec.message());
    Fill();
    const uint64_t limit = shared_->body_limit(request_);
    if (const auto length = parser_->content_length(); length && *length > limit) {
      return Refuse(413, "the body has " + std::to_string(*length) +
                             " bytes; this method takes at most " + std::to_string(limit));
    }
    parser_->body_limit(limit);
    const auto expect = request_.headers.find("expect");
    if (expect != request_.headers.end() && expect->second == "100-continue") {
      return Continue();
    }
    ReadBody();
  }

  void Continue() {
    auto go = std::make_shared<bhttp::response<bhttp::empty_body>>(bhttp::status::continue_,
                                                                   parser_->get().version());
    bhttp::async_write(stream_, *go, [self = shared_from_this(), go](beast::error_code ec, size_t) {
      if (ec) return self->Close();
      self->ReadBody();
    });
  }

  void ReadBody() {
    bhttp::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](beast::error_code ec, size_t) { self->OnBody(ec); });
  }

  void OnBody(beast::error_code ec) {
    if (ec == bhttp::error::body_limit) {
      return Refuse(413, "the body is larger than this method takes");
    }
    if (ec == asio::error::operation_aborted || ec == beast::error::timeout) return Close();
    if (ec) return Refuse(400, "the request's body is broken: " + ec.message());
    stream_.expires_never();
    version_ = parser_->get().version();
    keep_alive_ = parser_->get().keep_alive() && !shared_->stopping.load();
    request_.body = std::move(parser_->get().body());
    const bool taken = shared_->handlers.Submit([self = shared_from_this()] { self->Handle(); });
    if (!taken) {
      keep_alive_ = false;
      Write(shared_->refusal(503, "the gateway is busy; try again later"));
    }
  }

  // On a handler thread.
  void Handle() {
    Reply reply = shared_->handler(request_);
    if (reply.stream != nullptr) {
      return asio::post(stream_.get_executor(),
                        [self = shared_from_this(), moved = std::move(reply)]() mutable {
                          self->BeginStream(std::move(moved));
                        });
    }
    asio::post(stream_.get_executor(),
               [self = shared_from_this(), response = std::move(reply.response)] {
                 self->Write(response);
               });
  }

  void Fill() {
    const auto& from = parser_->get();
    request_ = {};
    request_.method = std::string(from.method_string());
    const std::string target(from.target());
    const size_t question = target.find('?');
    request_.path = target.substr(0, question);
    if (question != std::string::npos) request_.query = target.substr(question + 1);
    for (const auto& field : from) {
      std::string name(field.name_string());
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      request_.headers[name] = std::string(field.value());
    }
  }

  void Refuse(int status, const std::string& reason) {
    version_ = 11;
    keep_alive_ = false;
    request_.method = "GET";
    Write(shared_->refusal(status, reason));
  }

  void Write(const Response& response) {
    auto out = std::make_shared<bhttp::response<bhttp::string_body>>(
        ToBeast(response, version_, keep_alive_));
    if (request_.method == "HEAD") out->body().clear();
    stream_.expires_after(std::chrono::seconds(shared_->options.idle_seconds_max));
    bhttp::async_write(stream_, *out,
                       [self = shared_from_this(), out](beast::error_code ec, size_t) {
                         if (ec || !out->keep_alive()) return self->Close();
                         self->ReadHeader();
                       });
  }

  void BeginStream(Reply reply);

  void Close() {
    beast::error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.close();
  }

  beast::tcp_stream stream_;
  std::shared_ptr<Shared> shared_;
  beast::flat_buffer buffer_;
  std::optional<bhttp::request_parser<bhttp::string_body>> parser_;
  Request request_;
  unsigned version_ = 11;
  bool keep_alive_ = false;
};

// Writes parts as HTTP chunks, from a stream thread.
class StreamWriter : public Stream {
 public:
  explicit StreamWriter(std::shared_ptr<Session> session) : session_(std::move(session)) {}

  bool Write(const std::string& part) override {
    if (part.empty()) return !session_->shared_->stopping.load();
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", part.size());
    return !session_->shared_->stopping.load() && Raw(size + part + "\r\n");
  }

  bool Raw(std::string bytes) {
    auto text = std::make_shared<std::string>(std::move(bytes));
    auto done = std::make_shared<std::promise<bool>>();
    auto result = done->get_future();
    asio::post(session_->stream_.get_executor(), [session = session_, text, done] {
      session->stream_.expires_after(
          std::chrono::seconds(session->shared_->options.idle_seconds_max));
      asio::async_write(session->stream_, asio::buffer(*text),
                        [session, text, done](beast::error_code ec, size_t) {
                          session->stream_.expires_never();
                          done->set_value(!ec);
                        });
    });
    return result.get();
  }

  void End() {
    Raw("0\r\n\r\n");
    asio::post(session_->stream_.get_executor(), [session = session_] { session->Close(); });
  }

 private:
  std::shared_ptr<Session> session_;
};

void Session::BeginStream(Reply reply) {
  if (++shared_->open_streams > shared_->options.stream_threads) {
    --shared_->open_streams;
    return Write(shared_->refusal(503, "too many event streams are open; try again later"));
  }
  std::string head = "HTTP/1.1 200 OK\r\nContent-Type: " + reply.response.content_type +
                     "\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n"
                     "Connection: close\r\n";
  for (const auto& [name, value] : reply.response.headers) head += name + ": " + value + "\r\n";
  head += "\r\n";
  shared_->streams.Continue([self = shared_from_this(), head, produce = std::move(reply.stream)] {
    StreamWriter writer(self);
    if (writer.Raw(head)) produce(writer);
    writer.End();
    --self->shared_->open_streams;
  });
}

}  // namespace

struct Server::Impl : public std::enable_shared_from_this<Server::Impl> {
  Impl(ServerOptions options, Handler handler, BodyLimit body_limit, Refusal refusal)
      : shared(std::make_shared<Shared>(std::move(options), std::move(handler),
                                        std::move(body_limit), std::move(refusal))),
        acceptor(io) {}

  void Accept() {
    acceptor.async_accept(asio::make_strand(io), [self = shared_from_this()](beast::error_code ec,
                                                                             tcp::socket socket) {
      if (ec == asio::error::operation_aborted) return;
      if (!ec && self->shared->connections < self->shared->options.connections_max) {
        socket.set_option(tcp::no_delay(true), ec);
        std::make_shared<Session>(std::move(socket), self->shared)->Start();
      }
      self->Accept();
    });
  }

  std::shared_ptr<Shared> shared;
  asio::io_context io{2};
  tcp::acceptor acceptor;
  std::vector<std::thread> threads;
  bool stopped = false;
};

Server::Server(ServerOptions options, Handler handler, BodyLimit body_limit, Refusal refusal)
    : impl_(std::make_shared<Impl>(std::move(options), std::move(handler), std::move(body_limit),
                                   std::move(refusal))) {}

Server::~Server() { Stop(); }

absl::StatusOr<int> Server::Start() {
  const std::string& listen = impl_->shared->options.listen;
  const size_t colon = listen.rfind(':');
  if (colon == std::string::npos) {
    return InvalidField("gateway-listen", "must be host:port, was '" + listen + "'");
  }
  beast::error_code ec;
  const auto address = asio::ip::make_address(listen.substr(0, colon), ec);
  if (ec) return InvalidField("gateway-listen", "'" + listen + "' has no numeric address");
  const tcp::endpoint endpoint(
      address, static_cast<uint16_t>(std::strtoul(listen.c_str() + colon + 1, nullptr, 10)));
  impl_->acceptor.open(endpoint.protocol(), ec);
  if (!ec) impl_->acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) impl_->acceptor.bind(endpoint, ec);
  if (!ec) impl_->acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec)
    return UnavailableError("ADDRESS_TAKEN", "cannot listen at " + listen + ": " + ec.message());
  impl_->Accept();
  for (int i = 0; i < 2; ++i) {
    impl_->threads.emplace_back([impl = impl_] { impl->io.run(); });
  }
  return impl_->acceptor.local_endpoint().port();
}

void Server::Stop() {
  if (impl_->stopped) return;
  impl_->stopped = true;
  impl_->shared->stopping = true;
  asio::post(impl_->io, [impl = impl_] { impl->acceptor.close(); });
  impl_->shared->handlers.Stop();
  impl_->shared->streams.Stop();
  impl_->io.stop();
  for (std::thread& thread : impl_->threads) thread.join();
}

}  // namespace broadbill::gateway::http
