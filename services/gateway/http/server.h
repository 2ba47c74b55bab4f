#pragma once

// A small HTTP/1.1 server: the only place that knows Boost.Beast. Sockets are asynchronous;
// handlers may block, they run on an executor of their own. TLS and HTTP/2 belong to an edge proxy.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace broadbill::gateway::http {

struct Request {
  std::string method;                          // "GET"
  std::string path;                            // "/v1/accounts/acc_…", still percent-encoded
  std::string query;                           // after '?', still encoded
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::map<std::string, std::string> headers;
  std::string body;
};

// A response that is written in parts (server-sent events).
class Stream {
 public:
  virtual ~Stream() = default;
  // Blocks until the part is handed to the socket; false when the client is gone.
  virtual bool Write(const std::string& part) = 0;
};

struct Reply {
  Response response;
  // Set: the response's body is what this writes; it runs after the header was sent.
  std::function<void(Stream&)> stream;
};

struct ServerOptions {
  std::string listen = "127.0.0.1:8080";  // port 0 picks one
  uint32_t header_bytes_max = 16 << 10;
  int handler_threads = 16;
  int stream_threads = 64;    // server-sent event streams at one time
  int idle_seconds_max = 60;  // an idle or stuck connection is closed
  int connections_max = 4096;
};

class Server {
 public:
  // Answers one request.
  using Handler = std::function<Reply(const Request&)>;
  // How many body bytes this request may have, asked when only its header is known.
  using BodyLimit = std::function<uint64_t(const Request&)>;
  // The answer to a request that HTTP itself refuses: 400, 413 or 431 with the reason.
  using Refusal = std::function<Response(int status, const std::string& reason)>;

  Server(ServerOptions options, Handler handler, BodyLimit body_limit, Refusal refusal);
  ~Server();

  // Listens; returns the port.
  absl::StatusOr<int> Start();
  // Stops accepting, lets running requests end, closes the rest.
  void Stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace broadbill::gateway::http
