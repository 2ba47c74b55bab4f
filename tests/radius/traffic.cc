#include "tests/radius/traffic.h"

#include <arpa/inet.h>

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace broadbill::radius {
namespace {

constexpr int kServers = 6;
constexpr int64_t kInterim = 600;
constexpr int64_t kHour = 3600;
// The clocks go back on the second day, and the month ends with the first.
constexpr int64_t kBegin = 1793422800, kEnd = kBegin + 73 * kHour;  // 2026-10-31 00:00 CDT
constexpr int64_t kPacketsOfUser = 6 * 70;
constexpr int kNarrow = 0, kIpv6 = 3, kOnlyClient = 4;  // servers that are special

struct Session {
  std::string user;
  int64_t start = 0;
  std::vector<Packet> kept;  // that arrive
};

class Server {
 public:
  Server(int number, std::vector<std::string> users, std::mt19937_64& random, Traffic& out)
      : number_(number),
        address_(number == kIpv6 ? "2001:db8::9" : absl::StrCat("10.0.0.", number + 1)),
        users_(std::move(users)),
        random_(random),
        out_(out) {}

  std::vector<Packet> Run() {
    // The third run is over within the tolerance by which starts of a session are told apart.
    const int64_t cut = kBegin + 26 * kHour + number_ * 777;
    if (number_ == kOnlyClient) {
      Boot(kBegin, kEnd);
      Restart(7, cut);
    } else {
      Boot(kBegin, cut);
      Boot(cut, cut + 3);
      Boot(cut + 3, kBegin + 50 * kHour);
      Boot(kBegin + 50 * kHour, kEnd);
    }
    Repeat();
    Reorder();
    return std::move(packets_);
  }

 private:
  int64_t Up(int64_t most) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(most + 1));
  }
  bool Chance(int percent) { return Up(99) < percent; }

  void Restart(int status, int64_t at) {
    Packet packet;
    packet.status = status;
    packet.address = address_;
    packet.at = at;
    packets_.push_back(packet);
    ++out_.restarts;
  }

  // From one reboot to the next: session ids begin at 1 again, and nobody gets a Stop at its end.
  void Boot(int64_t begin, int64_t end) {
    Restart(7, begin);
    int64_t id = 0;
    for (const std::string& user : users_) {
      int64_t start = begin + 2;
      bool first = true;
      while (start < end) {
        if (!first || end - begin > 3) start += Up(first ? 3 : 1200);
        const int64_t stop = end - begin <= 3 ? end : start + 600 + Up(8 * kHour);
        if (start < end) OneSession(user, ++id, start, std::min(stop, end), stop < end);
        start = stop;
        first = false;
      }
    }
    if (end < kEnd && Chance(50)) Restart(8, end);
  }

  void OneSession(const std::string& user, int64_t id, int64_t start, int64_t stop, bool stops) {
    Session session{user, start, {}};
    Packet packet;
    packet.address = address_;
    packet.session = absl::StrFormat("%08X", id);
    packet.user = user;
    packet.gigawords = number_ != kNarrow;
    packet.at = start;
    packet.status = 1;
    Send(session, packet, 20);
    const uint64_t most = number_ == kNarrow ? 300000000 : 6000000000;
    const auto advance = [&](int64_t seconds, int status, int percent) {
      const auto share = static_cast<uint64_t>(seconds - packet.seconds);
      packet.in += random_() % (most * share / kInterim + 2);
      packet.out += random_() % (most * share / kInterim / 5 + 2);
      packet.seconds = seconds;
      packet.at = start + seconds;
      packet.status = status;
      Send(session, packet, percent);
    };
    if (stop - start < 5) advance(1, 3, 0);
    for (int64_t at = kInterim; start + at < stop; at += kInterim) advance(at, 3, 4);
    if (stops) advance(stop - start, 2, 25);
    ++out_.sessions;
    Count(session);
  }

  void Send(Session& session, const Packet& packet, int lost_percent) {
    if (Chance(lost_percent)) {
      ++out_.lost;
      return;
    }
    session.kept.push_back(packet);
    packets_.push_back(packet);
  }

  // What is known of the session, spread evenly between its readings.
  void Count(const Session& session) {
    std::vector<Bytes>& days = out_.truth[session.user];
    days.resize(out_.days.size() - 1);
    Packet before;
    for (const Packet& reading : session.kept) {
      if (reading.seconds == 0) continue;
      const int64_t from = session.start + before.seconds;
      const int64_t to = session.start + reading.seconds;
      for (size_t i = 0; i + 1 < out_.days.size(); ++i) {
        const int64_t begin = std::clamp(absl::ToUnixSeconds(out_.days[i]), from, to) - from;
        const int64_t end = std::clamp(absl::ToUnixSeconds(out_.days[i + 1]), from, to) - from;
        const auto part = [&](uint64_t delta) {
          __extension__ using Wide = unsigned __int128;
          const auto upto = [&](int64_t x) {
            return static_cast<uint64_t>(static_cast<Wide>(delta) * static_cast<Wide>(x) /
                                         static_cast<Wide>(to - from));
          };
          return upto(end) - upto(begin);
        };
        days[i].in += part(reading.in - before.in);
        days[i].out += part(reading.out - before.out);
      }
      before = reading;
    }
  }

  // 5 % once more: the same datagram, or as a server writes it that waited for an answer.
  void Repeat() {
    std::vector<Packet> out;
    for (Packet packet : packets_) {
      const int dice = static_cast<int>(Up(199));
      packet.again = dice < 5;
      out.push_back(packet);
      if (dice >= 5 && dice < 10) {
        packet.delay = 1 + Up(60);
        out.push_back(packet);
      }
      out_.duplicates += dice < 10 ? 1 : 0;
    }
    packets_ = std::move(out);
  }

  // In order of time, but every third packet comes later.
  void Reorder() {
    std::stable_sort(packets_.begin(), packets_.end(),
                     [](const Packet& a, const Packet& b) { return a.at < b.at; });
    std::vector<std::pair<size_t, Packet>> keyed;
    for (size_t i = 0; i < packets_.size(); ++i) {
      keyed.emplace_back(i + (Chance(33) ? static_cast<size_t>(Up(200)) : 0), packets_[i]);
    }
    std::stable_sort(keyed.begin(), keyed.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 0; i < keyed.size(); ++i) packets_[i] = keyed[i].second;
    out_.packets += static_cast<int64_t>(packets_.size());
    for (const Packet& packet : packets_) out_.packets += packet.again ? 1 : 0;
  }

  const int number_;
  const std::string address_;
  const std::vector<std::string> users_;
  std::mt19937_64& random_;
  Traffic& out_;
  std::vector<Packet> packets_;
};

std::string Number(uint64_t value) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(value >> shift & 255);
  return out;
}

}  // namespace

std::string Attributes(const Packet& packet) {
  std::string out;
  const auto add = [&](int type, const std::string& value) {
    out += static_cast<char>(type);
    out += static_cast<char>(value.size() + 2);
    out += value;
  };
  const bool v6 = packet.address.find(':') != std::string::npos;
  std::string address(v6 ? 16 : 4, '\0');
  inet_pton(v6 ? AF_INET6 : AF_INET, packet.address.c_str(), address.data());
  add(v6 ? 95 : 4, address);
  add(40, Number(static_cast<uint64_t>(packet.status)));
  add(55, Number(static_cast<uint64_t>(packet.at)));
  if (packet.delay > 0) add(41, Number(static_cast<uint64_t>(packet.delay)));
  if (packet.session.empty()) return out;
  add(1, packet.user);
  add(44, packet.session);
  if (packet.status == 1) return out;
  add(46, Number(static_cast<uint64_t>(packet.seconds)));
  add(42, Number(packet.out & UINT32_MAX));
  add(43, Number(packet.in & UINT32_MAX));
  if (packet.gigawords) add(52, Number(packet.out >> 32));
  if (packet.gigawords) add(53, Number(packet.in >> 32));
  return out;
}

std::string Text(const Packet& packet) {
  const bool v6 = packet.address.find(':') != std::string::npos;
  std::string out =
      absl::StrCat(v6 ? "NAS-IPv6-Address = " : "NAS-IP-Address = ", packet.address,
                   "\nAcct-Status-Type = ", packet.status, "\nEvent-Timestamp = ", packet.at, "\n");
  if (packet.delay > 0) absl::StrAppend(&out, "Acct-Delay-Time = ", packet.delay, "\n");
  if (!packet.session.empty()) {
    absl::StrAppend(&out, "User-Name = \"", packet.user, "\"\nAcct-Session-Id = \"", packet.session,
                    "\"\n");
  }
  if (packet.session.empty() || packet.status == 1) return out + "\n";
  absl::StrAppend(&out, "Acct-Session-Time = ", packet.seconds,
                  "\nAcct-Input-Octets = ", packet.out & UINT32_MAX,
                  "\nAcct-Output-Octets = ", packet.in & UINT32_MAX, "\n");
  if (packet.gigawords) {
    absl::StrAppend(&out, "Acct-Input-Gigawords = ", packet.out >> 32,
                    "\nAcct-Output-Gigawords = ", packet.in >> 32, "\n");
  }
  return out + "\n";
}

Traffic Generate(uint64_t seed, int64_t packets) {
  std::mt19937_64 random(seed);
  Traffic out;
  absl::TimeZone zone;
  absl::LoadTimeZone(kZone, &zone);
  for (int day = 0; day < 5; ++day) {
    out.days.push_back(absl::FromCivil(absl::CivilDay(2026, 10, 31) + day, zone));
  }
  const int64_t each = std::max<int64_t>(2, packets / (kServers * kPacketsOfUser));
  for (int server = 0; server < kServers; ++server) {
    std::vector<std::string> users;
    for (int64_t i = 0; i < each; ++i) users.push_back(absl::StrCat("u", server, "-", i));
    out.users.insert(out.users.end(), users.begin(), users.end());
    out.servers.push_back(Server(server, std::move(users), random, out).Run());
  }
  return out;
}

}  // namespace broadbill::radius
