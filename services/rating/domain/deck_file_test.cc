#include "services/rating/domain/deck_file.h"

#include <catch2/catch.hpp>

namespace broadbill::rating {

TEST_CASE("a deck's file: rates, what is left out, what is refused") {
  const auto deck = ParseDeck(
      "Prefix,Destination,rate_per_minute,connect_fee,first_increment,valid_to,window\n"
      "+44,UK,0.02,,,,\n"
      "44,UK,0.01,0.05,30,2026-06-01,night\n"
      "49,Germany,0.03,,0,,\n"
      "33,France,0.03,,,,weekend\n"
      "44,UK again,0.03,,,,\n",
      CivilDay(2026, 3, 1), {"night"});
  REQUIRE(deck.ok());
  CHECK(deck->read == 5);
  REQUIRE(deck->records.size() == 2);
  const DeckRate& all = deck->records[0];
  CHECK(all.prefix == "44");
  CHECK(all.per_minute_micros == 20000);
  CHECK(all.first_increment == 60);
  CHECK(all.valid_from == CivilDay(2026, 3, 1));
  CHECK(all.valid_to == CivilDay::max());
  const DeckRate& night = deck->records[1];
  CHECK(night.connect_micros == 50000);
  CHECK(night.first_increment == 30);
  CHECK(night.valid_to == CivilDay(2026, 6, 1));
  CHECK(night.window == "night");
  REQUIRE(deck->errors.size() == 3);
  CHECK(deck->errors[0].column == "first_increment");
  CHECK(deck->errors[1].column == "window");
  CHECK(deck->errors[2].reason == "DUPLICATE_ROW");
}

TEST_CASE("amounts of a deck that no call can be charged with are refused, not cut to 64 bits") {
  const auto deck = ParseDeck(
      "prefix,destination,rate_per_minute,connect_fee\n"
      "1,USA,99999999999999999999,0\n"
      "44,UK,0.02,18446744073709.551617\n"
      "49,Germany,1000000000,1000000000\n",
      CivilDay(2026, 3, 1), {});
  REQUIRE(deck.ok());
  REQUIRE(deck->errors.size() == 2);
  CHECK(deck->errors[0].column == "rate_per_minute");
  CHECK(deck->errors[1].column == "connect_fee");
  REQUIRE(deck->records.size() == 1);
  CHECK(deck->records[0].per_minute_micros == kRateMicrosMax);
}

}  // namespace broadbill::rating
