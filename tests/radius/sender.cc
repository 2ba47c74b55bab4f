#include "tests/radius/sender.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "absl/time/clock.h"

namespace broadbill::radius {
namespace {

constexpr size_t kWindow = 48;
constexpr absl::Duration kRetransmit = absl::Milliseconds(1500);

std::string Md5(const std::string& text) {
  std::string out(16, '\0');
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(out.data()), nullptr,
             EVP_md5(), nullptr);
  return out;
}

std::string Datagram(const Packet& packet, size_t id, const std::string& secret) {
  const std::string attributes = Attributes(packet);
  const size_t size = 20 + attributes.size();
  const std::string head = {4, static_cast<char>(id), static_cast<char>(size >> 8),
                            static_cast<char>(size & 255)};
  return head + Md5(head + std::string(16, '\0') + attributes + secret) + attributes;
}

struct Pending {
  std::string datagram;
  absl::Time sent;
  bool again = false;
  bool used() const { return !datagram.empty(); }
};

class Sender {
 public:
  Sender(int socket, const std::string& secret, std::atomic<int64_t>& progress)
      : socket_(socket), secret_(secret), progress_(progress) {}

  void Run(const std::vector<Packet>& packets, absl::Time deadline) {
    size_t next = 0;
    while ((next < packets.size() || open_ > 0) && absl::Now() < deadline) {
      while (next < packets.size() && open_ < kWindow) Begin(packets[next++]);
      pollfd ready{socket_, POLLIN, 0};
      if (poll(&ready, 1, 20) > 0) Receive();
      const absl::Time now = absl::Now();
      for (Pending& one : pending_) {
        if (!one.used() || now - one.sent < kRetransmit) continue;
        ++sent.retransmitted;
        Put(one);
      }
    }
    sent.whole = next == packets.size() && open_ == 0;
  }

  Sent sent;

 private:
  void Put(Pending& one) {
    one.sent = absl::Now();
    send(socket_, one.datagram.data(), one.datagram.size(), 0);
  }

  void Begin(const Packet& packet) {
    while (pending_[id_].used()) id_ = (id_ + 1) % pending_.size();
    pending_[id_] = {Datagram(packet, id_, secret_), {}, packet.again};
    Put(pending_[id_]);
    id_ = (id_ + 1) % pending_.size();
    ++open_;
  }

  void Receive() {
    char buffer[4096];
    for (;;) {
      const ssize_t size = recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (size < 20) return;  // nothing more, or nobody listens
      const std::string answer(buffer, static_cast<size_t>(size));
      Pending& one = pending_[static_cast<unsigned char>(answer[1])];
      if (!one.used() || answer[0] != 5) continue;
      const std::string proof =
          Md5(answer.substr(0, 4) + one.datagram.substr(4, 16) + answer.substr(20) + secret_);
      if (proof != answer.substr(4, 16)) continue;
      ++sent.answered;
      ++progress_;
      if (one.again) {
        one.again = false;
        Put(one);
        continue;
      }
      one.datagram.clear();
      --open_;
    }
  }

  const int socket_;
  const std::string secret_;
  std::atomic<int64_t>& progress_;
  std::array<Pending, 256> pending_;
  size_t id_ = 0, open_ = 0;
};

}  // namespace

Sent Send(const std::vector<Packet>& packets, int port, const std::string& secret,
          absl::Duration patience, std::atomic<int64_t>& progress) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return {};
  Sender sender(socket, secret, progress);
  sender.Run(packets, absl::Now() + patience);
  close(socket);
  return sender.sent;
}

}  // namespace broadbill::radius
