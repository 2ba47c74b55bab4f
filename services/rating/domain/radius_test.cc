#include "services/rating/domain/radius.h"

#include <catch2/catch.hpp>

namespace broadbill::rating {
namespace {

const absl::Time kReceived = absl::FromUnixSeconds(1775001600);

std::string Int(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((value >> shift) & 255);
  return out;
}
std::string Attribute(int type, const std::string& value) {
  return std::string(1, static_cast<char>(type)) + static_cast<char>(value.size() + 2) + value;
}
std::string Packet(const std::string& attributes, char code = 4) {
  const size_t size = kRadiusHeaderBytes + attributes.size();
  return std::string(1, code) + '\x07' + static_cast<char>(size >> 8) +
         static_cast<char>(size & 255) + std::string(16, '\0') + attributes;
}
const std::string kSession = Attribute(1, "ann") + Attribute(4, "\x0a\x01\x02\x03") +
                             Attribute(44, "S1") + Attribute(46, Int(600));

RadiusRecord Reading(const std::string& attributes) {
  const std::string packet = Packet(attributes);
  const auto framed = AccountingRequest(packet);
  REQUIRE(framed.ok());
  const auto parsed = ParseAccounting(*framed, kReceived, "192.0.2.9");
  REQUIRE(parsed.ok());
  REQUIRE(parsed->kind == AccountingKind::kReading);
  return parsed->record;
}

TEST_CASE("A reading: gigawords, directions, the access server in the session id") {
  const RadiusRecord record =
      Reading(kSession + Attribute(40, Int(3)) + Attribute(42, Int(7)) + Attribute(52, Int(1)) +
              Attribute(43, Int(4294967295)) + Attribute(53, Int(2)));
  CHECK(record.user_name == "ann");
  CHECK(record.session_id == "10.1.2.3/S1");
  CHECK(record.sample.out_octets == 4294967303);
  CHECK(record.sample.in_octets == 12884901887);
  CHECK(record.sample.session_seconds == 600);
  CHECK(record.sample.wide);
  CHECK_FALSE(Reading(kSession + Attribute(40, Int(2))).sample.wide);
}

TEST_CASE("The time is the event's, else that of receipt less the delay") {
  const std::string stop = kSession + Attribute(40, Int(2)) + Attribute(41, Int(30));
  CHECK(Reading(stop).sample.at == kReceived - absl::Seconds(30));
  CHECK(Reading(stop + Attribute(55, Int(1775000000))).sample.at ==
        absl::FromUnixSeconds(1775000000));
}

TEST_CASE("An access server is known by address, by identifier, or by who sent the packet") {
  const std::string start = Attribute(1, "ann") + Attribute(44, "S") + Attribute(40, Int(1));
  CHECK(Reading(start + Attribute(32, "pop-1")).session_id == "pop-1/S");
  const std::string v6("\x20\x01\x0d\xb8\0\0\0\0\0\x01\0\0\0\0\0\x17", 16);
  CHECK(Reading(start + Attribute(95, v6)).session_id == "2001:db8::1:0:0:17/S");
  const std::string mapped = std::string(10, '\0') + "\xff\xff\xc0\x01\x02\x03";
  CHECK(Reading(start + Attribute(95, mapped)).session_id == "::ffff:192.1.2.3/S");
  CHECK(Reading(start + Attribute(95, std::string(16, '\0'))).session_id == "::/S");
  CHECK(Reading(start).session_id == "192.0.2.9/S");
  CHECK(Reading(Attribute(1, "\xff") + Attribute(44, "S") + Attribute(40, Int(1))).user_name ==
        "?");
}

TEST_CASE("Accounting-On and -Off are of the access server; tunnels are not billed") {
  const std::string nas = Attribute(4, "\x0a\x01\x02\x03") + Attribute(41, Int(30));
  for (const uint32_t status : {7U, 8U}) {
    const std::string packet = Packet(nas + Attribute(40, Int(status)));
    const auto parsed = ParseAccounting(packet, kReceived, "");
    REQUIRE(parsed.ok());
    CHECK(parsed->kind == AccountingKind::kRestart);
    CHECK(parsed->restart == NasRestart{"10.1.2.3", kReceived - absl::Seconds(30), status == 8});
  }
  const std::string tunnel = Packet(nas + Attribute(40, Int(9)));
  CHECK(ParseAccounting(tunnel, kReceived, "")->kind == AccountingKind::kOther);
}

TEST_CASE("What is answered and known again of a packet") {
  const std::string states = Attribute(33, "a") + Attribute(33, "bc");
  const std::string packet = Packet(Attribute(33, "a") + kSession + Attribute(33, "bc"));
  CHECK(ProxyStates(packet) == states);
  CHECK(AttributesOf(packet) == kSession);
  CHECK(AttributesOf(Packet(kSession + Attribute(41, Int(7)))) == kSession);
  // Octets that are no attributes stay.
  CHECK(AttributesOf(Packet(kSession + std::string("\x01\x09zz"))) ==
        kSession + std::string("\x01\x09zz"));
  CHECK(ProxyStates(Packet(std::string("\x21\x01", 2) + states)).empty());
}

TEST_CASE("Frames that are refused") {
  const std::string good = Packet(kSession);
  CHECK(AccountingRequest(good).ok());
  const std::string padded = good + "padding";
  CHECK(AccountingRequest(padded).value() == good);
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(AccountingRequest(std::string_view(good).substr(0, size)).ok());
  }
  CHECK_FALSE(AccountingRequest(Packet(kSession, 1)).ok());
}

TEST_CASE("Records that are refused") {
  for (const std::string& attributes :
       {Attribute(44, "S"), Attribute(44, "S") + Attribute(40, Int(16)),
        Attribute(44, "S") + Attribute(40, Int(2)), kSession + Attribute(40, Int(2)) + "\x01",
        kSession + Attribute(40, Int(2)) + std::string("\x01\x01", 2),
        kSession + Attribute(40, Int(2)) + std::string("\x01\x09zzz", 5),
        Attribute(1, "ann") + Attribute(40, Int(2)), kSession + Attribute(40, "\x02"),
        kSession + Attribute(40, Int(2)) + Attribute(52, Int(1U << 31))}) {
    const std::string packet = Packet(attributes);
    CHECK_FALSE(ParseAccounting(packet, kReceived, "").ok());
  }
}

}  // namespace
}  // namespace broadbill::rating
