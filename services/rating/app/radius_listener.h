#pragma once

// RADIUS accounting over UDP. An Accounting-Response leaves only after the record is durable in
// PostgreSQL; whoever gets none sends again, and the same reading again is the same row. What is
// there is taken together, up to 256 packets a transaction; what is not taken yet waits in the
// socket's buffer, which is bounded.

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/calendar/clock.h"
#include "libs/db/pool.h"
#include "libs/rpc/host.h"

namespace broadbill::rating {

// Access servers that share a secret. Addresses have 16 bytes, those of IPv4 are mapped.
struct RadiusClient {
  std::array<unsigned char, 16> network{};
  int bits = 128;
  std::string secret;
};

// A line each: "10.0.0.0/8 secret" or "2001:db8::1 secret"; '#' begins a comment.
absl::StatusOr<std::vector<RadiusClient>> ParseRadiusClients(std::string_view text);

class RadiusListener {
 public:
  // `listen`: "127.0.0.1:1813", "[::1]:1813"; port 0 picks one. ADDRESS_TAKEN.
  static absl::StatusOr<std::unique_ptr<RadiusListener>> Open(const std::string& listen,
                                                              std::vector<RadiusClient> clients,
                                                              std::shared_ptr<db::Pool> pool,
                                                              const Clock& clock,
                                                              rpc::Metrics& metrics);
  ~RadiusListener();
  RadiusListener(const RadiusListener&) = delete;
  RadiusListener& operator=(const RadiusListener&) = delete;

  int port() const { return port_; }
  // Receives and answers until the host stops.
  void Run(rpc::Background& background);
  // One round: waits up to `wait` for packets, records them, answers. Returns how many came.
  int Step(absl::Duration wait);

 private:
  struct Request;
  RadiusListener(int socket, int port, std::vector<RadiusClient> clients,
                 std::shared_ptr<db::Pool> pool, const Clock& clock, rpc::Metrics& metrics);
  std::vector<Request> Receive();
  const RadiusClient* ClientOf(const std::array<unsigned char, 16>& address) const;
  bool Read(Request& request) const;
  absl::Status Record(const std::vector<Request*>& requests);
  void RecordEach(const std::vector<Request*>& requests);
  void Answer(const std::vector<Request*>& requests);
  void Count(const char* result, size_t packets);

  const int socket_;
  const int port_;
  const std::vector<RadiusClient> clients_;
  const std::shared_ptr<db::Pool> pool_;
  const Clock& clock_;
  rpc::Metrics& metrics_;
  std::vector<std::array<char, 4097>> buffers_;
};

}  // namespace broadbill::rating
