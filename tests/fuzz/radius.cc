// RADIUS accounting packets as they come over UDP.

#include "services/rating/domain/radius.h"

#include <arpa/inet.h>

#include <map>

#include "tests/fuzz/fuzz.h"

namespace broadbill::rating {
namespace {

constexpr int64_t kReceived = 1772323200;

// The first attribute of each type.
std::map<uint8_t, std::string_view> AttributesOf(std::string_view packet) {
  std::map<uint8_t, std::string_view> out;
  for (size_t at = kRadiusHeaderBytes; at < packet.size();) {
    const auto size = static_cast<unsigned char>(packet[at + 1]);
    out.emplace(static_cast<uint8_t>(packet[at]), packet.substr(at + 2, size - 2U));
    at += size;
  }
  return out;
}

std::string Number(std::string_view bytes) {
  return std::to_string(fuzz::Bytes(bytes).Take(bytes.size()));
}

// As FreeRADIUS prints strings, with every byte that is not plain in octal.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out += c;
    } else {
      out += '\\';
      for (const int shift : {6, 3, 0}) out += static_cast<char>('0' + (byte >> shift & 7));
    }
  }
  return out + "\"";
}

std::string Address(int family, std::string_view bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  fuzz::Require(inet_ntop(family, bytes.data(), text, sizeof(text)) != nullptr, "an address");
  return text;
}

// The packet as the server writes it into its detail file. Empty: it has names or addresses that
// the file tells in another way.
std::string DetailOf(std::string_view packet) {
  struct Attribute {
    uint8_t type;
    const char* name;
  };
  static constexpr Attribute kNumbers[] = {
      {41, "Acct-Delay-Time"},   {42, "Acct-Input-Octets"},    {43, "Acct-Output-Octets"},
      {46, "Acct-Session-Time"}, {52, "Acct-Input-Gigawords"}, {53, "Acct-Output-Gigawords"},
      {55, "Event-Timestamp"}};
  static constexpr Attribute kTexts[] = {
      {1, "User-Name"}, {44, "Acct-Session-Id"}, {32, "NAS-Identifier"}};
  const auto attributes = AttributesOf(packet);
  std::string out = "Sun Mar  1 00:00:00 2026\n\tAcct-Status-Type = Interim-Update\n";
  const auto add = [&](const std::string& name, const std::string& value) {
    out += "\t" + name + " = " + value + "\n";
  };
  for (const auto& [type, name] : kNumbers) {
    if (attributes.count(type) > 0) add(name, Number(attributes.at(type)));
  }
  for (const auto& [type, name] : kTexts) {
    if (attributes.count(type) == 0) continue;
    if (attributes.at(type).empty() || !csv::IsText(attributes.at(type))) return "";
    add(name, Quoted(attributes.at(type)));
  }
  const bool v4 = attributes.count(4) > 0;
  const bool v6 = attributes.count(95) > 0;
  if ((v4 && attributes.at(4).size() != 4) || (v6 && attributes.at(95).size() != 16)) return "";
  if (v4) add("NAS-IP-Address", Address(AF_INET, attributes.at(4)));
  if (v6) add("NAS-IPv6-Address", Address(AF_INET6, attributes.at(95)));
  if (attributes.count(1) == 0 || (!v4 && !v6 && attributes.count(32) == 0)) return "";
  add("Timestamp", std::to_string(kReceived));
  return out;
}

// A packet that also comes in a file is the same record, so that it counts once.
void CheckDetail(std::string_view packet, const RadiusRecord& record) {
  const std::string text = DetailOf(packet);
  if (text.empty()) return;
  const auto parsed = ParseDetail(text, absl::UTCTimeZone());
  fuzz::Require(parsed.ok() && parsed->read == 1, "the file has the record");
  if (!IsRecordTime(record.sample.at)) return;
  fuzz::Require(parsed->records.size() == 1, "the file's record is taken as the packet's is");
  const RadiusRecord& other = parsed->records.front();
  fuzz::Require(other.user_name == record.user_name, "the file has the user");
  fuzz::Require(other.session_id == record.session_id, "the file has the session");
  fuzz::Require(other.sample == record.sample, "the file has the reading");
}

}  // namespace

FUZZ_TARGET(radius) {
  using fuzz::Require;
  const auto packet = AccountingRequest(input);
  if (!packet.ok()) return;
  Require(packet->size() >= kRadiusHeaderBytes && packet->size() <= kRadiusPacketBytesMax,
          "a packet has a size that a packet may have");
  Require(packet->data() == input.data() && packet->size() <= input.size(),
          "a packet is the front of its datagram");
  const auto alone = AccountingRequest(*packet);
  Require(alone.ok() && *alone == *packet, "what follows a packet is no part of it");
  const absl::Time received = absl::FromUnixSeconds(kReceived);
  const auto parsed = ParseAccounting(*packet, received, "192.0.2.1");
  if (!parsed.ok() || parsed->kind != AccountingKind::kReading) return;
  const RadiusRecord& record = parsed->record;
  fuzz::RequireName(record.session_id, 600);
  Require(record.user_name.size() <= 253 && csv::IsText(record.user_name), "a user name is text");
  Require(record.session_id.find('/') != std::string::npos, "a session is of an access server");
  const UsageSample& sample = record.sample;
  Require(sample.session_seconds >= 0 && sample.session_seconds <= UINT32_MAX,
          "session time has 32 bits");
  Require(sample.in_octets <= INT64_MAX && sample.out_octets <= INT64_MAX,
          "octets are not negative where they are kept");
  Require(sample.wide || (sample.in_octets <= UINT32_MAX && sample.out_octets <= UINT32_MAX),
          "counters without gigawords have 32 bits");
  // Event-Timestamp has 32 bits; without it the packet was delayed by as many seconds at most.
  Require(sample.at >= received - absl::Seconds(UINT32_MAX) &&
              sample.at <= absl::FromUnixSeconds(UINT32_MAX),
          "a reading was taken in an age with RADIUS");
  CheckDetail(*packet, record);
}

}  // namespace broadbill::rating
