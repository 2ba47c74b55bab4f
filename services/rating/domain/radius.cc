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
constexpr uint8_t kUserName = 1, kNasIpAddress = 4, kNasIdentifier = 32, kProxyState = 33,
                  kStatusType = 40, kDelayTime = 41, kInputOctets = 42, kOutputOctets = 43,
                  kSessionId = 44, kSessionTime = 46, kInputGigawords = 52, kOutputGigawords = 53,
                  kEventTimestamp = 55, kNasIpv6Address = 95;

// Values of Acct-Status-Type.
constexpr uint32_t kStart = 1, kStop = 2, kInterimUpdate = 3, kAccountingOn = 7, kAccountingOff = 8,
                   kTunnelStart = 9, kFailed = 15;

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

// Takes the attribute in front: type, length, value. Empty at the end and where none fits.
std::string_view Next(std::string_view& rest) {
  const size_t size = rest.size() < 2 ? 0 : static_cast<unsigned char>(rest[1]);
  if (size < 2 || size > rest.size()) return {};
  const std::string_view out = rest.substr(0, size);
  rest.remove_prefix(size);
  return out;
}

class Attributes {
 public:
  // Of types that stand more than once the first counts.
  explicit Attributes(std::string_view packet) {
    rest_ = packet.substr(kRadiusHeaderBytes);
    for (std::string_view one = Next(rest_); !one.empty(); one = Next(rest_)) {
      values_.emplace(static_cast<uint8_t>(one[0]), one.substr(2));
    }
  }
  // Whether they fill the packet.
  bool whole() const { return rest_.empty(); }
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

  // Event-Timestamp, else `received` less Acct-Delay-Time.
  absl::StatusOr<absl::Time> Moment(absl::Time received) const {
    ASSIGN_OR_RETURN(const uint32_t stamp, Integer(kEventTimestamp, "Event-Timestamp"));
    ASSIGN_OR_RETURN(const uint32_t delay, Integer(kDelayTime, "Acct-Delay-Time"));
    if (Has(kEventTimestamp)) return absl::FromUnixSeconds(stamp);
    const absl::Time at = received - absl::Seconds(static_cast<int64_t>(delay));
    if (!IsRecordTime(at)) return InvalidField("Acct-Delay-Time", "reaches back before 1970");
    return at;
  }

 private:
  std::string_view rest_;
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
  return datagram.substr(0, length);
}

std::string ProxyStates(std::string_view packet) {
  std::string out;
  std::string_view rest = packet.substr(kRadiusHeaderBytes);
  for (std::string_view one = Next(rest); !one.empty(); one = Next(rest)) {
    if (static_cast<uint8_t>(one[0]) == kProxyState) out += one;
  }
  return out;
}

std::string AttributesOf(std::string_view packet) {
  std::string out;
  std::string_view rest = packet.substr(kRadiusHeaderBytes);
  for (std::string_view one = Next(rest); !one.empty(); one = Next(rest)) {
    const auto type = static_cast<uint8_t>(one[0]);
    if (type != kDelayTime && type != kProxyState) out += one;
  }
  return out + std::string(rest);
}

absl::StatusOr<AccountingPacket> ParseAccounting(std::string_view packet, absl::Time received,
                                                 const std::string& peer) {
  const Attributes attributes(packet);
  if (!attributes.whole()) return InvalidField("attributes", "do not fill the packet");
  AccountingPacket out;
  ASSIGN_OR_RETURN(const uint32_t status, attributes.Integer(kStatusType, "Acct-Status-Type"));
  if (status == kAccountingOn || status == kAccountingOff) {
    out.kind = AccountingKind::kRestart;
    ASSIGN_OR_RETURN(out.restart.at, attributes.Moment(received));
    out.restart.nas = csv::Printable(attributes.Nas(peer), 600);
    out.restart.off = status == kAccountingOff;
    return out;
  }
  if (status >= kTunnelStart && status <= kFailed) {
    out.kind = AccountingKind::kOther;
    return out;
  }
  if (status != kStart && status != kStop && status != kInterimUpdate) {
    return InvalidField("Acct-Status-Type", "must be Start, Interim-Update, Stop or of the server");
  }
  const std::string_view session = attributes.Get(kSessionId);
  if (session.empty()) return InvalidField("Acct-Session-Id", "is required");
  if (attributes.Get(kUserName).empty()) return InvalidField("User-Name", "is required");
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
  ASSIGN_OR_RETURN(sample.at, attributes.Moment(received));
  return out;
}

}  // namespace broadbill::rating
