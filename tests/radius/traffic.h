#pragma once

// Accounting packets of made-up access servers over three days, and what their subscribers used:
// the truth to the byte, kept apart from the code that counts.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace broadbill::radius {

inline constexpr char kZone[] = "America/Chicago";

struct Packet {
  int status = 0;       // Acct-Status-Type
  std::string address;  // of the access server; with ':' it has IPv6
  std::string session, user;
  int64_t at = 0;            // Event-Timestamp
  int64_t seconds = 0;       // Acct-Session-Time; a Start has none
  uint64_t in = 0, out = 0;  // of the customer
  bool gigawords = true;
  int64_t delay = 0;   // Acct-Delay-Time
  bool again = false;  // the very same datagram once more
};

// The attributes as octets, and in radclient's form.
std::string Attributes(const Packet& packet);
std::string Text(const Packet& packet);

struct Bytes {
  uint64_t in = 0, out = 0;
  bool operator==(const Bytes&) const = default;
};

struct Traffic {
  std::vector<std::vector<Packet>> servers;  // by access server, in the order they are sent
  std::vector<std::string> users;
  std::vector<absl::Time> days;                     // starts of local days, one more than days
  std::map<std::string, std::vector<Bytes>> truth;  // by user and day
  int64_t packets = 0, duplicates = 0, sessions = 0, lost = 0, restarts = 0;
};

// About `packets` packets, always the same for a seed.
Traffic Generate(uint64_t seed, int64_t packets);

}  // namespace broadbill::radius
