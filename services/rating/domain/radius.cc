#include "services/rating/domain/radius.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "libs/status/error.h"
#include "libs/status/macros.h"

namespace broadbill::rating {
namespace {

constexpr uint8_t kAccountingRequest = 4;

// Attribute types.
constexpr uint8_t kUserName = 1, kNasIpAddress = 4, kNasIdentifier = 32, kStatusType = 40,
                  kDelayTime = 41, kInputOctets = 42, kOutputOctets = 43, kSessionId = 44,
                  kSessionTime = 46, kInputGigawords = 52, kOutputGigawords = 53,
                  kEventTimestamp = 55, kNasIpv6Address = 95;

// Values of Acct-Status-Type.
constexpr uint32_t kStart = 1, kStop = 2, kInterimUpdate = 3, kAccountingOn = 7, kAccountingOff = 8;

uint32_t Number(std::string_view bytes) {
  uint32_t out = 0;
  for (const char byte : bytes) out = (out << 8) | static_cast<unsigned char>(byte);
  return out;
}

std::string Ipv4(std::string_view bytes) {
  const auto part = [&](size_t i) { return static_cast<int>(static_cast<uint8_t>(bytes[i])); };
  return absl::StrCat(part(0), ".", part(1), ".", part(2), ".", part(3));
}

// "2001:db8::1": the first of the longest runs of zero groups is left out, IPv4 in IPv6 stays IPv4.
std::string Ipv6(std::string_view bytes) {
  constexpr size_t kGroups = 8;
  const auto group = [&](size_t i) { return Number(bytes.substr(2 * i, 2)); };
  size_t begin = kGroups;
  size_t size = 1;  // a single zero group stays
  for (size_t from = 0; from < kGroups; ++from) {
    size_t to = from;
    while (to < kGroups && group(to) == 0) ++to;
    if (to - from > size) {
      begin = from;
      size = to - from;
    }
    from = std::max(from, to);
  }
  const bool v4 = begin == 0 && (size == 6 || (size == 5 && group(5) == 0xffff));
  std::string out;
  for (size_t i = 0; i < (v4 ? 6 : kGroups); ++i) {
    if (i == begin) {
      out += "::";
      i += size - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    absl::StrAppend(&out, absl::Hex(group(i)));
  }
  if (!v4) return out;
  return absl::StrCat(out, out.back() == ':' ? "" : ":", Ipv4(bytes.substr(12)));
}

class Attributes {
 public:
  // Of types that stand more than once the first counts.
  explicit Attributes(std::string_view packet) {
    for (std::string_view rest = packet.substr(kRadiusHeaderBytes); rest.size() >= 2;) {
      const auto size = static_cast<unsigned char>(rest[1]);
      values_.emplace(static_cast<uint8_t>(rest[0]), rest.substr(2, size - 2U));
      rest.remove_prefix(size);
    }
  }
  bool Has(uint8_t type) const { return values_.count(type) > 0; }
  std::string_view Get(uint8_t type) const {
    const auto found = values_.find(type);
    return found == values_.end() ? std::string_view() : found->second;
  }
  // 0 where it is absent.
  absl::StatusOr<uint32_t> Integer(uint8_t type, const char* name) const {
    if (!Has(type)) return uint32_t{0};
    if (Get(type).size() != 4) return InvalidField(name, "must have 4 bytes");
    return Number(Get(type));
  }
  absl::StatusOr<uint64_t> Octets(uint8_t low, uint8_t high, const char* name) const {
    ASSIGN_OR_RETURN(const uint32_t octets, Integer(low, name));
    ASSIGN_OR_RETURN(const uint32_t wraps, Integer(high, name));
    if (wraps >> 31 != 0) return InvalidField(name, "is more than can be counted");
    return (uint64_t{wraps} << 32) + octets;
  }
  // The access server, so that the same session id of two of them stays apart. Written as in
  // `detail` files, so that a packet that also comes in a file counts once.
  std::string Nas(const std::string& peer) const {
    const std::string_view v4 = Get(kNasIpAddress);
    if (v4.size() == 4) return Ipv4(v4);
    if (Get(kNasIpv6Address).size() == 16) return Ipv6(Get(kNasIpv6Address));
    if (!Get(kNasIdentifier).empty()) return std::string(Get(kNasIdentifier));
    return peer;
  }

 private:
  std::map<uint8_t, std::string_view> values_;
};

}  // namespace

absl::StatusOr<std::string_view> AccountingRequest(std::string_view datagram) {
  if (datagram.size() < kRadiusHeaderBytes) return InvalidField("length", "is below 20 bytes");
  if (static_cast<uint8_t>(datagram[0]) != kAccountingRequest) {
    return InvalidField("code", "must be 4, Accounting-Request");
  }
  const uint32_t length = Number(datagram.substr(2, 2));
  if (length < kRadiusHeaderBytes || length > kRadiusPacketBytesMax || length > datagram.size()) {
    return InvalidField("length", "is not that of the packet");
  }
  const std::string_view packet = datagram.substr(0, length);
  for (std::string_view rest = packet.substr(kRadiusHeaderBytes); !rest.empty();) {
    const size_t size = rest.size() < 2 ? 0 : static_cast<unsigned char>(rest[1]);
    if (size < 2 || size > rest.size()) {
      return InvalidField("attributes", "do not fill the packet");
    }
    rest.remove_prefix(size);
  }
  return packet;
}

absl::StatusOr<AccountingPacket> ParseAccounting(std::string_view packet, absl::Time received,
                                                 const std::string& peer) {
  const Attributes attributes(packet);
  AccountingPacket out;
  ASSIGN_OR_RETURN(const uint32_t status, attributes.Integer(kStatusType, "Acct-Status-Type"));
  if (status == kAccountingOn || status == kAccountingOff) {
    out.kind = AccountingKind::kNas;
    return out;
  }
  if (status != kStart && status != kStop && status != kInterimUpdate) {
    return InvalidField("Acct-Status-Type", "must be Start, Interim-Update, Stop or of the server");
  }
  const std::string_view session = attributes.Get(kSessionId);
  if (session.empty()) return InvalidField("Acct-Session-Id", "is required");
  const std::string nas = attributes.Nas(peer);
  out.record.user_name = csv::Printable(attributes.Get(kUserName), 253);
  out.record.session_id = csv::Printable(absl::StrCat(nas, "/", std::string(session)), 600);
  UsageSample& sample = out.record.sample;
  ASSIGN_OR_RETURN(const uint32_t seconds, attributes.Integer(kSessionTime, "Acct-Session-Time"));
  sample.session_seconds = seconds;
  // Input is what the access server received: the customer's upload.
  ASSIGN_OR_RETURN(sample.out_octets,
                   attributes.Octets(kInputOctets, kInputGigawords, "Acct-Input-Octets"));
  ASSIGN_OR_RETURN(sample.in_octets,
                   attributes.Octets(kOutputOctets, kOutputGigawords, "Acct-Output-Octets"));
  sample.wide = attributes.Has(kInputGigawords) || attributes.Has(kOutputGigawords);
  ASSIGN_OR_RETURN(const uint32_t stamp, attributes.Integer(kEventTimestamp, "Event-Timestamp"));
  ASSIGN_OR_RETURN(const uint32_t delay, attributes.Integer(kDelayTime, "Acct-Delay-Time"));
  sample.at = attributes.Has(kEventTimestamp)
                  ? absl::FromUnixSeconds(stamp)
                  : received - absl::Seconds(static_cast<int64_t>(delay));
  return out;
}

}  // namespace broadbill::rating
