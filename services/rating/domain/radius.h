#pragma once

// RADIUS accounting packets (RFC 2866, RFC 2869) as bytes. Who may send and what stands in the
// authenticator is checked by app/radius_listener.

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/rating/domain/records.h"

namespace broadbill::rating {

inline constexpr size_t kRadiusHeaderBytes = 20;
inline constexpr size_t kRadiusPacketBytesMax = 4096;

// What a packet reports.
enum class AccountingKind {
  kReading,  // Start, Interim-Update or Stop: counters of a session
  kRestart,  // Accounting-On or -Off: of the access server itself, no counters
  kOther,    // of tunnels and failures: nothing that is billed
};

struct AccountingPacket {
  AccountingKind kind = AccountingKind::kReading;
  RadiusRecord record;  // with kReading
  NasRestart restart;   // with kRestart
};

// The packet without what follows its own length in the datagram. Refused: another code than
// Accounting-Request, a length that is none.
absl::StatusOr<std::string_view> AccountingRequest(std::string_view datagram);

// Reads a packet that AccountingRequest gave. Refused: attributes that do not fill it, a reading
// without session, user or status, numbers that are none. Without Event-Timestamp it happened at
// `received` less Acct-Delay-Time. `peer` tells access servers apart that name neither address nor
// identifier.
absl::StatusOr<AccountingPacket> ParseAccounting(std::string_view packet, absl::Time received,
                                                 const std::string& peer);

// The packet's Proxy-State attributes, which an answer repeats unchanged and in order.
std::string ProxyStates(std::string_view packet);

// What stays the same when the packet is sent again: its attributes without Acct-Delay-Time.
std::string AttributesOf(std::string_view packet);

}  // namespace broadbill::rating
