#include "libs/ids/uuid.h"

#include <array>
#include <catch2/catch.hpp>

namespace broadbill {

TEST_CASE("ids ascend with time and within a millisecond, and are version 7") {
  const absl::Time now = absl::FromUnixMillis(1775001600000);
  Uuid last;
  for (int i = 0; i < 1000; ++i) {
    const Uuid id = Uuid::Make(now);
    CHECK(last < id);
    CHECK((id.bytes[6] >> 4) == 7);
    CHECK((id.bytes[8] >> 6) == 2);
    last = id;
  }
  CHECK(last < Uuid::Make(now + absl::Milliseconds(1)));
}

TEST_CASE("text and hex forms come back") {
  for (int i = 0; i < 200; ++i) {
    const Uuid id = Uuid::Make(absl::FromUnixMillis(1775001600000 + i * 977));
    const std::string text = id.ToText("inv");
    CHECK(text.size() == 30);
    REQUIRE(Uuid::Parse("inv", text).ok());
    CHECK(*Uuid::Parse("inv", text) == id);
    CHECK(*Uuid::FromHex(id.ToHex()) == id);
  }
  Uuid all;
  all.bytes.fill(0xff);
  CHECK(all.ToText("x") == "x_7zzzzzzzzzzzzzzzzzzzzzzzzz");
  CHECK(*Uuid::Parse("x", "x_7zzzzzzzzzzzzzzzzzzzzzzzzz") == all);
}

TEST_CASE("what is no id is refused") {
  for (const char* text :
       {"", "inv_", "inv_06dc", "acc_7zzzzzzzzzzzzzzzzzzzzzzzzz", "inv_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "inv_7zzzzzzzzzzzzzzzzzzzzzzzzu", "inv_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"}) {
    CHECK_FALSE(Uuid::Parse("inv", text).ok());
  }
}

TEST_CASE("the bucket function is what stored data relies on") {
  Uuid nil;
  CHECK(Bucket(nil) == Bucket(nil));
  std::array<int, kBuckets> counts{};
  for (int i = 0; i < 64000; ++i) ++counts[static_cast<size_t>(Bucket(Uuid::Make(absl::Now())))];
  for (const int count : counts) {
    CHECK(count > 800);
    CHECK(count < 1200);
  }
  const auto golden = Uuid::FromHex("0195f0c0-1234-7abc-8def-0123456789ab");
  REQUIRE(golden.ok());
  CHECK(Bucket(*golden) == 33);
}

}  // namespace broadbill
