#include "services/rating/app/radius_listener.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/rpc/log.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"
#include "services/rating/app/ingest.h"
#include "services/rating/domain/radius.h"

namespace broadbill::rating {
namespace {

constexpr size_t kBatch = 256;
constexpr int kSocketBytes = 8 << 20;

using Address = std::array<unsigned char, 16>;

std::string Md5(const std::vector<std::string_view>& parts) {
  std::string out(16, '\0');
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  bool ok = EVP_DigestInit_ex(context, EVP_md5(), nullptr) == 1;
  for (const std::string_view part : parts) {
    ok = ok && EVP_DigestUpdate(context, part.data(), part.size()) == 1;
  }
  ok =
      ok && EVP_DigestFinal_ex(context, reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1;
  EVP_MD_CTX_free(context);
  return ok ? out : "";
}

bool ToAddress(const std::string& text, Address& out, bool& v4) {
  v4 = text.find(':') == std::string::npos;
  out.fill(0);
  if (!v4) return inet_pton(AF_INET6, text.c_str(), out.data()) == 1;
  out[10] = out[11] = 0xff;
  return inet_pton(AF_INET, text.c_str(), out.data() + 12) == 1;
}

Address AddressOf(const sockaddr_storage& peer) {
  Address out{};
  if (peer.ss_family == AF_INET6) {
    std::memcpy(out.data(), &reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr, 16);
  } else {
    out[10] = out[11] = 0xff;
    std::memcpy(out.data() + 12, &reinterpret_cast<const sockaddr_in&>(peer).sin_addr, 4);
  }
  return out;
}

std::string ToText(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  const bool v4 = std::all_of(address.begin(), address.begin() + 10,
                              [](unsigned char byte) { return byte == 0; }) &&
                  address[10] == 0xff && address[11] == 0xff;
  inet_ntop(v4 ? AF_INET : AF_INET6, address.data() + (v4 ? 12 : 0), text, sizeof(text));
  return text;
}

bool Within(const Address& address, const RadiusClient& client) {
  for (int bit = 0; bit < client.bits; ++bit) {
    const auto at = static_cast<size_t>(bit / 8);
    if (((address[at] ^ client.network[at]) >> (7 - bit % 8) & 1) != 0) return false;
  }
  return true;
}

absl::StatusOr<RadiusClient> ParseClient(std::string_view line, int number) {
  const auto wrong = [&] {
    return InvalidField("radius-clients",
                        absl::StrCat("line ", number, " is not 'address[/bits] secret'"));
  };
  const size_t blank = line.find_first_of(" \t");
  if (blank == std::string_view::npos) return wrong();
  RadiusClient out;
  std::string network(line.substr(0, blank));
  line.remove_prefix(std::min(line.find_first_not_of(" \t", blank), line.size()));
  out.secret = std::string(line);
  const size_t slash = network.find('/');
  const std::string bits = slash == std::string::npos ? "" : network.substr(slash + 1);
  network.resize(std::min(slash, network.size()));
  bool v4 = false;
  if (out.secret.empty() || !ToAddress(network, out.network, v4)) return wrong();
  if (slash == std::string::npos) return out;
  int given = -1;
  const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), given);
  const bool number_ok = error == std::errc() && end == bits.data() + bits.size();
  if (!number_ok || given < 0 || given > (v4 ? 32 : 128)) return wrong();
  out.bits = given + (v4 ? 96 : 0);
  return out;
}

}  // namespace

absl::StatusOr<std::vector<RadiusClient>> ParseRadiusClients(std::string_view text) {
  std::vector<RadiusClient> out;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && std::strchr(" \t\r", line.back()) != nullptr) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    ASSIGN_OR_RETURN(RadiusClient client, ParseClient(line, number));
    out.push_back(std::move(client));
  }
  // The narrowest network that holds an address decides.
  std::stable_sort(out.begin(), out.end(),
                   [](const RadiusClient& a, const RadiusClient& b) { return a.bits > b.bits; });
  return out;
}

struct RadiusListener::Request {
  std::string datagram;
  sockaddr_storage peer{};
  socklen_t peer_size = 0;
  const RadiusClient* client = nullptr;
  AccountingPacket packet;
  std::string malformed;  // why it cannot be read, though its authenticator is right
};

RadiusListener::RadiusListener(int socket, int port, std::vector<RadiusClient> clients,
                               std::shared_ptr<db::Pool> pool, const Clock& clock,
                               rpc::Metrics& metrics)
    : socket_(socket),
      port_(port),
      clients_(std::move(clients)),
      pool_(std::move(pool)),
      clock_(clock),
      metrics_(metrics),
      buffers_(kBatch) {}

RadiusListener::~RadiusListener() { close(socket_); }

absl::StatusOr<std::unique_ptr<RadiusListener>> RadiusListener::Open(
    const std::string& listen, std::vector<RadiusClient> clients, std::shared_ptr<db::Pool> pool,
    const Clock& clock, rpc::Metrics& metrics) {
  const size_t colon = listen.rfind(':');
  uint16_t port = 0;
  std::string host = listen.substr(0, std::min(colon, listen.size()));
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  Address address{};
  bool v4 = false;
  bool good = colon != std::string::npos && ToAddress(host, address, v4);
  if (good) {
    const char* end = listen.data() + listen.size();
    const auto [rest, error] = std::from_chars(listen.data() + colon + 1, end, port);
    good = error == std::errc() && rest == end;
  }
  if (!good) return InvalidField("radius-listen", "must be like 127.0.0.1:1813 or [::1]:1813");
  sockaddr_storage own{};
  socklen_t size = v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (v4) {
    auto& in = reinterpret_cast<sockaddr_in&>(own);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.data() + 12, 4);
  } else {
    auto& in = reinterpret_cast<sockaddr_in6&>(own);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(port);
    std::memcpy(&in.sin6_addr, address.data(), 16);
  }
  const int socket = ::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return UnavailableError("ADDRESS_TAKEN", "no socket for " + listen);
  setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &kSocketBytes, sizeof(kSocketBytes));
  if (bind(socket, reinterpret_cast<sockaddr*>(&own), size) != 0 ||
      getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) != 0) {
    close(socket);
    return UnavailableError("ADDRESS_TAKEN", "cannot listen at " + listen);
  }
  const int bound = ntohs(v4 ? reinterpret_cast<sockaddr_in&>(own).sin_port
                             : reinterpret_cast<sockaddr_in6&>(own).sin6_port);
  return std::unique_ptr<RadiusListener>(
      new RadiusListener(socket, bound, std::move(clients), std::move(pool), clock, metrics));
}

void RadiusListener::Count(const char* result, size_t packets) {
  if (packets == 0) return;
  metrics_.Count("broadbill_radius_packets_total", {{"result", result}},
                 static_cast<double>(packets));
}

const RadiusClient* RadiusListener::ClientOf(const Address& address) const {
  const auto found =
      std::find_if(clients_.begin(), clients_.end(),
                   [&](const RadiusClient& client) { return Within(address, client); });
  return found == clients_.end() ? nullptr : &*found;
}

std::vector<RadiusListener::Request> RadiusListener::Receive() {
  std::vector<sockaddr_storage> peers(kBatch);
  std::vector<iovec> parts(kBatch);
  std::vector<mmsghdr> messages(kBatch);
  for (size_t i = 0; i < kBatch; ++i) {
    parts[i] = {buffers_[i].data(), buffers_[i].size()};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_name = &peers[i];
    messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_storage);
  }
  const int came = recvmmsg(socket_, messages.data(), kBatch, MSG_DONTWAIT, nullptr);
  std::vector<Request> out(static_cast<size_t>(std::max(came, 0)));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].datagram.assign(buffers_[i].data(), messages[i].msg_len);
    out[i].peer = peers[i];
    out[i].peer_size = messages[i].msg_hdr.msg_namelen;
  }
  return out;
}

// False, and counted by the caller, when the packet is to be discarded without a word.
bool RadiusListener::Read(Request& request) const {
  const auto framed = AccountingRequest(request.datagram);
  if (!framed.ok()) return false;
  const std::string_view packet = *framed;
  const std::string zeros(16, '\0');
  const std::string digest =
      Md5({packet.substr(0, 4), zeros, packet.substr(kRadiusHeaderBytes), request.client->secret});
  if (digest.size() != 16 || CRYPTO_memcmp(digest.data(), packet.data() + 4, 16) != 0) {
    return false;
  }
  auto parsed = ParseAccounting(packet, clock_.Now(), ToText(AddressOf(request.peer)));
  if (parsed.ok()) {
    request.packet = *std::move(parsed);
  } else {
    request.malformed = std::string(parsed.status().message());
  }
  return true;
}

absl::Status RadiusListener::Record(const std::vector<Request*>& requests) {
  std::vector<RadiusRecord> records;
  std::vector<NasRestart> restarts;
  std::vector<RawPacket> malformed;
  for (const Request* request : requests) {
    if (!request->malformed.empty()) {
      malformed.push_back({std::string(*AccountingRequest(request->datagram)),
                           ToText(AddressOf(request->peer)), clock_.Now(), request->malformed});
    } else if (request->packet.kind == AccountingKind::kReading) {
      records.push_back(request->packet.record);
    } else if (request->packet.kind == AccountingKind::kRestart) {
      restarts.push_back(request->packet.restart);
    }
  }
  if (records.empty() && restarts.empty() && malformed.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(db::RunTx(*pool_, [&](db::Tx& tx) -> absl::Status {
    Ingest ingest(tx, clock_.Now(), "radius");
    RETURN_IF_ERROR(ingest.AddRestarts(restarts));
    RETURN_IF_ERROR(ingest.AddPackets(malformed));
    return ingest.AddSamples(records);
  }));
  Count("malformed", malformed.size());
  return absl::OkStatus();
}

void RadiusListener::Answer(const std::vector<Request*>& requests) {
  constexpr char kAccountingResponse = 5;
  for (const Request* request : requests) {
    const std::string_view datagram = request->datagram;
    const std::string states = ProxyStates(*AccountingRequest(datagram));
    const size_t size = kRadiusHeaderBytes + states.size();
    std::string response = {kAccountingResponse, datagram[1], static_cast<char>(size >> 8),
                            static_cast<char>(size & 255)};
    response += Md5({response, datagram.substr(4, 16), states, request->client->secret});
    response += states;
    // One that is lost is asked for again.
    sendto(socket_, response.data(), response.size(), 0,
           reinterpret_cast<const sockaddr*>(&request->peer), request->peer_size);
  }
  Count("answered", requests.size());
}

int RadiusListener::Step(absl::Duration wait) {
  pollfd ready{socket_, POLLIN, 0};
  if (poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(wait))) <= 0) return 0;
  std::vector<Request> came = Receive();
  std::vector<Request*> good;
  size_t unknown = 0;
  for (Request& request : came) {
    request.client = ClientOf(AddressOf(request.peer));
    if (request.client == nullptr) {
      ++unknown;
    } else if (Read(request)) {
      good.push_back(&request);
    }
  }
  Count("unknown_client", unknown);
  Count("discarded", came.size() - good.size() - unknown);
  if (good.empty()) return static_cast<int>(came.size());
  const absl::Status recorded = Record(good);
  if (recorded.ok()) {
    Answer(good);
    return static_cast<int>(came.size());
  }
  rpc::Log(rpc::LogLevel::kError, "radius", {{"detail", std::string(recorded.message())}});
  // While the database is away all of them go unanswered and come again.
  const bool away = recorded.code() == absl::StatusCode::kUnavailable ||
                    recorded.code() == absl::StatusCode::kResourceExhausted;
  if (away || good.size() == 1) {
    Count("not_recorded", good.size());
  } else {
    RecordEach(good);
  }
  return static_cast<int>(came.size());
}

// A record that the database refuses must not hold up the others.
void RadiusListener::RecordEach(const std::vector<Request*>& requests) {
  for (Request* request : requests) {
    const bool kept = Record({request}).ok();
    if (kept) Answer({request});
    if (!kept) Count("not_recorded", 1);
  }
}

void RadiusListener::Run(rpc::Background& background) {
  while (!background.stopping()) Step(absl::Milliseconds(100));
}

}  // namespace broadbill::rating
