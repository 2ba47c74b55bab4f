#include "services/rating/domain/cloud_events.h"

#include <catch2/catch.hpp>

#include "libs/status/error.h"
#include "services/rating/domain/json.h"

namespace broadbill::rating {
namespace {

std::string Event(const std::string& rest) {
  return R"({"specversion":"1.0","id":"e1","source":"gw","subject":"ann","type":"data.in",)"
         R"("time":"2026-03-01T12:00:00.5+01:00",)" +
         rest + "}";
}

// The octets of one event; -1 when it is wrong.
int64_t OctetsOf(const std::string& data) {
  const auto events = ParseCloudEvents(Event("\"data\":" + data), false, 1);
  REQUIRE(events.ok());
  return events->front().wrong.empty() ? events->front().record.octets : -1;
}

}  // namespace

TEST_CASE("octets of 63 bits stay exact, in each of their forms") {
  CHECK(OctetsOf("9223372036854775807") == 9223372036854775807);
  CHECK(OctetsOf("\"9007199254740993\"") == 9007199254740993);
  CHECK(OctetsOf(R"({"octets":9007199254740993,"unit":"B"})") == 9007199254740993);
  for (const char* wrong :
       {"-1", "1.5", "1e3", "9223372036854775808", "\"\"", "null", "{}", "[1]"}) {
    CHECK(OctetsOf(wrong) == -1);
  }
}

TEST_CASE("an event says when, whose and what; what it lacks is named") {
  const auto event = ParseCloudEvents(Event("\"data\":5"), false, 1);
  REQUIRE(event.ok());
  CHECK(event->front().record.at == absl::FromUnixMillis(1772362800500));
  CHECK(event->front().record.type == "data.in");
  const auto batch = ParseCloudEvents("[" + Event("\"data\":5") + ",{\"id\":\"x\"},7]", true, 3);
  REQUIRE(batch.ok());
  REQUIRE(batch->size() == 3);
  CHECK((*batch)[0].wrong.empty());
  CHECK((*batch)[1].wrong.size() == 6);
  CHECK((*batch)[1].wrong.front().first == "source");
  CHECK((*batch)[1].record.line == 1);
  CHECK((*batch)[2].wrong.size() == 1);
  CHECK_FALSE(ParseCloudEvents("[1,2]", true, 1).ok());
  CHECK_FALSE(ParseCloudEvents("[]", false, 1).ok());
  CHECK_FALSE(ParseCloudEvents("{}", true, 1).ok());
}

TEST_CASE("JSON is read as it is defined, and nothing else is") {
  const auto value =
      ParseJson(R"( {"a":[1,-0.5e+2,true,null,"x\"\\\/\n\u00e9\ud83d\ude00"],"b":{}} )");
  REQUIRE(value.ok());
  const JsonValue& a = value->fields[0].value;
  CHECK(a.items[0].text == "1");
  CHECK(a.items[1].text == "-0.5e+2");
  CHECK(a.items[2].kind == JsonValue::Kind::kBool);
  CHECK(a.items[3].kind == JsonValue::Kind::kNull);
  CHECK(a.items[4].text == "x\"\\/\n\xc3\xa9\xf0\x9f\x98\x80");
  CHECK(value->Find("b") != nullptr);
  CHECK(value->Find("c") == nullptr);
  for (const char* wrong :
       {"", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "01", "1.", "-", "+1", "tru", "\"a", "\"\\x\"",
        "\"\\ud800\"", "\"\\u0000\"", "\"\t\"", "1 2", "{'a':1}", "\"\xff\""}) {
    INFO(wrong);
    CHECK(ReasonOf(ParseJson(wrong).status()) == "MALFORMED_JSON");
  }
  CHECK(ParseJson(std::string(32, '[') + std::string(32, ']')).ok());
  CHECK_FALSE(ParseJson(std::string(1000000, '[')).ok());
}

}  // namespace broadbill::rating
