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
  kNas,      // Accounting-On or -Off: of the access server itself, no counters
};

struct AccountingPacket {
  AccountingKind kind = AccountingKind::kReading;
  RadiusRecord record;  // with kReading
};

// The packet without what follows its own length in the datagram. Refused: another code than
// Accounting-Request, a length that is none, attributes that do not fill it.
absl::StatusOr<std::string_view> AccountingRequest(std::string_view datagram);

// Reads a packet that AccountingRequest gave. Without Event-Timestamp it happened at `received`
// less Acct-Delay-Time. `peer` tells access servers apart that name neither address nor identifier.
absl::StatusOr<AccountingPacket> ParseAccounting(std::string_view packet, absl::Time received,
                                                 const std::string& peer);

}  // namespace broadbill::rating
